"""A question to a server that speaks lines over TCP, and a tunnel to it."""

import js
from js import TextDecoder, TextEncoder
from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint, import_from_javascript

connect = import_from_javascript("cloudflare:sockets").connect


async def lines(readable):
    """The lines that come through a socket."""
    decoder, rest = TextDecoder.new(), ""
    async for chunk in readable:
        *whole, rest = (rest + decoder.decode(chunk, stream=True)).split("\n")
        for line in whole:
            yield line
    if rest:
        yield rest


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        socket = connect(self.env.SERVER, allowHalfOpen=True)
        try:
            await socket.opened
        except JsException as error:
            return Response(f"{self.env.SERVER} can't be reached: {error.message}\n", status=502)
        if request.method == "POST":
            # Both ways at once. What comes from the server is not here at all.
            self.ctx.waitUntil(request.js_object.body.pipeTo(socket.writable))
            return js.Response.new(socket.readable)
        question = request.url.partition("://")[2].partition("/")[2]
        writer = socket.writable.getWriter()
        await writer.write(TextEncoder.new().encode(f"{question}\n"))
        async for line in lines(socket.readable):
            await socket.close()
            return Response(f"{line}\n")
        return Response("the server said nothing\n", status=502)
