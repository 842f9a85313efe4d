"""`run_sync` with the real engine and loop: a JavaScript frame is never parked, everything else goes on."""

from __future__ import annotations

import asyncio
import time

import fresh
import pytest
from fresh import in_fresh_process

REFUSED = "Cannot stack switch"


def run_sync(awaitable):
    from isthmus._runtime.run_sync import run_sync

    return run_sync(awaitable)


def caller():
    """Calls Python from JavaScript and uses its own frame afterwards."""
    return fresh.run_js(
        """(f, k) => { let a = { k }; let x = f(k); let e = new Error("trace");
           return a.k * 1000 + x + (e.stack.length > 0 ? 0 : 1); }"""
    )


async def noise():
    for _ in range(30):
        fresh.run_js(
            """(() => { let o = []; for (let i = 0; i < 100; i++) o.push({ i });
               try { throw new Error("q"); } catch (e) { o.push(e.stack); } return o.length; })()"""
        )
        fresh.ffi.collect()
        await asyncio.sleep(0.001)


def refused_below(delays):
    """Tasks that each try to block below a JavaScript frame for their time."""
    call = caller()

    async def handler(key, delay):
        def back(number):
            waiting = asyncio.sleep(delay)
            try:
                run_sync(waiting)
            except RuntimeError as error:
                assert REFUSED in str(error)
                waiting.close()
                return number
            raise AssertionError("a JavaScript frame was parked")

        return call(back, key)

    return [handler(key + 1, delay) for key, delay in enumerate(delays)]


async def usable():
    assert fresh.run_js("(() => { try { throw new Error('x'); } catch (e) { return e.message; } })()") == "x"
    assert await fresh.run_js("(async () => { await null; return 5; })()") == 5
    run_sync(asyncio.sleep(0))
    fresh.ffi.collect()


@in_fresh_process
async def test_crossed_waits_below_javascript_are_refused():
    *results, _ = await asyncio.gather(*refused_below([0.05, 0.01, 0.03, 0.02]), noise())
    assert results == [1001, 2002, 3003, 4004]
    await usable()


@in_fresh_process
async def test_nested_waits_below_javascript_are_refused():
    *results, _ = await asyncio.gather(*refused_below([0.04, 0.03, 0.02, 0.01]), noise())
    assert results == [1001, 2002, 3003, 4004]
    await usable()


@in_fresh_process
async def test_javascript_runs_while_tasks_are_parked():
    async def handler(key):
        run_sync(asyncio.sleep(0.01 * key))
        return key

    *results, _ = await asyncio.gather(*[handler(key) for key in range(4)], noise())
    assert results == [0, 1, 2, 3]
    await usable()


@in_fresh_process
async def test_javascript_sees_the_refusal_and_goes_on():
    call = fresh.run_js("(f, k) => { try { return f(k); } catch (e) { return 'JS saw: ' + e; } }")

    def back(_):
        waiting = asyncio.sleep(0)
        try:
            run_sync(waiting)
        finally:
            waiting.close()

    assert REFUSED in call(back, 1)
    assert run_sync(asyncio.sleep(0, "still works")) == "still works"
    await usable()


@in_fresh_process
async def test_many_tasks_block_with_javascript_in_between():
    add = fresh.run_js(
        """(o, f, n) => { let s = 0; for (let i = 0; i < 10; i++) s += f(i) + n; o.s = (o.s || 0) + s;
           return JSON.stringify({ s, t: [1, 2, { n }] }).length; }"""
    )

    async def handler(key):
        target, total = fresh.run_js("({})"), 0
        for number in range(20):
            add(target, lambda x: x * key, number)
            run_sync(asyncio.sleep(0.0001 * ((key * 7 + number * 3) % 5)))
            total += 45 * key + 10 * number
            assert target.s == total
            with pytest.raises(fresh.ffi.JsException, match="x"):
                fresh.run_js("throw new Error('x')")
        return 1

    assert sum(await asyncio.gather(*[handler(key) for key in range(60)])) == 60
    fresh.ffi.collect()

    async def deep():
        run_sync(asyncio.sleep(0))
        with pytest.raises(fresh.ffi.JsException, match="stack"):
            fresh.run_js("(function r(n) { return r(n + 1) + 1; })(0)")

    await asyncio.gather(deep(), deep())
    await usable()


@in_fresh_process
async def test_two_blocked_tasks_finish_in_the_order_of_their_sleeps():
    finished = []

    async def handler(name, delay):
        run_sync(asyncio.sleep(delay))
        finished.append(name)

    started = time.monotonic()
    await asyncio.gather(handler("long", 0.2), handler("short", 0.05))
    assert finished == ["short", "long"]
    # Not one after the other, whatever the machine's load.
    assert time.monotonic() - started < 10


@in_fresh_process
async def test_jobs_getters_traps_conversions_and_finalizers_may_not_park():
    outcomes = []

    def attempt(*_):
        from isthmus._runtime.run_sync import can_run_sync

        outcomes.append(can_run_sync())
        return 1

    class Hooks:
        @property
        def attribute(self):
            return attempt()

        def __getitem__(self, key):
            return attempt()

        def __str__(self):
            attempt()
            return ""

        def __dir__(self):
            attempt()
            return []

        def __iter__(self):
            attempt()
            return iter([1])

    class Last:
        def __del__(self):
            attempt()

    hooks = Hooks()
    for source in (
        "(f, h) => f()",
        "(f, h) => h.attribute",
        "(f, h) => h.get(1)",
        "(f, h) => h.toString()",
        "(f, h) => [...h].length",
        "(f, h) => Object.keys(h).length",
        "(f, h) => [3, 1, 2].sort((a, b) => f()).length",
        "(f, h) => JSON.stringify({ toJSON() { return f(); } })",
    ):
        before = len(outcomes)
        fresh.run_js(source)(attempt, hooks)
        assert len(outcomes) > before, source
    await fresh.run_js("(f) => Promise.resolve().then(f)")(fresh.ffi.create_proxy(attempt))
    object_with_getter = fresh.run_js("(f) => ({ get x() { return f(); } })")(fresh.ffi.create_proxy(attempt))
    assert object_with_getter.x == 1
    before = len(outcomes)
    fresh.run_js("(o) => { o.destroy(); }")(fresh.ffi.create_proxy(Last()))
    fresh.run_js("(() => { let p = 1; })()")
    fresh.run_js("(o) => 1")(fresh.ffi.create_proxy(Last(), roundtrip=False))
    fresh.settle()
    assert len(outcomes) > before
    assert not any(outcomes)
    assert attempt() and outcomes[-1] is True
