"""HTMLRewriter from Python, where expectation files can't say it: responses that break off, and what is left of ten thousand rewrites."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness.interpreter import python
from harness.server import Server

FAULTS = Path(__file__).resolve().parent / "workers" / "html_rewriter" / "faults"

LEAKS = """\
import asyncio, gc, os, weakref
import isthmus
isthmus.install()
import js
from pyodide.ffi import create_proxy

PAGE = "<!DOCTYPE html><!--c--><p>one<b>two</b><ul><li>1<li>2</ul>"
alive = weakref.WeakSet()

class Handler:
    def __init__(self, fails):
        alive.add(self)
        self.fails = fails

    def element(self, element):
        if self.fails and element.tagName == "b":
            raise ValueError("no")
        self.last = element
        element.setAttribute("a", "b")
        end = create_proxy(lambda tag: tag.before("!"))
        element.onEndTag(end)
        element.append(js.Response.new("x"))

    async def text(self, chunk):
        await asyncio.sleep(0)
        chunk.before("t")

    def comments(self, comment):
        comment.remove()

async def rewrite(number):
    rewriter = js.HTMLRewriter.new().on("*", create_proxy(Handler(number % 3 == 1)))
    response = rewriter.transform(js.Response.new(PAGE))
    if number % 3 == 2:
        # Given up in the middle.
        reader = response.body.getReader()
        await reader.read()
        await reader.cancel()
        return
    try:
        await response.text()
    except ValueError:
        pass

async def rewrites(count):
    for number in range(count):
        await rewrite(number)
    # One that nobody reads, and one that nobody begins.
    js.HTMLRewriter.new().on("*", create_proxy(Handler(False))).transform(js.Response.new(PAGE))
    js.HTMLRewriter.new().on("*", create_proxy(Handler(False)))
    await asyncio.sleep(0.01)
    gc.collect()
    js.eval("0")
    await asyncio.sleep(0.01)

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main():
    await rewrites(2_000)
    before = memory()
    await rewrites(10_000)
    print(len(alive), (memory() - before) >> 10)

asyncio.run(main())
"""


def test_a_response_breaks_off_where_the_handler_raises(serve: Callable[..., Server]) -> None:
    server = serve(FAULTS)
    with pytest.raises(httpx.RemoteProtocolError), server.client.stream("GET", "/broken") as response:
        assert response.status_code == 200
        got = 0
        for chunk in response.iter_bytes():
            got += len(chunk)
    assert got <= len("<p>start</p>" * 50_000)
    server.wait_for_log("in the middle")
    assert server.get("/dead_token").status_code == 200


def test_one_that_raises_at_once_breaks_off(serve: Callable[..., Server]) -> None:
    server = serve(FAULTS)
    with pytest.raises(httpx.RemoteProtocolError):
        server.get("/at-once")
    assert server.get("/dead_token").status_code == 200


def test_clients_that_go_away_leave_nothing_running(serve: Callable[..., Server]) -> None:
    server = serve(FAULTS)
    for _ in range(20):
        with server.client.stream("GET", "/endless") as response:
            assert next(response.iter_bytes()).startswith(b"<a>")
    server.wait_for_log("cancelled 20")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_left_of_ten_thousand_rewrites(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(LEAKS))
    result = python("program.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    handlers, grown = map(int, result.stdout.split())
    # What the collectors have not come to yet, not ten thousand.
    assert handlers < 50
    assert grown < 4096, "KiB more"
