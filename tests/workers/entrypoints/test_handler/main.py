from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("fetched")

    async def test(self):
        assert 1 + 1 == 2
