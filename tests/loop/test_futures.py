"""then, catch and finally_: each row's answer is the reference's (pyodide 314.0.7) unless a comment says otherwise."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from isthmus._runtime.futures import PyodideFuture


def future(value=None, exception=None):
    made = asyncio.get_running_loop().create_future()
    if exception is not None:
        made.set_exception(exception)
    else:
        made.set_result(value)
    return made


def fail(*_):
    raise ZeroDivisionError


async def ten_times(value):
    await asyncio.sleep(0)
    return value * 10


async def fail_later(*_):
    await asyncio.sleep(0)
    raise OSError


async def outcome(chained):
    assert type(chained) is PyodideFuture
    try:
        return await asyncio.wait_for(chained, 1)
    except BaseException as exception:
        return type(exception)


ERROR = ValueError("a")
CASES = {
    "value": (lambda: future(1).then(lambda value: value + 1), 2),
    "coroutine": (lambda: future(2).then(ten_times), 20),
    "future": (lambda: future(2).then(lambda _: future(9)), 9),
    "no callback": (lambda: future(3).then(None), 3),
    "only onrejected": (lambda: future(3).then(None, lambda _: "rejected"), 3),
    "rejected": (lambda: future(exception=ERROR).then(lambda _: 1, lambda error: error), ERROR),
    "rejected, coroutine": (lambda: future(exception=ERROR).then(None, lambda _: ten_times(4)), 40),
    "rejection passes": (lambda: future(exception=ERROR).then(lambda _: 1), ValueError),
    "callback fails": (lambda: future(1).then(fail), ZeroDivisionError),
    "callback fails later": (lambda: future(1).then(fail_later), OSError),
    "onrejected fails": (lambda: future(exception=ERROR).then(None, fail), ZeroDivisionError),
    "catch of a value": (lambda: future(1).catch(lambda _: 5), 1),
    "catch": (lambda: future(exception=ERROR).catch(lambda error: error), ERROR),
    "finally": (lambda: future(1).finally_(lambda: 99), 1),
    "finally of an error": (lambda: future(exception=ERROR).finally_(lambda: 99), ValueError),
    "finally fails": (lambda: future(1).finally_(fail), ZeroDivisionError),
    "finally fails on an error": (lambda: future(exception=ERROR).finally_(fail), ZeroDivisionError),
    "finally, coroutine": (lambda: future(1).finally_(lambda: ten_times(7)), 1),
    "finally fails later": (lambda: future(1).finally_(fail_later), OSError),
    "chain": (lambda: future(1).then(ten_times).then(lambda value: value + 1).finally_(lambda: None), 11),
    # The reference leaves these pending for ever.
    "not callable": (lambda: future(1).then(5), TypeError),
    "StopIteration": (lambda: future(1).then(lambda _: next(iter(()))), RuntimeError),
}


@pytest.mark.parametrize("name", CASES)
def test_outcome(run, name):
    make, expected = CASES[name]

    async def main():
        return await outcome(make())

    assert run(main()) == expected


def test_a_promise_cannot_wait_for_itself(run):
    async def main():
        source = asyncio.get_running_loop().create_future()
        chained = source.then(lambda _: chained)
        source.set_result(1)
        with pytest.raises(TypeError, match="Chaining cycle"):
            await asyncio.wait_for(chained, 1)

    run(main())


def test_cancellation_passes_down(run):
    async def main():
        log = []
        source = asyncio.get_running_loop().create_future()
        chained = source.then(lambda _: log.append("then"), lambda _: log.append("rejected"))
        finally_ = source.finally_(lambda: log.append("finally"))
        source.cancel()
        assert await outcome(chained) is asyncio.CancelledError
        assert await outcome(finally_) is asyncio.CancelledError
        assert log == ["finally"]

    run(main())


def test_cancellation_does_not_pass_up(run):
    async def main():
        loop = asyncio.get_running_loop()
        errors = []
        loop.set_exception_handler(lambda loop, context: errors.append(context))
        source = loop.create_future()
        for chained in (source.then(lambda value: value), source.finally_(lambda: None)):
            chained.cancel()
            await asyncio.sleep(0)
        assert not source.done()
        source.set_result(1)
        await asyncio.sleep(0)
        inner = loop.create_future()
        chained = future(1).then(lambda _: inner)
        await asyncio.sleep(0.001)
        chained.cancel()
        await asyncio.sleep(0)
        assert not inner.done()
        inner.set_result(2)
        await asyncio.sleep(0)
        assert not errors, "settling what was cancelled is no error"

    run(main())


def test_callbacks_see_the_context_of_then(run):
    variable = contextvars.ContextVar("variable")

    async def main():
        variable.set(1)
        source = asyncio.get_running_loop().create_future()
        chained = source.then(lambda _: variable.get())
        variable.set(2)
        source.set_result(None)
        return await chained

    assert run(main()) == 1


def test_tasks_have_the_methods_too(run):
    async def main():
        task = asyncio.create_task(ten_times(1))
        return await task.then(ten_times).finally_(lambda: None)

    assert run(main()) == 100


def test_callbacks_run_in_order_of_registration(run):
    async def main():
        log = []
        source = asyncio.get_running_loop().create_future()
        source.then(lambda _: log.append("first"))
        source.add_done_callback(lambda _: log.append("second"))
        source.then(lambda _: log.append("third"))
        source.set_result(None)
        log.append("not yet")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return log

    assert run(main()) == ["not yet", "first", "second", "third"]
