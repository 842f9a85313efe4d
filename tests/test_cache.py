"""The Cache API: recorded cases beside miniflare, and what its store promises."""

import contextlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.origin import Origin
from harness.processes import eventually
from harness.server import Server

REFERENCE = Path(__file__).parent / "reference" / "cache"

WORKER = '''
    import js
    from js import caches
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy, to_js
    from workers import Response, WorkerEntrypoint, import_from_javascript


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path, _, rest = request.url.partition("://")[2].partition("/")[2].partition("/")
            return await getattr(self, path)(rest, request)

        async def cases(self, _, request):
            cases = import_from_javascript("cases.mjs")
            return Response(js.JSON.stringify(await cases.run()))

        async def entry(self, key, request):
            key = "http://a.test/" + key
            if request.method == "PUT":
                headers = {"cache-control": "max-age=3600"}
                body = request.js_object.body
                response = js.Response.new(body, to_js({"headers": headers}, dict_converter=js.Object.fromEntries))
                await caches.default.put(key, response)
                return Response("done")
            if request.method == "DELETE":
                return Response(str(await caches.default.delete(key)))
            found = await caches.default.match(js.Request.new(key, request.js_object))
            return found or Response("nothing", status=404)

        async def fetched(self, url, request):
            """What a Worker does with a cache, in two lines."""
            key = "http://a.test/" + url
            found = await caches.default.match(key)
            if found is None:
                answer = await js.fetch(js.decodeURIComponent(url))
                init = to_js({"headers": {"cache-control": "max-age=60"}}, dict_converter=js.Object.fromEntries)
                await caches.default.put(key, js.Response.new(answer.body, init))
                found = await caches.default.match(key)
            return found

        async def hang(self, key, request):
            """Begins to store a body that never ends."""
            run_js("""(key) => {
                let sent = 0;
                const body = new ReadableStream({ pull(controller) {
                    if (sent++ < 40) controller.enqueue(new Uint8Array(65536)); else return new Promise(() => {});
                } });
                globalThis.kept = caches.default.put(key, new Response(body, { headers: { "cache-control": "max-age=3600" } }));
            }""")("http://a.test/" + key)
            import asyncio
            await asyncio.sleep(3600)

        async def broken(self, size, request):
            """Stores bodies that break off, in each way there is; what `put` says of it."""
            import asyncio

            key = "http://a.test/broken"
            fresh = to_js({"headers": {"cache-control": "max-age=3600"}}, dict_converter=js.Object.fromEntries)
            size = int(size)

            def raising():
                """A body that Python gives, and that raises after `size` bytes."""
                source, given = js.Object.new(), 0

                def pull(controller):
                    nonlocal given
                    if given >= size:
                        raise LookupError("no more of it")
                    given += 65536
                    controller.enqueue(js.Uint8Array.new(65536))

                source.pull = create_proxy(pull)
                return js.ReadableStream.new(source)

            def given_up():
                """A body whose writer gives up."""
                pipe = js.IdentityTransformStream.new()
                writer = pipe.writable.getWriter()

                async def write():
                    await writer.write(js.Uint8Array.new(size))
                    await writer.abort(js.Error.new("given up"))

                self.writing = asyncio.ensure_future(write())
                return pipe.readable

            def shorter():
                """A body that ends before the length it was said to have."""
                pipe = js.FixedLengthStream.new(size + 1)
                writer = pipe.writable.getWriter()

                async def write():
                    await writer.write(js.Uint8Array.new(size))
                    await writer.close()

                self.writing = asyncio.ensure_future(write())
                return pipe.readable

            outcomes = []
            for make in raising, given_up, shorter:
                try:
                    outcomes.append(await caches.default.put(key, js.Response.new(make(), fresh)))
                except Exception as error:
                    outcomes.append([type(error).__name__, getattr(error, "name", ""), str(error)])
                if make is not raising:
                    await asyncio.wait([self.writing])
                    self.writing.exception()
            found = await caches.default.match(key)
            return Response.json([outcomes, found and (await found.bytes()).length])

        async def script(self, _, request):
            function = run_js("(async () => {" + await request.text() + "})")
            return Response(js.JSON.stringify(await function()))
'''


def bodies(folder: Path) -> list[Path]:
    """The files of long bodies in a Worker's state."""
    return [path for path in folder.rglob("cache/bodies/*") if path.is_file()]


def index(folder: Path) -> Path:
    """The database of a Worker's caches."""
    (found,) = folder.rglob("cache/index.sqlite")
    return found


