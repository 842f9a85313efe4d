"""WebSockets and event streams that a Worker opens itself, with servers of the PyPI package `websockets` and of http.server."""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websockets

from harness.server import Server

WORKER = """
    import asyncio
    from urllib.parse import unquote
    import js
    from js import Headers, WebSocket
    from pyodide.ffi import JsException, create_proxy, to_js
    from workers import Response, WorkerEntrypoint


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path, _, target = request.url.partition("?")
            return await getattr(self, path.rsplit("/", 1)[1])(unquote(target), request)

        async def talk(self, target, request):
            url, _, protocols = target.partition("|")
            socket = WebSocket.new(url, to_js(protocols.split(","))) if protocols else WebSocket.new(url)
            socket.binaryType = "arraybuffer"
            log = [["state", socket.readyState]]
            over = asyncio.get_running_loop().create_future()

            def on_open(event):
                log.append(["open", socket.readyState, socket.protocol])
                socket.send("hello")
                socket.send(to_js(b"bytes"))

            def on_message(event):
                data = event.data
                log.append(["message", data if isinstance(data, str) else data.to_bytes().decode(), event.origin])
                if len(log) == 4:
                    socket.close(4000, "enough")

            def on_close(event):
                log.append(["close", event.code, event.reason, event.wasClean, socket.readyState])
                over.set_result(None)

            socket.onopen = on_open
            socket.onmessage = on_message
            socket.onclose = on_close
            socket.onerror = lambda event: log.append(["error", event.message])
            await over
            return Response.json(log)

        async def hasty(self, target, request):
            # What is done to a socket that isn't open yet.
            socket = WebSocket.new(target)
            log = []
            over = asyncio.get_running_loop().create_future()
            socket.onopen = lambda event: log.append(["open"])
            socket.onerror = lambda event: log.append(["error", event.message])
            socket.onclose = lambda event: over.set_result(log.append(["close", event.code, socket.readyState]))
            try:
                socket.send("too early")
            except JsException as error:
                log.append([error.name])
            socket.close()
            log.append(["state", socket.readyState])
            socket.close()
            await over
            await asyncio.sleep(0.3)
            return Response.json(log)

        async def upgrade(self, target, request):
            answer = await js.fetch(target, headers=Headers.new({"Upgrade": "websocket"}.items()))
            socket = answer.webSocket
            if not socket:
                return Response.json([answer.status, await answer.text()])
            got = asyncio.get_running_loop().create_future()
            socket.addEventListener("message", create_proxy(lambda event: got.done() or got.set_result(event.data)))
            socket.accept()
            socket.send("question")
            text = await got
            socket.close()
            return Response.json([answer.status, text])

        async def through(self, target, request):
            return await js.fetch(target, headers=Headers.new({"Upgrade": "websocket"}.items()))

        async def events(self, target, request):
            source = js.EventSource.new(target)
            log = []
            over = asyncio.get_running_loop().create_future()

            def on_message(event):
                log.append([event.type, event.data, event.lastEventId, event.origin])
                if event.data == "last":
                    source.close()
                    over.set_result(None)

            def on_error(event):
                log.append(["error", event.message, source.readyState])
                if source.readyState == 2:
                    over.set_result(None)

            source.onopen = lambda event: log.append(["open", source.readyState])
            source.onmessage = on_message
            source.addEventListener("named", create_proxy(on_message))
            source.onerror = on_error
            await over
            return Response.json(log)
"""


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER))


