"""What the loop does with the JavaScript engine: microtasks after every callback, one call before every poll."""

from __future__ import annotations

import asyncio
import os

import pytest
from isthmus._runtime.loop import IsolateLoop
from isthmus._runtime.run_sync import can_run_sync, run_sync


def test_jobs_run_after_every_callback(run, engine):
    async def main():
        loop = asyncio.get_running_loop()
        log = []

        def callback(number):
            log.append(f"callback {number}")
            engine.jobs.append(lambda: log.append(f"job {number}"))

        loop.call_soon(callback, 1)
        loop.call_soon(callback, 2)
        await asyncio.sleep(0.001)
        return log

    assert run(main()) == ["callback 1", "job 1", "callback 2", "job 2"]


def test_jobs_run_after_a_callback_that_failed(run, engine):
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        loop.set_exception_handler(lambda loop, context: log.append("failed"))

        def callback():
            engine.jobs.append(lambda: log.append("job"))
            raise ValueError

        loop.call_soon(callback)
        loop.call_soon(log.append, "next")
        await asyncio.sleep(0.001)
        return log

    assert run(main()) == ["failed", "job", "next"]


def test_jobs_run_when_a_task_blocks(run, engine):
    async def main():
        future = asyncio.get_running_loop().create_future()
        engine.jobs.append(lambda: future.set_result("from a job"))
        return run_sync(future)

    assert run(main()) == "from a job"


def test_jobs_queued_before_the_poll_do_not_wait(run, engine):
    async def main():
        future = asyncio.get_running_loop().create_future()

        def on_poll():
            engine.on_poll = None
            engine.jobs.append(lambda: future.set_result("done"))

        engine.on_poll = on_poll
        return await asyncio.wait_for(future, 1)

    assert run(main()) == "done"


def test_callbacks_scheduled_before_the_poll_do_not_wait(run, engine):
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def on_poll():
            engine.on_poll = None
            loop.call_soon(future.set_result, "done")

        engine.on_poll = on_poll
        return await asyncio.wait_for(future, 1)

    assert run(main()) == "done"


def test_before_poll_precedes_every_wait(run, engine):
    """A frame written by a callback must be sent before the loop sleeps."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = os.pipe()
        outgoing = []

        def send():
            if outgoing:
                os.write(theirs, outgoing.pop())

        engine.on_poll = send
        received = loop.create_future()
        loop.add_reader(ours, lambda: received.done() or received.set_result(os.read(ours, 9)))
        for turn in range(5):
            received = loop.create_future()
            outgoing.append(b"frame %d" % turn)
            answer = await received if turn % 2 else run_sync(received)
            assert answer == b"frame %d" % turn
        engine.on_poll = None
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)

    run(main())


def test_before_poll_is_called_once_a_turn(run, engine):
    async def main():
        before = engine.polls
        await asyncio.sleep(0.002)
        return engine.polls - before

    assert run(main()) <= 3


def test_linger_precedes_sleep_only(run, engine):
    lingered = []
    engine.linger = lambda: lingered.append(True)

    async def main():
        lingered.clear()
        await asyncio.sleep(0.01)
        before_sleep = len(lingered)
        lingered.clear()
        for _ in range(5000):
            await asyncio.sleep(0)
        return before_sleep, len(lingered)

    assert run(main()) == (1, 0)


def test_before_poll_knows_whether_callbacks_are_ready(run, engine):
    """What gathers while the loop is busy must go out before it waits."""

    async def main():
        seen = []
        engine.on_poll = lambda: seen.append(engine.busy)
        for _ in range(5000):
            await asyncio.sleep(0)
        busy = seen[:]
        seen.clear()
        await asyncio.sleep(0.002)
        engine.on_poll = None
        return busy, seen

    busy, waiting = run(main())
    assert busy and all(busy)
    assert waiting and waiting[0] is False


def test_a_job_may_not_block(run, engine):
    async def main():
        answers = []

        def job():
            answers.append(can_run_sync())
            with pytest.raises(RuntimeError, match="Cannot stack switch"):
                run_sync(asyncio.get_running_loop().create_future())

        engine.jobs.append(job)
        await asyncio.sleep(0.001)
        return answers

    assert run(main()) == [False]


def test_nothing_may_block_inside_the_poll(run, engine):
    async def main():
        answers = []

        def on_poll():
            engine.on_poll = None
            answers.append(can_run_sync())

        engine.on_poll = on_poll
        await asyncio.sleep(0.001)
        return answers

    assert run(main()) == [False]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exits_in_jobs_and_in_the_poll_propagate(engine, kind):
    loop = IsolateLoop(engine)

    def leave():
        engine.on_poll = None
        raise kind("now")

    loop.call_soon(engine.jobs.append, leave)
    with pytest.raises(kind):
        loop.run_forever()
    loop.call_soon(setattr, engine, "on_poll", leave)
    with pytest.raises(kind):
        loop.run_forever()
    assert loop.run_until_complete(asyncio.sleep(0, "usable")) == "usable"
    loop.close()


def test_native_context_switches_are_used(engine):
    from isthmus._runtime.loop import _context_switches

    enter, leave = _context_switches()
    calls = []
    engine.context_enter = lambda context: (calls.append("enter"), enter(context))
    engine.context_exit = lambda context: (calls.append("exit"), leave(context))

    async def main():
        run_sync(asyncio.sleep(0.001))

    with asyncio.Runner(loop_factory=lambda: IsolateLoop(engine)) as runner:
        runner.run(main())
    assert calls == ["exit", "enter"]
