"""HTMLRewriter over 10 MB with a handler on every link: Python handlers here beside JavaScript ones in workerd, in one run.

    python benches/web/html_rewriter.py

Both rewrite the same page in one process each; what counts is that process's CPU time, the best of some passes. "per link" is what the
handlers cost: the difference from a rewriter without any.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from workerd import _binary  # noqa: E402

PORT = 8747
PASSES = 5
SIZE = 10_000_000
ROW = '<div class="row"><p>Some text, number {0}, with words.</p><a class="link" href="http://old.example.com/page/{0}">link {0}</a></div>\n'
# What the handler of every link does.
NAMES = {
    "none": "no handler",
    "noop": "nothing",
    "link": "reads and sets href",
    "later": "the same, async",
}
WORKER = """const page = [];
let links = 0;
for (let size = 0; size < SIZE; links++) {
  page.push(ROW.replaceAll("{0}", links));
  size += page.at(-1).length;
}
const text = page.join("");
const link = (e) => { e.setAttribute("href", e.getAttribute("href").replace("old.", "new.")); };
const handlers = { noop(e) {}, link, async later(e) { link(e); } };
export default { async fetch(request) {
  const rewriter = new HTMLRewriter(), element = handlers[new URL(request.url).pathname.slice(1)];
  if (element) rewriter.on("a[href]", { element });
  const body = await rewriter.transform(new Response(text)).arrayBuffer();
  return Response.json([body.byteLength, links]);
} };"""
CONFIG = f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "w", esModule = embed "worker.mjs")], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{PORT}", http = (), service = "main")],
);"""


def page() -> tuple[str, int]:
    """The text and how many links it has."""
    rows: list[str] = []
    size = 0
    while size < SIZE:
        rows.append(ROW.replace("{0}", str(len(rows))))
        size += len(rows[-1])
    return "".join(rows), len(rows)


def link(element: Any) -> None:
    """Reads and sets an attribute."""
    element.setAttribute("href", element.getAttribute("href").replace("old.", "new."))


async def later(element: Any) -> None:
    """The same, as a coroutine."""
    link(element)


HANDLERS: dict[str, Callable[[Any], Any]] = {"noop": lambda element: None, "link": link, "later": later}


async def ours() -> dict[str, float]:
    """Seconds by name, in this process."""
    from js import HTMLRewriter, Object, Response
    from pyodide.ffi import create_proxy

    text, _ = page()
    best: dict[str, float] = {}
    for _ in range(PASSES):
        for name in NAMES:
            rewriter = HTMLRewriter.new()
            if name in HANDLERS:
                handlers = Object.new()
                handlers.element = create_proxy(HANDLERS[name])
                rewriter.on("a[href]", handlers)
            began = time.process_time()
            body = await rewriter.transform(Response.new(text)).arrayBuffer()
            spent = time.process_time() - began
            assert body.byteLength == len(text)
            best[name] = min(best.get(name, spent), spent)
    return best


def cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def theirs(binary: Path) -> dict[str, float]:
    """The same in workerd."""
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        constants = f"const SIZE = {SIZE}, ROW = {ROW!r};\n"
        (Path(folder) / "worker.mjs").write_text(constants + WORKER)
        (Path(folder) / "config.capnp").write_text(CONFIG)
        with subprocess.Popen([str(binary), "serve", f"{folder}/config.capnp"], stderr=subprocess.DEVNULL) as server:
            time.sleep(3)
            for _ in range(PASSES):
                for name in NAMES:
                    began = cpu(server.pid)
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{name}").read()
                    spent = cpu(server.pid) - began
                    best[name] = min(best.get(name, spent), spent)
            server.terminate()
    return best


def main() -> None:
    """Prints milliseconds, microseconds for each link, and the ratio."""
    import isthmus

    isthmus.install()
    mine = asyncio.run(ours())
    binary = _binary()
    reference = theirs(binary) if binary else None
    _, links = page()

    def figures(times: dict[str, float], name: str) -> str:
        return f"{times[name] * 1e3:6.0f} ms {(times[name] - times['none']) / links * 1e6:6.2f} µs per link"

    for name, what in NAMES.items():
        line = f"{what:20} {figures(mine, name)}"
        if reference:
            line += f"   workerd {figures(reference, name)}   {mine[name] / reference[name]:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
