"""The bridge under test: a JavaScript engine in this process, without a host."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / "python"
# `pyodide` comes from where isolates have it; at the end, so that it shadows nothing.
for folder in (HERE, PYTHON, PYTHON / "isthmus" / "_isolate"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def start() -> Any:
    """The engine of this process; it lives as long as the process."""
    from isthmus import _native
    from isthmus._native import ffi
    from isthmus._runtime.api import register_pyodide_js
    from pyodide.ffi import register_js_module

    isolate = _native.start_engine()
    register_js_module("js", ffi.global_this())
    register_pyodide_js()
    return isolate


@pytest.fixture(scope="session")
def isolate() -> Any:
    from isthmus import _native

    # Another folder's tests may have needed the one engine first.
    if not hasattr(_native, "_engine_of_tests"):
        _native._engine_of_tests = start()
    return _native._engine_of_tests


# Cases keep destroyed proxies in global variables, which `from js import *` of another test can't read.
FORGET = """({ PyProxy }) => () => {
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const value = globalThis[name];
    if (!(value instanceof PyProxy)) continue;
    try { value.type; } catch { delete globalThis[name]; }
  }
}"""


@pytest.fixture(scope="session")
def _forget(isolate: Any) -> Any:
    from isthmus._native import ffi

    return ffi.run_js(FORGET)(ffi.proxy_classes())


@pytest.fixture(autouse=True)
def _engine(isolate: Any, _forget: Any) -> Iterator[None]:
    """Every test here needs the engine."""
    yield
    _forget()


@pytest.fixture
def run(isolate: Any) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on the loop of isolates."""
    from isthmus._runtime.loop import IsolateLoop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=lambda: IsolateLoop(isolate)) as runner:
            return runner.run(main)

    return run


class _Timers:
    """What JavaScript's timers ask of a server."""

    def __init__(self, isolate: Any) -> None:
        self._isolate = isolate

    def start_timer(self, timer: int, delay: float) -> Any:
        return asyncio.get_running_loop().call_later(delay, self._isolate.fire_timer, timer)


@pytest.fixture(scope="session")
def _timers(isolate: Any) -> None:
    isolate.attach(_Timers(isolate), contextvars.ContextVar[int]("event"))


@pytest.fixture
def awaiting(_timers: None, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Iterator[Any]:
    """As `run`, with timers, the global variable `pyodide` in JavaScript, and a SIGINT that raises as in an isolate:
    that of `asyncio.Runner` cancels its task.
    """
    import js
    import pyodide_js
    from isthmus._runtime.nesting import install_policy

    install_policy()

    def interrupted(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    js.pyodide = pyodide_js
    before = signal.signal(signal.SIGINT, interrupted)
    yield run
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def case(isolate: Any) -> Any:
    """Runs recorded cases (recorded_cases.py)."""
    from isthmus._native import ffi
    from pyodide.code import run_js
    from recorded_cases import Case

    classes = ffi.proxy_classes()
    is_pyproxy = run_js("({ PyProxy }) => (x) => { try { return x instanceof PyProxy } catch { return false } }")
    return Case(is_pyproxy(classes), classes, ffi.set_debug)
