"""A process forked with the bridge in use: the child uses what it inherited, frees it and ends; the parent goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import fresh
import pytest
from fresh import in_fresh_process


def forked(work: Callable[[], Any], how: str = "_exit") -> None:
    """Runs `work` in a child, which ends orderly (`exit`) or at once (`_exit`); asserts that it could."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        if how == "exit":
            # Up through all the frames below, as a program ends.
            raise SystemExit(0)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"


def objects() -> dict[str, Any]:
    """One object of every kind that crosses."""
    js, ffi = fresh.run_js, fresh.ffi
    return {
        "object": js("({ a: 1, f() { return this.a; } })"),
        "array": js("[1, 2, 3]"),
        "map": js("new Map([[1, 2]])"),
        "typed": js("new Uint8Array([1, 2, 3])"),
        "function": js("(x) => x"),
        "generator": js("(function* () { yield 1; yield 2; })()"),
        "error": ffi.JsException("TypeError", "text"),
        "proxy": ffi.create_proxy({"a": 1}),
        "once": ffi.create_once_callable(lambda: 5),
        "memory": ffi.create_proxy(bytearray(b"abc")),
        "converted": ffi.to_js({"a": [1, 2]}),
    }


def use(held: dict[str, Any]) -> None:
    js = fresh.run_js
    assert held["object"].a == 1 and held["object"].f() == 1
    held["object"].a = 2
    assert held["object"].f() == 2
    assert list(held["array"]) == [1, 2, 3] and held["map"][1] == 2 and held["typed"].to_bytes() == b"\1\2\3"
    own = object()
    assert held["function"](own) is own
    assert next(held["generator"]) == 1
    assert held["error"].message == "text"
    assert js("(p) => p.get('a')")(held["proxy"]) == 1
    assert held["once"]() == 5
    assert js("(p) => { const b = p.getBuffer(); b.data[0] = 120; b.release(); return b.nbytes; }")(held["memory"]) == 3
    assert held["converted"].to_py() == {"a": [1, 2]}
    with pytest.raises(fresh.ffi.JsException, match="thrown"):
        js("() => { throw new Error('thrown'); }")()


@pytest.mark.parametrize("how", ["exit", "_exit"])
def test_the_child_uses_and_frees_what_it_inherited(how: str) -> None:
    {"exit": uses_and_exits, "_exit": uses_and_ends_at_once}[how]()


def _use_all(how: str) -> None:
    held = objects()
    before = fresh.ffi.live()

    def child() -> None:
        use(held)
        held["proxy"].destroy()
        held["memory"].destroy()
        held.clear()
        fresh.settle()
        alive = fresh.ffi.live()
        assert alive[0] <= before[0] - 9 and alive[1] <= before[1] - 3, (before, alive)
        use(objects())

    forked(child, how)
    # Nothing that the child did is seen here.
    assert fresh.ffi.live() == before
    use(held)


@in_fresh_process
def uses_and_exits() -> None:
    _use_all("exit")


@in_fresh_process
def uses_and_ends_at_once() -> None:
    _use_all("_exit")


@in_fresh_process
def test_in_the_middle_of_callbacks() -> None:
    """With frames of both languages on the stack; the child returns through all of them."""
    reached = []
    there = fresh.run_js("(f, n) => { try { return 1 + f(n); } finally { globalThis.unwound = (globalThis.unwound ?? 0) + 1; } }")

    def back(level: int) -> int:
        if level == 0:
            child = os.fork()
            reached.append(child)
            return 0
        return there(back, level - 1) + 1

    result = there(back, 20)
    assert result == 41 and fresh.run_js("unwound") == 21
    use(objects())
    if reached[0] == 0:
        os._exit(0)
    assert os.waitpid(reached[0], 0)[1] == 0


@in_fresh_process
def test_an_exception_that_ends_a_child_deep_inside() -> None:
    there = fresh.run_js("(f, n) => f(n)")

    def back(level: int) -> None:
        if level == 0:
            forked(lambda: use(objects()), "exit")
        else:
            there(back, level - 1)

    try:
        there(back, 10)
    except SystemExit:
        # The child: JavaScript passed the exception on.
        use(objects())
        raise
    use(objects())


