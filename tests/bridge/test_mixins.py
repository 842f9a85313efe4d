"""The Python methods of proxies against the reference's recorded answers, and what no recording can show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # The reference crashes.
    "extend not iterable": "raises TypeError: 'int' object is not iterable",
    "add bad": "raises TypeError: unsupported operand type(s) for +: 'pyodide.ffi.JsProxy' and 'int'",
    "iadd bad": "raises TypeError: unsupported operand type(s) for +=: 'pyodide.ffi.JsProxy' and 'int'",
    # As `index` and `count`, and as a list.
    "contains object": "list(bool True, bool False)",
    # The reference ignores the assignment.
    "typed set range": "raises IndexError: list assignment index out of range",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("mixins")])
@pytest.mark.filterwarnings("ignore:JsProxy.as_object_map")
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert case.outcome(source) == OWN.get(label, expected), label


def test_flags_are_those_of_the_bridge() -> None:
    from isthmus._native import ffi
    from isthmus._runtime.mixins import Flag

    assert {flag.name: int(flag) for flag in Flag} == ffi.flags


def test_as_a_list() -> None:
    """The same operations on an array and on a list leave the same."""
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from pyodide.ffi import to_js

    numbers = st.integers(-9, 9)
    places = numbers | st.none()
    slices = st.builds(slice, places, places, places.filter(lambda step: step != 0))
    items = st.lists(numbers, max_size=4)
    operations = st.one_of(
        st.tuples(st.just("__setitem__"), numbers, numbers),
        st.tuples(st.just("__setitem__"), slices, items),
        st.tuples(st.just("__delitem__"), numbers | slices),
        st.tuples(st.just("__getitem__"), numbers | slices),
        st.tuples(st.just("append"), numbers),
        st.tuples(st.just("extend"), items),
        st.tuples(st.just("__iadd__"), items),
        st.tuples(st.just("__imul__"), st.integers(-1, 2)),
        st.tuples(st.just("insert"), numbers, numbers),
        st.tuples(st.just("pop")),
        st.tuples(st.just("pop"), numbers),
        st.tuples(st.just("remove"), numbers),
        st.tuples(st.just("index"), numbers),
        st.tuples(st.just("index"), numbers, numbers, numbers),
        st.tuples(st.just("count"), numbers),
        st.tuples(st.just("__contains__"), numbers),
        st.tuples(st.just("reverse")),
    )

    def attempt(target: Any, operation: tuple[Any, ...]) -> Any:
        name, *arguments = operation
        try:
            result = getattr(target, name)(*arguments)
        except (IndexError, ValueError) as error:
            return type(error)
        if hasattr(result, "to_py"):
            return result.to_py()
        return list(result) if isinstance(result, list) else result

    @settings(deadline=None, max_examples=300)
    @given(items, st.lists(operations, max_size=6))
    def check(start: list[int], todo: list[tuple[Any, ...]]) -> None:
        expected = list(start)
        actual = to_js(start)
        for operation in todo:
            if len(expected) > 100:
                break
            if operation[0] == "__setitem__" and isinstance(operation[1], int) and operation[1] >= len(expected):
                continue  # unlike a list, an array grows
            assert attempt(actual, operation) == attempt(expected, operation), operation
            assert actual.to_py() == expected, operation

    check()


def test_objects_put_into_javascript_live_on() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import to_js

    class Thing:
        pass

    thing = Thing()
    array = run_js("[]")
    array.append(thing)
    array.extend([thing])
    array.insert(0, thing)
    array[1:1] = [thing]
    array += (thing,)
    assert [item is thing for item in array] == [True] * 5
    assert array.count(thing) == 5 and array.index(thing) == 0 and thing in array
    assert array.pop() is thing
    mapping = run_js("new Map()")
    mapping.update(a=thing)
    assert mapping.setdefault("b", thing) is thing
    assert mapping.pop("a") is thing and mapping["b"] is thing
    record = to_js({}).as_py_json()
    record["x"] = thing
    assert record["x"] is thing
    sent = run_js("(function*() { const got = yield; yield got; })()")
    next(sent)
    assert sent.send(thing) is thing


def test_names_of_properties_do_not_matter() -> None:
    """Methods reach JavaScript's own where a Python method has the same name, and survive odd objects."""
    from pyodide.code import run_js

    keys = run_js("({keys: 1, get: 2, pop: 3, class: 4, __name__: 5})").as_py_json()
    assert dict(keys.items()) == {"keys": 1, "get": 2, "pop": 3, "class": 4, "__name__": 5}
    keys["class"] = 6
    del keys["__name__"]
    assert dict(keys.items()) == {"keys": 1, "get": 2, "pop": 3, "class": 6}
    array = run_js("Object.assign([1, 2], {slice: null, splice: null, push: null})")
    array.append(3)
    assert list(array[1:]) == [2, 3] and array.pop(0) == 1


