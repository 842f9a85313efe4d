import itertools
import json
from urllib.parse import parse_qs, urlsplit

from js import Response as JsResponse
from js import WebSocketPair
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

from page import PAGE

# The sockets of who is in the room. Each isolate has its own: see README.md.
people = {}
numbers = itertools.count()


def tell_everyone(kind, **message):
    text = json.dumps({"kind": kind, **message})
    for socket in people.values():
        socket.send(text)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        if url.path == "/":
            return Response(PAGE, headers={"content-type": "text/html; charset=utf-8"})
        if url.path != "/chat":
            return Response("Not found", status=404)
        if (request.headers.get("upgrade") or "").lower() != "websocket":
            return Response("This is for WebSockets.", status=426)
        name = parse_qs(url.query).get("name", ["somebody"])[0][:40]
        client, server = WebSocketPair.new().object_values()
        server.accept()
        join(server, name)
        return JsResponse.new(None, status=101, webSocket=client)


def join(socket, name):
    number = next(numbers)

    def on_message(event):
        text = event.data
        if isinstance(text, str) and 0 < len(text) <= 1000:
            tell_everyone("said", name=name, text=text)

    # Also when the other side vanishes: the code is 1006 then.
    def on_close(event):
        people.pop(number, None)
        tell_everyone("left", name=name, count=len(people))
        for proxy in proxies:
            proxy.destroy()

    proxies = [create_proxy(on_message), create_proxy(on_close)]
    socket.addEventListener("message", proxies[0])
    socket.addEventListener("close", proxies[1])
    people[number] = socket
    tell_everyone("came", name=name, count=len(people))
