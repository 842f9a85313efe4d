"""Ways to recurse through both languages: ends of lives, errors, and what waits. Run by test_recursion.py."""

from __future__ import annotations

import sys

import fresh
from recursion import DEEP, ends, way


@ends
def finalizers_that_call(reached):
    """Each `__del__` gives up the next object inside JavaScript, then calls JavaScript, which is a safe point."""
    nothing = fresh.run_js("() => {}")
    forget = fresh.run_js("globalThis.held = new Map(); (n) => { held.delete(n); }")
    hold = fresh.run_js("(n, o) => { held.set(n, o); }")

    class Link:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            reached()
            forget(self.number + 1)
            nothing()

    for number in range(20_000):
        hold(number, fresh.ffi.create_proxy(Link(number)))
    forget(0)
    nothing()
    fresh.settle()
    assert reached.depth == 20_000


@ends
def chains_across_the_border_end(reached):
    wrap = fresh.run_js("(inner) => ({ inner })")

    class Link:
        def __init__(self, inner):
            self.inner = inner

        def __del__(self):
            reached()

    chain = None
    for _ in range(20_000):
        chain = wrap(fresh.ffi.create_proxy(Link(chain), roundtrip=False))
    fresh.settle()
    del chain
    fresh.settle()
    assert reached.depth == 20_000


@ends
def deep_structures_are_freed(reached):
    reached.depth = DEEP
    fresh.run_js("(() => { let deep = {}; for (let i = 0; i < 1000000; i++) deep = { deep }; globalThis.deep = deep; })()")
    fresh.ffi.collect()
    fresh.run_js("delete globalThis.deep")
    fresh.settle()


@ends
def finalization_registries(reached):
    fresh.run_js(
        """globalThis.registry = new FinalizationRegistry((n) => { if (n) registry.register({}, n - 1); globalThis.again(); });
           registry.register({}, 100)"""
    )
    fresh.ffi.global_this().again = reached
    for _ in range(300):
        fresh.ffi.collect()
        fresh.iso.run_jobs()
    assert reached.depth > 50


@ends
def destroying_while_destroyed(reached):
    there = fresh.run_js("(p) => { p.destroy(); }")

    class Link:
        def __del__(self):
            reached()
            if reached.depth < 10_000:
                there(fresh.ffi.create_proxy(Link()))

    sys.unraisablehook = lambda unraisable: None
    there(fresh.ffi.create_proxy(Link()))
    fresh.settle()
    sys.unraisablehook = sys.__unraisablehook__


# --- errors


@way
def errors_through_many_levels(reached):
    """The exception that ends the recursion is caught and raised again at each level."""
    there = fresh.run_js("(f) => { try { return f(); } catch (error) { throw new Error('stack', { cause: error }); } }")

    def back():
        reached()
        try:
            return there(back)
        except Exception as error:
            raise RuntimeError("stack") from error

    try:
        back()
    except RuntimeError as error:
        raise RecursionError from error


@ends
def errors_described_by_recursion(reached):
    make = fresh.run_js("() => { throw { toString() { return globalThis.again(); } }; }")

    def again():
        reached()
        # The text is asked for twice at each level.
        if reached.depth < 3000:
            make()

    fresh.ffi.global_this().again = again
    try:
        again()
    except Exception:
        pass


@ends
def exceptions_shown_by_recursion(reached):
    """The text of an exception is made when it enters JavaScript; making it calls JavaScript."""
    catch = fresh.run_js("(f) => { try { f(); } catch (error) { return error.message; } }")

    class Endless(Exception):
        def __str__(self):
            reached()

            def fail():
                raise Endless

            return catch(fail)

    def fail():
        raise Endless

    catch(fail)


# --- asynchronous


@ends
def thenables(reached):
    def then(yes, no):
        reached()
        if reached.depth < 5000:
            yes(make(fresh.ffi.create_proxy(then)))
        else:
            yes(1)

    make = fresh.run_js("(f) => ({ then(yes, no) { f(yes, no); } })")

    async def main():
        assert await make(fresh.ffi.create_proxy(then)) == 1

    fresh.run(main())


@way
def jobs_within_jobs(reached):
    def job():
        reached()
        fresh.run_js("Promise.resolve().then(() => globalThis.job())")
        fresh.iso.run_jobs()
        if reached.depth > 5000:
            raise RecursionError("jobs did not nest")

    fresh.ffi.global_this().job = job
    sys.stderr.flush()
    fresh.run_js("globalThis.job()")
    raise RecursionError("in a job")


@ends
def promise_reactions(reached):
    react = fresh.run_js("(f) => Promise.resolve(1).then(f)")

    async def main():
        async def back(*_):
            reached()
            if reached.depth < 1000:
                await react(back)

        await react(back)

    fresh.run(main())
    assert reached.depth == 1000


@way
def coroutines_awaited_in_turn(reached):
    call = fresh.run_js("(f) => f()")
    wait = fresh.run_js("async (f) => await f()")

    def synchronously():
        reached()
        return call(synchronously)

    async def main():
        await wait(synchronously)

    fresh.run(main())