def test_asynchronous_generator(run: Run) -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    make = """(async function* () {
      const got = yield 1;
      try { yield got } catch (error) { yield `caught ${error.name} ${error.type}` }
      return 5;
    })()"""

    async def main() -> None:
        generator = run_js(make)
        assert await generator.__anext__() == 1
        assert await generator.asend(7) == 7
        assert await generator.athrow(ValueError) == "caught PythonError ValueError"
        with pytest.raises(StopAsyncIteration) as end:
            await generator.__anext__()
        assert end.value.args == (5,)
        with pytest.raises(StopAsyncIteration) as end:
            await generator.__anext__()
        assert end.value.args == (None,)

        fresh = run_js(make)
        assert await fresh.aclose() is None
        with pytest.raises(StopAsyncIteration):
            await fresh.__anext__()

        ignoring = run_js("(async function* () { try { yield 1 } finally { yield 2 } })()")
        await ignoring.__anext__()
        with pytest.raises(RuntimeError, match="ignored return"):
            await ignoring.aclose()

        exiting = run_js(make)
        await exiting.__anext__()
        with pytest.raises(StopAsyncIteration):
            await exiting.athrow(GeneratorExit)

        bad = run_js(make)
        await bad.__anext__()
        with pytest.raises(TypeError, match="BaseException, not int"):
            await bad.athrow(5)

        failing = run_js("(async function* () { yield 1; throw new RangeError('no') })()")
        seen = []
        with pytest.raises(JsException, match="no"):
            async for item in failing:
                seen.append(item)
        assert seen == [1]

    run(main())


def test_asynchronous_iteration(run: Run) -> None:
    from pyodide.code import run_js

    async def main() -> None:
        iterable = run_js("({async *[Symbol.asyncIterator]() { yield 1; yield [2]; }})")
        assert [str(item) async for item in iterable] == ["1", "2"]
        again = run_js(
            """({
              n: 0,
              async next() { return {done: this.n >= 2, value: this.n++} },
              [Symbol.asyncIterator]() { return this },
            })"""
        )
        assert [item async for item in again] == [0, 1]
        with pytest.raises(TypeError, match="not a promise, use next"):
            await run_js("({next() { return {done: false} }, [Symbol.asyncIterator]() { return this }})").__anext__()
        with pytest.raises(TypeError, match="should be object not number"):
            await run_js("({next() { return 5 }, [Symbol.asyncIterator]() { return this }})").__anext__()

    run(main())


def test_promise_methods(run: Run) -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException, JsPromise

    async def main() -> None:
        holder = run_js(
            """(() => {
              const bad = Promise.reject(new Error('x'));
              bad.catch(() => 0);
              return {good: Promise.resolve(1), bad};
            })()"""
        )
        doubled = holder.good.then(lambda value: value * 2)
        assert isinstance(doubled, JsPromise)
        # The reference gives 0 here, and None in the next two.
        assert await doubled == 2
        assert await holder.good.then(None, lambda error: 0) == 1
        assert await holder.good.then() == 1
        assert await holder.bad.catch(lambda error: error.message) == "x"
        assert await holder.bad.then(None, lambda error: error.message) == "x"
        ran = []
        assert await holder.good.finally_(lambda: ran.append(1)) == 1
        assert ran == [1]
        with pytest.raises(JsException, match="x"):
            await holder.bad.finally_(lambda: None)
        with pytest.raises(ZeroDivisionError):
            await holder.good.then(lambda value: 1 / 0)
        assert await holder.good.then(lambda value: [value]) == [1]

    run(main())


def test_asynchronous_disposal(run: Run) -> None:
    import js
    from pyodide.code import run_js

    async def main() -> None:
        disposable = run_js("({async [Symbol.asyncDispose]() { await null; globalThis.disposed_async = 7 }})")
        async with disposable as inside:
            assert inside == disposable
        assert js.disposed_async == 7
        with pytest.raises((TypeError, AttributeError)):
            async with run_js("({[Symbol.dispose]() {}})"):
                pass

    run(main())


def test_function_as_method() -> None:
    from pyodide.code import run_js

    class Thing:
        describe = run_js("(function (x, options) { return [this.name, x, options?.y].join() })")
        name = "thing"

    assert Thing().describe(3) == "thing,3,"
    assert Thing().describe(3, y=4) == "thing,3,4"
    assert Thing.describe.typeof == "function"


HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / "python"


def test_as_object_map_warns_once() -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]; import warnings; import conftest; conftest.start();"
        "from pyodide.code import run_js; warnings.simplefilter('always');\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    run_js('({})').as_object_map(); run_js('({})').as_object_map()\n"
        "print([(one.category.__name__, str(one.message), one.filename) for one in seen])"
    )
    done = subprocess.run([sys.executable, "-c", code, HERE, PYTHON], capture_output=True, text=True, check=False)
    text = "JsProxy.as_object_map() is deprecated. Use as_py_json() instead."
    assert done.stdout.strip() == str([("RuntimeWarning", text, "<string>")]), done.stderr


def test_with_flags_needs_a_proxy() -> None:
    from isthmus._native.ffi import js_with_flags

    with pytest.raises(TypeError):
        js_with_flags([1], 1)
    with pytest.raises(TypeError):
        js_with_flags()


def test_importing_it_costs_little() -> None:
    """It is imported by every isolate's zygote: nothing heavy may come along."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import asyncio; from isthmus import _native;"
        "before = set(sys.modules); import isthmus._runtime.mixins; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, PYTHON], capture_output=True, text=True, check=True)
    assert "isthmus._runtime.mixins" in done.stdout
    names = {name.strip("' ") for name in done.stdout.strip("[]\n").split(",")}
    assert {name for name in names if not name.startswith("isthmus.")} <= {"__future__"}


def test_functions_taken_from_an_array_are_not_bound_to_it() -> None:
    from pyodide.code import run_js

    make = run_js("() => [0, function () { 'use strict'; return this === undefined; }]")
    for take in (lambda array: array[1], lambda array: array.pop(), lambda array: list(array)[1], lambda array: next(reversed(array))):
        assert take(make())() is True
