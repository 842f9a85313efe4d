from workers import Response, WorkerEntrypoint


def wait_for_ever():
    while True:
        pass


wait_for_ever()


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("never")
