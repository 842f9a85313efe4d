"""One measured load: `wrk` on its core, the server's CPU time from the kernel."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from harness import processes

SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS = 32

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Load:
    """What one run of `wrk` showed."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    # CPU time per request in µs, by the name of the process.
    cpu_us: dict[str, float]
    errors: str


def _latency(output: str, percentile: int) -> float:
    found = re.search(rf"^\s+{percentile}%\s+([\d.]+)(us|ms|s)$", output, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk shows no {percentile}th percentile:\n{output}")
    return float(found[1]) * _UNITS[found[2]]


def wrk(url: str, seconds: int) -> str:
    """Runs `wrk`; answers what it prints."""
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def measure(url: str, seconds: int, pids: Callable[[], dict[str, list[int]]]) -> Load:
    """Loads a warm server and accounts the CPU time of its processes."""
    before_pids = pids()
    before = {name: sum(map(processes.cpu_seconds, group)) for name, group in before_pids.items()}
    output = wrk(url, seconds)
    if pids() != before_pids:
        raise RuntimeError(f"processes ended or began under load: {before_pids} became {pids()}")
    used = {name: sum(map(processes.cpu_seconds, group)) - before[name] for name, group in before_pids.items()}
    requests = int(re.search(r"(\d+) requests in", output)[1])
    errors = re.findall(r"^\s*(Socket errors.*|Non-2xx.*)$", output, re.MULTILINE)
    return Load(
        requests_per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        p50_ms=_latency(output, 50),
        p99_ms=_latency(output, 99),
        cpu_us={name: seconds / requests * 1e6 for name, seconds in used.items()},
        errors="; ".join(errors),
    )
