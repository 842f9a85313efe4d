"""Many clients, large bodies, and clients that vanish: nothing stays behind in the isolate, and nothing is held whole
that a framework streams.
"""

import asyncio
import hashlib
import socket
from collections.abc import Iterator

import httpx
import pytest
from harness import processes
from harness.processes import eventually
from harness.server import Server
from harness.twins import HOST, Twins

MIB = 1 << 20
UPLOAD = 200
HEAD = {"host": HOST}
BLOCK = bytes(range(256)) * (MIB // 256)
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
END = b"\r\n--b--\r\n"


def live(server: Server) -> dict[str, int]:
    """What is under way in the isolate of the FastAPI application."""
    told: dict[str, int] = server.get("/streams/live", headers=HEAD).json()
    return told


def connect(server: Server, request: str) -> socket.socket:
    """A connection on which a request has been sent."""
    connection = socket.create_connection(server.address, timeout=20)
    connection.sendall(request.replace("\n", "\r\n").encode())
    return connection


def settled(server: Server, before: dict[str, int]) -> None:
    """Waits until no more is under way than before."""

    def done() -> bool:
        now = live(server)
        return now["tasks"] <= before["tasks"] and now["listeners"] == 0

    eventually(done, "tasks and listeners end", 20)


def test_listeners_that_vanish(fastapi: Twins) -> None:
    server = fastapi.isthmus
    before, isolates = live(server), sorted(server.pids().isolates)
    clients = [connect(server, f"GET /streams/endless HTTP/1.1\nhost: {HOST}\n\n") for _ in range(50)]
    for client in clients:
        received = b""
        while b"data: tick" not in received:
            received += client.recv(4096)
    assert live(server)["listeners"] == 50
    for client in clients:
        client.close()
    settled(server, before)
    assert sorted(server.pids().isolates) == isolates


def test_clients_that_do_not_wait_for_an_answer(fastapi: Twins) -> None:
    server = fastapi.isthmus
    before, isolates = live(server), sorted(server.pids().isolates)
    clients = [connect(server, f"GET /streams/slow HTTP/1.1\nhost: {HOST}\n\n") for _ in range(20)]
    eventually(lambda: live(server)["tasks"] >= before["tasks"] + 20, "all are being answered")
    already = len(server.log)
    for client in clients:
        client.close()
    # Applications are not cancelled, as behind other servers, and neither are their lifespans left open.
    eventually(lambda: server.get("/streams/done", headers=HEAD).json().count("slow") == 20, "all come to their end", 20)
    settled(server, before)
    assert sorted(server.pids().isolates) == isolates
    assert "InvalidStateError" not in server.log[already:]


@pytest.mark.parametrize("path", ["/upload", "/raw", "/raw-stream", "/ignored"])
def test_uploads_that_break_off(fastapi: Twins, path: str) -> None:
    server = fastapi.isthmus
    before, isolates = live(server), sorted(server.pids().isolates)
    for number in range(10):
        head = f"POST {path} HTTP/1.1\nhost: {HOST}\ncontent-length: 10000000\ncontent-type: multipart/form-data; boundary=b\n\n"
        client = connect(server, head)
        client.sendall(START + BLOCK[: number * 100_000])
        client.close()
    settled(server, before)
    assert sorted(server.pids().isolates) == isolates


@pytest.mark.parametrize("path", ["/upload", "/pieces", "/data", "/ignored"])
def test_uploads_that_break_off_under_a_synchronous_read(flask: Twins, path: str) -> None:
    server = flask.isthmus
    isolates = sorted(server.wait_for_isolates().isolates)
    before = server.get("/live", headers=HEAD).json()
    for number in range(10):
        head = f"POST {path} HTTP/1.1\nhost: {HOST}\ncontent-length: 10000000\ncontent-type: multipart/form-data; boundary=b\n\n"
        client = connect(server, head)
        client.sendall(START + BLOCK[: number * 100_000])
        client.close()
    eventually(lambda: server.get("/live", headers=HEAD).json() == before, "the tasks end", 20)
    assert sorted(server.pids().isolates) == isolates


@pytest.mark.slow
def test_a_thousand_listeners(fastapi: Twins) -> None:
    server = fastapi.isthmus
    before, isolates = live(server), sorted(server.pids().isolates)

    async def listen(all_listen: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(f"GET /streams/endless?pause=2 HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        received = b""
        while received.count(b"data: tick") < 2:
            received += await reader.read(4096)
        await all_listen.wait()
        writer.close()

    async def run() -> int:
        all_listen = asyncio.Event()
        clients = [asyncio.ensure_future(listen(all_listen)) for _ in range(1000)]
        async with httpx.AsyncClient(base_url=server.url, headers=HEAD, timeout=30) as session:
            while (listening := (await session.get("/streams/live")).json()["listeners"]) < 1000:
                await asyncio.sleep(0.1)
        all_listen.set()
        await asyncio.gather(*clients)
        return int(listening)

    assert asyncio.run(run()) == 1000
    settled(server, before)
    assert sorted(server.pids().isolates) == isolates


def pieces() -> Iterator[bytes]:
    yield START
    for _ in range(UPLOAD):
        yield BLOCK
    yield END


def upload(server: Server, path: str) -> int:
    """Sends a large file; answers by how many bytes the isolate grew at most."""
    pid = server.wait_for_isolates().isolates[0]
    before = most = processes.private_bytes(pid)

    def watched() -> Iterator[bytes]:
        nonlocal most
        for number, piece in enumerate(pieces()):
            yield piece
            if number % 10 == 0:
                most = max(most, processes.private_bytes(pid))

    length = len(START) + UPLOAD * MIB + len(END)
    headers = {**HEAD, "content-type": "multipart/form-data; boundary=b", "content-length": str(length)}
    answer = server.post(path, content=watched(), headers=headers, timeout=100)
    most = max(most, processes.private_bytes(pid))
    expected = hashlib.sha256()
    for _ in range(UPLOAD):
        expected.update(BLOCK)
    assert answer.json() == {"size": UPLOAD * MIB, "sha256": expected.hexdigest()}
    return most - before


@pytest.mark.slow
@pytest.mark.parametrize("app, path", [("flask", "/upload-large"), ("django_wsgi", "/upload-large/")])
def test_large_uploads_are_not_held_whole(request: pytest.FixtureRequest, app: str, path: str) -> None:
    both: Twins = request.getfixturevalue(app)
    assert upload(both.isthmus, path) < 32 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("app, path", [("fastapi", "/upload-large"), ("django_asgi", "/upload-large/")])
def test_large_uploads_that_the_adapter_holds(request: pytest.FixtureRequest, app: str, path: str) -> None:
    """The SDK reads a request for an ASGI application to its end first."""
    both: Twins = request.getfixturevalue(app)
    assert upload(both.isthmus, path) < 3 * UPLOAD * MIB
    # Once more, in memory that has been given back.
    assert upload(both.isthmus, path) < 2 * UPLOAD * MIB
