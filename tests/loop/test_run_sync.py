"""run_sync: order, identity of task and context, cancellation, exceptions, refusals, shutdown."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import traceback
import weakref

import pytest
from isthmus._runtime.loop import IsolateLoop
from isthmus._runtime.run_sync import can_run_sync, run_sync

NAME: contextvars.ContextVar[str | None] = contextvars.ContextVar("NAME", default=None)
SYNCHRONOUS = "Cannot stack switch because the Python entrypoint was a synchronous function"


def test_waits_end_in_any_order_and_keep_task_and_context(run):
    ended = []

    async def handler(name, delay):
        NAME.set(name)
        task = asyncio.current_task()

        def synchronous():
            result = run_sync(asyncio.sleep(delay, name))
            assert NAME.get() == name
            NAME.set(name + "!")
            return result

        assert synchronous() == name
        ended.append(name)
        assert asyncio.current_task() is task
        assert NAME.get() == name + "!"
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        assert NAME.get() == name + "!"

    async def main():
        await asyncio.gather(handler("a", 0.06), handler("b", 0.02), handler("c", 0.04), handler("d", 0.05))
        assert NAME.get() is None

    run(main())
    assert ended == ["b", "c", "d", "a"]


def test_no_task_is_current_while_others_run(run):
    seen = []

    async def main():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_soon(lambda: seen.append(asyncio.current_task()))
        run_sync(asyncio.sleep(0))
        assert asyncio.current_task() is task

    run(main())
    assert seen == [None]


def test_exception_travels_with_its_traceback(run):
    async def boom():
        await asyncio.sleep(0)
        raise KeyError("x")

    async def main():
        with pytest.raises(KeyError) as caught:
            run_sync(boom())
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    names = run(main())
    assert names[0] == "main"
    assert names[-1] == "boom"


def test_exception_after_a_wait_shows_the_user_frames(run):
    async def handler():
        def deep():
            run_sync(asyncio.sleep(0))
            raise ValueError("user")

        deep()

    async def main():
        with pytest.raises(ValueError) as caught:
            await asyncio.create_task(handler())
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert run(main())[-2:] == ["handler", "deep"]


def test_exception_being_handled_stays_right(run):
    async def handler(number):
        try:
            raise ValueError(number)
        except ValueError as outer:
            run_sync(asyncio.sleep(0.001 * (3 - number)))
            with pytest.raises(KeyError) as caught:
                raise KeyError(number)
            assert caught.value.__context__ is outer

    async def main():
        await asyncio.gather(*(handler(number) for number in range(3)))

    run(main())


def test_cancellation_reaches_the_wait(run):
    log = []

    async def handler():
        try:
            run_sync(asyncio.sleep(10))
        except asyncio.CancelledError as error:
            log.append(error.args)
            raise
        finally:
            log.append("finally")

    async def main():
        task = asyncio.create_task(handler())
        await asyncio.sleep(0.001)
        assert task.cancel("why")
        assert task.cancelling() == 1
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main())
    assert log == [("why",), "finally"]


def test_swallowed_cancellation_is_over(run):
    async def handler():
        with pytest.raises(asyncio.CancelledError):
            run_sync(asyncio.sleep(10))
        assert asyncio.current_task().cancelling() == 1
        assert asyncio.current_task().uncancel() == 0
        await asyncio.sleep(0)
        run_sync(asyncio.sleep(0))
        return "survived"

    async def main():
        task = asyncio.create_task(handler())
        await asyncio.sleep(0.001)
        task.cancel()
        return await task

    assert run(main()) == "survived"


def test_cancellation_between_the_result_and_the_return(run):
    """The future is done, so cancelling it does nothing; the task must see CancelledError all the same."""

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        async def handler():
            run_sync(future)

        task = asyncio.create_task(handler())
        await asyncio.sleep(0)

        def finish():
            future.set_result(None)
            assert task.cancel("late")

        loop.call_soon(finish)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert task.cancelling() == 1

    run(main())


def test_awaited_coroutine_may_refuse_cancellation(run):
    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "kept"

    async def handler():
        return run_sync(stubborn())

    async def main():
        task = asyncio.create_task(handler())
        await asyncio.sleep(0.001)
        task.cancel()
        return await task

    assert run(main()) == "kept"


def test_timeout_and_task_group(run):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                run_sync(asyncio.sleep(10))
        assert asyncio.current_task().cancelling() == 0

        async def bad():
            await asyncio.sleep(0.005)
            raise OSError

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(bad())
                run_sync(asyncio.sleep(10))
        assert caught.group_contains(OSError)
        assert asyncio.current_task().cancelling() == 0
        async with asyncio.timeout(10):
            assert run_sync(asyncio.sleep(0, 1)) == 1
        with pytest.raises(TimeoutError):
            run_sync(asyncio.wait_for(asyncio.Event().wait(), 0.005))

    run(main())


def test_generators_and_c_frames(run):
    async def main():
        def numbers():
            for number in range(3):
                yield run_sync(asyncio.sleep(0, number))

        async def asynchronous():
            for number in numbers():
                yield number

        collected = [number async for number in asynchronous()]
        mapped = list(map(lambda number: run_sync(asyncio.sleep(0, number)), [3, 1, 2]))
        mapped.sort(key=lambda number: run_sync(asyncio.sleep(0, number)))
        return collected, mapped

    assert run(main()) == ([0, 1, 2], [1, 2, 3])


def test_nested(run):
    async def inner(number):
        return number if number == 0 else run_sync(inner(number - 1)) + 1

    async def main():
        return run_sync(inner(100))

    assert run(main()) == 100


def test_several_wait_for_one_future(run):
    async def main():
        future = asyncio.get_running_loop().create_future()

        async def waits():
            return run_sync(future)

        async def sets():
            await asyncio.sleep(0.001)
            future.set_result(1)

        return await asyncio.gather(waits(), waits(), waits(), sets())

    assert run(main()) == [1, 1, 1, None]


def test_done_futures_answer_at_once(run, engine):
    async def main():
        loop = asyncio.get_running_loop()
        turned = []
        loop.call_soon(turned.append, 1)
        done = loop.create_future()
        done.set_result("value")
        assert engine.javascript(lambda: run_sync(done)) == "value"
        failed = loop.create_future()
        failed.set_exception(KeyError("k"))
        with pytest.raises(KeyError):
            run_sync(failed)
        cancelled = loop.create_future()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            run_sync(cancelled)
        assert not turned

    run(main())


def test_any_awaitable(run):
    class Thenable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    async def main():
        return run_sync(Thenable()), run_sync(asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))

    assert run(main()) == ("awaited", [1, 2])


@pytest.mark.parametrize(("value", "name"), [(1, "int"), ("a", "str"), (None, "NoneType"), (int, "type")])
def test_what_cannot_be_awaited(run, engine, value, name):
    async def main():
        with pytest.raises(TypeError, match=f"^object {name} is not awaitable$"):
            run_sync(value)
        with pytest.raises(TypeError, match=f"^object {name} is not awaitable$"):
            engine.javascript(lambda: run_sync(value))

    run(main())


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
def test_refused_below_a_javascript_frame(run, engine):
    async def main():
        assert can_run_sync()

        def callback():
            assert not can_run_sync()
            with pytest.raises(RuntimeError, match=SYNCHRONOUS):
                run_sync(asyncio.sleep(0))
            with pytest.raises(RuntimeError, match=SYNCHRONOUS):
                run_sync(asyncio.get_running_loop().create_future())
            before = asyncio.all_tasks()
            with pytest.raises(RuntimeError, match=SYNCHRONOUS):
                asyncio.get_running_loop().run_until_complete(asyncio.sleep(0))
            assert asyncio.all_tasks() == before, "a refused coroutine must not be scheduled"
            return "refused"

        assert engine.javascript(callback) == "refused"
        assert run_sync(asyncio.sleep(0, "still works")) == "still works"

    run(main())


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
def test_refused_outside_the_loop():
    assert not can_run_sync()
    with pytest.raises(RuntimeError, match="needs a running event loop on this thread"):
        run_sync(asyncio.sleep(0))

    async def main():
        assert not can_run_sync()
        with pytest.raises(RuntimeError, match="needs the isolate's event loop"):
            run_sync(asyncio.sleep(0))

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
def test_threads(run):
    def on_thread():
        assert not can_run_sync()
        with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
            run_sync(asyncio.sleep(0))
        return threading.current_thread()

    async def main():
        assert run_sync(asyncio.to_thread(on_thread)) is not threading.current_thread()

    run(main())


def test_refuses_other_loops_and_itself(run, engine):
    other = IsolateLoop(engine)
    foreign = other.create_future()

    async def main():
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            run_sync(foreign)
        with pytest.raises(RuntimeError, match="Task cannot await on itself"):
            run_sync(asyncio.current_task())

    run(main())
    other.close()


def test_tasks_that_share_a_context(run):
    async def main():
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()

        async def blocks(delay):
            run_sync(asyncio.sleep(delay))
            NAME.set(f"{NAME.get() or ''}{delay}")
            return delay

        async def awaits(delay):
            await asyncio.sleep(delay)
            return delay

        tasks = [loop.create_task(blocks(0.003), context=context), loop.create_task(awaits(0.001), context=context)]
        tasks.append(loop.create_task(blocks(0.002), context=context))
        assert await asyncio.wait_for(asyncio.gather(*tasks), 1) == [0.003, 0.001, 0.002]
        assert context[NAME] == "0.0020.003"

    run(main())


def test_contexts_entered_inside_the_task(run):
    async def main():
        inner = contextvars.copy_context()

        def blocks():
            NAME.set("inner")
            run_sync(asyncio.sleep(0.001))
            return NAME.get()

        async def other():
            return inner.run(NAME.get)

        task = asyncio.create_task(other())
        NAME.set("outer")
        assert inner.run(blocks) == "inner"
        assert NAME.get() == "outer"
        assert await task == "inner", "the context could be entered by another task meanwhile"

    run(main())


def test_in_a_bare_callback(run):
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        NAME.set("callback")
        loop.call_soon(lambda: future.set_result((run_sync(asyncio.sleep(0.001, 7)), NAME.get())))
        loop.call_later(0, lambda: run_sync(asyncio.sleep(0)))
        return await future

    assert run(main()) == (7, "callback")


def test_inside_another_greenlet(run):
    """SQLAlchemy and others run synchronous code in greenlets of their own below a task."""
    from greenlet import getcurrent, greenlet

    async def main():
        def body():
            own = greenlet(lambda: run_sync(asyncio.sleep(0.001, NAME.get())))
            own.gr_context = getcurrent().gr_context
            return own.switch()

        NAME.set("spawned")
        other = asyncio.create_task(asyncio.sleep(0.002, "other"))
        assert body() == "spawned"
        assert NAME.get() == "spawned"
        return await other

    assert run(main()) == "other"


def test_locals_are_freed(run):
    class Held:
        pass

    async def main():
        references = []

        async def handler():
            held = Held()
            references.append(weakref.ref(held))
            run_sync(asyncio.sleep(0))

        await asyncio.gather(*(handler() for _ in range(50)))
        gc.collect()
        return [reference() for reference in references]

    assert set(run(main())) == {None}


def test_parked_task_unwinds_when_the_runner_ends(run):
    log = []

    async def handler():
        try:
            run_sync(asyncio.Event().wait())
        finally:
            log.append("finally")

    async def main():
        asyncio.create_task(handler())
        await asyncio.sleep(0)

    run(main())
    assert log == ["finally"]


def test_parked_task_unwinds_when_the_loop_is_closed(engine):
    log = []

    async def handler(number):
        try:
            run_sync(asyncio.Event().wait())
        except asyncio.CancelledError:
            log.append(number)
            with pytest.raises(RuntimeError, match=SYNCHRONOUS):
                run_sync(asyncio.get_running_loop().create_future())
            raise

    loop = IsolateLoop(engine)
    tasks = [loop.create_task(handler(number)) for number in range(3)]
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    loop.close()
    assert sorted(log) == [0, 1, 2]
    assert all(task.cancelled() for task in tasks)
    assert loop.is_closed()


def test_a_wait_outlives_a_stop(engine):
    loop = IsolateLoop(engine)
    future = loop.create_future()

    async def handler():
        return run_sync(future)

    task = loop.create_task(handler())
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert not task.done()
    assert loop.run_until_complete(asyncio.sleep(0, "between")) == "between"
    future.set_result("later")
    assert loop.run_until_complete(task) == "later"
    loop.close()


def test_a_blocked_coroutine_refuses_a_second_entry(run):
    async def main():
        async def handler():
            run_sync(asyncio.sleep(0.005))
            return 5

        coroutine = handler()
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0.001)
        with pytest.raises((ValueError, RuntimeError), match="already executing"):
            coroutine.send(None)
        return await task

    assert run(main()) == 5


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exits_propagate_out_of_a_blocked_task(run, kind):
    unwound = []

    async def bystander():
        try:
            run_sync(asyncio.sleep(10))
        finally:
            unwound.append(True)

    async def main():
        task = asyncio.create_task(bystander())
        run_sync(asyncio.sleep(0.001))
        assert not task.done()
        raise kind(3)

    with pytest.raises(kind):
        run(main())
    assert unwound == [True]


def test_exits_propagate_out_of_an_awaited_coroutine(run):
    async def leave():
        await asyncio.sleep(0)
        raise SystemExit(4)

    async def main():
        run_sync(leave())

    with pytest.raises(SystemExit) as caught:
        run(main())
    assert caught.value.code == 4
