"""Many clients at once: no error, no growth, no request held up by another."""

import concurrent.futures
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness import clients, processes
from harness.server import Server, copy_worker

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CLIENTS = 100
# Those that need a server of their own would measure that server.
ALONE = sorted(path.name for path in EXAMPLES.iterdir() if not (path / "upstream.py").exists())

# Its answers are the number of visits so far.
COUNTING = "d1"


def load(url: str, requests: int) -> None:
    """Sends requests from many clients at once; every answer is the same, and a good one."""
    answers = clients.send(url, requests, CLIENTS)
    assert len(answers) == 1 and next(iter(answers))[0] == 200, answers


@pytest.mark.slow
@pytest.mark.parametrize("example", ALONE)
def test_a_hundred_clients_at_once(serve: Callable[..., Server], tmp_path: Path, example: str) -> None:
    server = serve(copy_worker(EXAMPLES / example, tmp_path / example))
    if example == COUNTING:
        answers = clients.send(server.url, 3000, CLIENTS)
        assert {status for status, _ in answers} == {200}, answers
        visits = sorted(json.loads(body)[0]["visits"] for _, body in answers)
        assert visits == list(range(1, 3001)), "each visit is counted once"
    else:
        load(server.url, 3000)
    assert "error" not in server.log.lower(), server.log


@pytest.mark.slow
@pytest.mark.parametrize("example", ["hello", "kv"])
def test_memory_stays(serve: Callable[..., Server], tmp_path: Path, example: str) -> None:
    server = serve(copy_worker(EXAMPLES / example, tmp_path / example))

    def memory() -> int:
        pids = server.wait_for_isolates()
        return sum(processes.resident_bytes(pid) for pid in [pids.host, *pids.zygotes, *pids.isolates])

    # Long enough for caches, pools and the allocators to have taken what they need.
    load(server.url, 5000)
    before = memory()
    load(server.url, 5000)
    after = memory()
    assert after <= before * 1.05 + 1024 * 1024, f"{before} bytes grew to {after}"


def test_blocking_requests_end_in_the_order_of_their_waits(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(
        make_worker("""
            import asyncio
            from pyodide.ffi import run_sync
            from workers import Response, WorkerEntrypoint

            class Default(WorkerEntrypoint):
                async def fetch(self, request):
                    seconds = request.url.rpartition("/")[2]
                    print(f"begun {seconds}")
                    run_sync(asyncio.sleep(float(seconds)))
                    print(f"ended {seconds}")
                    return Response(seconds)
        """)
    )
    finished: list[str] = []

    def get(seconds: str) -> None:
        finished.append(httpx.get(f"{server.url}/{seconds}", timeout=30).text)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        waits = []
        for seconds in ("1.5", "1.0", "0.5"):
            waits.append(pool.submit(get, seconds))
            server.wait_for_log(f"begun {seconds}")
        for wait in waits:
            wait.result()
    assert finished == ["0.5", "1.0", "1.5"]
