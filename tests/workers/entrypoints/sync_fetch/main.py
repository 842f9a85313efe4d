from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    def fetch(self):
        return Response("neither async nor taking the request")