@in_fresh_process
def test_inside_iterators_getters_converters_and_jobs() -> None:
    def fork(*_: Any) -> int:
        forked(lambda: use(objects()))
        return 1

    class Asked:
        def __getattr__(self, name: str) -> int:
            return fork()

        def __iter__(self) -> Any:
            fork()
            yield 1
            fork()

    js = fresh.run_js
    assert js("(p) => p.anything")(Asked()) == 1
    assert list(js("(p) => [...p]")(Asked())) == [1]
    fresh.ffi.to_js([Asked()], default_converter=lambda value, convert, cache: fork())
    fresh.ffi.global_this().fork = fork
    assert js("({ get x() { return globalThis.fork(); } })").x == 1
    assert js("[2, 1]").sort(fork) is not None
    js("Promise.resolve().then(() => globalThis.fork()).catch((e) => { globalThis.failed = String(e); })")
    fresh.iso.run_jobs()
    assert js("globalThis.failed") is None
    next(iter(js("(function* () { yield globalThis.fork(); })()")))


@in_fresh_process
async def test_with_pending_promises() -> None:
    """The child settles the promises it inherited with its own jobs; the parent's stay pending."""
    js = fresh.run_js
    pending = [js("new Promise((yes, no) => { globalThis.settle = [...(globalThis.settle ?? []), yes]; })") for _ in range(10)]
    waited = js("Promise.resolve(1)")
    python = js("(p) => p.then((x) => x + 1)")(fresh.ffi.create_proxy(asyncio.sleep(0, 1), roundtrip=False))
    await asyncio.sleep(0)
    seen = js("globalThis.seen = []; (p) => { p.then((x) => seen.push(x)); }")
    seen(js("(() => ({ promise: new Promise((yes) => { globalThis.later = yes; }) }))()").promise)

    def child() -> None:
        js("later(7)")
        for number in range(10):
            js("(n) => settle[n](n)")(number)
        fresh.iso.run_jobs()
        assert js("seen").to_py() == [7]
        for future in pending:
            future.cancel()
        use(objects())

    forked(child)
    assert js("seen").to_py() == []
    js("settle.forEach((yes, n) => yes(n))")
    assert await asyncio.gather(*pending) == list(range(10))
    assert await waited == 1 and await python == 2


@in_fresh_process
def test_a_child_has_an_event_loop_of_its_own() -> None:
    async def main() -> int:
        later = fresh.run_js("(x) => new Promise((yes) => queueMicrotask(() => yes(x)))")
        return await later(5)

    assert fresh.run(main()) == 5

    def child() -> None:
        assert fresh.run(main()) == 5

    forked(child)
    assert fresh.run(main()) == 5


@in_fresh_process
def test_two_hundred_forks_leave_nothing() -> None:
    held = objects()
    fresh.settle()
    before = fresh.ffi.live()
    descriptors = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        inner = {"work": lambda: use(dict(held)) if number % 20 == 0 else fresh.run_js("(x) => x")(1)}
        forked(inner["work"])
        fresh.run_js("(x) => ({ x })")(object())
    del inner
    fresh.settle()
    gc.collect()
    after = fresh.ffi.live()
    assert after[0] <= before[0] + 2 and after[1] <= before[1] + 2, (before, after)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@in_fresh_process
def test_a_child_of_a_child() -> None:
    held = objects()

    def grandchild() -> None:
        use(held)

    forked(lambda: (forked(grandchild), use(held)))
    use(held)


@in_fresh_process
def test_forked_from_another_thread() -> None:
    """There the forking thread is all that is left: JavaScript's home is gone, and that is said."""
    import threading

    held = objects()
    outcome: list[Any] = []

    def elsewhere() -> None:
        def child() -> None:
            with pytest.raises(RuntimeError):
                held["object"].a
            held.clear()
            gc.collect()

        try:
            forked(child)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not outcome, outcome
    use(held)
