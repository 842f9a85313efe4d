"""Runs test functions in a process of their own, with a JavaScript engine and no host.

`@in_fresh_process` makes a test of a function: the test starts an interpreter, and that calls the function. There
`ffi`, `run_js` and `iso` of this module are set.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.util
import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

ffi: Any = None
"""`isthmus._native.ffi`, in the fresh process."""
run_js: Any = None
"""Evaluates JavaScript, in the fresh process."""
iso: Any = None
"""The isolate, in the fresh process."""

PYTHON = Path(__file__).resolve().parents[2] / "python"


def run_script(
    source: str, *arguments: str, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python source in a fresh interpreter that finds this module; what it wrote is in the answer.

    `ISTHMUS_TEST_WRAPPER` is a command that the interpreter is run by (tools/sanitize.sh).
    """
    wrapper = shlex.split(os.environ.get("ISTHMUS_TEST_WRAPPER", ""))
    path = os.pathsep.join([str(Path(__file__).parent), str(PYTHON), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*wrapper, sys.executable, *([] if wrapper else ["-X", "faulthandler"]), "-c", source, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=timeout * (30 if wrapper else 1),
    )


def in_fresh_process(function: Callable[[], Any]) -> Callable[[], None]:
    """A test that calls `function` in a process of its own; coroutines run on the isolate's loop."""
    file = inspect.getsourcefile(function)
    assert file is not None

    @functools.wraps(function)
    def test() -> None:
        source = "import sys, fresh; fresh._child(*sys.argv[1:])"
        result = run_script(source, file, function.__name__)
        assert result.returncode == 0, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"

    test.body = function  # type: ignore[attr-defined]
    return test


def start() -> None:
    """Makes the engine and sets this module's variables."""
    global ffi, run_js, iso
    import isthmus
    from isthmus import _native

    iso = _native.start_engine()
    sys.path.insert(0, str(Path(isthmus.__file__).parent / "_isolate"))
    from isthmus._runtime.api import register_pyodide_js
    from pyodide.ffi import register_js_module

    ffi = _native.ffi
    run_js = ffi.run_js
    register_js_module("js", ffi.global_this())
    register_pyodide_js()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine on the isolate's event loop."""
    from isthmus._runtime.loop import IsolateLoop

    with asyncio.Runner(loop_factory=lambda: IsolateLoop(iso)) as runner:
        return runner.run(main)


def settle() -> None:
    """Runs both collectors and JavaScript's jobs until nothing more is freed."""
    before = None
    for _ in range(5):
        gc.collect()
        iso.run_jobs()
        ffi.collect()
        if (now := ffi.live()) == before:
            break
        before = now


def _child(file: str, name: str) -> None:
    start()
    spec = importlib.util.spec_from_file_location("fresh_test", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fresh_test"] = module
    spec.loader.exec_module(module)
    result = getattr(module, name).body()
    if inspect.iscoroutine(result):
        run(result)
