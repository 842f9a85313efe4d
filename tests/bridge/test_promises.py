"""Promises, futures, the event loop and what waits for them: as the reference's recorded answers (spec/ffi.md §5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
THROWN = "raises JsException Error: A value of type {0} with tag [object {1}] was thrown as an error!\n\
String interpolation of the thrown value gives \"\"\"{2}\"\"\".\nThe thrown value's toString method returns \"\"\"{3}\"\"\"."
OWN = {
    # As asyncio: a moment that has just passed is none to fail for.
    "call_at past": "str 'TimerHandle'",
    # There the future stays pending for ever.
    "callback result cancelled": "str 'cancelled'",
    "run_sync cancelled": "str 'cancelled'",
    # There such rejections are lost.
    "rejected with a string": "raises JsException Error: no",
    "rejected with a number": THROWN.format("number", "Number", "5", "5"),
    "rejected with nothing": THROWN.format("undefined", "Undefined", "undefined", "").replace(
        'returns """""".', "fails."
    ),
    "rejected with an object": THROWN.format("object", "Object", "[object Object]", "[object Object]"),
    # The very exception that JavaScript passed on, as after a call.
    "rejected with a Python exception": "raises KeyError: 'mine'",
    "rejected with a Python exception later": "raises KeyError: 'mine'",
    "promise finally raises": "raises ZeroDivisionError: division by zero",
    "exception keeps its identity": "bool True",
    "run_sync below JavaScript": "raises RuntimeError: Cannot stack switch because the Python entrypoint was a "
    "synchronous function. Use pyFunc.callPromising() to fix.",
    "athrow not caught": "raises ValueError: no",
    # There the results and exceptions of the callbacks are lost (spec/ffi.md §0.9).
    "promise then value": "int 3",
    "promise then raises": "raises ZeroDivisionError: division by zero",
    "promise then none": "int 2",
    "promise then nothing": "int 2",
    "promise catch not needed": "int 3",
    "promise then coroutine": "int 3",
    "promise then object": "bool True",
    "promise then JavaScript function": "int 20",
    "promise then passes the failure on": "raises JsException Error: no",
    "promise chain": "int 6",
    # There a coroutine must not be consumed before the call returns its promise.
    "then of a coroutine": "int 4",
    "then of a coroutine twice": "js [3, 3]",
    "catch of a coroutine": "str 'ValueError'",
    "finally of a coroutine": "int 3",
    # A coroutine: `async for` awaits it at once, and a future would cost a task.
    "types of steps": "list(str 'coroutine', bool True, bool True, bool True)",
    # As asyncio, when nobody can await the task any more: each report at completion would need a callback per task, and
    # would report what somebody awaits later.
    "handler": "list()",
}

CASES = [pytest.param(*case, id=f"{name}: {case[0]}") for name in ("promises", "unhandled") for case in load(name)]


@pytest.mark.parametrize(("label", "source", "expected"), CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_recorded(case: Any, awaiting: Any, label: str, source: str, expected: str) -> None:
    async def outcome() -> str:
        answer = case.outcome(source)
        return answer if isinstance(answer, str) else await asyncio.wait_for(answer, 10)

    assert awaiting(outcome()) == OWN.get(label, expected), label
