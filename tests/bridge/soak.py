"""Every kind of crossing a million times, each in a process of its own: memory in the end is within 5 % of what it was after a
tenth. `make soak-ffi` runs it; `soak.py --times 100000 name …` runs some kinds for a shorter time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

PRELUDE = "import fresh, sys; fresh.start(); import test_leaks; "
NAMES = PRELUDE + "import json; print(json.dumps(list(test_leaks.cases())))"
CHILD = PRELUDE + "fresh.run(test_leaks.soak(sys.argv[1], int(sys.argv[2])))"
ALLOWED = 0.05
"""Growth after a tenth of the repetitions, as a share of the memory in use then."""


def soak(name: str, times: int) -> tuple[str, str | None]:
    """Runs one kind; its line of the report, and what is wrong with it."""
    from fresh import run_script

    try:
        result = run_script(CHILD, name, str(times), timeout=3600)
    except subprocess.TimeoutExpired:
        return f"{name}: no end within an hour", "no end"
    if result.returncode != 0:
        return f"{name}: exit code {result.returncode}\n{result.stderr[-2000:]}", "failed"
    before, after = json.loads(result.stdout.splitlines()[-1])
    share = after / before - 1
    line = f"{name}: {before / 2**20:.1f} MiB after a tenth, {after / 2**20:.1f} MiB in the end ({share:+.1%})"
    return line, "grows" if share > ALLOWED else None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="kinds of crossings (all)")
    parser.add_argument("--times", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    options = parser.parse_args()
    from fresh import run_script

    names = options.names or json.loads(run_script(NAMES).stdout.splitlines()[-1])
    wrong = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, (line, problem) in zip(names, pool.map(lambda name: soak(name, options.times), names), strict=True):
            print(line, flush=True)
            if problem:
                wrong.append(f"{name} {problem}")
    print(f"{len(names)} kinds, {options.times} times each: {len(wrong)} wrong" + "".join(f"\n  {item}" for item in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
