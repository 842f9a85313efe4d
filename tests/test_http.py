"""Bodies and connections end to end: sizes, streaming in both directions, limits, concurrency."""

import concurrent.futures
import hashlib
import http.client
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness.server import Server

WORKER = """
    import asyncio, hashlib

    import js
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path = request.url.rpartition("/")[2].partition("?")[0]
            return await getattr(self, path)(request)

        async def digest(self, request):
            body = await request.bytes()
            return Response(f"{len(body)} {hashlib.sha256(body).hexdigest()}")

        async def echo(self, request):
            return Response(bytes(await request.bytes()))

        async def through(self, request):
            return js.Response.new(request.js_object.body)

        async def chunks(self, request):
            length = 0
            async for chunk in request.js_object.body:
                print(f"chunk after {length}")
                length += chunk.length
            return Response(str(length))

        async def slowly(self, request):
            return js.Response.new(self.numbers(1000))

        async def three(self, request):
            return js.Response.new(self.numbers(3))

        def numbers(self, count):
            # A stream that a Python function fills when it is read.
            state = {"next": 0}

            async def pull(controller):
                if state["next"] == count:
                    controller.close()
                    return
                controller.enqueue(js.TextEncoder.new().encode(f"number {state['next']}\\n"))
                state["next"] += 1
                await asyncio.sleep(0.05)

            def cancel(*reason):
                print("the stream was cancelled")

            return js.ReadableStream.new(pull=create_proxy(pull), cancel=create_proxy(cancel))

        async def headers(self, request):
            return Response.json(sorted([name, value] for name, value in request.headers.items()))

        async def host(self, request):
            return Response(request.url)
"""


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER))


SIZES = [0, 1, 1000, 16 * 1024, 64 * 1024 + 1, 1024 * 1024, 9 * 1024 * 1024 + 7]


@pytest.mark.parametrize("size", SIZES)
def test_bodies_of_every_size_arrive_whole(server: Server, size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert server.post("/digest", content=body).text == f"{size} {hashlib.sha256(body).hexdigest()}"
    assert server.post("/echo", content=body).content == body
    assert while_sending(server, "/through", body) == body


def while_sending(server: Server, path: str, body: bytes) -> bytes:
    """The answer to a request whose client reads while it sends. Who passes a body on holds no more of it than the sockets do, so
    that one who reads only after that would stand still with a large one, as before workerd."""
    with socket.create_connection(server.address, timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        sending = threading.Thread(target=connection.sendall, args=(head.encode() + body,))
        sending.start()
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        got = answer.read()
        sending.join()
    return got


def test_a_body_of_unknown_length_arrives_whole(server: Server) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(200):
            yield b"%d " % number * 50

    whole = b"".join(pieces())
    assert server.post("/echo", content=pieces()).content == whole


def test_a_request_is_read_while_it_is_sent(server: Server) -> None:
    more = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"x" * 1000
        assert more.wait(20), "the first part was not read before the second was sent"
        yield b"y" * 1000

    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(server.post, "/chunks", content=pieces())
        server.wait_for_log("chunk after 0")
        more.set()
        assert answer.result().text == "2000"


def test_a_response_is_sent_while_it_is_made(server: Server) -> None:
    with server.client.stream("GET", "/slowly") as response:
        lines = response.iter_lines()
        # The stream would go on for 50 seconds.
        assert [next(lines), next(lines)] == ["number 0", "number 1"]
    assert server.get("/three").text == "number 0\nnumber 1\nnumber 2\n"


def test_a_client_that_leaves_mid_response_cancels_the_stream(server: Server) -> None:
    with httpx.stream("GET", f"{server.url}/slowly") as response:
        next(response.iter_lines())
    server.wait_for_log("the stream was cancelled")
    assert server.get("/three").status_code == 200


def test_a_slow_request_holds_up_no_other(server: Server) -> None:
    with server.client.stream("GET", "/slowly") as response:
        next(response.iter_lines())
        assert httpx.get(f"{server.url}/host").text == f"{server.url}/host"


def test_headers_arrive_as_they_were_sent(server: Server) -> None:
    sent = {"x-plain": "value", "x-accented": "é".encode("latin-1"), "x-empty": ""}
    received = dict(server.get("/headers", headers=sent).json())
    assert received["x-plain"] == "value"
    assert received["x-empty"] == ""
    assert "x-accented" in received


def test_what_is_too_long_is_refused(server: Server) -> None:
    assert server.get("/host?" + "q" * 17_000).status_code == 414
    assert server.get("/headers", headers={"x-long": "h" * 33_000}).status_code == 431
    assert server.get("/host").status_code == 200


def test_nonsense_is_answered_with_400(server: Server) -> None:
    with socket.create_connection(server.address) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        connection.settimeout(10)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    assert server.get("/host").status_code == 200


def test_requests_on_one_connection_are_answered_in_their_order(server: Server) -> None:
    with socket.create_connection(server.address) as connection:
        connection.settimeout(10)
        for path in ("one", "two", "three?x", "last"):
            connection.sendall(f"GET /host?{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        while b"?last" not in received:
            received += connection.recv(4096)
    places = [received.index(f"?{path}".encode()) for path in ("one", "two", "three?x", "last")]
    assert places == sorted(places)
