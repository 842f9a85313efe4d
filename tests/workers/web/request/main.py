import js
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kind = request.url.rpartition("/")[2]
        if kind == "json":
            data = await request.json()
            return Response.json({"got": data, "method": request.method, "x": request.headers.get("x-test")})
        if kind == "text":
            return Response((await request.text()).upper(), status=202, headers={"x-one": "1"})
        if kind == "bytes":
            return Response(bytes(reversed(await request.bytes())))
        if kind == "echo":
            # The body is handed on, unread.
            return js.Response.new(request.js_object.body, headers=js.Headers.new([["x-echo", "yes"]]))
        if kind == "empty":
            return Response(None, status=204)
        if kind == "cookies":
            return js.Response.new("", headers=js.Headers.new([["set-cookie", "a=1"], ["set-cookie", "b=2"]]))
        return Response.redirect("https://example.com/there", 307)
