"""Bound signatures against the reference's recorded answers, and what no recording can show."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # The reference's Python (3.14) has other classes for unions than its code expects.
    "attribute optional": "list(int 1)",
    "attribute optional class": "list(int 1)",
    "attribute union": "js [1]",
    # It keeps what it found out about a class where subclasses find it, and nowhere for what takes no attributes.
    "attribute of subclass after base class": "list(int 2)",
    "function signature builtin": "js [1]",
    # It forgets what a class can contain besides functions and static methods, and that attributes may be no objects.
    "attribute nested class": "list(int 1)",
    "method class": "list(int 3)",
    "class static method": "list(int 1)",
    "method on a number": "str 'int'",
    "getattr converter": "list(int 1)",
    "function call class without call": "js [1]",
    # A constructor whose `__init__` is annotated with None, as all are, gives unbound objects there.
    "class construct init annotated": "list(int 1)",
    # The future stays pending there.
    "async class of null": "raises AttributeError: 'JsNull' object has no attribute 'bind_sig'",
    "post_convert raises async": "raises ValueError: no",
    # An instance has the annotations of its class.
    "attribute instance signature": "list(int 1)",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("jsbind")])
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if inspect.iscoroutine(outcome):
        outcome = run(outcome)
    assert outcome == OWN.get(label, expected), label
