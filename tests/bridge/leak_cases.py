"""Further ways across the border for test_leaks.py and soak.py: what is rarer than attributes, calls and items."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import fresh


def further_cases(sentinel: Any) -> dict[str, Callable[[], Any]]:
    """One repetition of each case, by name; coroutine functions are awaited."""
    ffi, js = fresh.ffi, fresh.run_js
    from pyodide.code import eval_code, relaxed_call
    from pyodide.ffi import register_js_module, unregister_js_module

    result: dict[str, Callable[[], Any]] = {}

    def case(function: Callable[[], Any]) -> Callable[[], Any]:
        result[function.__name__] = function
        return function

    # --- generators and iterators

    counting = js("(function* () { let got = yield {}; while (true) got = yield [got]; })")
    guarded = js("(function* (x) { try { yield x; yield 2; } finally { globalThis.closed = {}; } })")
    drive = js("(g) => { g.next(); g.next({}); g.next(g); try { g.throw(new Error('x')); } catch { } }")
    returned = js("(g) => { g.next(); g.return({}); }")

    @case
    def generator_of_javascript_sent_thrown_closed() -> None:
        one, other = counting(), guarded(sentinel)
        next(one), one.send(sentinel), one.send({})
        next(other)
        with contextlib.suppress(ValueError):
            other.throw(ValueError(sentinel))
        one.close(), other.close()

    def python_generator() -> Any:
        got = yield sentinel
        while True:
            got = yield [got]

    result["generator_of_python_driven"] = lambda: drive(python_generator())
    result["generator_of_python_returned"] = lambda: returned(python_generator())
    pairs = js("new Map([[{}, {}], ['k', []]])")
    entries = js("(d) => { for (const [k, v] of d.items()) { } for (const k of d) { } return Object.entries(d).length; }")
    result["iterators_of_maps"] = lambda: (list(pairs.items()), list(pairs.keys()), list(pairs.values()), list(pairs.entries()))
    result["iterate_dict"] = lambda: entries({"a": sentinel, "b": [sentinel]})

    # --- context managers

    disposed = js("() => ({ [Symbol.dispose]() { this.done = {}; } })")
    disposed_later = js("() => ({ async [Symbol.asyncDispose]() { this.done = {}; } })")

    @case
    def with_statement() -> None:
        with disposed():
            pass
        with contextlib.suppress(ValueError), disposed():
            raise ValueError(sentinel)

    @case
    async def async_with_statement() -> None:
        async with disposed_later():
            pass

    # --- asynchronous

    endless = js("(async function* () { try { while (true) yield {}; } finally { } })")
    drive_async = js("async (g) => { await g.next(); await g.next({}); }")

    @case
    async def asynchronous_generator_of_javascript() -> None:
        generator = endless()
        await generator.asend(None)
        await generator.asend(sentinel)
        with contextlib.suppress(ValueError, ffi.JsException):
            await generator.athrow(ValueError(sentinel))
        other = endless()
        await other.asend(None)
        await other.aclose()

    async def python_async_generator() -> Any:
        try:
            got = yield sentinel
            while True:
                got = yield [got]
        finally:
            pass

    @case
    async def asynchronous_generator_of_python() -> None:
        await drive_async(python_async_generator())

    settle_with = js("(yes, no) => new Promise((a, b) => { a({}); }).then(yes, no)")

    @case
    async def once_callables_in_promises() -> None:
        yes, no = ffi.create_once_callable(sentinel.method), ffi.create_once_callable(sentinel.method)
        await settle_with(yes, no)
        no.destroy()

    never = js("(x) => new Promise(() => {})")
    waits = js("async (p) => { try { await p; } catch { } }")

    @case
    async def cancelled_waits() -> None:
        task = asyncio.ensure_future(waits(asyncio.sleep(1000, sentinel)))
        await asyncio.sleep(0)
        task.cancel()
        other = asyncio.ensure_future(_wait_for(never(sentinel)))
        await asyncio.sleep(0)
        other.cancel()
        await asyncio.gather(task, other, return_exceptions=True)
        for left in asyncio.all_tasks() - {asyncio.current_task()}:
            left.cancel()

    gathered = js("(list) => Promise.all(list)")

    @case
    async def promises_of_many() -> None:
        await gathered(ffi.to_js([asyncio.sleep(0, sentinel), asyncio.sleep(0)]))

    # --- conversions

    prefix = js("(pairs) => new Map(pairs)")
    own = js("(() => { class Own { x = {}; } return [new Own(), new Map([[1, [new Own()]]])]; })()")
    collected = js("[]")

    @case
    def converters() -> None:
        ffi.to_js({"a": {1: [sentinel]}}, dict_converter=prefix)
        ffi.to_js([[sentinel], 1], eager_converter=lambda value, convert, cache: [value] if value is sentinel else convert(value))
        own.to_py(default_converter=lambda value, convert, cache: convert([value.x]))

    @case
    def failing_converters() -> None:
        for convert in (lambda *_: 1 / 0, lambda value, convert, cache: cache(value, 1) or convert([value])):
            with contextlib.suppress(Exception):
                ffi.to_js([[sentinel]], default_converter=convert)
            with contextlib.suppress(Exception):
                own.to_py(default_converter=convert)
        with contextlib.suppress(Exception):
            ffi.to_js({(1, 2): sentinel})
        with contextlib.suppress(Exception):
            ffi.to_js({"toString": sentinel})

    @case
    def proxies_of_a_conversion() -> None:
        collected.length = 0
        ffi.to_js([sentinel, [sentinel]], pyproxies=collected)
        ffi.destroy_proxies(collected)

    deep_js = js("(p) => { p.toJs(); p.toJs({ depth: 1 }); p.toJs({ pyproxies: [] }); }")
    result["to_js_from_javascript"] = lambda: deep_js({"a": [sentinel, {"b": (1, 2)}]})
    shared: list[Any] = [1]
    shared.append(shared)
    result["cyclic_containers"] = lambda: ffi.to_js(shared).to_py()
    result["sets"] = lambda: ffi.to_js({1, "a", 2.5}).to_py()

    # --- memory

    typed, floats = js("new Uint8Array([104, 105])"), js("new Float64Array(8)")
    storage, doubles = bytearray(2), memoryview(bytearray(64)).cast("d")
    views = js("(p) => { for (const t of ['u8', 'i16', 'f64', 'dataview', undefined]) { const b = p.getBuffer(t); b.data; b.release(); b.release(); } }")
    failing_views = js("(p) => { try { p.getBuffer('zz'); } catch { } }")

    @case
    def typed_arrays() -> None:
        typed.to_string(), typed.to_memoryview(), typed.assign_to(storage), typed.assign(storage)
        floats.assign(doubles), floats.assign_to(doubles), floats[1], len(floats), list(floats)
        with contextlib.suppress(ValueError):
            typed.assign(b"too long")
        with contextlib.suppress(Exception):
            floats.to_string("utf-16-nothing")

    result["views_of_memory"] = lambda: (views(bytearray(64)), failing_views(storage))
    result["views_of_two_dimensions"] = lambda: ffi.to_js(memoryview(bytes(12)).cast("B", (3, 4)))

    # --- objects seen otherwise

    plain = js("({ a: { b: {} }, c: [1, {}] })")

    @case
    def object_maps() -> None:
        mapping = plain.as_object_map(hereditary=True)
        mapping["a"]["b"], list(mapping), len(mapping), mapping.get("zz"), "a" in mapping
        mapping["own"] = sentinel
        del mapping["own"]
        json = plain.as_py_json()
        json["c"][1], list(json.items()), json["a"]["b"]

    weak = js("({})")

    @case
    def weak_references() -> None:
        watched = js_object()
        weakref.ref(watched), weakref.ref(watched, lambda _: None)
        weak.to_weakref().deref(), watched.to_weakref()

    js_object = js("() => ({})")

    @case
    def double_proxies() -> None:
        proxy = ffi.create_proxy(sentinel)
        proxy.unwrap(), proxy.value, proxy.method(1), proxy == proxy.copy(), proxy.toString(), dir(proxy)
        proxy.destroy(), proxy.destroy()
        with contextlib.suppress(ffi.JsException):
            proxy.value

    use_this = js("(f) => { const o = { f }; o.f(1); f.call({}, 1); f.apply(null, [1]); f.callRelaxed(1, 2); }")
    result["receivers"] = lambda: use_this(sentinel.method)
    compared = js("(p, q) => [p === q, p == q, p instanceof Object, Object.is(p, q)]")
    result["comparisons"] = lambda: (compared(sentinel, sentinel), plain.a == plain.a, plain.a != plain.c, plain.js_id)
    result["entries_of_objects"] = lambda: (plain.object_keys(), plain.object_values(), plain.object_entries(), plain.typeof)
    arrays = js("() => [1, {}, [2]]")

    @case
    def arrays_as_lists() -> None:
        array = arrays()
        array.append(sentinel), array.insert(0, sentinel), array.extend([sentinel, 1]), array.pop(), array.reverse()
        array[1:3] = [sentinel], array[::2], array + [1], array * 2, array.index(sentinel), array.count(1)
        del array[0]
        array += [sentinel]
        del array[:]

    keep_frozen = js("Object.freeze({ a: 1 })")

    @case
    def refused_assignments() -> None:
        for name, value in (("a", sentinel), ("new", sentinel)):
            with contextlib.suppress(ffi.JsException):
                setattr(keep_frozen, name, value)

    # --- exceptions

    throw, call = js("() => { throw new TypeError('x'); }"), js("(f) => f()")
    wrap = js("(f) => { try { f(); } catch (error) { throw new Error('outer', { cause: error }); } }")

    @case
    def exceptions_with_causes_and_tracebacks() -> None:
        def fails() -> None:
            held = sentinel
            try:
                throw()
            except ffi.JsException as error:
                raise ValueError(held) from error

        try:
            wrap(lambda: call(fails))
        except ffi.JsException as error:
            error.__traceback__, str(error), repr(error), error.stack, error.js_error, error.cause

    @case
    def pickled_exceptions() -> None:
        error = ffi.JsException("RangeError", "text")
        with contextlib.suppress(Exception):
            pickle.loads(pickle.dumps(error))

    # --- modules and code

    module = js("({ value: {}, inner: { x: 1 } })")

    @case
    def registered_modules() -> None:
        register_js_module("leak_case_module", module)
        import leak_case_module
        from leak_case_module import inner  # noqa: F401

        leak_case_module.value
        unregister_js_module("leak_case_module")
        for name in ("leak_case_module", "leak_case_module.inner"):
            sys.modules.pop(name, None)

    code = compile("sentinel.value + 1", "<case>", "eval")
    result["evaluated_python"] = lambda: (eval(code, {"sentinel": sentinel}), eval_code("1 + 1", {}))
    result["evaluated_javascript"] = lambda: js("(() => { const x = { y: [1] }; return () => x; })()")()
    result["relaxed_calls"] = lambda: relaxed_call(sentinel.method, 1, 2, 3)
    registry = js("globalThis.registry = new FinalizationRegistry(() => {}); (o) => { registry.register(o, 1); new WeakRef(o); }")
    result["finalization_registries"] = lambda: registry(js_object())
    proxied = js("() => new Proxy({ a: {} }, { get(t, k, r) { return Reflect.get(t, k, r); }, has: () => true })")
    result["proxies_of_javascript"] = lambda: (proxied().a, proxied().b, dir(proxied()))
    symbols = js("(p) => { const s = Symbol(); p[s] = {}; p[s]; delete p[s]; return Symbol.iterator in p; }")
    result["symbols_on_proxies"] = lambda: symbols(sentinel)
    array_methods = js(
        """(l) => { l.map((x) => x); l.filter(Boolean); l.reduce((a, b) => a, 0); l.indexOf(1); l.find((x) => x); l.slice(1);
           l.concat([1]); l.join(); [...l.entries()]; l.at(-1); l.fill(0, 0, 0); }"""
    )
    result["array_methods_of_lists"] = lambda: array_methods([sentinel, 1, None])
    return result


async def _wait_for(promise: Any) -> Any:
    return await promise
