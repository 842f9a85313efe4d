"""What a resolved `put` promises: it survives the death of every process."""

import concurrent.futures
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness.server import Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            key = request.url.rpartition("/")[2]
            if request.method == "PUT":
                await self.env.KV.put(key, await request.text())
                return Response("stored")
            value = await self.env.KV.get(key)
            return Response(value or "", status=200 if value is not None else 404)
"""

CYCLES = 100
WRITERS = 8
# Acknowledged puts per cycle before the host is killed: enough that group commits are under way.
PUTS_PER_CYCLE = 24


def put_until_killed(server: Server, numbers: "itertools.count[int]", enough: threading.Semaphore) -> dict[str, str]:
    """Writes fresh keys until the server is gone; answers those that were acknowledged."""
    acknowledged: dict[str, str] = {}
    with httpx.Client(base_url=server.url, timeout=20) as client:
        while True:
            number = next(numbers)
            key, value = f"key-{number}", f"value-{number}" * 20
            try:
                response = client.put(f"/{key}", content=value)
            except httpx.TransportError:
                return acknowledged
            assert (response.status_code, response.text) == (200, "stored"), response.text
            acknowledged[key] = value
            enough.release()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_acknowledged_put_is_lost_when_the_host_is_killed(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WORKER))
    numbers = itertools.count()
    lost: list[str] = []
    total = 0
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        for cycle in range(CYCLES):
            enough = threading.Semaphore(0)
            writers = [pool.submit(put_until_killed, server, numbers, enough) for _ in range(WRITERS)]
            for _ in range(PUTS_PER_CYCLE):
                assert enough.acquire(timeout=30), server.log
            server.kill_host()
            acknowledged: dict[str, str] = {}
            for writer in writers:
                acknowledged |= writer.result()
            total += len(acknowledged)
            server.start()
            for key, value in acknowledged.items():
                if server.get(f"/{key}").text != value:
                    lost.append(f"{key} of cycle {cycle}")
    assert lost == []
    assert total >= CYCLES * PUTS_PER_CYCLE


def test_a_value_is_there_after_a_crash_and_after_an_orderly_end(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WORKER))
    assert server.client.put("/key", content="value").text == "stored"
    server.kill_host()
    server.start()
    assert server.get("/key").text == "value"
    assert server.stop() == 0
    server.start()
    assert server.get("/key").text == "value"


def test_the_state_lies_where_it_is_wanted(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder, "--persist-to", str(tmp_path / "elsewhere"))
    assert server.client.put("/key", content="value").text == "stored"
    assert (tmp_path / "elsewhere").is_dir()
    assert not (folder / ".wrangler").exists()
    server.stop()
    assert serve(folder).get("/key").status_code == 404
