"""`to_js` and `PyProxy.toJs` against the reference's recorded answers, and what no recording can show."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
OWN = {
    # The reference forgets that the buffer of a ctypes array has no strides.
    "ctypes array": "js Int32Array[1 2 3]",
    "big endian": "js Int16Array[1 2 3]",
    # Python before 3.12 has no such memoryview.
    "half float": (
        "raises ConversionError: Conversion from python to javascript failed <- "
        "JsException Error: Javascript has no Float16 support."
        if sys.version_info >= (3, 12)
        else "NoneType None"
    ),
    # The reference loses the reference to the dict itself.
    "dict_converter entries cycle": "js Object{self: ref0}",
    # It also leaves a marker of its own in the list.
    "dict_converter cycle in list": 'js Map{"l", [1, ref0, 2]}',
    # The converter's argument is destroyed there although it is the result.
    "default_converter javascript identity": "js [PyProxy(P)]",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("to_js")])
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert case.outcome(source) == OWN.get(label, expected), label


def test_a_very_deep_list_raises() -> None:
    from pyodide.ffi import to_js

    deep: list[Any] = []
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        to_js(deep)
    with pytest.raises(RecursionError):
        to_js({"a": deep})
    while deep:  # a list this deep can't even be freed at once by every Python
        deep = deep[0]


def test_endless_conversion_raises() -> None:
    from pyodide.ffi import to_js

    class Point:
        pass

    with pytest.raises(Exception, match="recursion|Conversion"):
        to_js(Point(), default_converter=lambda value, convert, cache: convert(value))


def test_containers_that_change_meanwhile() -> None:
    from pyodide.ffi import ConversionError, to_js

    class Point:
        pass

    shrinking: list[Any] = [Point(), 1, 2, 3]
    result = to_js(shrinking, default_converter=lambda value, convert, cache: shrinking.clear())
    assert len(result) == 1

    growing: list[Any] = [Point(), 1]

    def grow(value: Any, convert: Any, cache: Any) -> str:
        growing.extend(range(1000))
        return "p"

    assert len(to_js(growing, default_converter=grow)) == 2

    replaced: list[Any] = [Point(), [1, 2, 3], Point()]

    def replace(value: Any, convert: Any, cache: Any) -> int:
        replaced[:] = [0, 0, {"x": [1]}]
        return 0

    assert to_js(replaced, default_converter=replace).to_py() == [0, 0, {"x": [1]}]

    changing: dict[Any, Any] = {"a": Point(), "b": 1}

    def change(value: Any, convert: Any, cache: Any) -> None:
        changing.clear()

    with pytest.raises(ConversionError) as caught:
        to_js(changing, default_converter=change)
    assert "changed size" in str(caught.value.__cause__)


def test_functions_of_a_converter_end_with_the_conversion() -> None:
    from pyodide.ffi import JsException, to_js

    kept: list[Any] = []

    class Point:
        pass

    def keep(value: Any, convert: Any, cache: Any) -> int:
        kept.extend((convert, cache))
        return 0

    to_js(Point(), default_converter=keep)
    convert, cache = kept
    with pytest.raises(JsException, match="has ended"):
        convert([1])
    with pytest.raises(JsException, match="has ended"):
        cache([1], 2)
    assert convert(5) == 5


def test_a_conversion_within_a_conversion() -> None:
    from pyodide.ffi import to_js

    class Point:
        pass

    def outer(value: Any, convert: Any, cache: Any) -> Any:
        inner = to_js([Point()], default_converter=lambda v, c, k: c(["inner"]))
        return convert([inner, ["outer"]])

    assert to_js([Point()], default_converter=outer).to_py() == [[[["inner"]], ["outer"]]]


def test_nothing_is_kept() -> None:
    from isthmus._native import ffi
    from pyodide.ffi import ConversionError, to_js

    class Point:
        pass

    shared = [1, 2]
    names = {f"key{number}": number for number in range(200)}

    def convert_all() -> None:
        to_js([shared, shared, (shared,), {"a": shared}, names, dict(names), b"x", {1, 2}])
        to_js([Point()], default_converter=lambda value, convert, cache: convert([shared]))
        for bad in ({(1, 2): 3}, [shared, {(1,)}], [shared, [object()]]):
            with pytest.raises(ConversionError):
                to_js(bad, create_pyproxies=False)

    convert_all()
    gc.collect()  # of what other tests left
    ffi.collect()
    before = (ffi.live(), sys.getrefcount(shared), [sys.getrefcount(name) for name in names])
    for _ in range(20):
        convert_all()
    ffi.collect()
    assert (ffi.live(), sys.getrefcount(shared), [sys.getrefcount(name) for name in names]) == before


def test_to_js_of_javascript() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    convert = run_js("""(proxy) => {
      const list = [];
      const plain = proxy.toJs({pyproxies: list, dict_converter: (entries) => entries.length});
      let failure;
      try { proxy.toJs({create_pyproxies: false}) } catch (error) { failure = error.type }
      return [Array.isArray(plain), plain[0], plain[1] === list[0], list.length, failure,
        proxy.toJs({depth: 0}) !== proxy,
        proxy.toJs({default_converter: (value, convert) => `${convert(1)} ${value.type.endsWith('Point')}`})[1]];
    }""")

    class Point:
        pass

    result = convert(create_proxy([{"a": 1}, Point()], roundtrip=False))
    assert result.to_py() == [True, 1, True, 1, "ConversionError", True, "1 true"]


def test_bad_options_in_javascript() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException, create_proxy

    proxy = create_proxy([1])
    for options in ("{depth: Symbol()}", "{pyproxies: 5}", "{get depth() { throw new TypeError('x') }}"):
        with pytest.raises(JsException):
            run_js(f"(proxy) => proxy.toJs({options})")(proxy)


def test_other_threads_are_refused() -> None:
    import threading

    from pyodide.ffi import to_js

    caught: list[BaseException] = []

    def work() -> None:
        try:
            to_js([1])
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert type(caught[0]) is RuntimeError


def test_round_trip() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from pyodide.ffi import to_js

    plain = (
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(st.characters(exclude_categories=["Cs"]))
    )
    names = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: name not in dir(object()))
    odd = {"toString", "valueOf", "constructor", "hasOwnProperty", "isPrototypeOf", "toLocaleString", "__proto__"}
    names = names.filter(lambda name: name not in odd and not name.startswith("__") and name != "propertyIsEnumerable")
    values = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5), max_leaves=30
    )

    @settings(deadline=None, max_examples=200)
    @given(values)
    def check(value: Any) -> None:
        converted = to_js(value)
        back = converted.to_py() if isinstance(value, (list, dict)) else converted
        assert back == value and type(back) is type(value)

    check()
