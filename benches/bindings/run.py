"""How fast bindings are from a Python Worker, beside miniflare in the same run: `run.py [--rounds N] [binding …]`.

    .venv/bin/python benches/bindings/run.py kv

A module of this folder for each binding (`kv.py`) has `CASES`, a Worker in Python and the same in JavaScript, whose `prepare`
puts there what the cases read. Each request
does `count` operations of one case in a loop; both servers run throughout, on the same two cores, and are asked in turn. The
time of an operation is the request's, divided; what an empty request costs is taken off. `ISTHMUS_MINIFLARE` names the folder
whose `node_modules` hold miniflare (else `/tmp/wd`); without it there is nothing to compare with.
"""

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(HERE)]

import httpx  # noqa: E402
from harness import processes  # noqa: E402
from harness.server import Server  # noqa: E402

CORES = "0,1"
PINNED = ["taskset", "-c", CORES]

FRAME = '''
import time
from urllib.parse import parse_qs, urlsplit

from workers import Response, WorkerEntrypoint


async def nothing(env, count):
    pass


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        query = parse_qs(urlsplit(request.url).query)
        case = globals()[query["case"][0]]
        await case(self.env, int(query["count"][0]))
        return Response("done")

'''


@dataclass
class Case:
    """A function of the Workers, Python's and JavaScript's, of the same name: `async (env, count)`."""

    name: str
    what: str
    count: int = 200
    """How many operations a request does."""
    goal_us: float | None = None
    """What one may take."""
    goal_of_sync: float | None = None
    """… or that, as a multiple of one `fdatasync`, if it is more."""


@dataclass
class Contender:
    """A server under test."""

    name: str
    url: str
    times: dict[str, list[float]] = field(default_factory=dict)
    """For each case, seconds per operation."""
    empty: list[float] = field(default_factory=list)
    """Seconds of requests that do nothing."""

    def ask(self, client: httpx.Client, case: str, count: int) -> float:
        """Seconds of one request."""
        begin = time.perf_counter()
        response = client.get(f"{self.url}/?case={case}&count={count}")
        spent = time.perf_counter() - begin
        if response.status_code != 200 or response.text != "done":
            raise RuntimeError(f"{self.name}, {case}: {response.status_code} {response.text[:1000]}")
        return spent

    def measure(self, client: httpx.Client, case: Case) -> None:
        """One round of a case."""
        self.empty.append(self.ask(client, "nothing", 0))
        spent = self.ask(client, case.name, case.count) - statistics.median(self.empty)
        self.times.setdefault(case.name, []).append(spent / case.count)

    def microseconds(self, case: Case) -> float:
        """The median of an operation's time."""
        return statistics.median(self.times[case.name]) * 1e6


class Miniflare:
    """miniflare with a JavaScript Worker, in a process of its own."""

    def __init__(self, folder: Path, modules: Path, options: dict, script: str) -> None:
        main = HERE / "miniflare.mjs"
        (folder / "worker.mjs").write_text(script)
        (folder / "options.json").write_text(json.dumps({**options, "persist": str(folder / "state")}))
        environment = {**os.environ, "MINIFLARE_FROM": str(modules)}
        self._process = subprocess.Popen(
            [*PINNED, "node", str(main), str(folder)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip().rstrip("/")
        if not self.url:
            raise RuntimeError("miniflare doesn't start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


class Growth:
    """How much the private memory of a server's processes has grown since."""

    def __init__(self, server: Server) -> None:
        pids = server.pids()
        self._before = {pid: processes.private_bytes(pid) for pid in (pids.host, *pids.isolates)}

    def __str__(self) -> str:
        grown = ((processes.private_bytes(pid) - size) / 2**20 for pid, size in self._before.items())
        return f"private memory grew by {', '.join(f'{size:.1f} MiB' for size in grown)} (host, isolates)"


def miniflare_modules() -> Path | None:
    """The folder from which miniflare can be imported."""
    folder = Path(os.environ.get("ISTHMUS_MINIFLARE") or "/tmp/wd")
    return folder if (folder / "node_modules/miniflare").is_dir() and shutil.which("node") else None


def sync_seconds(folder: Path, times: int = 200) -> float:
    """The median of one `fdatasync` after a page was appended, on the disk of the stores."""
    spent = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


def write_worker(folder: Path, module: ModuleType) -> Path:
    """The Python Worker of a binding."""
    config = {
        "name": "bench",
        "main": "main.py",
        "compatibility_date": "2026-11-01",
        "compatibility_flags": ["python_workers"],
        **module.CONFIG,
    }
    worker = folder / "worker"
    worker.mkdir()
    (worker / "wrangler.jsonc").write_text(json.dumps(config))
    (worker / "main.py").write_text(FRAME + textwrap.dedent(module.PYTHON))
    return worker


def bench(module: ModuleType, rounds: int, only: str) -> None:
    """Measures one binding and prints its table."""
    cases = [case for case in module.CASES if only in case.name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-bench-")))
        server = stack.enter_context(Server(write_worker(folder, module), prefix=PINNED, start_timeout=60))
        contenders = [Contender("isthmus", server.url)]
        if modules := miniflare_modules():
            (folder / "miniflare").mkdir()
            script = textwrap.dedent(module.JAVASCRIPT)
            other = stack.enter_context(Miniflare(folder / "miniflare", modules, module.MINIFLARE, script))
            contenders.append(Contender("miniflare", other.url))
        client = stack.enter_context(httpx.Client(timeout=600))
        for contender in contenders:
            if "async def prepare(" in module.PYTHON:
                contender.ask(client, "prepare", 0)
            for case in cases:
                contender.ask(client, case.name, case.count)
        syncs = []
        for _ in range(rounds):
            for case in cases:
                for contender in contenders:
                    contender.measure(client, case)
            syncs.append(sync_seconds(folder))
        report(module, cases, contenders, statistics.median(syncs))
        if further := getattr(module, "further", None):
            further(server, client)


def report(module: ModuleType, cases: list[Case], contenders: list[Contender], sync: float) -> None:
    """The table, and whether the goals are reached."""
    print(f"\n{module.__name__}: µs per operation; one fdatasync takes {sync * 1e6:.0f} µs\n")
    print(f"{'':44}" + "".join(f"{one.name:>12}" for one in contenders) + f"{'ratio':>8}{'goal':>8}")
    for case in cases:
        times = [one.microseconds(case) for one in contenders]
        goal = max(case.goal_us or 0, (case.goal_of_sync or 0) * sync * 1e6)
        ratio = times[1] / times[0] if len(times) > 1 else None
        missed = (goal and times[0] > goal) or (ratio is not None and ratio < 3)
        print(
            f"{case.what:44}"
            + "".join(f"{one:>12.1f}" for one in times)
            + (f"{ratio:>8.1f}" if ratio is not None else f"{'–':>8}")
            + (f"{goal:>8.0f}" if goal else f"{'–':>8}")
            + ("  MISSED" if missed else "")
        )


def main() -> None:
    names = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run")
    options = argparse.ArgumentParser(description="How fast bindings are from a Python Worker.")
    options.add_argument("bindings", nargs="*", metavar="binding", help=", ".join(names))
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--case", default="", help="only cases whose name has this in it")
    arguments = options.parse_args()
    # Modules of this folder import `Case` from `run`, which this file is.
    sys.modules.setdefault("run", sys.modules[__name__])
    for name in arguments.bindings or names:
        if name not in names:
            options.error(f"there is no binding {name!r}: {', '.join(names)}")
        bench(importlib.import_module(name), arguments.rounds, arguments.case)


if __name__ == "__main__":
    main()