def javascript(server: Server, body: str) -> Any:
    response = server.post("/script", content=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_cases_are_like_the_reference_but_for_the_listed_differences(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    shutil.copy(REFERENCE / "cases.mjs", folder)
    recorded = json.loads((REFERENCE / "recorded.json").read_text())
    differences = json.loads((REFERENCE / "differences.json").read_text())
    ours = serve(folder).get("/cases", timeout=60).json()
    assert set(ours) == set(recorded)
    assert set(differences) <= set(recorded)
    assert all(difference["why"] for difference in differences.values())
    assert {name: differences.get(name, {}).get("ours", answer) for name, answer in recorded.items()} == ours
    assert [name for name, difference in differences.items() if difference["ours"] == recorded[name]] == []


def test_an_entry_is_there_for_every_isolate_and_after_a_restart(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder, "--isolates", "3")
    server.wait_for_isolates(3)
    large = bytes(range(256)) * 4096
    assert server.client.put("/entry/large", content=large).text == "done"
    assert server.client.put("/entry/small", content=b"small").text == "done"
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: httpx.get(server.url + "/entry/large", timeout=30).content, range(36)))
    assert all(answer == large for answer in answers)
    server.kill_host()
    server.start()
    assert server.get("/entry/large").content == large
    assert server.get("/entry/small").text == "small"
    assert server.stop() == 0
    server.start()
    assert server.get("/entry/large").content == large
    assert server.get("/entry/large", headers={"range": "bytes=255-257"}).content == b"\xff\x00\x01"
    assert server.client.delete("/entry/large").text == "True"
    assert server.get("/entry/large").status_code == 404
    eventually(lambda: bodies(folder) == [], "the body's file is deleted")


