"""The FFI's speed inside an isolate, beside what the peers measured.

    run.py [part of a case's name …]        prints all figures, limits and ratios
    run.py --write [--http]                 also writes docs/performance.md: `make performance`

Options: `--passes N` measures everything N times and takes medians. With `ISTHMUS_PYODIDE` (see `reference.py`) Pyodide runs
the same cases on this machine in the same session.

The cases are those of `ffi_bench.py`, which is not part of this repository: its place is `ISTHMUS_FFI_BENCH`, or
`../shared/bench/ffi_bench.py`; and those of `own_cases.py`. They are copied into a Worker in a temporary folder.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(HERE)]

import httpx  # noqa: E402
import page  # noqa: E402
import reference  # noqa: E402
import report  # noqa: E402
from harness.server import Server  # noqa: E402

CONFIG = {
    "name": "ffi-bench",
    "main": "main.py",
    "compatibility_date": "2026-11-01",
    "compatibility_flags": ["python_workers"],
}


def bench_source() -> Path | None:
    source = Path(os.environ.get("ISTHMUS_FFI_BENCH") or ROOT.parent / "shared/bench/ffi_bench.py")
    return source if source.is_file() else None


def measure(server: Server, name: str) -> dict:
    """The result of a case, `{"error": …}` if there is none."""
    try:
        result = server.get(f"/{name}", timeout=120).raise_for_status().json()
    except httpx.HTTPError as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"error": "not there"} if result is None else result


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description="The FFI's speed inside an isolate.")
    options.add_argument("cases", nargs="*", metavar="part of a case's name")
    options.add_argument("--passes", type=int, default=1)
    options.add_argument("--write", action="store_true", help="write docs/performance.md; takes all cases")
    options.add_argument("--http", action="store_true", help="with --write: run benches/http too")
    parsed = options.parse_args()
    if parsed.passes < 1:
        options.error("--passes: at least 1")
    if parsed.write and parsed.cases:
        options.error("--write takes all cases")
    return parsed


def note(text: str) -> None:
    """Tells a person who waits what happens."""
    print(text, file=sys.stderr, flush=True)


def run_all(source: Path, parts: list[str], passes: int) -> report.Run:
    """Measures the cases whose name has one of `parts` (all without any), and the empty loop."""
    peers = json.loads((HERE / "peers.json").read_text())
    run = report.Run({}, peers["cases"], f"{peers['about'].rstrip('.')}; Pyodide {peers['versions']['pyodide']}.")
    packages = reference.folder()
    if packages is not None:
        run.here_about = reference.versions(packages)
    with tempfile.TemporaryDirectory() as folder:
        worker = Path(folder)
        shutil.copy(source, worker / "ffi_bench.py")
        shutil.copy(HERE / "own_cases.py", worker)
        shutil.copy(HERE / "worker.py", worker / "main.py")
        (worker / "wrangler.json").write_text(json.dumps(CONFIG))
        with Server(worker) as server:
            names = [
                name
                for name in server.get().raise_for_status().json()
                if name == report.LOOP or not parts or any(part in name for part in parts)
            ]
            for at in range(passes):
                note(f"pass {at + 1} of {passes}: Isthmus, {len(names)} cases")
                for name in names:
                    result = measure(server, name)
                    if "error" in result:
                        run.missing[name] = result["error"]
                    else:
                        run.passes.setdefault(name, []).append(result)
                if packages is not None:
                    note(f"pass {at + 1} of {passes}: {run.here_about}")
                    for name, result in reference.measure(packages, worker, names).items():
                        run.here.setdefault(name, []).append(result["cpu_median"])
    return run


def measure_http() -> str:
    """What `benches/http` prints; empty if it can't run."""
    note("HTTP")
    result = subprocess.run([sys.executable, str(ROOT / "benches/http/run.py")], stdout=subprocess.PIPE, text=True)
    return result.stdout if result.returncode == 0 else ""


def main() -> None:
    options = arguments()
    source = bench_source()
    if source is None:
        print("benches/ffi: no ffi_bench.py (see ISTHMUS_FFI_BENCH); nothing measured")
        return
    run = run_all(source, options.cases, options.passes)
    print(report.text(run))
    if options.write:
        page.write(run, measure_http() if options.http else "")


if __name__ == "__main__":
    main()
