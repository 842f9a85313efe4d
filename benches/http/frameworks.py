"""FastAPI through the SDK's adapter, beside FastAPI on granian and on uvicorn in the same run.

Each server is pinned to one core with all its processes, `wrk` to another; they run throughout and are loaded in turn.
The mark is half of granian's requests per second. Options: `frameworks.py [--seconds N] [--rounds N] [--only NAME]`;
needs `wrk` and, for what is compared with, `pip install granian`.

On 2026-11-23, on two cores with much else to do (`--seconds 2 --rounds 2`, CPU µs per request of all processes), the mark is
not reached:

    path                isthmus   granian   uvicorn
    /                       268        71       190
    /items/7?q=seven        323       100       233
    /sync                   459       184       257

Of the 268, 23 are the host's and 20 an isolate's for a Worker that answers at once; the adapter adds 87 with an ASGI
application that does nothing (two tasks, queues and a lifespan per request, the headers twice into an
`email.message.Message`; of it the crossings, measured alone: URL 3, headers 2 x 8, `Headers` 8, body 2, `Response` 2), and
FastAPI with its lifespan the rest, which in a loop of its own takes 46 + 21.
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