def test_a_put_that_a_crash_cuts_off_leaves_nothing(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    server.client.put("/entry/torn", content=b"x" * 200_000)
    before = set(bodies(folder))
    with ThreadPoolExecutor(1) as pool:

        def hang() -> None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(server.url + "/hang/torn", timeout=60)

        hanging = pool.submit(hang)
        eventually(lambda: any(path.stat().st_size > 500_000 for path in bodies(folder)), "the body is half written")
        # What is being written can't be found yet.
        assert server.get("/entry/torn").content == b"x" * 200_000
        server.kill_host()
        hanging.result()
    assert set(bodies(folder)) > before
    server.start()
    assert server.get("/entry/torn").content == b"x" * 200_000
    assert set(bodies(folder)) == before


def test_a_put_whose_client_goes_away_leaves_nothing(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    server.client.put("/entry/broken", content=b"before")

    def half() -> Any:
        for _ in range(20):
            yield b"y" * 65536
        eventually(lambda: bodies(folder) != [], "the body is half written")
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        httpx.put(server.url + "/entry/broken", content=half(), timeout=30)
    eventually(lambda: bodies(folder) == [], "the half body is deleted")
    assert server.get("/entry/broken").content == b"before"


BROKEN = [
    ["LookupError", "", "no more of it"],
    ["JsException", "Error", "Error: given up"],
    ["JsException", "TypeError", "TypeError: FixedLengthStream did not see all expected bytes before close()."],
]


@pytest.mark.parametrize("size", [1000, 600_000])
def test_a_body_that_breaks_off_leaves_what_was_there(
    make_worker: Callable[..., Path], serve: Callable[..., Server], size: int
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder, environment={"ISTHMUS_CACHE_SIZE": "4"})
    assert server.get(f"/broken/{size}").json() == [BROKEN, None]
    assert server.client.put("/entry/broken", content=b"before").text == "done"
    # Ten times as much as there is room for: what broke off holds none.
    for _ in range(20):
        assert server.get(f"/broken/{size}").json() == [BROKEN, 6]
    eventually(lambda: bodies(folder) == [], "the half bodies are deleted")
    assert server.client.put("/entry/large", content=b"l" * 3_000_000).text == "done"
    assert server.get("/entry/large").content == b"l" * 3_000_000


def test_a_fetched_body_that_breaks_off_is_not_stored(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    with Origin() as origin:
        outcome = javascript(
            server,
            f"""
            const fresh = {{ headers: {{ "cache-control": "max-age=60" }} }};
            const key = "http://a.test/fetched";
            await caches.default.put(key, new Response("before", fresh));
            const outcomes = [];
            for (const touched of [false, true]) {{
                const answer = await fetch("{origin.url}/short");
                // One goes to the host's disk without being seen here, the other passes through a stream.
                const body = touched ? answer.body.pipeThrough(new TransformStream()) : answer.body;
                try {{
                    outcomes.push(await caches.default.put(key, new Response(body, fresh)));
                }} catch (error) {{
                    outcomes.push([error.constructor.name, error.message]);
                }}
            }}
            return [outcomes, await (await caches.default.match(key)).text()];
            """,
        )
    assert outcome == [[["Error", "Network connection lost."], ["TypeError", "Network connection lost."]], "before"]
    assert bodies(folder) == []


def test_what_is_kept_is_bounded_and_the_least_used_goes_first(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder, environment={"ISTHMUS_CACHE_SIZE": "4"})
    body = b"z" * 500_000
    for number in range(20):
        assert server.client.put(f"/entry/{number}", content=body).text == "done"
        # It is used all the time, so it stays.
        assert server.get("/entry/0").content == body
    eventually(lambda: sum(path.stat().st_size for path in bodies(folder)) <= 4 << 20, "there is room again")
    there = [number for number in range(20) if server.get(f"/entry/{number}").status_code == 200]
    assert 0 in there and 19 in there and 1 not in there
    assert 4 <= len(there) <= 8
    # What could never fit isn't stored, and breaks nothing.
    assert server.client.put("/entry/huge", content=b"h" * (5 << 20)).text == "done"
    assert server.get("/entry/huge").status_code == 404
    assert server.get("/entry/19").content == body


def test_a_bound_that_is_none_is_refused(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    from harness.server import StartError

    with pytest.raises(StartError, match="ISTHMUS_CACHE_SIZE must be a positive whole number of MiB"):
        serve(make_worker(WORKER), environment={"ISTHMUS_CACHE_SIZE": "much"})


def test_a_damaged_store_is_named_and_everything_else_works(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    server.client.put("/entry/a", content=b"a")
    path = index(folder)
    server.stop()
    path.write_bytes(b"this is no database" * 1000)
    server.start()
    ask = """
        const outcome = async (promise) => { try { await promise; return "fine"; } catch (e) { return [e.name, e.message]; } };
        const fresh = { headers: { "cache-control": "max-age=9" } };
        return [await outcome(caches.default.match("http://a.test/a")), await outcome(caches.default.put("http://a.test/b",
            new Response("b", fresh))), await outcome(caches.default.delete("http://a.test/a")), await (await fetch("data:,x")).text()];
    """
    answers = javascript(server, ask)
    for name, message in answers[:3]:
        assert name == "Error" and message.startswith("The cache can't be used: ") and str(folder) not in message
    assert answers[3] == "x"
    assert str(path.parent) in server.wait_for_log("can't be used")
    # It is looked at again: no restart is needed once it is gone.
    path.unlink()
    assert javascript(server, ask)[:3] == ["fine"] * 3


def test_bodies_that_are_missing_or_cut_are_not_found(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    for key in ("missing", "cut"):
        server.client.put(f"/entry/{key}", content=b"b" * 300_000)
        (path,) = bodies(folder)
        if key == "missing":
            path.unlink()
        else:
            path.write_bytes(b"b" * 299_999)
        assert server.get(f"/entry/{key}").status_code == 404
        eventually(lambda: bodies(folder) == [], "the body's file is deleted")
        assert server.client.put(f"/entry/{key}", content=b"again").text == "done"
        assert server.get(f"/entry/{key}").text == "again"


def test_a_head_that_is_damaged_is_an_error(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    server.client.put("/entry/a", content=b"a")
    with contextlib.closing(sqlite3.connect(index(folder))) as connection, connection:
        connection.execute("UPDATE entries SET headers = x'ffffff'")
    assert server.get("/entry/a").status_code == 500
    server.wait_for_log("the headers of an entry can't be read")
    assert server.client.put("/entry/b", content=b"b").text == "done"


def test_a_fetched_body_goes_to_the_cache_and_to_the_client_without_entering_the_isolate(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WORKER))
    with Origin() as origin:
        url = httpx.URL(origin.url).join("/large?length=3000000&cache=1")
        quoted = str(url).replace(":", "%3A").replace("/", "%2F").replace("?", "%3F").replace("&", "%26").replace("=", "%3D")
        answer = server.get("/fetched/" + quoted)
        again = server.get("/fetched/" + quoted)
    assert len(answer.content) == 3_000_000 and answer.content == again.content
    assert again.headers["cf-cache-status"] == "HIT"


def test_many_puts_and_matches_of_one_key_never_mix(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    server = serve(make_worker(WORKER), "--isolates", "2")
    wrong: list[int] = []
    stop = threading.Event()

    def read() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                body = client.get("/entry/key").content
                if body != b"nothing" and (len(body) != 150_000 or len(set(body)) != 1):
                    wrong.append(len(body))

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for number in range(60):
                assert client.put("/entry/key", content=bytes([number]) * 150_000).text == "done"
        stop.set()
        for reader in readers:
            reader.result()
    assert wrong == []
