"""`docs/performance.md`: the figures of a session, and what is to be known before one quotes them."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from limits import LEAST_MEAN
from report import (
    CASES_HEADER, LIMITS_HEADER, SUMMARY_HEADER, WORST_HEADER, Run, cases, limits, markdown_table, mean, scaling, summary,
    worst,
)

PAGE = Path(__file__).resolve().parents[2] / "docs/performance.md"


def _machine() -> str:
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def _revision() -> str:
    command = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty", "--abbrev=9"]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def _held(run: Run) -> str:
    rows = limits(run)
    measured, scaled = (sum(row[at] == "holds" for row in rows) for at in (3, 5))
    return f"{measured} of {len(rows)} limits hold as measured, {scaled} when scaled."


def write(run: Run, http: str) -> None:
    """Writes the page; `http` is what `benches/http` printed in this session, empty without it."""
    here = run.ratios_here()
    passes = len(next(iter(run.passes.values())))
    beside = ""
    if here:
        beside = (
            f" {run.here_about} ran the same files on this machine in turn with it (`pyodide here`): the geometric mean of"
            f" the {len(here)} cases is **{mean(here.values()):.1f}** times in favour of Isthmus."
        )
    missing = "".join(f"- `{name}`: {why}\n" for name, why in run.missing.items())
    load = f"{os.getloadavg()[2]:.1f}"
    page = f"""# Performance

Written by `make performance` (`benches/ffi/run.py --write`); not edited by hand. {datetime.now(UTC):%Y-%m-%d}, revision `{_revision()}`.

## What was measured

- Machine: {_machine()}; mean load of the last 15 minutes {load}.
- A release build, inside an isolate of `isthmus dev`, each case in a request of its own: the files `ffi_bench.py` and `benches/ffi/own_cases.py`. A figure is the
  median of the CPU times of 25 runs of at least 3 ms each, then the median of {"one pass" if passes == 1 else f"{passes} passes"}; nanoseconds per operation, the `for` loop's share included.
- The peers' figures were recorded: {run.peers_about}{beside}
- *Scaled*{scaling(run).removeprefix('scaled')} A coarse yardstick.

## Together

{markdown_table(SUMMARY_HEADER, summary(run))}

The cases are those of `ffi_bench.py` without `pure_*`; {LEAST_MEAN:g} is the project's mark for their mean.

{markdown_table(WORST_HEADER, worst(run))}

## Limits

{_held(run)} Nanoseconds per operation.

{markdown_table(LIMITS_HEADER, limits(run)) if limits(run) else ""}

## All cases

`×`: how many times faster than the recorded Pyodide.

{markdown_table(CASES_HEADER, cases(run))}
{f"{chr(10)}Without a figure:{chr(10)}{chr(10)}{missing}" if missing else ""}
## HTTP

{f"`benches/http/run.py` in the same session:{chr(10)}{chr(10)}```text{chr(10)}{http.strip()}{chr(10)}```" if http else
 "Not measured in this session (`make bench` prints it)."}

## Caveats

- Machines differ, and so do phases of a shared virtual machine. Only figures of one session on one machine compare well: those of the column *here*.
- Isthmus runs CPython {platform.python_version()}, Pyodide 314 is CPython 3.14 in WebAssembly. CPU time is of the whole process: for Pyodide that includes V8's helper threads,
  for the recorded figures it is wall time on a quiet machine.
- JavaScript itself runs in QuickJS, an interpreter: a case is about the crossing, and JavaScript that computes for long is many times slower than in V8.
  `json_via_*` are bound by QuickJS's JSON, 1 MiB copies by memory.
- `mini_racer` and `jspybridge` cross to another thread or process; their figures are orders of magnitude.
- `await_same_resolved_promise` awaits one settled proxy again, without a turn of the loop; `await_resolved_promise` is the honest one.
- `bytes_to_js_1MiB_no_copy` reads through `getBuffer()`. `to_js(bytes)` copies, since `bytes` are immutable and a typed array is not.
"""
    PAGE.write_text(page)
