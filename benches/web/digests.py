"""Digests and ciphers of 100 MiB: this crate's in plain CPython beside workerd's, in one run.

    python benches/web/digests.py

Each is the same JavaScript. workerd's clock stands still within a request, so that it is timed from outside, and what a request
costs that only makes the buffer is taken off; so is it here.
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
PASSES = 7
BODY = """async (name) => {
  const data = new Uint8Array(100 << 20).fill(1), s = crypto.subtle, iv = new Uint8Array(16);
  if (name.startsWith("AES")) {
    const key = await s.importKey("raw", new Uint8Array(32), name, false, ["encrypt"]);
    return (await s.encrypt({ name, iv, counter: iv, length: 64 }, key, data)).byteLength;
  }
  return name === "none" ? 0 : (await s.digest(name, data)).byteLength;
}"""
NAMES = ["none", "SHA-256", "SHA-1", "SHA-512", "MD5", "AES-GCM", "AES-CTR", "AES-CBC"]
WORKER = f"""const run = {BODY};
export default {{ async fetch(request) {{ return Response.json(await run(new URL(request.url).pathname.slice(1))); }} }};"""
CONFIG = f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "w", esModule = embed "worker.mjs")], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{PORT}", http = (), service = "main")],
);"""


async def ours(names: list[str]) -> dict[str, float]:
    """Seconds per name, the best of some passes."""
    import js

    run = js.eval(f"({BODY})")
    best: dict[str, float] = {}
    for _ in range(PASSES):
        for name in names:
            began = time.perf_counter()
            await run(name)
            best[name] = min(best.get(name, 1e9), time.perf_counter() - began)
    return best


def theirs(names: list[str], binary: Path) -> dict[str, float]:
    """The same of workerd."""
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "worker.mjs").write_text(WORKER)
        (Path(folder) / "config.capnp").write_text(CONFIG)
        with subprocess.Popen([str(binary), "serve", f"{folder}/config.capnp"], stderr=subprocess.DEVNULL) as server:
            time.sleep(2)
            for _ in range(PASSES):
                for name in names:
                    began = time.perf_counter()
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{name}").read()
                    best[name] = min(best.get(name, 1e9), time.perf_counter() - began)
            server.terminate()
    return best


def main() -> None:
    """Prints milliseconds and the ratio."""
    import isthmus

    isthmus.install()
    mine = asyncio.run(ours(NAMES))
    binary = _binary()
    reference = theirs(NAMES, binary) if binary else None
    for name in NAMES[1:]:
        line = f"{name:8} {(mine[name] - mine['none']) * 1e3:7.1f} ms"
        if reference:
            other = reference[name] - reference["none"]
            line += f"   workerd {other * 1e3:7.1f} ms   {(mine[name] - mine['none']) / other:5.2f}"
        print(line)


if __name__ == "__main__":
    main()
