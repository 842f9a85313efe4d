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

    timers, handled = [], []
    streams = sys.stdout, sys.stderr
    threads = threading.main_thread(), threading.active_count()
    js.setTimeout(create_proxy(lambda *_: timers.append(os.getpid())), 0)
    at_import = random.random()

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            handled.append(request.url)
            await asyncio.sleep(0.01)
            return Response(json.dumps({
                "pid": os.getpid(),
                "timers": timers,
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


# What a module leaves to JavaScript's jobs, and what those leave to the loop.
LEAVING = """
    import asyncio, json, os
    import js
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint

    ran, refused = [], []

    async def later():
        await asyncio.sleep(0)
        ran.append(os.getpid())

    def begin(*_):
        begin.task = asyncio.ensure_future(later())

    js.Promise.resolve().then(create_proxy(begin))

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            await asyncio.sleep(0.02)
            return Response(json.dumps({"pid": os.getpid(), "ran": ran, "refused": refused}))
"""

REFUSED = LEAVING.replace(
    "js.Promise.resolve().then(create_proxy(begin))",
    "js.fetch('http://localhost/').catch(create_proxy(lambda error: (refused.append(str(error)), begin())))",
)

# A rehearsal's requests never end with this.
ENDLESS = """
    import asyncio
    import workers
    from pyodide.ffi import run_sync
    from workers import Response, WorkerEntrypoint

    begun = []

    class Slow(workers.Request):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            begun.append(1)
            if self.headers.get("accept") == "*/*":
                run_sync(asyncio.sleep(1000))

    workers.Request = Slow

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response(str(len(begun)))
"""


def test_what_a_module_leaves_to_jobs_is_done_in_each_isolate(make_worker: Make, serve: Serve) -> None:
    for worker in (LEAVING, REFUSED):
        server = serve(make_worker(worker), "--isolates", "1")
        found = server.get().json()
        assert found["ran"] == [found["pid"]], "the task runs in the isolate's loop, and nowhere else"
        assert ("global scope" in str(found["refused"])) is (worker is REFUSED)
        assert "destroyed" not in server.log
        server.stop()


def test_a_rehearsal_that_does_not_end_is_the_last(make_worker: Make, serve: Serve) -> None:
    server = serve(make_worker(ENDLESS), "--isolates", "1")
    # A rehearsal has three requests, and the isolate one.
    assert server.get("/", headers={"accept": "text/plain"}).text == "4"
    assert server.log.count("the rehearsal failed") == 1


# Its rehearsals leave promises that keep their events open until the first request.
REPORTING = """
    import asyncio
    import js
    import workers
    from _pyodide_entrypoint_helper import cloudflareWorkersModule
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint

    left = []

    class Reporting(workers.Response):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            cloudflareWorkersModule.waitUntil(js.Promise.new(create_proxy(lambda resolve, _: left.append(resolve))))

    workers.Response = Reporting

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if not left:
                return Response(str(asyncio.get_running_loop()._engine.open_events()))
            self.ctx.waitUntil(create_proxy(asyncio.sleep(3600)))
            count = len(left)
            while left:
                left.pop()()
            return Response(f"{count} resolved")
"""


def test_what_a_rehearsal_waits_for_ends_no_event(make_worker: Make, serve: Serve) -> None:
    server = serve(make_worker(REPORTING), "--isolates", "1")
    assert server.get().text == "3 resolved"
    assert server.get().text == "2", "the first event still waits"