@contextmanager
def peer(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A WebSocket server; its address without the scheme."""
    with serve_websockets(handler, "127.0.0.1", 0, max_size=None, **options) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            host, port = running.socket.getsockname()
            yield f"{host}:{port}"
        finally:
            running.shutdown()
            thread.join()


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_worker_talks_to_a_server(server: Server, compression: str | None) -> None:
    with peer(echo, compression=compression) as address:
        log = server.get(f"/talk?ws://{address}/path").json()
    origin = f"ws://{address}"
    assert log == [
        ["state", 0],
        ["open", 1, ""],
        ["message", "hello", origin],
        ["message", "bytes", origin],
        ["close", 4000, "enough", True, 3],
    ]


def test_a_protocol_is_agreed_on(server: Server) -> None:
    with peer(echo, subprotocols=["chat.v2"]) as address:
        log = server.get(f"/talk?ws://{address}/|chat.v1,chat.v2").json()
    assert log[1] == ["open", 1, "chat.v2"]


def test_a_socket_that_is_closed_before_it_is_open_never_opens(server: Server) -> None:
    with peer(echo) as address:
        assert server.get(f"/hasty?ws://{address}/").json() == [
            ["InvalidStateError"],
            ["state", 2],
            ["error", "Uncaught AbortError: Called close before connection was established."],
            ["close", 1006, 3],
        ]


def test_the_name_and_the_password_of_an_address_are_sent(server: Server) -> None:
    asked: list[str | None] = []

    def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request.headers.get("authorization"))
        echo(connection)

    with peer(handler) as address:
        assert server.get(f"/talk?ws://us%C3%A9r:p%253Aw@{address}/").json()[1] == ["open", 1, ""]
        server.get(f"/talk?ws://{address}/")
    assert asked == ["Basic " + base64.b64encode("usér:p:w".encode()).decode(), None]


def test_a_server_that_is_not_there_is_an_error(server: Server) -> None:
    log = server.get("/talk?ws://127.0.0.1:9/").json()
    assert [entry[0] for entry in log] == ["state", "error", "close"]
    assert log[2] == ["close", 1006, "Failed to establish websocket connection", False, 3]


def test_a_server_that_answers_otherwise_is_an_error(server: Server) -> None:
    with pages() as (address, _):
        log = server.get(f"/talk?ws://{address}/plain").json()
        assert "but received 200 instead" in log[1][1]
        assert log[2][:2] == ["close", 1006]
        assert server.get(f"/upgrade?http://{address}/plain").json() == [200, "plain"]


def test_a_server_that_vanishes_is_noticed(server: Server) -> None:
    def vanish(connection: ServerConnection) -> None:
        connection.recv()
        connection.socket.close()

    with peer(vanish) as address:
        log = server.get(f"/talk?ws://{address}/").json()
    assert log[-1] == ["close", 1006, "WebSocket disconnected without sending Close frame.", False, 3]


def test_a_server_that_closes_is_heard(server: Server) -> None:
    def close(connection: ServerConnection) -> None:
        connection.close(3210, "go away")

    with peer(close) as address:
        log = server.get(f"/talk?ws://{address}/").json()
    assert log[-1] == ["close", 3210, "go away", True, 3]


def test_fetch_asks_for_an_upgrade(server: Server) -> None:
    with peer(echo) as address:
        assert server.get(f"/upgrade?http://{address}/").json() == [101, "question"]


def test_a_connection_may_pass_through(server: Server) -> None:
    with peer(echo) as address:
        url = server.url.replace("http", "ws", 1) + f"/through?http://{address}/"
        with connect(url, max_size=None) as client:
            for message in ["text", b"bytes", "x" * 3_000_000]:
                client.send(message)
                assert client.recv(20) == message
            client.close(4321, "done")


@contextmanager
def pages() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server of plain pages and of events; its address, and the headers of each request for events."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/events":
                asked.append({name.lower(): value for name, value in self.headers.items()})
                first = len(asked) == 1
                body = "retry: 1000\n\nid: 7ü\ndata: one\n\nevent: named\ndata: two\n\n" if first else "data: last\n\n"
                self.answer("text/event-stream; charset=utf-8", body)
            else:
                self.answer("text/plain", self.path[1:])

        def answer(self, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{running.server_port}", asked
        finally:
            running.shutdown()
            thread.join()


def test_an_event_source_comes_again_where_it_was(server: Server) -> None:
    with pages() as (address, asked):
        log = server.get(f"/events?http://{address}/events").json()
    origin = f"http://{address}"
    assert log == [
        ["open", 1],
        ["message", "one", "7ü", origin],
        ["named", "two", "7ü", origin],
        ["error", "The server disconnected.", 0],
        ["open", 1],
        ["message", "last", "7ü", origin],
    ]
    assert [headers["accept"] for headers in asked] == ["text/event-stream"] * 2
    assert "last-event-id" not in asked[0]
    assert asked[1]["last-event-id"].encode("latin-1").decode() == "7ü"


def test_an_event_source_gives_up_what_is_no_event_stream(server: Server) -> None:
    with pages() as (address, _):
        log = server.get(f"/events?http://{address}/plain").json()
    assert log == [["error", "The content type 'text/plain' is invalid.", 2]]
