from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        match request.url.rpartition("/")[2]:
            case "number":
                return 42
            case "nothing":
                return None
            case "string":
                return "text"
            case "dict":
                return {"status": 200}
        return Response("fine")
