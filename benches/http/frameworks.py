"""FastAPI through the SDK's adapter, beside FastAPI on granian and on uvicorn in the same run.

Each server is pinned to one core with all its processes, `wrk` to another; they run throughout and are loaded in turn.
The mark is half of granian's requests per second. Options: `frameworks.py [--seconds N] [--rounds N] [--only NAME]`;
needs `wrk` and, for what is compared with, `pip install granian`.

On 2026-11-23, on an otherwise idle machine of two cores (`--seconds 3 --rounds 3`): requests per second, and CPU µs per request
of all processes. A second run gave 50, 63 and 75 %: for "/" the mark is reached just so.

    path                isthmus         granian         of granian's requests
    /                   8,357  119      16,358   61     51 %
    /items/7?q=seven    6,961  143      11,261   88     62 %
    /sync               5,847  171       7,799  128     75 %

On a machine three times slower and as noisy (`--seconds 2 --rounds 11`): / 50 % (the medians; 52 % of all requests), /items 60 %,
/sync 66 %; 40 further pairs of 2 s for "/" alone: 53 % of all requests, the median pair 54 %.

Tried and left out, since every build would pay for it: thin LTO with one codegen unit, 2.3 % less CPU for "/". Without
effect: one codegen unit for each crate of ours, the interpreter's text in huge pages, shapes of short-lived JavaScript objects kept alive, fewer polls of a busy loop.
What asyncio's set of all tasks costs is 0.16 µs for each of the three tasks. CPython up to 3.11 at least asks for the process's
number whenever it looks for the running loop: seven system calls a request, of 0.2 to 0.4 µs in a virtual machine.

Counted in instructions (callgrind; a request of "/" in an isolate, host apart) it was 1.16 million and is 0.94: `Headers` of
a list of pairs took 92,000 of them and takes 5,000, iterating over `Headers` 68,000 and now 31,000, collections of young
objects 51,000 and now next to none, the event loop's handles 38,000 more than now, the parts of a URL 11,000 more. Of what
is left FastAPI with its lifespan (one per request, as the adapter has it) is about 430,000, as in a loop of its own, what
crosses into JavaScript about 190,000, and the rest mostly the adapter's Python (three tasks, queues, the headers twice into an
`email.message.Message`). A request misses the first-level instruction cache 28,000 times, which costs more than all else: what
makes the way shorter counts for more than its instructions, and one request after the other instead of step by step
together costs more, not less.
"""

import argparse
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).resolve().parent)]

from harness import processes  # noqa: E402
from harness.processes import eventually  # noqa: E402
from harness.server import Server  # noqa: E402
from load import CONNECTIONS, measure, wrk  # noqa: E402
from run import PINNED, Contender, isthmus, report  # noqa: E402

APPLICATION = """
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()

class Item(BaseModel):
    name: str
    count: int

@app.get("/")
async def root():
    return {"message": "Hello World"}

@app.get("/items/{number}")
async def item(number: int, q: str | None = None) -> Item:
    return Item(name=q or "none", count=number)

@app.get("/sync")
def sync():
    return {"message": "Hello World"}
"""

WORKER = """
from application import app
from workers import asgi

Default = asgi.entrypoint(app)
"""

WRANGLER = """{
  "name": "frameworks", "main": "main.py",
  "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"]
}"""

PATHS = ["/", "/items/7?q=seven", "/sync"]
SERVERS = {
    "granian": ["granian", "--interface", "asgi", "--workers", "1", "--no-log", "application:app", "--port"],
    "uvicorn": ["uvicorn", "--no-access-log", "--log-level", "warning", "application:app", "--port"],
}


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    return [pid, *(each for child in processes.children(pid) for each in tree(child))]


def start(arguments: list[str], folder: Path, stack: ExitStack) -> tuple[str, int]:
    """A server from PyPI; its URL and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*PINNED, sys.executable, "-m", *arguments, str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)

    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    eventually(listens, f"{arguments[0]} listens", 30)
    return f"http://127.0.0.1:{port}", process.pid


def report_ratio(contenders: list[Contender]) -> None:
    """What of the others' requests per second, and how much more CPU."""
    ours, *others = contenders
    for other in others:
        rate = ours.median(lambda load: load.requests_per_second) / other.median(lambda load: load.requests_per_second)
        cpu = ours.median(lambda load: sum(load.cpu_us.values())) / other.median(lambda load: sum(load.cpu_us.values()))
        print(f"{rate:.0%} of {other.name}'s requests per second, {cpu:.2f} times its CPU per request")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", choices=["isthmus", *SERVERS])
    arguments = options.parse_args()
    if shutil.which("wrk") is None:
        print("benches/http: no wrk (apt install wrk); nothing measured")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, text in {"application.py": APPLICATION, "main.py": WORKER, "wrangler.jsonc": WRANGLER}.items():
            (folder / name).write_text(text)
        started: list[tuple[str, str, Callable[[], dict[str, list[int]]]]] = []
        if arguments.only in (None, "isthmus"):
            server = stack.enter_context(Server(folder, ["--log-level", "warn"], prefix=PINNED))
            server.get().raise_for_status()
            started.append(("isthmus", server.url, isthmus(server)))
        for name, command in SERVERS.items():
            if arguments.only not in (None, name):
                continue
            if importlib.util.find_spec(name) is None:
                print(f"no {name} (pip install {name}): it is not compared with")
                continue
            url, pid = start(command, folder, stack)
            started.append((name, url, lambda pid=pid, name=name: {name: tree(pid)}))
        print(f"FastAPI, {CONNECTIONS} connections, {arguments.rounds} rounds of {arguments.seconds} s, medians")
        for path in PATHS:
            contenders = [Contender(name, url + path, pids) for name, url, pids in started]
            for contender in contenders:
                wrk(contender.url, 1)
            for _ in range(arguments.rounds):
                for contender in contenders:
                    contender.loads.append(measure(contender.url, arguments.seconds, contender.pids))
            print(f"\n{path}")
            report(contenders)
            if contenders[0].name == "isthmus":
                report_ratio(contenders)


if __name__ == "__main__":
    main()
