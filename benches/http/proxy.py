"""`fetch()` as a proxy, beside workerd with the same JavaScript in the same run: 100 MiB, and 1e5 small chunks.

A Worker passes an answer of a server on this machine on, as it came and through a loop of its own. Times are CPU
seconds of everything that serves, the machine's wall clock beside them; memory is what the processes grew by while 1
GiB passed. What other ways of small chunks cost: `benches/web/chunks.py`.

    .venv/bin/python benches/http/proxy.py [--rounds N]
"""

import argparse
import http.client
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).resolve().parent)]

from harness import processes  # noqa: E402
from harness.server import Server  # noqa: E402
from origin import Origin  # noqa: E402
from workerd import CONFIG, Workerd  # noqa: E402

MIB = 1 << 20
SMALL = 100_000

SCRIPT = """
    const url = new URL(request.url);
    const target = "http://127.0.0.1:" + url.searchParams.get("port") + url.pathname;
    if (url.pathname.startsWith("/up/")) return fetch(target, { method: "POST", body: request.body });
    const response = await fetch(target);
    if (!url.searchParams.has("loop")) return response;
    let length = 0;
    for await (const chunk of response.body) length += chunk.length;
    return new Response(String(length));
"""

WORKER = f"""
from pyodide.code import run_js
from workers import WorkerEntrypoint

answer = run_js('''(async (request) => {{ {SCRIPT} }})''')

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await answer(request.js_object)
"""

WRANGLER = """{
  "name": "proxy", "main": "main.py",
  "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"]
}"""


def answer(connection: socket.socket, stream: BinaryIO, path: str, headers: dict[bytes, bytes]) -> None:
    """`/N` with N bytes, `/small/N` with N chunks of 10 bytes, `/up/…` with the length of what came."""
    kind, _, number = path.strip("/").rpartition("/")
    if kind == "up":
        length = 0
        if b"content-length" in headers:
            left = int(headers[b"content-length"])
            while left:
                left -= len(stream.read(min(left, MIB)))
            length = int(headers[b"content-length"])
        else:
            while size := int(stream.readline(), 16):
                stream.read(size + 2)
                length += size
            stream.readline()
        body = str(length).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    elif kind == "small":
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"a\r\n0123456789\r\n" * 10
        for _ in range(int(number) // 10):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\n")
    else:
        left = int(number)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % left)
        block = bytes(256 * 1024)
        while left:
            connection.sendall(block[: min(left, len(block))])
            left -= min(left, len(block))


@dataclass
class Contender:
    """A server under test."""

    name: str
    url: str
    pids: Callable[[], list[int]]
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    grown: dict[str, int] = field(default_factory=dict)

    def cpu(self) -> float:
        return sum(map(processes.cpu_seconds, self.pids()))


def get(url: str, path: str, body: object = None) -> int:
    """The length of the answer's body, or its number if it is one."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    connection.request("POST" if body is not None else "GET", path, body=body)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    if "loop" in path or body is not None:
        return int(response.read())
    length, buffer = 0, bytearray(MIB)
    while count := response.readinto(buffer):
        length += count
    connection.close()
    return length


class Zeros:
    """A file of zeros, for uploads."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._block = bytes(256 * 1024)

    def __len__(self) -> int:
        return self._left

    def read(self, _: int = -1) -> bytes:
        block = self._block[: self._left]
        self._left -= len(block)
        return block


def measure(contender: Contender, case: str, work: Callable[[], int], expected: int) -> None:
    cpu, wall = contender.cpu(), time.perf_counter()
    got = work()
    assert got == expected, (contender.name, case, got)
    contender.seconds.setdefault(case, []).append((contender.cpu() - cpu, time.perf_counter() - wall))


def grow(contender: Contender, case: str, work: Callable[[], int]) -> None:
    """How much the memory of the processes grows at most while `work` is under way."""
    pids = contender.pids()
    before = {pid: processes.private_bytes(pid) for pid in pids}
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, max(processes.private_bytes(pid) - before[pid] for pid in pids))

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    contender.grown[case] = most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    origin = Origin(answer)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "main.py").write_text(WORKER)
        (folder / "wrangler.jsonc").write_text(WRANGLER)
        server = stack.enter_context(Server(folder))
        contenders = [
            Contender("isthmus", server.url, lambda: [server.host_pid, *server.pids().isolates]),
        ]
        (folder / "worker.mjs").write_text(f"export default {{ async fetch(request) {{ {SCRIPT} }} }}")
        config = folder / "proxy.capnp"
        config.write_text(
            CONFIG.read_text()
            .replace("(name = \"hello\", esModule = \"export default { fetch() { return new Response('Hello World!'); } }\")",
                     '(name = "worker", esModule = embed "worker.mjs")')
            .replace('services = [(name = "main", worker = .hello)]',
                     'services = [(name = "main", worker = .hello), (name = "internet", network = (allow = ["private", "public"]))]')
        )  # fmt: skip
        peer = Workerd.start([], config)
        if peer is not None:
            stack.callback(peer.stop)
            contenders.append(Contender("workerd", peer.url, lambda: [peer.pid]))
        port = f"port={origin.port}"
        cases: list[tuple[str, Callable[[str], int], int]] = [
            ("100 MiB passed on", lambda url: get(url, f"/{100 * MIB}?{port}"), 100 * MIB),
            ("100 MiB read", lambda url: get(url, f"/{100 * MIB}?{port}&loop"), 100 * MIB),
            ("100 MiB sent up", lambda url: get(url, f"/up/x?{port}", Zeros(100 * MIB)), 100 * MIB),
            ("1e5 chunks passed on", lambda url: get(url, f"/small/{SMALL}?{port}"), 10 * SMALL),
            ("1e5 chunks read", lambda url: get(url, f"/small/{SMALL}?{port}&loop"), 10 * SMALL),
        ]
        for _ in range(rounds):
            for name, work, expected in cases:
                for contender in contenders:
                    measure(contender, name, lambda work=work, url=contender.url: work(url), expected)
        for contender in contenders:
            url = contender.url
            grow(contender, "1 GiB passed on", lambda url=url: get(url, f"/{1024 * MIB}?{port}"))
            grow(contender, "1 GiB read", lambda url=url: get(url, f"/{1024 * MIB}?{port}&loop"))
            grow(contender, "1 GiB sent up", lambda url=url: get(url, f"/up/x?{port}", Zeros(1024 * MIB)))
        for name, *_ in cases:
            line = f"{name:22}"
            for contender in contenders:
                cpu, wall = (statistics.median(value[i] for value in contender.seconds[name]) for i in (0, 1))
                line += f"  {contender.name} {cpu:6.3f} s CPU {wall:6.3f} s"
            print(line)
        for contender in contenders:
            for name, most in contender.grown.items():
                print(f"{contender.name}: {name}: at most {most / MIB:.1f} MiB above idle in one process")


if __name__ == "__main__":
    main()
