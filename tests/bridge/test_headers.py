"""`Headers` made of Python's containers, and iterated over by Python: as Web IDL has it, whether or not JavaScript is asked."""

from __future__ import annotations

from typing import Any

import pytest

PAIRS = [("b", "2"), ("A", " 1 "), ("a", "3")]


class Text(str):
    """A `str` of its own class."""


class Backwards(list[Any]):
    """A list that iterates as its class has it."""

    def __iter__(self) -> Any:
        return reversed(self[:])


def entries(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers]


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (PAIRS, [("a", "1, 3"), ("b", "2")]),
        (tuple(list(pair) for pair in PAIRS), [("a", "1, 3"), ("b", "2")]),
        ({"x": "1", "y": "2"}.items(), [("x", "1"), ("y", "2")]),
        ([(Text("x"), Text("1"))], [("x", "1")]),
        ([["x", 1], ("y", None)], [("x", "1"), ("y", "undefined")]),
        (Backwards([("x", "1"), ("x", "2")]), [("x", "2, 1")]),
        ([], []),
        ([("x", "")], [("x", "")]),
        ([("x", "\xe4\xff")], [("x", "\xe4\xff")]),
        ([("set-cookie", "a=1"), ("Set-Cookie", "b=2")], [("set-cookie", "a=1"), ("set-cookie", "b=2")]),
        ((pair for pair in PAIRS), [("a", "1, 3"), ("b", "2")]),
    ],
    ids=["list", "tuple", "items", "heirs", "others", "own iteration", "empty", "no value", "latin-1", "cookies", "generator"],
)
def test_pairs(init: Any, expected: list[tuple[str, str]]) -> None:
    import js

    assert entries(js.Headers.new(init)) == expected


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ([("x",)], "exactly two elements"),
        ([("x", "1", "2")], "exactly two elements"),
        (["xy1"], "not of type 'Sequence'"),
        ([("x", "€")], "greater than 255"),
        ([("€", "1")], "greater than 255"),
        ([("\xe4", "1")], "Invalid header name"),
        ([("\xc3\xa4", "1")], "Invalid header name"),
        ([("a b", "1")], "Invalid header name"),
        ([("", "1")], "Invalid header name"),
        ([("x", "a\nb")], "Invalid header value"),
        ([("x", "a\0b")], "Invalid header value"),
    ],
)
def test_bad_pairs(init: Any, text: str) -> None:
    import js
    from pyodide.ffi import JsException

    with pytest.raises(JsException, match=text):
        js.Headers.new(init)


def test_the_list_stays_what_it_is() -> None:
    import js

    pairs = [("x", "1")]
    headers = js.Headers.new(pairs)
    pairs.append(("y", "2"))
    headers.append("z", "3")
    assert entries(headers) == [("x", "1"), ("z", "3")]
    assert pairs == [("x", "1"), ("y", "2")]


def test_iteration_is_live() -> None:
    import js

    headers = js.Headers.new([("b", "1"), ("d", "2")])
    seen = []
    for name, value in headers:
        seen.append((name, value))
        if name == "b":
            headers.append("c", "3")
            headers.delete("d")
    assert seen == [("b", "1"), ("c", "3")]
    names = headers.keys()
    headers.set("a", "0")
    assert list(names) == ["a", "b", "c"]
    assert list(names) == []
    assert list(headers.values()) == ["0", "1", "3"]
