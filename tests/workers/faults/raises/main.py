from workers import Response, WorkerEntrypoint


class Refused(Exception):
    pass


def deep(path):
    if path.endswith("/raise"):
        raise Refused(f"no {path[-6:]}")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        deep(request.url)
        if request.url.endswith("/javascript"):
            import js

            js.JSON.parse("{")
        return Response("fine")
