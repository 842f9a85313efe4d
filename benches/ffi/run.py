"""The FFI inside an isolate, beside what the peers measured: `make bench`, or `run.py [part of a case's name …]`.

The cases are those of `ffi_bench.py`, which is not part of this repository: its place is `ISTHMUS_FFI_BENCH`, or
`../shared/bench/ffi_bench.py`. It is copied into a Worker in a temporary folder.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import httpx  # noqa: E402
from harness.server import Server  # noqa: E402

CONFIG = {
    "name": "ffi-bench",
    "main": "main.py",
    "compatibility_date": "2026-11-01",
    "compatibility_flags": ["python_workers"],
}

# The most CPU time, in ns per operation, that the project allows itself.
LIMITS = {
    "get_prop_int": 40,
    "get_prop_str": 80,
    "call_fn_0": 60,
    "call_fn_2": 90,
    "js_calls_py_1arg_1e5_per_call": 120,
    "to_js_list_1e5_int": 5_000_000,
    "await_resolved_promise": 5_000,
}

PEERS = ("pyodide", "pythonmonkey", "mini_racer", "quickjs_ng", "jspybridge", "cpython")


def bench_source() -> Path | None:
    source = Path(os.environ.get("ISTHMUS_FFI_BENCH") or ROOT.parent / "shared/bench/ffi_bench.py")
    return source if source.is_file() else None


def measure(server: Server, name: str) -> dict | None:
    """The result of a case, `{"error": …}` if it failed, `None` if what it measures is not there."""
    try:
        return server.get(f"/{name}", timeout=120).raise_for_status().json()
    except httpx.HTTPError as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def cell(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def main() -> None:
    source = bench_source()
    if source is None:
        print("benches/ffi: no ffi_bench.py (see ISTHMUS_FFI_BENCH); nothing measured")
        return
    peers = json.loads((HERE / "peers.json").read_text())
    print(f"FFI, ns per operation in an isolate. Peers: {peers['about']}\n")
    missing: dict[str, str] = {}
    over: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        worker = Path(folder)
        shutil.copy(source, worker / "ffi_bench.py")
        shutil.copy(HERE / "worker.py", worker / "main.py")
        (worker / "wrangler.json").write_text(json.dumps(CONFIG))
        with Server(worker) as server:
            names = server.get().raise_for_status().json()
            widths = [49, 13, 13, 13, *(max(12, len(peer) + 1) for peer in PEERS), 12]
            header = ["case", "cpu median", "median", "min", *PEERS, "limit"]
            print("".join(text.ljust(width) if not at else text.rjust(width)
                          for at, (text, width) in enumerate(zip(header, widths))))
            for name in names:
                if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
                    continue
                result = measure(server, name)
                if result is None or "error" in result:
                    missing[name] = "not there" if result is None else result["error"]
                    continue
                limit = LIMITS.get(name)
                if limit is not None and result["cpu_median"] > limit:
                    over.append(f"{name}: {cell(result['cpu_median'])} ns, at most {limit:,}")
                known = peers["cases"].get(name, {})
                row = [cell(result[key]) for key in ("cpu_median", "median", "min")]
                row += [cell(known.get(peer)) for peer in PEERS]
                row.append("" if limit is None else f"{'≤' if result['cpu_median'] <= limit else 'OVER'} {limit:,}")
                print(name.ljust(widths[0]) + "".join(text.rjust(width) for text, width in zip(row, widths[1:])),
                      flush=True)
    for title, lines in (("Missing", [f"{name}: {why}" for name, why in missing.items()]), ("Over the limit", over)):
        if lines:
            print(f"\n{title}:")
            print("".join(f"  {line}\n" for line in lines), end="")


if __name__ == "__main__":
    main()
