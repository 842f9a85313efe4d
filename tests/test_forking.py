"""What isolates get from their zygote: it rehearses before it forks, and neither user code nor they can tell."""

from collections.abc import Callable
from pathlib import Path

from harness import clients, processes
from harness.server import Server

Make = Callable[..., Path]
Serve = Callable[..., Server]

# A patch of the SDK sees rehearsals as it sees requests; all else of them stays unseen.
OBSERVER = """
    import asyncio, json, logging, os, random, sys, threading
    import js
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint

    timers, promises, handled = [], [], []
    streams = sys.stdout, sys.stderr
    threads = threading.main_thread(), threading.active_count()
    js.setTimeout(create_proxy(lambda *_: timers.append(os.getpid())), 0)
    js.Promise.resolve().then(create_proxy(lambda *_: promises.append(os.getpid())))
    at_import = random.random()

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            handled.append(request.url)
            await asyncio.sleep(0.01)
            return Response(json.dumps({
                "pid": os.getpid(),
                "timers": timers,
                "promises": promises,
                "handled": len(handled),
                "threads": [threading.main_thread() is threads[0], threads[1], threading.active_count()],
                "locks": logging._lock.acquire(blocking=False),
                "random": [random.random(), js.Math.random(), js.crypto.randomUUID()],
                "open": len(os.listdir("/proc/self/fd")),
                "loop": type(asyncio.get_running_loop()).__name__,
            }))
"""

# A rehearsal's requests fail with this.
HOSTILE = """
    import workers
    from workers import WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return original("fine")

    original = workers.Response

    class Broken(original):
        def __init__(self, *arguments, **options):
            raise SystemExit(BROKEN)

    workers.Response = Broken
"""

HELLO = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response("Hello")
"""


def test_a_rehearsal_leaves_no_trace(make_worker: Make, serve: Serve) -> None:
    server = serve(make_worker(OBSERVER), "--isolates", "1")
    first = server.get().json()
    second = server.get().json()
    assert (first["handled"], second["handled"]) == (1, 2), "no handler ran before the first request"
    assert len(first["timers"]) == 1, "a timer of the module fires in the isolate, once"
    assert first["timers"] == [first["pid"]], "and not in the zygote"
    assert len(first["promises"]) == 1
    assert first["threads"] == [True, 1, 1]
    assert first["locks"] is True
    assert first["loop"] == "IsolateLoop"
    assert second["open"] == first["open"]


def test_isolates_differ_in_all_that_is_random(make_worker: Make, serve: Serve) -> None:
    server = serve(make_worker(OBSERVER), "--isolates", "1")
    first = server.get().json()
    processes.kill(server.wait_for_isolates(1).isolates[0])
    server.wait_for_log("SIGKILL")
    second = server.get().json()
    assert first["pid"] != second["pid"]
    assert not set(map(str, first["random"])) & set(map(str, second["random"]))


def test_a_rehearsal_that_fails_does_no_harm(make_worker: Make, serve: Serve) -> None:
    for broken in ("'text'", "0", "None"):
        server = serve(make_worker(HOSTILE.replace("BROKEN", broken)), "--isolates", "1")
        assert server.get().text == "fine"
        assert "the rehearsal failed" in server.log
        server.stop()


def test_private_memory_of_an_isolate(make_worker: Make, serve: Serve) -> None:
    server = serve(make_worker(HELLO), "--isolates", "2")
    pids = server.wait_for_isolates(2)
    clients.send(server.url, 200, clients=8)
    for isolate in pids.isolates:
        assert processes.private_bytes(isolate) < 3 * 2**20
