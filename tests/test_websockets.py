"""WebSockets from Python Workers, with the PyPI package `websockets` on the other side."""

import asyncio
import hashlib
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from harness.processes import eventually
from harness.server import Server

WORKER = """
    import asyncio
    import hashlib
    from js import Response as JsResponse, WebSocketPair
    from pyodide.ffi import create_proxy, to_js
    from workers import Response, WorkerEntrypoint

    closed = []
    opened = 0


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            global opened
            path = request.url.split("?")[0].rsplit("/", 1)[1]
            if path == "closed":
                return Response.json(closed)
            client, server = WebSocketPair.new().object_values()
            if path == "late":
                asyncio.get_running_loop().call_later(0.2, server.accept)
            elif path != "never":
                server.accept()
            server.binaryType = "arraybuffer"
            opened += 1
            getattr(self, path)(server)

            def on_close(event):
                closed.append([path, event.code, event.reason, event.wasClean])

            server.addEventListener("close", create_proxy(on_close))
            return JsResponse.new(None, status=101, webSocket=client)

        def echo(self, server):
            def on_message(event):
                data = event.data
                server.send(data if isinstance(data, str) else to_js(data.to_bytes()))

            server.addEventListener("message", create_proxy(on_message))

        late = echo

        def never(self, server):
            pass

        def digest(self, server):
            def on_message(event):
                data = event.data
                data = data.encode() if isinstance(data, str) else data.to_bytes()
                server.send(f"{len(data)} {hashlib.sha256(data).hexdigest()}")

            server.onmessage = on_message

        def greet(self, server):
            server.send("hello")
            server.send(to_js(b"bytes"))

        def leave(self, server):
            server.send("last words")
            server.close(4001, "that was all")

        def fail(self, server):
            def on_message(event):
                raise ValueError("a handler fails")

            server.onmessage = on_message

        def flood(self, server):
            piece = to_js(b"x" * 1_000_000)

            def on_message(event):
                for _ in range(int(event.data)):
                    server.send(piece)

            server.onmessage = on_message

        def ask(self, server):
            async def answer(question):
                await asyncio.sleep(0.01)
                server.send(f"answer to {question}")

            def on_message(event):
                asyncio.ensure_future(answer(event.data))

            server.onmessage = on_message
"""


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER))


@contextmanager
def connected(server: Server, path: str, **options: object) -> Iterator[ClientConnection]:
    url = server.url.replace("http", "ws", 1) + "/" + path
    with connect(url, max_size=None, **options) as client:  # type: ignore[arg-type]
        yield client


def closes(server: Server, path: str, count: int = 1) -> list[list[object]]:
    """The close events that the Worker has seen on a path."""

    def seen() -> list[list[object]]:
        return [entry for entry in server.get("/closed").json() if entry[0] == path]

    eventually(lambda: len(seen()) >= count, f"{count} close events on {path}")
    return seen()


def test_text_and_bytes_are_echoed(server: Server) -> None:
    with connected(server, "echo") as client:
        for message in ["text", "", "ünïcödé 🦄", b"bytes", b"", bytes(range(256))]:
            client.send(message)
            assert client.recv(5) == message
    assert closes(server, "echo") == [["echo", 1000, "", True]]


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 300_000, 5_000_000])
def test_messages_of_every_size_arrive_whole(server: Server, size: int, compression: str | None) -> None:
    noise = random.Random(size).randbytes(size)
    text = ("åé🦄" * size)[:size]
    with connected(server, "echo", compression=compression) as client:
        client.send(noise)
        assert client.recv(20) == noise
        client.send(text)
        assert client.recv(20) == text
        client.send([text[:7], "", text[7:100], text[100:]])
        assert client.recv(20) == text


def test_what_a_worker_sends_at_once_arrives_first(server: Server) -> None:
    with connected(server, "greet") as client:
        assert client.recv(5) == "hello"
        assert client.recv(5) == b"bytes"


def test_what_arrives_before_accept_waits_for_it(server: Server) -> None:
    with connected(server, "late") as client:
        client.send("one")
        client.send("two")
        assert [client.recv(5), client.recv(5)] == ["one", "two"]


def test_a_worker_closes_with_code_and_reason(server: Server) -> None:
    with connected(server, "leave") as client:
        assert client.recv(5) == "last words"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(5)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "that was all")
    assert closes(server, "leave") == [["leave", 4001, "that was all", True]]


def test_a_client_closes_with_code_and_reason(server: Server) -> None:
    with connected(server, "echo") as client:
        client.close(3456, "enough")
    assert closes(server, "echo") == [["echo", 3456, "enough", True]]


def test_a_client_that_vanishes_is_noticed(server: Server) -> None:
    with connected(server, "echo") as client:
        client.send("x")
        client.recv(5)
        client.socket.shutdown(socket.SHUT_RDWR)
    reason = "WebSocket disconnected without sending Close frame."
    assert closes(server, "echo") == [["echo", 1006, reason, False]]


def test_a_handler_that_raises_leaves_the_connection_open(server: Server) -> None:
    with connected(server, "fail") as client:
        client.send("x")
        server.wait_for_log("ValueError: a handler fails")
        assert client.ping().wait(5)


def test_tasks_of_a_handler_may_answer_later(server: Server) -> None:
    with connected(server, "ask") as client:
        for number in range(5):
            client.send(str(number))
        assert sorted(str(client.recv(5)) for _ in range(5)) == [f"answer to {number}" for number in range(5)]


def test_a_slow_client_gets_everything(server: Server) -> None:
    with connected(server, "flood", compression=None) as client:
        client.send("30")
        server.get("/closed")
        for _ in range(30):
            assert client.recv(10) == b"x" * 1_000_000


def test_an_ordinary_request_gets_no_socket(server: Server) -> None:
    answer = server.get("/echo")
    assert answer.status_code == 500
    assert 'did not contain the header "Upgrade: websocket"' in answer.text


def test_a_bad_handshake_is_refused(server: Server) -> None:
    headers = {"connection": "upgrade", "upgrade": "websocket"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    version = {"sec-websocket-version": "13"}
    assert server.get("/echo", headers={**headers, **key}).status_code == 426
    assert server.get("/echo", headers={**headers, **version}).status_code == 400
    with connected(server, "echo") as client:
        client.send("still here")
        assert client.recv(5) == "still here"
