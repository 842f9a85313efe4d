"""What a small chunk costs on every way a Worker streams many of them, beside workerd with the same JavaScript in the same run.

    .venv/bin/python benches/web/chunks.py [--rounds N] [--only TEXT] [--python FOLDER]

CPU microseconds for each of 1e5 chunks of 10 bytes, of all processes that serve together. The client and the server that is
fetched from are this process and count for nothing; they write ten chunks at a time. `--python` measures the package in another
folder than this checkout's `python`, to compare two builds.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benches" / "http")]

from harness import processes  # noqa: E402
from harness.server import Server  # noqa: E402
from origin import Origin  # noqa: E402
from workerd import CONFIG, Workerd  # noqa: E402

CHUNKS = 100_000
PIECE = b"0123456789"

# Each is a whole handler. `n` counts down, `chunk` has ten bytes, `fetched` is a body of that many chunks.
JAVASCRIPT = {
    "pull() to the response": """
        return new Response(new ReadableStream({ pull(c) { if (n-- > 0) c.enqueue(chunk); else c.close(); } }));""",
    "byte stream's pull() to the response": """
        return new Response(new ReadableStream({ type: "bytes",
          pull(c) { if (n-- > 0) c.enqueue(new Uint8Array(10)); else c.close(); } }));""",
    "async generator to the response": """
        return new Response(ReadableStream.from((async function* () { while (n-- > 0) yield chunk; })()));""",
    "awaited writes to an IdentityTransformStream": """
        const { readable, writable } = new IdentityTransformStream(), writer = writable.getWriter();
        (async () => { while (n-- > 0) await writer.write(chunk); await writer.close(); })();
        return new Response(readable);""",
    "awaited writes to a TransformStream": """
        const { readable, writable } = new TransformStream(), writer = writable.getWriter();
        (async () => { while (n-- > 0) await writer.write(chunk); await writer.close(); })();
        return new Response(readable);""",
    "pipeThrough(new TextEncoderStream())": """
        const text = new ReadableStream({ pull(c) { if (n-- > 0) c.enqueue("0123456789"); else c.close(); } });
        return new Response(text.pipeThrough(new TextEncoderStream()));""",
    "fetched, passed on": """return await fetched();""",
    "fetched, through a transformer": """
        const { body } = await fetched();
        return new Response(body.pipeThrough(new TransformStream({ transform(c, t) { t.enqueue(c); } })));""",
    "fetched, for await": """
        let length = 0;
        for await (const c of (await fetched()).body) length += c.length;
        return new Response(String(length));""",
    "uploaded, read() in a loop": """
        const reader = request.body.getReader();
        let length = 0;
        for (let r; !(r = await reader.read()).done;) length += r.value.length;
        return new Response(String(length));""",
}

PYTHON = {
    "Python: async for over fetched": """
        length = 0
        async for chunk in (await fetch(target)).body:
            length += chunk.length
        return Response(str(length))""",
    "Python: async for over the request": """
        length = 0
        async for chunk in request.body:
            length += chunk.length
        return Response(str(length))""",
    "Python: async generator to the response": """
        async def chunks():
            for _ in range(n):
                yield to_js(PIECE)
        return Response(ReadableStream.from_(create_proxy(chunks())))""",
    "Python: pull() to the response": """
        left = n
        def pull(controller):
            nonlocal left
            if left:
                left -= 1
                controller.enqueue(to_js(PIECE))
            else:
                controller.close()
        return Response(ReadableStream.new(pull=create_proxy(pull)))""",
    "Python: awaited writes (as ASGI)": """
        stream = TransformStream.new()
        writer = stream.writable.getWriter()
        async def write():
            for _ in range(n):
                await writer.write(to_js(PIECE))
            await writer.close()
        self.ctx.waitUntil(create_proxy(write()))
        return Response(stream.readable)""",
}

WORKER = """
from js import ReadableStream, TransformStream
from pyodide.code import run_js
from pyodide.ffi import create_proxy, to_js
from urllib.parse import parse_qs, urlsplit
from workers import Response, WorkerEntrypoint, fetch

PIECE = b"0123456789"
answer = run_js('''%(answer)s''')

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        case, n = int(url.path[1:]), %(chunks)d
        target = f"http://127.0.0.1:{parse_qs(url.query)['port'][0]}/{n}"
        if case < %(javascript)d:
            return await answer(request.js_object)
        return await getattr(self, f"case{case}")(request, n, target)
