"""What proxies are instances of, their exceptions' life outside, and typing uses, against the reference's recorded answers."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
OWN = {
    # The reference's test of classes with several flags fails.
    "issubclass of mutable map": (
        "list(str 'JsDomElement', str 'JsFetchResponse', str 'JsIterable', str 'JsMap', str 'JsMutableMap', "
        "str 'JsProxy', str 'JsWeakRef')"
    ),
    "abc issubclass": "list(bool True, bool True, bool True, bool True, bool False, bool True, bool True)",
    # The class of the class is no concern of a program.
    "exception reduce": "tuple(type <class 'pyodide.ffi.JsException'>, tuple(str 'Mine', str 'm', str 's'))",
    # What Python's exceptions can do, and its libraries rely upon.
    "exception subclass": "list(str 'Mine', str 'm')",
    "exception hash": "bool True",
    # Proxies can be referred to weakly.
    "weakref": "bool True",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("classes")])
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert case.outcome(source) == OWN.get(label, expected), label
