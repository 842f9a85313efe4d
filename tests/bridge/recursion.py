"""What runs the ways to recurse of recursion_*.py, in a process with an engine, and judges how each ended."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import fresh

DEEP = 100_000
"""Levels of structures that are built deep instead of recursing without end."""

WAYS: dict[str, Callable[[Reached], Any]] = {}


class Reached:
    """Counts the levels of one recursion."""

    def __init__(self) -> None:
        self.depth = 0

    def __call__(self) -> None:
        self.depth += 1


def way(function: Callable[[Reached], Any]) -> Callable[[Reached], Any]:
    """A recursion to be run: it must raise, and get some levels deep."""
    WAYS[function.__name__] = function
    return function


def ends(function: Callable[[Reached], Any]) -> Callable[[Reached], Any]:
    """A recursion that may end well: something on its way swallows the error, or it has an end of its own."""
    function.may_end = True  # type: ignore[attr-defined]
    return way(function)


def tells(error: BaseException | None) -> bool:
    """Whether an exception or one of its causes says that the recursion was too deep."""
    for _ in range(100):
        if error is None or isinstance(error, RecursionError):
            break
        if isinstance(error, fresh.ffi.JsException) and ("stack" in error.message or "Recursion" in error.message):
            return True
        error = error.__cause__ or error.__context__
    return isinstance(error, RecursionError)


def attempt(name: str) -> str | None:
    """Runs one way; what is wrong with how it ended, `None` if nothing is."""
    reached, function = Reached(), WAYS[name]
    limit = sys.getrecursionlimit()
    try:
        function(reached)
    except Exception as error:
        if not tells(error):
            return repr(error)
    else:
        if not hasattr(function, "may_end"):
            return "nothing was raised"
    finally:
        sys.setrecursionlimit(limit)
    if reached.depth < 5:
        return f"only {reached.depth} levels"
    if fresh.run_js("[1, 2].map((x) => x + 1)").to_py() != [2, 3]:
        return "the engine is broken"
    return None


def child(limit: int, stack: int, names: list[str]) -> None:
    """Runs all ways and writes a line before and after each."""

    import recursion_calls, recursion_conversions, recursion_ends, recursion_protocols  # noqa: E401, F401

    def work():
        fresh.start()
        sys.setrecursionlimit(limit)
        for name in names or WAYS:
            print(json.dumps([name]), flush=True)
            wrong = attempt(name)
            fresh.settle()
            print(json.dumps([name, wrong]), flush=True)
        fresh.iso = None

    if stack:
        threading.stack_size(stack)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