%(methods)s
"""

WRANGLER = """{
  "name": "chunks", "main": "main.py",
  "compatibility_date": "2026-04-01", "compatibility_flags": ["python_workers"]
}"""


def javascript() -> str:
    """A function of a request that does the case its path names."""
    cases = ", ".join(f"async (request, n, chunk, fetched) => {{ {body} }}" for body in JAVASCRIPT.values())
    return f"""((cases) => async (request) => {{
      const url = new URL(request.url);
      const fetched = () => fetch("http://127.0.0.1:" + url.searchParams.get("port") + "/{CHUNKS}");
      return cases[+url.pathname.slice(1)](request, {CHUNKS}, new TextEncoder().encode("0123456789"), fetched);
    }})([{cases}])"""


def python() -> str:
    """The methods of the cases in Python."""
    return "\n".join(
        f"    async def case{len(JAVASCRIPT) + number}(self, request, n, target):{body}\n"
        for number, body in enumerate(PYTHON.values())
    )


CHUNKED = b"".join(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) for _ in range(10))


def send_chunks(connection: socket.socket, count: int) -> None:
    for _ in range(count // 10):
        connection.sendall(CHUNKED)
    connection.sendall(b"0\r\n\r\n")


def answer(connection: socket.socket, _stream: BinaryIO, path: str, _headers: dict[bytes, bytes]) -> None:
    """`/N` with N chunks."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    send_chunks(connection, int(path[1:]))


def request(url: str, path: str, upload: bool) -> bytes:
    """The answer's head and the raw rest, on a connection of its own; chunks are sent up meanwhile."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        head = f"{'POST' if upload else 'GET'} {path} HTTP/1.1\r\nhost: {where.netloc}\r\nconnection: close\r\n"
        connection.sendall((head + ("transfer-encoding: chunked\r\n" if upload else "") + "\r\n").encode())
        if upload:
            threading.Thread(target=send_chunks, args=(connection, CHUNKS)).start()
        got = bytearray()
        while part := connection.recv(1 << 20):
            got += part
        return bytes(got)


def payload(answer: bytes) -> int:
    """The number of bytes in a chunked answer, or of one with a length."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer[:500]
    if b"content-length" in head.lower():
        return int(rest)
    total, at = 0, 0
    while size := int(rest[at : (end := rest.index(b"\r\n", at))], 16):
        total += size
        at = end + 2 + size + 2
    assert rest.endswith(b"0\r\n\r\n")
    return total


def main() -> None:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--python", action="append", default=[])
    options = parser.parse_args()
    origin = Origin(answer)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "main.py").write_text(
            WORKER
            % {"answer": javascript(), "methods": python(), "chunks": CHUNKS, "javascript": len(JAVASCRIPT)}
        )
        (folder / "wrangler.jsonc").write_text(WRANGLER)
        contenders: list[tuple[str, str, Callable[[], list[int]]]] = []
        for where in options.python or [""]:
            environment = {"PYTHONPATH": where} if where else {}
            server = stack.enter_context(Server(folder, environment=environment))
            contenders.append(
                (where or "isthmus", server.url, lambda server=server: [server.host_pid, *server.pids().isolates])
            )
        (folder / "worker.mjs").write_text(
            f"const answer = {javascript()};\nexport default {{ fetch: (request) => answer(request) }};"
        )
        config = folder / "chunks.capnp"
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
            contenders.append(("workerd", peer.url, lambda: [peer.pid]))
        for number, name in enumerate([*JAVASCRIPT, *PYTHON]):
            if options.only not in name:
                continue
            line = f"{name:46}"
            times: dict[str, list[float]] = {}
            for _ in range(options.rounds + 1):
                for label, url, pids in contenders:
                    if label == "workerd" and number >= len(JAVASCRIPT):
                        continue
                    before = sum(map(processes.cpu_seconds, pids()))
                    upload = "uploaded" in name or "request" in name
                    got = payload(request(url, f"/{number}?port={origin.port}", upload))
                    assert got == CHUNKS * len(PIECE), (name, label, got)
                    spent = sum(map(processes.cpu_seconds, pids())) - before
                    times.setdefault(label, []).append(spent / CHUNKS * 1e6)
            # The first is to warm up.
            for label, spent in times.items():
                line += f"  {label} {statistics.median(spent[1:]):6.2f} µs"
            print(line, flush=True)


if __name__ == "__main__":
    main()
