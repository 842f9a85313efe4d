"""JavaScript's `pyodide` object, modules of JavaScript and the standard streams: as the reference's recorded answers."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
OWN = {
    # There what cannot change is an instance too.
    "instances of mutable sequences": "js [true, false, false]",
    # There it goes on to be raised after it was caught.
    "interrupt a Python loop": "int -1",
    # There the attributes that modules have can't be set on the proxy of a symbol.
    "register symbol": "str 'mg4'",
    # There a line begun is lost when the stream changes, here the function gets it.
    "batched partial line": 'list(int 0, js ["x"])',
    "write fsync at change": "list(int 0, bool True)",
    # There the decoder takes what is no UTF-8 for something else.
    "batched bytes": 'js ["a\ufffdb"]',
    # There the proxy is destroyed with the call that passed it.
    "Python function": "list(str 'a', str 'b')",
    "Python function from Python": "list(str 'a')",
    "stdin Python function": "str 'from Python'",
    # The very exception, as after `runPython`.
    "runPythonAsync raises in Python": "raises ZeroDivisionError: division by zero",
}

CASES = [pytest.param(*case, id=f"{name}: {case[0]}") for name in ("api", "modules", "streams") for case in load(name)]


async def outcome(case: Any, source: str) -> str:
    """The outcome of a case, which may await."""
    answer = case.outcome(source)
    return answer if isinstance(answer, str) else await answer


@pytest.mark.parametrize(("label", "source", "expected"), CASES)
def test_recorded(case: Any, awaiting: Any, label: str, source: str, expected: str) -> None:
    assert awaiting(outcome(case, source)) == OWN.get(label, expected), label
