"""Every way across the border, many times: what lives, what is referred to and what memory is used stays the same.

All cases run in one process. `ISTHMUS_LEAK_ITERATIONS` changes the number of repetitions.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import fresh
import pytest
from fresh import run_script
from leak_cases import further_cases

ITERATIONS = int(os.environ.get("ISTHMUS_LEAK_ITERATIONS", "100000"))
BATCH = 1000
"""Repetitions between turns of the event loop, and of one case before its measurement."""
GROWTH = 6 * 1024 * 1024
"""Bytes by which a case may let the process grow: what allocators keep, not what 10^5 lost objects would take."""

ROUNDS = 4
"""How often a case that lets the process grow is measured, until it does not."""


class Sentinel:
    """An object whose references are counted."""

    def __init__(self):
        self.value = 1

    def method(self, *arguments):
        return arguments[0] if arguments else None

    def __getitem__(self, key):
        return key

    def __len__(self):
        return 3


def cases() -> dict[str, Callable[[], Any]]:
    """One repetition of each case, by name; coroutine functions are awaited. Built in the fresh process."""
    ffi, js = fresh.ffi, fresh.run_js
    sentinel = SENTINEL
    target = js("({ int: 1, float: 1.5, text: 'abc', object: {}, array: [1], none: undefined, null: null, big: 10n ** 30n, "
                "symbol: Symbol('s'), f() { return 1; }, get getter() { return {}; }, get thrower() { throw new Error('x'); } })")
    identity, nothing = js("(x) => x"), js("() => {}")
    error_class = ffi.JsException
    array, mapping, typed = js("[1, 'a', {}, [2], undefined]"), js("new Map([[1, {}], ['k', 2]])"), js("new Uint8Array(64)")
    generator = js("(function* () { yield {}; return 5; })")
    plain, text = {"a": [1, {"b": 2}], "c": (1, 2)}, "text"
    proxy = ffi.create_proxy(sentinel)
    function_proxy = ffi.create_proxy(sentinel.method)
    result: dict[str, Callable[[], Any]] = {}

    def case(function):
        result[function.__name__] = function
        return function

    def caught(function, *arguments):
        try:
            function(*arguments)
        except Exception:
            return
        raise AssertionError("nothing was raised")

    for name in ("int", "float", "text", "object", "array", "none", "null", "big", "symbol", "f", "getter"):
        result[f"get_{name}"] = lambda name=name: getattr(target, name)
    for name, value in (
        ("int", 1), ("float", 1.5), ("text", "abc"), ("object", js("({})")), ("none", None), ("big", 10**30),
        ("sentinel", sentinel), ("list", [1]), ("function", sentinel.method), ("bytes", b"abc"),
    ):
        result[f"set_{name}"] = lambda value=value: setattr(target, "slot", value)

    @case
    def get_missing_and_throwing():
        caught(getattr, target, "missing")
        caught(getattr, target, "thrower")

    @case
    def set_and_delete_an_attribute():
        target.extra = sentinel
        del target.extra

    names = [f"name_{number}" for number in range(5000)]
    turn = iter(range(10**9))

    @case
    def more_names_than_the_cache_holds():
        name = names[next(turn) % 5000]
        getattr(target, name, None)
        probe(proxy, name)

    @case
    def names_made_anew():
        getattr(target, "made_" + str(next(turn)), None)
        probe(proxy, "made_" + str(next(turn)))

    probe = js("(p, name) => p[name]")
    result["call_0"] = nothing
    result["call_1"] = lambda: identity(1)
    result["call_object"] = lambda: identity(target)
    result["call_temporary"] = lambda: nothing(sentinel)
    result["call_returned_temporary"] = lambda: identity(sentinel)
    result["call_many"] = lambda: nothing(1, "a", sentinel, None, 5.5, target, [1], {}, sentinel, True, 12, sentinel)
    result["call_keywords"] = lambda: nothing(1, a=sentinel, b=2, **{"c d": target})
    result["call_method"] = lambda: target.f()
    construct, constructor = js("class A { constructor(x) { this.x = x; } }; A"), js("Object")
    result["construct"] = lambda: construct.new(sentinel, 1)
    result["construct_keywords"] = lambda: constructor.new(a=1)
    unconvertible = 1 << 40_000_000 if ITERATIONS <= 1000 else None

    class NoClass:
        def __getitem__(self, key):
            return 1

        def __len__(self):
            return 1

        def __contains__(self, item):
            return False

        @property
        def __class__(self):
            raise ValueError("refused")

    refused = NoClass()
    result["argument_refused"] = lambda: caught(nothing, sentinel, target, "a", refused)
    result["keyword_refused"] = lambda: caught(lambda: nothing(sentinel, a=target, b=refused))
    if unconvertible is not None:
        result["number_refused"] = lambda: caught(nothing, sentinel, unconvertible)
    keeping = js("(x) => { globalThis.kept = x; }")
    result["temporary_kept_in_javascript"] = lambda: keeping(sentinel)

    throw = js("() => { throw new Error('x'); }")
    throw_value, throw_object = js("() => { throw 1; }"), js("() => { throw { a: 1 }; }")
    result["javascript_throws"] = lambda: caught(throw)
    result["javascript_throws_values"] = lambda: (caught(throw_value), caught(throw_object))

    def raiser():
        raise ValueError(sentinel)

    catch = js("(f) => { try { f(); } catch (error) { return error.message.length; } }")
    through = js("(f) => f()")
    result["python_raises_into_javascript"] = lambda: catch(raiser)
    result["python_raises_through_javascript"] = lambda: caught(through, raiser)

    def rethrow():
        throw()

    result["javascript_throws_through_python"] = lambda: catch(rethrow)

    @case
    def make_an_exception():
        error = error_class("TypeError", "text")
        caught(through, lambda: (_ for _ in ()).throw(error))

    callback = js("(f, n) => { let x; for (let i = 0; i < 3; i++) x = f(i, 'a', {}); return x; }")
    result["callback"] = lambda: callback(sentinel.method)
    result["callback_of_a_proxy"] = lambda: callback(function_proxy)
    result["callback_of_many"] = lambda: spread(function_proxy)
    spread = js("(f) => f(1, 2, 3, {}, [], 'a', 7n, 8, 9, 10, f)")
    result["call_kwargs"] = lambda: kwargs(python_kwargs)
    kwargs = js("(f) => { f.callKwargs(1, { a: {}, b: 2 }); f.callRelaxed(1, 2, 3); f.call(null, 1); f.bind(null, 1)(2); }")
    python_kwargs = lambda *arguments, a=None, b=None, **rest: sentinel

    @case
    def proxies():
        one, other = ffi.create_proxy(sentinel), ffi.create_proxy(sentinel, capture_this=True)
        one.destroy()
        copy = other.copy()
        other.destroy()
        copy.destroy()

    result["proxies_not_destroyed"] = lambda: ffi.create_proxy(sentinel, roundtrip=False)
    result["once_callable"] = lambda: through(ffi.create_once_callable(sentinel.method))
    result["once_callable_not_called"] = lambda: ffi.create_once_callable(sentinel.method)
    use_attributes = js("(p) => { p.value; p.method; p.method(1); p.value = 2; p.value = 1; 'x' in p; p.missing; p.toString(); p.type; }")
    result["attributes_of_a_proxy"] = lambda: use_attributes(proxy)
    result["attributes_of_temporaries"] = lambda: use_attributes(sentinel)
    use_items = js("(p) => { p.get(1); p.length; p[0]; [...p.slice(0, 2)]; p.has?.(1); }")
    result["items_of_a_list"] = lambda: use_items([1, sentinel, 3])
    use_dict = js("(d) => { d.a; d.get('a'); d.set('b', {}); d.delete('b'); Object.getOwnPropertyNames(d); d.length; }")
    result["items_of_a_dict"] = lambda: use_dict({"a": sentinel})
    change = js("(l) => { l.push({}); l.pop(); l.splice(0, 1, {}, 2); l.reverse(); l.sort(() => 0); l.map((x) => x); }")
    result["changing_a_list"] = lambda: change([sentinel, 2, 3])
    loop, first = js("(p) => { for (const x of p) { } }"), js("(p) => { for (const x of p) return x; }")
    result["iterate_python"] = lambda: loop([1, sentinel])
    result["iterate_python_generator"] = lambda: loop(sentinel for _ in range(2))
    result["leave_python_iteration"] = lambda: first(iter([sentinel, 2]))

    result["iterate_array"] = lambda: [item for item in array]
    result["iterate_map"] = lambda: list(mapping)
    result["iterate_generator"] = lambda: list(generator())
    result["leave_generator"] = lambda: next(iter(generator()))
    result["array_items"] = lambda: (array[0], array[-2], array[1:3], len(array), 1 in array, caught(lambda: array[9]))
    result["map_items"] = lambda: (mapping[1], mapping.get("k"), len(mapping), 1 in mapping, caught(lambda: mapping[9]))

    @case
    def set_items():
        mapping["own"] = sentinel
        del mapping["own"]
        array[0] = sentinel
        array[0] = 1

    mixed = js("({ a: 1, b: [1, 2], c: new Map([[1, 2]]), d: new Set([1]), e: { f: null } })")
    result["to_py"] = lambda: mixed.to_py()
    result["to_py_shallow"] = lambda: mixed.to_py(depth=1)
    result["to_js"] = lambda: ffi.to_js(plain)
    result["to_js_proxies"] = lambda: ffi.to_js([sentinel, {1: sentinel}])
    result["to_js_refused"] = lambda: caught(lambda: ffi.to_js([1, sentinel], create_pyproxies=False))
    result["to_js_converter"] = lambda: ffi.to_js([sentinel], default_converter=lambda value, convert, cache: convert([1]))
    result["from_bytes"] = lambda: ffi.to_js(b"x" * 100)
    result["to_bytes"] = lambda: (typed.to_py(), typed.to_bytes(), typed.assign(b"y" * 64))
    buffer = js("(p) => { const view = p.getBuffer(); view.data.length; view.release(); }")
    dropped_buffer = js("(p) => { p.getBuffer().data; }")
    storage = bytearray(64)
    storage_proxy = ffi.create_proxy(storage)
    result["buffer"] = lambda: buffer(storage_proxy)
    result["buffer_not_released"] = lambda: dropped_buffer(storage_proxy)
    result["dir_repr_bool_compare"] = lambda: (dir(target), repr(array), bool(array), target == array, target != target)
    result["texts"] = lambda: (identity("a" * 50), identity("é€\U0001f600" * 10), identity("\ud800"))
    result["numbers"] = lambda: (identity(2**70), identity(1.5), identity(-(2**60)), identity(True))
    result["eval"] = lambda: js("({ a: [1] }).a")
    refer = js("(o, p) => { o.back = p; }")

    @case
    def cycles_through_both_heaps():
        here = Sentinel()
        here.there = js_object.new()
        refer(here.there, ffi.create_proxy(here))

    js_object = js("Object")

    @case
    def modules():
        import js

        js.Object, js.Array.isArray(array)
        from js import JSON

        JSON.stringify(array)

    resolved, rejected = js("(x) => Promise.resolve(x)"), js("(x) => Promise.reject(new Error('x'))")
    later = js("(x) => new Promise((yes) => queueMicrotask(() => yes(x)))")
    chained = js("async (p) => { try { await p; return 1; } catch (error) { return 2; } }")
    never = js("(x) => new Promise(() => {})")
    thenable = js("(x) => ({ then(yes) { yes(x); yes(x); } })")

    async def python_later(value):
        await asyncio.sleep(0)
        return value

    async def python_fails():
        await asyncio.sleep(0)
        raise ValueError(sentinel)

    @case
    async def promises():
        assert await resolved(1) == 1
        await later(sentinel)
        await thenable(target)

    @case
    async def rejected_promises():
        try:
            await rejected(sentinel)
        except Exception:
            return
        raise AssertionError

    @case
    async def promises_nobody_settles():
        never(sentinel).cancel()

    @case
    async def coroutines():
        assert await chained(python_later(sentinel)) == 1
        assert await chained(python_fails()) == 2

    @case
    async def coroutine_functions():
        await call_async(python_later)

    call_async = js("(f) => f({}).then((x) => x)")

    async def python_items():
        yield sentinel
        yield 2

    over_async = js("async (p) => { let n = 0; for await (const x of p) n++; return n; }")
    leave_async = js("async (p) => { for await (const x of p) return 1; }")
    async_generator = js("(async function* () { yield {}; yield 2; })")

    @case
    async def asynchronous_iteration_of_python():
        assert await over_async(python_items()) == 2

    @case
    async def asynchronous_iteration_left():
        assert await leave_async(python_items()) == 1

    @case
    async def asynchronous_iteration_of_javascript():
        assert len([item async for item in async_generator()]) == 2

    @case
    async def then_catch_finally():
        await resolved(1).then(lambda value: sentinel).finally_(lambda: None)
        await rejected(1).catch(lambda error: None)

    return {**result, **further_cases(sentinel)}


def memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


SENTINEL = Sentinel()


async def measure(case: Callable[[], Any], times: int) -> None:
    asynchronous = asyncio.iscoroutinefunction(case)
    for index in range(times):
        if asynchronous:
            await case()
        else:
            case()
        if index % BATCH == BATCH - 1:
            # Once per so many: callbacks of the loop, JavaScript's jobs, and what finalizers put off.
            await asyncio.sleep(0)


def state() -> tuple[int, int, int, int]:
    fresh.settle()
    return (*fresh.ffi.live(), sys.getrefcount(SENTINEL), memory())


async def report() -> None:
    found = {}
    chosen = sys.argv[1:] or None
    # What is rarer takes longer, too: a tenth shows a leak as well, and soak.py runs all of it.
    rarer = further_cases(SENTINEL)
    for name, case in cases().items():
        if chosen and name not in chosen:
            continue
        times = ITERATIONS // 10 if name in rarer and ITERATIONS > 1000 else ITERATIONS
        await measure(case, min(times, 2 * BATCH))
        await asyncio.sleep(0.002)
        before = state()
        for _ in range(ROUNDS):
            await measure(case, times)
            await asyncio.sleep(0.002)
            after = state()
            found[name] = [new - old for old, new in zip(before, after, strict=True)]
            if found[name][3] <= GROWTH:
                break
            # What is lost is lost again in the next round. What waited for a collection, which comes the later the longer
            # the last one took, has its memory once: cycles through both heaps take up to 20 MB by then.
            before = (*before[:3], after[3])
    print(json.dumps(found))


async def soak(name: str, times: int) -> None:
    """Runs one case and writes the bytes in use after a tenth and in the end."""
    case = cases()[name]
    await measure(case, times // 10)
    await asyncio.sleep(0.002)
    before = state()[-1]
    await measure(case, times - times // 10)
    await asyncio.sleep(0.002)
    print(json.dumps([before, state()[-1]]))


CHILD = "import fresh, sys; fresh.start(); import test_leaks; fresh.run(test_leaks.report())"


@pytest.fixture(scope="module")
def growth() -> dict[str, list[int]]:
    """By case: new JsProxies, new PyProxies, new references to the sentinel, new bytes."""
    result = run_script(CHILD, timeout=500)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_nothing_grows(growth: dict[str, list[int]]) -> None:
    assert len(growth) > 125
    leaking = {
        name: differences
        for name, differences in growth.items()
        # A handful may still wait for something; what leaks does it thousands of times.
        if max(differences[:3]) > 20 or (ITERATIONS >= 10_000 and differences[3] > GROWTH)
    }
    assert not leaking, "JsProxies, PyProxies, references, bytes more: " + json.dumps(leaking, indent=1)
