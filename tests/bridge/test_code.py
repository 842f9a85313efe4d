"""`pyodide.code`, against the reference's recorded answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # Without a semicolon there is nothing to look for.
    "should_quiet incomplete": "bool False",
    # Signatures are kept without hashing what they belong to.
    "relaxed_call unhashable": "int 1",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("code")])
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if inspect.iscoroutine(outcome):
        outcome = run(outcome)
    assert outcome == OWN.get(label, expected), label


