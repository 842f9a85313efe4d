"""Echo of messages over WebSockets, from Python: Isthmus beside uvicorn, with the same client in the same run.

    python -m benches.http.websocket [--messages 100000] [--connections 16] [--size 32] [--compression]

Servers are pinned to one core, the client to the other, and take turns. What counts is the ratio: of the time that all
messages take, and of the CPU time that a server needs for each (host and isolates together).
"""

import argparse
import asyncio
import importlib.util
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from harness import processes  # noqa: E402
from harness.server import Server  # noqa: E402

SERVER_CORE, CLIENT_CORE = "0", "1"

CONFIG = """{
  "name": "echo", "main": "main.py", "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"]
}"""

WORKER = """
    from js import Response, WebSocketPair
    from workers import WorkerEntrypoint


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            client, server = WebSocketPair.new().object_values()
            server.accept()

            def echo(event):
                server.send(event.data)

            server.onmessage = echo
            return Response.new(None, status=101, webSocket=client)
"""

APPLICATION = """
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": message["text"]})
"""


@dataclass(frozen=True)
class Echo:
    """What one run showed."""

    seconds: float
    # CPU time per message in µs.
    cpu_us: float


CLIENT = """
    import asyncio, sys, time
    from websockets.asyncio.client import connect

    async def talk(url, count, text, compression, window):
        async with connect(url, compression=compression, max_queue=None) as client:
            async def hear():
                for _ in range(count):
                    if await client.recv() != text:
                        raise SystemExit("another text came back")
                    free.release()
            free = asyncio.Semaphore(window)
            hearing = asyncio.ensure_future(hear())
            for _ in range(count):
                await free.acquire()
                await client.send(text)
            await hearing

    async def main(url, messages, connections, size, compression, window):
        each = messages // connections
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(talk(url, each, "x" * size, compression, window))
        print(time.perf_counter() - began)

    url, messages, connections, size, compression, window = sys.argv[1:]
    asyncio.run(main(url, int(messages), int(connections), int(size), compression or None, int(window)))
"""


def measure(url: str, pids: Callable[[], list[int]], options: argparse.Namespace) -> Echo:
    """Sends all messages once; a short run before it warms the server."""

    def send(messages: int) -> float:
        arguments = [url, messages, options.connections, options.size, options.compression, options.window]
        command = ["taskset", "-c", CLIENT_CORE, sys.executable, "-c", textwrap.dedent(CLIENT), *map(str, arguments)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    send(options.connections * 50)
    before = sum(map(processes.cpu_seconds, pids()))
    seconds = send(options.messages)
    used = sum(map(processes.cpu_seconds, pids())) - before
    return Echo(seconds, used / options.messages * 1e6)


@contextmanager
def isthmus() -> Iterator[tuple[str, Callable[[], list[int]]]]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "wrangler.jsonc").write_text(CONFIG)
        Path(folder, "main.py").write_text(textwrap.dedent(WORKER))
        with Server(Path(folder), ["--log-level", "warn"], prefix=["taskset", "-c", SERVER_CORE]) as server:

            def pids() -> list[int]:
                found = server.pids()
                return [found.host, *found.isolates]

            yield server.url.replace("http", "ws", 1), pids


@contextmanager
def uvicorn(implementation: str) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "echo.py").write_text(textwrap.dedent(APPLICATION))
        command = ["taskset", "-c", SERVER_CORE, sys.executable, "-m", "uvicorn", "echo:app", "--port", "8791"]
        server = subprocess.Popen(
            [*command, "--ws", implementation, "--log-level", "error", "--app-dir", folder, "--lifespan", "off"]
        )
        try:
            asyncio.run(listens(server, 8791))
            yield "ws://127.0.0.1:8791", lambda: [server.pid]
        finally:
            server.terminate()
            server.wait()


def missing(implementation: str) -> list[str]:
    """The packages that uvicorn needs for an implementation and that are not installed."""
    needed = ["uvicorn", implementation.partition("-")[0]]
    return [name for name in needed if importlib.util.find_spec(name) is None]


async def listens(server: subprocess.Popen[bytes], port: int) -> None:
    """Waits until a server listens on its port. RuntimeError if it ends instead."""
    for _ in range(1200):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {server.returncode}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise TimeoutError(f"nothing listens on port {port}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--size", type=int, default=32, help="of a message, in bytes")
    parser.add_argument("--window", type=int, default=8, help="messages under way on each connection")
    parser.add_argument("--compression", action="store_const", const="deflate", default="")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--uvicorn", nargs="*", default=["websockets-sansio", "wsproto"], help="its implementations")
    options = parser.parse_args()
    began = time.strftime("%Y-%m-%d")
    print(f"{began}: {options.messages} messages of {options.size} bytes, {options.connections} connections")
    servers = {"isthmus": isthmus}
    for implementation in options.uvicorn:
        if lacking := missing(implementation):
            print(f"uvicorn {implementation} is not compared with (pip install {' '.join(lacking)})")
        else:
            servers[f"uvicorn {implementation}"] = lambda name=implementation: uvicorn(name)
    for _ in range(options.rounds):
        for name, start in servers.items():
            with start() as (url, pids):
                result = measure(url, pids, options)
            rate = options.messages / result.seconds
            print(f"{name:26} {result.seconds:7.2f} s {rate:9.0f} messages/s {result.cpu_us:7.1f} µs of CPU each", flush=True)


if __name__ == "__main__":
    main()
