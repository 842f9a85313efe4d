"""JavaScript belongs to one thread: others are refused, and what they drop is freed at home."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import fresh
import pytest
from fresh import in_fresh_process


def elsewhere(function):
    """Calls a function on another thread; its result or exception."""
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


@in_fresh_process
def test_every_operation_is_refused_on_another_thread():
    target = fresh.run_js("({ x: 1, f() { return 1; }, get(k) { return k; }, set() {}, has() { return true; }, length: 2 })")
    array = fresh.run_js("[1, 2, 3]")
    function = fresh.run_js("(x) => x")
    promise = fresh.run_js("(() => new Promise(() => {}))()")
    error = fresh.ffi.JsException("TypeError", "text")
    iterator = iter(array)
    proxy = fresh.ffi.create_proxy(lambda: 1)
    operations = [
        lambda: target.x,
        lambda: setattr(target, "x", 2),
        lambda: delattr(target, "x"),
        lambda: target["x"],
        lambda: "x" in target,
        lambda: len(target),
        lambda: bool(array),
        lambda: array[0],
        lambda: array.__setitem__(0, 1),
        lambda: iter(array),
        lambda: next(iterator),
        lambda: function(1),
        lambda: function.new(),
        lambda: dir(target),
        lambda: target < target,
        lambda: target.typeof,
        lambda: target.to_py(),
        lambda: target.object_keys(),
        lambda: promise.__await__(),
        lambda: proxy.destroy(),
        lambda: proxy(),
        lambda: fresh.ffi.run_js("1"),
        lambda: fresh.ffi.create_proxy(1),
        lambda: fresh.ffi.create_once_callable(print),
        lambda: fresh.ffi.to_js([1]),
        lambda: fresh.ffi.global_this(),
        lambda: fresh.ffi.collect(),
        lambda: fresh.ffi.destroy_proxies(array),
        lambda: fresh.ffi.js_get(target, "x"),
        lambda: fresh.ffi.JsException("Error", "text"),
    ]
    for index, operation in enumerate(operations):
        with pytest.raises(RuntimeError):
            elsewhere(operation)
            pytest.fail(f"operation {index} was allowed")
    # What Python itself does with any object works everywhere.
    assert "JsProxy" in elsewhere(lambda: repr(target))
    assert elsewhere(lambda: target == target) is True
    assert elsewhere(lambda: target == array) is False
    assert elsewhere(lambda: type(target).__name__) == "JsProxy"
    elsewhere(lambda: setattr(error, "__traceback__", None))
    assert elsewhere(lambda: isinstance(error, Exception) and error.__cause__ is None)
    with pytest.raises(fresh.ffi.JsException):
        elsewhere(lambda: (_ for _ in ()).throw(error))
    assert target.x == 1 and function(2) == 2 and array[0] == 1


@in_fresh_process
def test_what_other_threads_drop_is_freed_at_home():
    make = fresh.run_js("(n) => Array.from({ length: n }, (_, i) => ({ i, f: () => i }))")
    function = fresh.run_js("() => 1")
    fresh.settle()
    before = fresh.ffi.live()
    for _ in range(20):
        held = [list(make(500)), [item.f for item in make(100)], [iter(make(3))]]
        holder = [fresh.ffi.create_proxy(object()), fresh.ffi.JsException("Error", "dropped")]
        threads = [threading.Thread(target=held_part.clear) for held_part in (*held, holder)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            function()
        for thread in threads:
            thread.join()
        del held, holder, threads
    fresh.settle()
    assert fresh.ffi.live()[0] == before[0]
    assert fresh.ffi.live()[1] <= before[1]


@in_fresh_process
def test_threads_run_python_while_javascript_is_on_the_stack():
    stop = threading.Event()
    dropped = []
    make = fresh.run_js("() => ({})")

    def churn():
        cycles = 0
        while not stop.is_set():
            while dropped:
                try:
                    dropped.pop()
                except IndexError:
                    break
            garbage = [[] for _ in range(10)]
            garbage.append(garbage)
            cycles += 1
            if cycles % 100 == 0:
                gc.collect()

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    call = fresh.run_js("(f) => { let s = 0; for (let i = 0; i < 200; i++) s += f(i); return s; }")
    deadline = time.monotonic() + 3

    def back(number):
        dropped.append(make())
        return number if number % 50 else sum([number, len([object() for _ in range(100)]), -100])

    while time.monotonic() < deadline:
        assert call(back) == sum(range(200))
    stop.set()
    for thread in threads:
        thread.join()
    dropped.clear()
    fresh.settle()
    assert fresh.ffi.live()[0] < 50


@in_fresh_process
async def test_promises_settled_from_executors():
    loop = asyncio.get_running_loop()
    resolve_all = fresh.run_js("(p) => p.then((x) => x + 1)")

    async def work(number):
        value = await loop.run_in_executor(None, lambda: number * 2)
        return await resolve_all(fresh.ffi.create_proxy(asyncio.sleep(0, value), roundtrip=False))

    assert await asyncio.gather(*[work(number) for number in range(200)]) == [number * 2 + 1 for number in range(200)]


@in_fresh_process
def test_a_second_engine_is_refused():
    from isthmus import _native

    with pytest.raises(RuntimeError):
        _native.start_engine()
    with pytest.raises(RuntimeError):
        elsewhere(_native.start_engine)
    assert fresh.run_js("1 + 1") == 2
