"""Digests and ciphers of 100 MiB: this crate's in plain CPython beside workerd's, in one run.

    python benches/web/digests.py

Each is the same JavaScript, run once and five times over the same buffer: a quarter of the difference is what one costs, whatever
making the buffer does. workerd's clock stands still within a request, so that both are timed from outside.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from workerd import _binary  # noqa: E402

PORT = 8746
PASSES = 5
MORE = 5
BODY = """async (name, times) => {
  const data = new Uint8Array(100 << 20).fill(1), s = crypto.subtle, iv = new Uint8Array(16);
  const aes = name.startsWith("AES");
  const key = aes ? await s.importKey("raw", new Uint8Array(32), name, false, ["encrypt"]) : undefined;
  for (let i = 0; i < times; i++) {
    await (aes ? s.encrypt({ name, iv, counter: iv, length: 64 }, key, data) : s.digest(name, data));
  }
}"""
NAMES = ["SHA-256", "SHA-1", "SHA-512", "MD5", "AES-GCM", "AES-CTR", "AES-CBC"]
WORKER = f"""const run = {BODY};
export default {{ async fetch(request) {{
  const [, name, times] = new URL(request.url).pathname.split("/");
  await run(name, +times);
  return new Response("");
}} }};"""
CONFIG = f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "w", esModule = embed "worker.mjs")], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{PORT}", http = (), service = "main")],
);"""


class Times:
    """The best of some passes, by name and how often."""

    def __init__(self) -> None:
        self._best: dict[tuple[str, int], float] = {}

    def add(self, name: str, times: int, began: float) -> None:
        """A run that began at `began` is over."""
        spent = time.perf_counter() - began
        self._best[name, times] = min(self._best.get((name, times), spent), spent)

    def milliseconds(self, name: str) -> float:
        """What one operation costs."""
        return (self._best[name, MORE] - self._best[name, 1]) / (MORE - 1) * 1e3


async def ours() -> Times:
    """In this process."""
    import js

    run = js.eval(f"({BODY})")
    times = Times()
    for _ in range(PASSES):
        for name in NAMES:
            for count in (1, MORE):
                began = time.perf_counter()
                await run(name, count)
                times.add(name, count, began)
    return times


def theirs(binary: Path) -> Times:
    """In workerd."""
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "worker.mjs").write_text(WORKER)
        (Path(folder) / "config.capnp").write_text(CONFIG)
        with subprocess.Popen([str(binary), "serve", f"{folder}/config.capnp"], stderr=subprocess.DEVNULL) as server:
            time.sleep(2)
            for _ in range(PASSES):
                for name in NAMES:
                    for count in (1, MORE):
                        began = time.perf_counter()
                        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{name}/{count}").read()
                        times.add(name, count, began)
            server.terminate()
    return times


def main() -> None:
    """Prints milliseconds and the ratio."""
    import isthmus

    isthmus.install()
    mine = asyncio.run(ours())
    binary = _binary()
    reference = theirs(binary) if binary else None
    for name in NAMES:
        line = f"{name:8} {mine.milliseconds(name):7.1f} ms"
        if reference:
            other = reference.milliseconds(name)
            line += f"   workerd {other:7.1f} ms   {mine.milliseconds(name) / other:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
