"""`JsProxy.to_py` against the reference's recorded answers, and what no recording can show."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from recorded_cases import load


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("to_py")])
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert case.outcome(source) == expected, label


def test_a_very_deep_array_raises() -> None:
    from pyodide.code import run_js

    deep = run_js("(() => { let deep = []; for (let i = 0; i < 100000; i++) deep = [deep]; return deep })()")
    with pytest.raises(RecursionError):
        deep.to_py()
    deep = run_js("(() => { let deep = {}; for (let i = 0; i < 100000; i++) deep = {deep}; return deep })()")
    with pytest.raises(RecursionError):
        deep.to_py()
    deep = run_js(
        "(() => { let deep = new Map; for (let i = 0; i < 100000; i++) deep = new Map([[1, deep]]); return deep })()"
    )
    with pytest.raises(RecursionError):
        deep.to_py()


def test_endless_conversion_raises() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    with pytest.raises((RecursionError, JsException)):
        run_js("new Date(0)").to_py(default_converter=lambda value, convert, cache: convert(value))


def test_objects_that_change_meanwhile() -> None:
    from pyodide.code import run_js

    shrinking = run_js("(() => { const a = [{get x() { a.length = 1; return 1 }}, 2, 3]; return a })()")
    assert shrinking.to_py() == [{"x": 1}, None, None]
    growing = run_js("(() => { const a = [{get x() { a.push(9); return 1 }}, 2]; return a })()")
    assert growing.to_py() == [{"x": 1}, 2]
    endless = run_js("(() => { const a = [{get x() { a.push(this); return 1 }}]; return a })()")
    assert endless.to_py() == [{"x": 1}]
    vanishing = run_js("({get x() { delete this.y; return 1 }, y: 2})")
    assert vanishing.to_py() == {"x": 1, "y": None}
    unsettled = run_js("(() => { const m = new Map([[1, {get x() { m.clear(); return 1 }}], [2, 3]]); return m })()")
    assert unsettled.to_py() == {1: {"x": 1}, 2: 3}


def test_half_floats_are_copied() -> None:
    from pyodide.code import run_js

    if not run_js("typeof Float16Array === 'function'"):
        pytest.skip("this engine has no Float16Array")
    # The reference stops with an internal error.
    view = run_js("new Float16Array([1.5, -2])").to_py()
    assert (view.format, view.itemsize, view.tobytes()) == ("e", 2, b"\x00\x3e\x00\xc0")


def test_functions_of_a_converter_end_with_the_conversion() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    kept: list[Any] = []

    def keep(value: Any, convert: Any, cache: Any) -> int:
        kept.extend((convert, cache))
        return 0

    run_js("new Date(0)").to_py(default_converter=keep)
    convert, cache = kept
    with pytest.raises(JsException, match="has ended"):
        convert(run_js("[1]"))
    with pytest.raises(JsException, match="has ended"):
        cache(run_js("[1]"), [2])


def test_nothing_is_kept() -> None:
    from isthmus._native import ffi
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    value = run_js(
        "(() => { const a = [1], o = {a, b: a, m: new Map([[1, a]]), s: new Set([1]), f() {}}; o.o = o; return o })()"
    )
    bad = run_js("[{a: [1]}, new Map([[{}, 1]])]")
    dates = run_js("[new Date(0)]")
    marker = object()

    def convert_all() -> None:
        result = value.to_py()
        assert result["o"] is result
        result.clear()  # the cycle is Python's now
        with pytest.raises(JsException):
            bad.to_py()
        assert dates.to_py(default_converter=lambda v, c, k: marker) == [marker]

    convert_all()
    ffi.collect()
    before = (ffi.live(), sys.getrefcount(marker))
    for _ in range(20):
        convert_all()
    ffi.collect()
    assert (ffi.live(), sys.getrefcount(marker)) == before
