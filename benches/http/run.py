"""`hello` and `kv` under `wrk`, beside workerd's JavaScript hello in the same run: `make bench`.

Everything of a server is pinned to one core, `wrk` to another. All servers run throughout and are loaded in turn, so
that what else the machine does meets all alike. Options: `run.py [--seconds N] [--rounds N]`.
"""

import argparse
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).resolve().parent)]

from harness import clients, processes  # noqa: E402
from harness.processes import eventually  # noqa: E402
from harness.server import Server, copy_worker  # noqa: E402
from load import CONNECTIONS, SERVER_CORE, Load, measure, wrk  # noqa: E402
from workerd import Workerd  # noqa: E402

PINNED = ["taskset", "-c", SERVER_CORE]
READY = re.compile(r"isolate \d+ ready in ([\d.]+) ms")
KILLS = 10
ISOLATES = 4


@dataclass
class Contender:
    """A server under test."""

    name: str
    url: str
    pids: Callable[[], dict[str, list[int]]]
    loads: list[Load] = field(default_factory=list)

    def median(self, value: Callable[[Load], float]) -> float:
        return statistics.median(map(value, self.loads))


def isthmus(server: Server) -> Callable[[], dict[str, list[int]]]:
    def pids() -> dict[str, list[int]]:
        now = server.pids()
        return {"host": [now.host], "zygote": now.zygotes, "isolates": now.isolates}

    return pids


def report(contenders: list[Contender]) -> None:
    print(f"{'':14}{'req/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs/req':>12}   of which")
    for contender in contenders:
        parts = {
            name: contender.median(lambda load, name=name: load.cpu_us[name]) for name in contender.loads[0].cpu_us
        }
        print(
            f"{contender.name:14}"
            f"{contender.median(lambda load: load.requests_per_second):>10,.0f}"
            f"{contender.median(lambda load: load.p50_ms):>9.2f}"
            f"{contender.median(lambda load: load.p99_ms):>9.2f}"
            f"{sum(parts.values()):>12.1f}   "
            + ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
        )
        runs = " ".join(f"{load.requests_per_second:,.0f}" for load in contender.loads)
        print(f"{'':14}  runs: {runs}")
        for errors in {load.errors for load in contender.loads} - {""}:
            print(f"{'':14}  ERRORS: {errors}")


def report_ratio(contenders: list[Contender]) -> None:
    """The mark is 1.3 times workerd's requests per second."""
    rates = {one.name: one.median(lambda load: load.requests_per_second) for one in contenders}
    if "workerd hello" in rates:
        ratio = rates["hello"] / rates["workerd hello"]
        print(f"\nhello serves {ratio:.2f} times workerd's requests per second (at least 1.3 wanted)")


def report_memory(worker: Path) -> None:
    """What an isolate costs beside its siblings, once each has served a hundred requests."""
    with Server(worker, ["--isolates", str(ISOLATES)], prefix=PINNED) as server:
        server.wait_for_isolates(ISOLATES)
        clients.send(server.url, 100 * ISOLATES, clients=4 * ISOLATES)
        pids = server.pids()
        sizes = [processes.private_bytes(pid) / 2**20 for pid in pids.isolates]
        print(f"private memory of {ISOLATES} isolates: {', '.join(f'{size:.2f}' for size in sizes)} MiB (at most 3 wanted)")
        host, zygotes = processes.resident_bytes(pids.host), sum(map(processes.resident_bytes, pids.zygotes))
        print(f"resident, shared pages divided: host {host / 2**20:.1f} MiB, zygote {zygotes / 2**20:.1f} MiB")


def report_fork_to_ready(server: Server) -> None:
    """What the host logs of the isolates that take the place of killed ones."""
    for _ in range(KILLS):
        known = len(READY.findall(server.log))
        for pid in server.wait_for_isolates().isolates:
            processes.kill(pid)
        eventually(lambda known=known: len(READY.findall(server.log)) > known, "a new isolate is ready")
    times = [float(text) for text in READY.findall(server.log)]
    print(f"fork to ready: median {statistics.median(times):.1f} ms, max {max(times):.1f} ms of {len(times)} (at most 10 wanted)")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            print(f"benches/http: no {tool} (apt install wrk util-linux); nothing measured")
            return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, Server] = {}
        contenders: list[Contender] = []
        for name in ("hello", "kv"):
            worker = copy_worker(ROOT / "examples" / name, folder / name)
            server = stack.enter_context(Server(worker, ["--log-level", "debug"], prefix=PINNED))
            server.get().raise_for_status()
            servers[name] = server
            contenders.append(Contender(name, server.url, isthmus(server)))
        if workerd := Workerd.start(PINNED):
            stack.callback(workerd.stop)
            contenders.append(Contender("workerd hello", workerd.url, lambda: {"workerd": [workerd.pid]}))
        print(f"HTTP, {CONNECTIONS} connections, {arguments.rounds} rounds of {arguments.seconds} s, medians\n")
        for contender in contenders:
            wrk(contender.url, 1)
        for _ in range(arguments.rounds):
            for contender in contenders:
                contender.loads.append(measure(contender.url, arguments.seconds, contender.pids))
        report(contenders)
        report_ratio(contenders)
        report_memory(copy_worker(ROOT / "examples" / "hello", folder / "memory"))
        report_fork_to_ready(servers["hello"])


if __name__ == "__main__":
    main()
