"""What JavaScript does after it has waited belongs to the event that it waited for, whatever came meanwhile: what it logs,
what it keeps alive, and the requests that it makes."""

import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness.processes import eventually
from harness.server import CONFIG, Server

WORKER = '''
    import asyncio

    import js
    from isthmus._runtime.serve import current_event
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy
    from workers import Response, WorkerEntrypoint, import_from_javascript

    WAYS = run_js("""
        const bytes = new TextEncoder().encode("x".repeat(20000));
        const later = (event) => new Promise((resolve) => setTimeout(resolve, 5));
        ({
            fetch: async (url) => { await fetch(url); },
            text: async (url) => { await (await fetch(url)).text(); },
            chunks: async (url) => { for await (const chunk of (await fetch(url + "&chunks=3")).body) await null; },
            upload: async (url) => {
                const { readable, writable } = new TransformStream();
                const sent = fetch(url, { method: "POST", body: readable });
                const writer = writable.getWriter();
                for (let i = 0; i < 100; i++) await writer.write(bytes);
                await writer.close();
                await sent;
            },
            kv: async (url, env) => { await env.KV.get("nothing"); },
            stream: async (url, env) => {
                await env.KV.put("big", "y".repeat(300000));
                for await (const chunk of await env.KV.get("big", "stream")) await null;
            },
            timer: async () => { await later(); },
            interval: () => new Promise((resolve) => {
                let left = 3;
                const timer = setInterval(() => { if (--left === 0) { clearInterval(timer); resolve(); } }, 3);
            }),
            microtask: () => new Promise((resolve) => queueMicrotask(resolve)),
            digest: async () => {
                for (const size of [10, 3000000]) await crypto.subtle.digest("SHA-256", new Uint8Array(size));
            },
            failure: async () => { await fetch("http://127.0.0.1:1/").catch(() => null); },
            socket: async (url, env, connect) => {
                const socket = connect(new URL(url).host);
                const writer = socket.writable.getWriter();
                await writer.write(new TextEncoder().encode("GET / HTTP/1.0\\\\r\\\\n\\\\r\\\\n"));
                for await (const chunk of socket.readable) await null;
            },
            cache: async (url) => {
                await caches.default.put(url, new Response("cached", { headers: { "cache-control": "max-age=60" } }));
                await (await caches.default.match(url)).text();
            },
            rewriter: async (url) => {
                const handler = { async element(element) { await later(); element.remove(); } };
                await new HTMLRewriter().on("p", handler).transform(new Response("<p>a</p><p>b</p>")).text();
            },
        });
    """)

    after = run_js("async (way, rest, told) => { await way(...rest); told(); await null; told(); }")
    workers = import_from_javascript("cloudflare:workers")
    connect = import_from_javascript("cloudflare:sockets").connect


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            url = js.URL.new(request.url)
            return await getattr(self, url.pathname[1:])(url.searchParams)

        async def course(self, query):
            """Whether JavaScript is in the course of this event all along."""
            own, seen = current_event.get(), []
            told = create_proxy(lambda: seen.append(current_event.get()))
            rest = [query.get("url"), self.env._env if hasattr(self.env, "_env") else self.env, connect]
            await after(getattr(WAYS, query.get("way")), js.Array.of(*rest), told)
            told.destroy()
            return Response.from_json({"own": own, "seen": seen})

        async def wait_until(self, query):
            """`waitUntil` of the module is of the event, long after its handler's end."""
            run_js("""async (url, waitUntil, log) => {
                await fetch(url);
                waitUntil((async () => { await fetch(url); log("waited"); })());
            }""")(query.get("url"), workers.waitUntil, js.console.log)
            await asyncio.sleep(0.3)
            return Response("answered")

        async def abandon(self, query):
            """Leaves a request under way, begun after another."""
            begun = run_js("async (url, never) => { await fetch(url); fetch(never).catch(() => null); }")
            await begun(query.get("url"), query.get("never"))
            await asyncio.sleep(float(query.get("rest")))
            return Response("left")

        async def itself(self, query):
            """A Worker that calls itself, out of sight of Python."""
            again = run_js("async (own, url) => { await fetch(url); return (await fetch(own)).status; }")
            own = f"{query.get('own')}/itself?own={query.get('own')}&url={query.get('url')}"
            return Response("", status=await again(own, query.get("url")))
'''


class _Slow(BaseHTTPRequestHandler):
    """Answers after some milliseconds; `/never` not at all."""

    held: dict[str, threading.Event]

    def do_GET(self) -> None:
        if self.path.startswith("/never"):
            self.held[self.path] = gone = threading.Event()
            self.rfile.read(1)
            gone.set()
            return
        time.sleep(0.03)
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        for _ in range(3 if "chunks" in self.path else 1):
            self.wfile.write(b"some text")
            self.wfile.flush()
            time.sleep(0.01)
        self.close_connection = True

    def do_POST(self) -> None:
        time.sleep(0.03)
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    _Slow.held = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("course") / "worker"
    folder.mkdir()
    (folder / "main.py").write_text(textwrap.dedent(WORKER))
    (folder / "wrangler.jsonc").write_text(CONFIG)
    with Server(folder, ["--isolates", "1"]) as running:
        yield running


@pytest.mark.parametrize(
    "way",
    [
        "fetch",
        "text",
        "chunks",
        "upload",
        "kv",
        "stream",
        "timer",
        "interval",
        "microtask",
        "digest",
        "failure",
        "socket",
        "cache",
        "rewriter",
    ],
)
def test_what_follows_a_wait_belongs_to_its_event(server: Server, origin: str, way: str) -> None:
    def ask(number: int) -> dict[str, object]:
        response = server.get("/course", params={"way": way, "url": f"{origin}/?{number}"})
        assert response.status_code == 200, response.text
        answer: dict[str, object] = response.json()
        return answer

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(12)))
    assert len({answer["own"] for answer in answers}) == 12
    for answer in answers:
        assert answer["seen"] == [answer["own"]] * 2


def test_wait_until_after_a_wait(server: Server, origin: str) -> None:
    assert server.get("/wait_until", params={"url": origin}).text == "answered"
    assert "can only be called while" not in server.wait_for_log("waited")


def test_requests_end_with_the_event_that_made_them(server: Server, origin: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = {
            name: pool.submit(
                server.get, "/abandon", params={"url": origin, "never": f"{origin}/never/{name}", "rest": str(rest)}
            )
            for name, rest in (("short", 0.3), ("long", 2.0))
        }
        assert asked["short"].result().text == "left"
        eventually(_Slow.held["/never/short"].is_set, "the request of the event that is over is given up")
        assert not _Slow.held["/never/long"].is_set()
        assert asked["long"].result().text == "left"
    eventually(_Slow.held["/never/long"].is_set, "and so is the other one's")


def test_a_worker_that_calls_itself_from_javascript_is_stopped(server: Server, origin: str) -> None:
    assert server.get("/itself", params={"own": server.url, "url": origin}).status_code == 500
    assert "Subrequest depth limit exceeded" in server.log
