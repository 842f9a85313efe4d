"""The SDK's adapters in their `fetch` forms, with applications that need no framework."""

from workers import WorkerEntrypoint, asgi, wsgi


async def asynchronous(scope, receive, send):
    assert scope["type"] == "http"  # and so the lifespan is declined
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    told = f"{scope['env'].GREETING} {scope['method']} {scope['path']}?{scope['query_string'].decode()} {body.decode()}"
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for part in told.split(" "):
        await send({"type": "http.response.body", "body": part.encode() + b";", "more_body": True})
    await send({"type": "http.response.body"})


def synchronous(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length).decode()
    greeting = environ["workers.env"].GREETING
    told = f"{greeting} {environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} {body}"
    write = start_response("202 Of Its Own", [("content-type", "text/plain")])
    write(b"written;")
    return (part.encode() + b";" for part in told.split(" "))


def failing(environ, start_response):
    start_response("200 OK", [])
    raise ValueError("before a byte")
    yield b""


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if "/asgi" in request.url:
            return await asgi.fetch(asynchronous, request, self.env, self.ctx)
        if "/wsgi" in request.url:
            return await wsgi.fetch(synchronous, request, self.env)
        return await wsgi.fetch(failing, request, self.env)
