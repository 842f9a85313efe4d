from js import Headers, Response
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("/page"):
            # Keyword arguments become the options object that JavaScript expects last.
            headers = Headers.new({"content-type": "text/html;charset=UTF-8", "x-made-by": "python"}.items())
            return Response.new("<h1>Made</h1>", status=201, statusText="Made", headers=headers)
        return Response.new("Hello World!")
