"""What other threads let go of: proxies dropped, collected, finalised and watched there are freed at home, once."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fresh
import pytest
from fresh import in_fresh_process


class Cyclic:
    """Holds a proxy in a cycle, so that only the collector frees it."""

    def __init__(self, proxy: Any) -> None:
        self.self, self.proxy = self, proxy


def settled() -> tuple[int, int]:
    fresh.settle()
    return fresh.ffi.live()


@in_fresh_process
def test_threads_that_end_while_home_is_busy() -> None:
    """Home runs JavaScript that comes to Python again and again, meanwhile the threads' last references go."""
    make = fresh.run_js("(n) => Array.from({ length: n }, (_, i) => ({ i }))")
    spin = fresh.run_js("(f, n) => { let s = 0; for (let i = 0; i < n; i++) s += f(i) ? 1 : 0; return s; }")
    before = settled()
    for _ in range(10):
        local = threading.local()

        def hold(items: list[Any], local: Any = local) -> None:
            local.items = items  # freed by the end of the thread itself

        threads = [threading.Thread(target=hold, args=(list(make(50)),)) for _ in range(10)]
        started = iter(threads)

        def back(number: int, started: Any = started) -> bool:
            thread = next(started, None)
            if thread is not None:
                thread.start()
            return number >= 0

        assert spin(back, 500) == 500
        for thread in threads:
            thread.join()
    del threads, thread, started, back, hold, local
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)


@in_fresh_process
def test_pools_of_threads() -> None:
    make = fresh.run_js("() => ({})")
    before = settled()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            # A future keeps what it was given until it ran; the threads of a pool live on.
            assert sum(pool.map(lambda pair: len(pair), [(make(), fresh.ffi.create_proxy(object())) for _ in range(100)])) == 200
            refused = [pool.submit(lambda proxy: proxy.x, make()) for _ in range(20)]
            assert all(isinstance(future.exception(), RuntimeError) for future in refused)
    del refused
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)


@in_fresh_process
async def test_executors_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    make = fresh.run_js("() => ({})")
    call = fresh.run_js("(f, x) => f(x)")

    async def work(number: int) -> int:
        held = make()
        with pytest.raises(RuntimeError):
            await loop.run_in_executor(None, lambda: held.x)
        result = await loop.run_in_executor(None, lambda held=held: number if held is not None else None)
        return call(lambda x: x + 1, result)

    for _ in range(5):
        assert await asyncio.gather(*map(work, range(100))) == list(range(1, 101))
    await loop.shutdown_default_executor()
    # Threads may not touch JavaScript, but may ask home to.
    done = asyncio.Event()
    threading.Thread(target=lambda: loop.call_soon_threadsafe(lambda: (call(lambda x: x, 1), done.set()))).start()
    await asyncio.wait_for(done.wait(), 10)
    await asyncio.sleep(0)
    del done
    assert settled()[0] < 100


@in_fresh_process
def test_collected_on_another_thread() -> None:
    """Cycles that hold proxies, found by a collection that another thread asked for."""
    make = fresh.run_js("() => ({ inner: {} })")
    before = settled()
    gc.disable()
    for _ in range(20):
        for _ in range(100):
            Cyclic(make())
            Cyclic(fresh.ffi.create_proxy(Cyclic(None)))
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()
        make()
    gc.enable()
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)


@in_fresh_process
def test_collected_while_javascript_is_on_the_stack() -> None:
    make = fresh.run_js("() => ({ inner: {} })")
    call = fresh.run_js("(f) => { const kept = { a: [] }; const result = f(); return kept.a.length + result; }")
    before = settled()
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()

    def work() -> int:
        for _ in range(50):
            Cyclic(make())
            Cyclic(Cyclic(make()))
        fresh.ffi.collect()
        return 1

    for _ in range(40):
        assert call(work) == 1
    stop.set()
    thread.join()
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)


@in_fresh_process
def test_finalizers_and_weak_references_on_another_thread() -> None:
    """`__del__` and callbacks of weak references run there, are refused JavaScript there, and nothing is lost."""
    make = fresh.run_js("() => ({})")
    seen: dict[str, list[Any]] = {"deleted": [], "called": []}

    class Last:
        def __init__(self, proxy: Any) -> None:
            self.proxy = proxy

        def __del__(self) -> None:
            try:
                self.proxy.x
            except RuntimeError:
                seen["deleted"].append(threading.get_ident())

    before = settled()
    for _ in range(20):
        holders = [Last(make()) for _ in range(50)]
        proxies = [make() for _ in range(50)]
        watches = [weakref.ref(proxy, lambda _: seen["called"].append(threading.get_ident())) for proxy in proxies]

        def drop(holders: list[Any] = holders, proxies: list[Any] = proxies) -> None:
            holders.clear()
            proxies.clear()

        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
        assert all(watch() is None for watch in watches)
    assert len(seen["deleted"]) == len(seen["called"]) == 1000
    assert threading.get_ident() not in seen["deleted"] + seen["called"]
    del holders, proxies, watches, drop, thread
    after = settled()
    assert after[0] <= before[0] + 5, (before, after)


@in_fresh_process
def test_python_objects_that_javascript_drops_die_at_home() -> None:
    where: list[int] = []

    class Last:
        def __del__(self) -> None:
            where.append(threading.get_ident())

    hold = fresh.run_js("globalThis.held = []; (o) => { held.push(o); }")
    for _ in range(200):
        hold(fresh.ffi.create_proxy(Last(), roundtrip=False))
    threads = [threading.Thread(target=gc.collect) for _ in range(4)]
    for thread in threads:
        thread.start()
    fresh.run_js("held.length = 0")
    for thread in threads:
        thread.join()
    fresh.settle()
    assert where == [threading.get_ident()] * 200


@in_fresh_process
def test_exceptions_and_tracebacks_that_end_elsewhere() -> None:
    """A traceback keeps frames, which keep proxies."""
    throw = fresh.run_js("(o) => { throw Object.assign(new Error('far'), { o }); }")
    make = fresh.run_js("() => ({})")
    before = settled()

    def fail() -> Exception:
        local = make()
        try:
            throw(local)
        except fresh.ffi.JsException as error:
            return error
        raise AssertionError(local)

    errors = [fail() for _ in range(200)]
    shown: list[str] = []

    def end() -> None:
        while errors:
            error = errors.pop()
            shown.append(str(type(error).__name__))
            assert error.__traceback__ is not None

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert shown == ["JsException"] * 200
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)


@in_fresh_process
def test_the_switch_interval_may_be_tiny() -> None:
    """Threads that take turns after nearly every instruction, with crossings and drops in between."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    make, call = fresh.run_js("() => ({})"), fresh.run_js("(f, o) => f(o)")
    dropped: list[Any] = []
    stop = threading.Event()

    def drop() -> None:
        while not stop.is_set():
            try:
                dropped.pop()
            except IndexError:
                pass

    before = settled()
    threads = [threading.Thread(target=drop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3000):
        own = object()
        assert call(lambda o: o, own) is own
        dropped.append(make())
        dropped.append(fresh.ffi.create_proxy(own))
    stop.set()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    dropped.clear()
    after = settled()
    assert after[0] <= before[0] + 5 and after[1] <= before[1] + 5, (before, after)
