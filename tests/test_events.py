"""How events of an isolate end: once each, in every order of answer, client, body and `waitUntil`."""

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness.server import CONFIG, Server

WORKER = """
    import asyncio

    import js
    from pyodide.ffi import create_proxy, to_js
    from workers import Response, WorkerEntrypoint

    seen = []


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path = request.url.rpartition("/")[2].partition("?")[0]
            return await getattr(self, path)(request)

        async def put(self, request):
            await self.env.KV.put("big", "x" * 3_000_000)
            return Response("put")

        async def held(self, request):
            return js.Response.new(await self.env.KV.get("big", "stream"))

        async def held_unused(self, request):
            await self.env.KV.get("big", "stream")
            return Response("unused")

        async def stubborn(self, request):
            # Outlives its client, then answers with more than anybody gives credit for.
            seen.append("began")
            print("stubborn began")
            for _ in range(20):
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    seen.append("cancelled")
            kind = js.URL.new(request.url).searchParams.get("kind")
            print("stubborn answers")
            if kind == "bytes":
                return Response("y" * 8_000_000)
            if kind == "held":
                return js.Response.new(await self.env.KV.get("big", "stream"))
            return js.Response.new(self.endless())

        def endless(self):
            async def pull(controller):
                controller.enqueue(js.Uint8Array.new(65536))

            return js.ReadableStream.new(to_js({"pull": create_proxy(pull)}, dict_converter=js.Object.fromEntries))

        async def waits(self, request):
            async def later():
                await asyncio.sleep(0.1)
                print("waited")

            self.ctx.waitUntil(create_proxy(later()))
            raise ValueError("after waitUntil")

        async def plain(self, request):
            return Response(",".join(seen))
"""


GRACE = 2.5
"""Seconds; the host suspects an isolate 2 s after a client left."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("events") / "worker"
    folder.mkdir()
    (folder / "wrangler.jsonc").write_text(CONFIG)
    (folder / "main.py").write_text(textwrap.dedent(WORKER))
    with Server(folder, ()) as running:
        assert running.get("/put").text == "put"
        yield running


def unharmed(server: Server) -> Callable[[], None]:
    """A check that no isolate ended since."""
    before = sorted(server.wait_for_isolates().isolates)

    def check() -> None:
        assert server.get("/plain").status_code == 200
        assert sorted(server.pids().isolates) == before

    return check


def test_a_held_body_is_handed_over_before_it_is_given_up(server: Server) -> None:
    check = unharmed(server)
    for _ in range(100):
        response = server.get("/held")
        assert response.status_code == 200 and len(response.content) == 3_000_000
    for _ in range(20):
        assert server.get("/held_unused").text == "unused"
    check()


@pytest.mark.parametrize("kind", ["bytes", "stream", "held"])
def test_an_answer_after_the_client_left_ends_the_event(server: Server, kind: str) -> None:
    check = unharmed(server)
    already = server.log.count("stubborn answers")
    with pytest.raises(httpx.TimeoutException):
        server.get(f"/stubborn?kind={kind}", timeout=0.3)
    deadline = time.monotonic() + 10
    while server.log.count("stubborn answers") == already:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "cancelled" in server.get("/plain").text
    # Longer than the host's patience with an event whose client is gone.
    time.sleep(GRACE)
    check()


def test_a_failure_with_promises_left_is_one_answer(server: Server) -> None:
    check = unharmed(server)
    for _ in range(5):
        assert server.get("/waits").status_code == 500
    server.wait_for_log("waited")
    check()
