"""Many WebSockets at once, slow ones, and ones that vanish: nothing is left behind."""

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from harness import processes
from harness.processes import eventually
from harness.server import Server

WORKER = """
    import asyncio
    import gc
    from js import Response as JsResponse, WebSocketPair
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint

    count = {"open": 0, "messages": 0}


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.url.endswith("/count"):
                return Response.json({**count, "tasks": len(asyncio.all_tasks())})
            client, server = WebSocketPair.new().object_values()
            server.accept()
            count["open"] += 1

            def on_message(event):
                count["messages"] += 1
                text = event.data
                if text.startswith("flood"):
                    for _ in range(int(text.split()[1])):
                        server.send("x" * 100_000)
                else:
                    server.send(text)

            def on_close(event):
                count["open"] -= 1

            server.onmessage = on_message
            server.onclose = on_close
            return JsResponse.new(None, status=101, webSocket=client)
"""


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        if hard != resource.RLIM_INFINITY and hard < 4096:
            pytest.skip(f"this process may have {hard} descriptors, and needs 4096")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    return serve(make_worker(WORKER))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def counted(server: Server, **expected: int) -> None:
    """Waits until the Worker counts as many."""
    eventually(
        lambda: all(server.get("/count").json()[name] == value for name, value in expected.items()),
        f"the Worker counts {expected}",
        20,
    )


async def crowd(server: Server, size: int) -> list[ClientConnection]:
    url = server.url.replace("http", "ws", 1)
    gate = asyncio.Semaphore(50)

    async def enter() -> ClientConnection:
        async with gate:
            return await connect(url, open_timeout=30, ping_interval=None)

    return list(await asyncio.gather(*(enter() for _ in range(size))))


@pytest.mark.slow
def test_a_thousand_connections_at_once(server: Server) -> None:
    server.get("/count")
    host = server.pids().host
    before, idle = descriptors(host), server.get("/count").json()["tasks"]

    async def run() -> None:
        clients = await crowd(server, 1000)
        for number, client in enumerate(clients):
            await client.send(f"number {number}")
        for number, client in enumerate(clients):
            assert await asyncio.wait_for(client.recv(), 20) == f"number {number}"
        assert server.get("/count").json()["open"] == 1000
        # Half of them vanish, the others say goodbye.
        for client in clients[:500]:
            client.transport.abort()
        await asyncio.gather(*(client.close() for client in clients[500:]))

    asyncio.run(run())
    counted(server, open=0, tasks=idle)
    eventually(lambda: descriptors(host) <= before + 2, "the host has closed the connections")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_connections_that_come_and_go_leave_nothing(server: Server) -> None:
    def memory() -> int:
        pids = server.wait_for_isolates()
        return sum(processes.allocated_bytes(pid) for pid in [pids.host, *pids.isolates])

    async def round_of(size: int, times: int) -> None:
        for number in range(times):
            clients = await crowd(server, size)
            for client in clients:
                await client.send("x" * 1000)
                await client.recv()
            for index, client in enumerate(clients):
                if (index + number) % 2:
                    client.transport.abort()
                else:
                    await client.close()

    # Long enough for the allocators and both collectors to have taken what they need.
    asyncio.run(round_of(50, 60))
    counted(server, open=0)
    before = memory()
    asyncio.run(round_of(50, 20))
    counted(server, open=0)
    after = memory()
    assert after <= before * 1.05 + 2 * 1024 * 1024, f"{before} bytes grew to {after}"


def test_a_client_that_does_not_read_costs_the_host_little(server: Server) -> None:
    """The Worker sends 50 MB to a client that takes none of it. They wait in the isolate; the host stays small."""

    async def run() -> None:
        async with connect(server.url.replace("http", "ws", 1), compression=None, max_queue=1) as client:
            server.get("/count")
            host = server.pids().host
            before = processes.resident_bytes(host)
            client.transport.pause_reading()
            await client.send("flood 500")
            counted(server, messages=1)
            # Others are served meanwhile.
            async with connect(server.url.replace("http", "ws", 1)) as other:
                await other.send("hello")
                assert await asyncio.wait_for(other.recv(), 10) == "hello"
            assert processes.resident_bytes(host) - before < 8 * 1024 * 1024
            client.transport.resume_reading()
            for _ in range(500):
                assert len(await asyncio.wait_for(client.recv(), 20)) == 100_000

    asyncio.run(run())


def test_a_client_that_reads_nothing_at_all_is_given_up(server: Server) -> None:
    async def run() -> None:
        async with connect(server.url.replace("http", "ws", 1), compression=None, max_queue=1) as client:
            client.transport.pause_reading()
            await client.send("flood 1000")
            counted(server, messages=1, open=0)
            client.transport.resume_reading()
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(client.recv(), 10)

    asyncio.run(run())


def test_a_worker_that_dies_takes_its_connections_along(server: Server) -> None:
    async def run() -> None:
        async with connect(server.url.replace("http", "ws", 1)) as client:
            await client.send("x")
            await client.recv()
            os.kill(server.wait_for_isolates().isolates[0], signal.SIGKILL)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(client.recv(), 10)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011

    asyncio.run(run())
    assert server.get("/count").json()["open"] == 0


def test_a_server_that_ends_says_so(server: Server) -> None:
    async def run() -> None:
        async with connect(server.url.replace("http", "ws", 1)) as client:
            await client.send("x")
            await client.recv()
            os.kill(server.host_pid, signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(client.recv(), 10)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012

    asyncio.run(run())
