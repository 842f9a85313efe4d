"""Many tasks, random waits, cancellations and threads; and nothing left over afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import sys

import pytest
from greenlet import greenlet
from isthmus._runtime.loop import _IDLE_LIMIT, IsolateLoop
from isthmus._runtime.run_sync import run_sync

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER")


@pytest.mark.parametrize("seed", range(10))
def test_random_interleavings(run, seed):
    """200 tasks, each a random walk over every way to wait; identity of task, context and value checked at each step."""
    rng = random.Random(seed)

    async def nested(depth, value):
        if depth == 0:
            await asyncio.sleep(rng.choice((0, 0, 0.0005)))
            return value
        return run_sync(nested(depth - 1, value)) if rng.random() < 0.5 else await nested(depth - 1, value)

    async def walk(number, shared):
        me = asyncio.current_task()
        loop = asyncio.get_running_loop()
        NUMBER.set(number)

        def check():
            assert asyncio.current_task() is me
            assert NUMBER.get() == number

        for step in range(10):
            choice = rng.randrange(8)
            if choice == 0:
                assert run_sync(asyncio.sleep(rng.random() * 0.002, step)) == step
            elif choice == 1:
                assert await asyncio.sleep(rng.random() * 0.002, step) == step
            elif choice == 2:
                future = loop.create_future()
                loop.call_soon(future.set_result, step)
                assert run_sync(future) == step
            elif choice == 3:
                assert run_sync(nested(rng.randrange(4), step)) == step
            elif choice == 4:
                assert run_sync(shared) == "shared"
            elif choice == 5:
                assert [run_sync(asyncio.sleep(0, index)) for index in range(3)] == [0, 1, 2]
            elif choice == 6:
                assert sorted([2, 1], key=lambda key: run_sync(asyncio.sleep(0, key))) == [1, 2]
            else:
                with pytest.raises(ZeroDivisionError):
                    run_sync(loop.create_task(fail()))
            check()
        return number

    async def fail():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def main():
        loop = asyncio.get_running_loop()
        shared = loop.create_future()
        loop.call_later(0.003, shared.set_result, "shared")
        assert await asyncio.gather(*(walk(number, shared) for number in range(200))) == list(range(200))
        assert not loop._parked
        assert len(loop._idle) <= _IDLE_LIMIT

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_cancellation_storm(run, seed):
    """Tasks are cancelled at random moments, some twice; every one ends, each finally runs once, counters agree."""
    rng = random.Random(seed)
    entered = []
    left = []

    async def worker(number):
        entered.append(number)
        try:
            while True:
                choice = rng.randrange(4)
                try:
                    if choice == 0:
                        run_sync(asyncio.sleep(rng.random() * 0.01))
                    elif choice == 1:
                        await asyncio.sleep(rng.random() * 0.01)
                    elif choice == 2:
                        async with asyncio.timeout(rng.random() * 0.002):
                            run_sync(asyncio.sleep(1))
                    else:
                        run_sync(asyncio.gather(asyncio.sleep(rng.random() * 0.002), asyncio.sleep(0)))
                except TimeoutError:
                    assert asyncio.current_task().cancelling() == 0
        finally:
            run_sync(asyncio.sleep(0))
            left.append(number)

    async def main():
        tasks = [asyncio.create_task(worker(number)) for number in range(200)]
        await asyncio.sleep(0.005)
        waiting = list(tasks)
        rng.shuffle(waiting)
        for index, task in enumerate(waiting):
            task.cancel(index)
            if index % 10 == 0:
                await asyncio.sleep(0.0003)
        done, pending = await asyncio.wait(tasks, timeout=10)
        assert not pending
        assert all(task.cancelled() for task in done)

    run(main())
    assert sorted(entered) == sorted(left) == list(range(200))


def test_threads_resolve_waits(run):
    rng = random.Random(1)

    def work(loop, number):
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(rng.random() * 0.002, number), loop)
        return future.result(10)

    async def handler(number):
        loop = asyncio.get_running_loop()
        return run_sync(loop.run_in_executor(None, work, loop, number))

    async def main():
        return await asyncio.gather(*(handler(number) for number in range(200)))

    assert run(main()) == list(range(200))


def test_two_loops_in_two_threads(engine):
    import threading

    from fake_engine import FakeEngine

    results = []

    def one_loop():
        async def handler(number):
            return run_sync(asyncio.sleep(0.0001 * (number % 7), number))

        async def main():
            for _ in range(5):
                assert await asyncio.gather(*(handler(number) for number in range(50))) == list(range(50))

        with asyncio.Runner(loop_factory=lambda: IsolateLoop(FakeEngine())) as runner:
            runner.run(main())
        results.append(True)

    threads = [threading.Thread(target=one_loop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [True] * 3


def greenlets() -> int:
    gc.collect()
    return sum(isinstance(candidate, greenlet) and not candidate.dead for candidate in gc.get_objects())


def test_nothing_is_left_over(engine):
    """Counts after 100 000 waits equal those after 1 000."""
    marker = object()

    async def waits(count):
        loop = asyncio.get_running_loop()
        for _ in range(count):
            future = loop.create_future()
            loop.call_soon(future.set_result, marker)
            assert run_sync(future) is marker

    async def spread(count):
        await asyncio.gather(*(waits(count // 50) for _ in range(50)))
        gc.collect()
        loop = asyncio.get_running_loop()
        return sys.getrefcount(marker), len(gc.get_objects()), len(loop._parked), len(loop._ready)

    loop = IsolateLoop(engine)
    before = greenlets()
    loop.run_until_complete(spread(1000))
    few = loop.run_until_complete(spread(1000))
    many = loop.run_until_complete(spread(100_000))
    assert many[0] == few[0]
    assert abs(many[1] - few[1]) < 100
    assert many[2:] == few[2:]
    assert greenlets() == before, "idle greenlets end with the run"
    loop.close()


def test_many_parked_at_once(run):
    """More waits than pooled greenlets, ended in reverse order."""

    async def main():
        loop = asyncio.get_running_loop()
        count = 2000
        futures = [loop.create_future() for _ in range(count)]

        async def waits(index):
            return run_sync(futures[index])

        tasks = [asyncio.create_task(waits(index)) for index in range(count)]
        await asyncio.sleep(0)
        assert len(loop._parked) == count
        for index in reversed(range(count)):
            futures[index].set_result(index)
        assert await asyncio.gather(*tasks) == list(range(count))
        assert len(loop._idle) <= _IDLE_LIMIT

    run(main())
