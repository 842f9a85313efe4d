"""Digests, ciphers and gzip of 100 MiB: this crate's in plain CPython beside workerd's, in one run.

    .venv/bin/python benches/web/digests.py [NAME …]

Each is the same JavaScript, run once and five times over the same buffer: a quarter of the difference is what one costs, whatever
making the buffer does. Times are CPU milliseconds of the whole process, the least of some passes that alternate.
"""

import asyncio
import os
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from workerd import Workerd  # noqa: E402

PASSES = 5
MORE = 5
BODY = """async (name, times) => {
  const data = new Uint8Array(100 << 20).fill(1), s = crypto.subtle, iv = new Uint8Array(16);
  if (name === "gzip") {
    // Letters at random, 4 bits each, the same megabyte again and again: too far apart for the window of deflate.
    const part = data.subarray(0, 1 << 20);
    for (let i = 0, x = 1; i < part.length; i++) part[i] = 97 + ((x = (x * 48271) % 2147483647) & 15);
    for (let i = 1; i < 100; i++) data.set(part, i << 20);
  }
  const aes = name.startsWith("AES");
  const key = aes ? await s.importKey("raw", new Uint8Array(32), name, false, ["encrypt"]) : undefined;
  for (let i = 0; i < times; i++) {
    if (name === "gzip") {
      const reader = new Blob([data]).stream().pipeThrough(new CompressionStream(name)).getReader();
      while (!(await reader.read()).done);
    } else await (aes ? s.encrypt({ name, iv, counter: iv, length: 64 }, key, data) : s.digest(name, data));
  }
}"""
NAMES = ["SHA-256", "SHA-1", "SHA-512", "MD5", "AES-GCM", "AES-CTR", "AES-CBC", "gzip"]
WORKER = f"""const run = {BODY};
export default {{ async fetch(request) {{
  const [, name, times] = new URL(request.url).pathname.split("/");
  await run(name, +times);
  return new Response("");
}} }};"""
CONFIG = f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "w", esModule = embed "worker.mjs")], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", http = (), service = "main")],
);"""


def cpu_seconds(process: int) -> float:
    """What all threads of a process have used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Contender:
    """Does an operation some times; `process` is whose CPU time counts."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._least: dict[tuple[str, int], float] = {}

    async def run(self, name: str, times: int) -> None:
        raise NotImplementedError

    async def measure(self, name: str) -> None:
        """One pass."""
        for times in (1, MORE):
            before = cpu_seconds(self._process)
            await self.run(name, times)
            spent = cpu_seconds(self._process) - before
            self._least[name, times] = min(self._least.get((name, times), spent), spent)

    def milliseconds(self, name: str) -> float:
        """What one operation costs."""
        return (self._least[name, MORE] - self._least[name, 1]) / (MORE - 1) * 1e3


class Ours(Contender):
    """This process."""

    def __init__(self) -> None:
        super().__init__(os.getpid())
        import js

        self._run = js.eval(f"({BODY})")

    async def run(self, name: str, times: int) -> None:
        await self._run(name, times)


class Theirs(Contender):
    """A running workerd."""

    def __init__(self, server: Workerd) -> None:
        super().__init__(server.pid)
        self._url = server.url

    async def run(self, name: str, times: int) -> None:
        urllib.request.urlopen(f"{self._url}/{name}/{times}").read()


def main() -> None:
    """Prints milliseconds and the ratio."""
    import isthmus

    isthmus.install()
    names = sys.argv[1:] or NAMES
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "worker.mjs").write_text(WORKER)
        (folder / "config.capnp").write_text(CONFIG)
        server = Workerd.start([], folder / "config.capnp")
        contenders: list[Contender] = [Ours()]
        if server is not None:
            stack.callback(server.stop)
            contenders.append(Theirs(server))

        async def measure() -> None:
            for _ in range(PASSES):
                for name in names:
                    for contender in contenders:
                        await contender.measure(name)

        asyncio.run(measure())
    for name in names:
        mine, *other = (contender.milliseconds(name) for contender in contenders)
        line = f"{name:8} {mine:7.1f} ms"
        if other:
            line += f"   workerd {other[0]:7.1f} ms   {mine / other[0]:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
