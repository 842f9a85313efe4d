"""IsolateLoop is a full asyncio loop: timers, sockets, threads, generators, debug mode, errors, stopping."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import socket
import sys
import threading
import time
import weakref

import pytest
from isthmus._runtime.futures import PyodideFuture, PyodideTask
from isthmus._runtime.loop import IsolateLoop
from isthmus._runtime.run_sync import run_sync


def test_classes(run):
    async def main():
        loop = asyncio.get_running_loop()
        assert type(loop) is IsolateLoop
        assert type(loop.create_future()) is PyodideFuture
        task = asyncio.create_task(asyncio.sleep(0), name="named")
        assert type(task) is PyodideTask
        assert isinstance(task, PyodideFuture)
        assert isinstance(task, asyncio.Task)
        assert task.get_name() == "named"
        assert type(asyncio.current_task()) is PyodideTask
        assert type(asyncio.gather(task)).__mro__[-2] is asyncio.Future
        await task

    run(main())


def test_order_of_callbacks_and_timers(run):
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        now = loop.time()
        loop.call_at(now + 0.004, log.append, "late")
        loop.call_later(0.002, log.append, "early")
        loop.call_later(0.002, log.append, "cancelled").cancel()
        loop.call_soon(log.append, 1)
        loop.call_soon(log.append, "cancelled").cancel()
        loop.call_soon(loop.call_soon, log.append, 3)
        loop.call_soon(log.append, 2)
        await asyncio.sleep(0.01)
        return log

    assert run(main()) == [1, 2, 3, "early", "late"]


def test_many_cancelled_timers_are_dropped(run):
    async def main():
        loop = asyncio.get_running_loop()
        kept = [loop.call_later(1000, print) for _ in range(50)]
        for _ in range(500):
            loop.call_later(1000, print).cancel()
        await asyncio.sleep(0.001)
        assert len(loop._scheduled) <= 60
        for handle in kept:
            handle.cancel()

    run(main())


def test_a_busy_loop_does_not_starve_timers_and_sockets(run):
    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        events = []

        async def busy():
            while len(events) < 2:
                await asyncio.sleep(0)

        loop.call_later(0.001, events.append, "timer")
        loop.add_reader(ours, lambda: (events.append(ours.recv(9)), loop.remove_reader(ours)))
        theirs.send(b"data")
        await asyncio.wait_for(busy(), 5)
        ours.close()
        theirs.close()
        return set(events)

    assert run(main()) == {"timer", b"data"}


def test_sockets(run):
    """A thousand echoes over TCP, half of them awaited by `run_sync`."""

    async def main():
        async def echo(reader, writer):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def client(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for turn in range(50):
                writer.write(f"{number}:{turn}".encode())
                reply = reader.read(1000)
                assert (run_sync(reply) if turn % 2 else await reply) == f"{number}:{turn}".encode()
            writer.close()
            await writer.wait_closed()
            return 1

        total = sum(await asyncio.gather(*(client(number) for number in range(20))))
        server.close()
        return total

    assert run(main()) == 20


def test_threads(run):
    async def main():
        loop = asyncio.get_running_loop()
        names = set()

        def work(number):
            names.add(threading.get_ident())
            time.sleep(0.002)
            return number

        results = await asyncio.gather(*(loop.run_in_executor(None, work, number) for number in range(20)))
        assert results == list(range(20))
        assert threading.get_ident() not in names
        future = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, "woken")).start()
        assert await asyncio.wait_for(future, 5) == "woken"

        def from_thread():
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001, "coroutine"), loop).result(5)

        return await asyncio.to_thread(from_thread)

    assert run(main()) == "coroutine"


def test_exception_in_a_callback_reaches_the_handler(run):
    async def main():
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda loop, context: contexts.append(context))

        def broken():
            raise ValueError("x")

        handle = loop.call_soon(broken)
        after = loop.create_future()
        loop.call_soon(after.set_result, None)
        await after
        (context,) = contexts
        assert "Exception in callback" in context["message"]
        assert "broken" in context["message"]
        assert isinstance(context["exception"], ValueError)
        assert context["handle"] is handle

    run(main())


def test_exception_nobody_awaits_reaches_the_handler(run):
    async def main():
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda loop, context: contexts.append(context))

        async def boom():
            raise ValueError("x")

        asyncio.create_task(boom())
        await asyncio.sleep(0.001)
        gc.collect()
        return [(context["message"], type(context["exception"])) for context in contexts]

    assert run(main()) == [("PyodideTask exception was never retrieved", ValueError)]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exits_propagate_out_of_run_forever(engine, kind):
    loop = IsolateLoop(engine)
    log = []

    def leave():
        raise kind("now")

    loop.call_soon(leave)
    loop.call_soon(log.append, "next run")
    with pytest.raises(kind, match="now"):
        loop.run_forever()
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "usable")) == "usable"
    assert log == ["next run"]
    loop.close()


def test_interrupt_while_waiting(engine):
    """SIGINT during the poll: Runner cancels the main task and raises KeyboardInterrupt."""
    log = []

    async def main():
        asyncio.get_running_loop().call_later(0.005, signal.raise_signal, signal.SIGINT)
        try:
            run_sync(asyncio.sleep(10))
        finally:
            log.append("unwound")

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=lambda: IsolateLoop(engine)) as runner:
        runner.run(main())
    assert log == ["unwound"]


def test_stop_runs_what_is_ready(engine):
    loop = IsolateLoop(engine)
    log = []
    loop.call_soon(log.append, 1)
    loop.stop()
    loop.call_soon(log.append, 2)
    loop.call_soon(loop.call_soon, log.append, 3)
    loop.run_forever()
    assert log == [1, 2]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert log == [1, 2, 3]
    loop.close()


def test_stop_before_running_polls_once(engine):
    loop = IsolateLoop(engine)
    ours, theirs = socket.socketpair()
    log = []
    loop.add_reader(ours, lambda: log.append(ours.recv(1)))
    theirs.send(b"x")
    loop.stop()
    loop.run_forever()
    assert log == [b"x"]
    loop.remove_reader(ours)
    ours.close()
    theirs.close()
    loop.close()


def test_run_until_complete_without_an_end(engine):
    loop = IsolateLoop(engine)
    loop.call_soon(loop.stop)
    future = loop.create_future()
    with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
        loop.run_until_complete(future)
    loop.close()


def test_closed_loop(engine):
    loop = IsolateLoop(engine)
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coroutine)
    coroutine.close()


def test_running_twice(run, engine):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        other = IsolateLoop(engine)
        with pytest.raises(RuntimeError, match="another loop is running"):
            other.run_forever()
        other.close()
        loop.close()
        assert not loop.is_closed()
        return await asyncio.sleep(0, "open")

    assert run(main()) == "open"


def test_another_thread_cannot_close(run):
    async def main():
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            await asyncio.to_thread(asyncio.get_running_loop().close)

    run(main())


def test_asynchronous_generators_are_closed(run):
    log = []

    async def generator():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    async def main():
        first = generator()
        assert await anext(first) == 1
        del first  # finalized by the hook
        gc.collect()
        await asyncio.sleep(0.001)
        assert log == ["closed"]
        global LEFT_OPEN
        LEFT_OPEN = generator()
        await anext(LEFT_OPEN)

    run(main())
    assert log == ["closed", "closed"]


def test_debug_mode(engine):
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        run_sync(asyncio.sleep(0.001))
        errors = []

        def on_thread():
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                errors.append(str(error))

        await asyncio.to_thread(on_thread)
        assert "Non-thread-safe operation" in errors[0]
        handle = loop.call_soon(print)
        assert "created at" in repr(handle)
        handle.cancel()

    with asyncio.Runner(debug=True, loop_factory=lambda: IsolateLoop(engine)) as runner:
        runner.run(main())


def test_handles(run):
    async def main():
        loop = asyncio.get_running_loop()
        handle = loop.call_soon(print, "never")
        assert not handle.cancelled()
        assert "print" in repr(handle)
        handle.cancel()
        handle.cancel()
        assert handle.cancelled()
        assert "cancelled" in repr(handle)

    run(main())


def test_debug_mode_is_switched_in_between(run):
    async def main():
        loop = asyncio.get_running_loop()
        log = []
        loop.set_debug(1)
        assert loop.get_debug() is True
        assert "created at" in repr(loop.call_soon(log.append, "debugged"))
        loop.set_debug(None)
        assert loop.get_debug() is False
        handle = loop.call_soon(log.append, "plain")
        assert isinstance(handle, asyncio.Handle)
        assert "created at" not in repr(handle)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log == ["debugged", "plain"]

    run(main())


def test_bad_callbacks_reach_the_handler(run):
    async def main():
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda loop, context: contexts.append(context))
        with pytest.raises(TypeError):
            loop.call_soon()
        with pytest.raises(TypeError):
            loop.call_soon(print, contxt=None)
        entered = contextvars.copy_context()
        bad = [
            loop.call_soon("no function"),
            loop.call_soon(print, context="no context"),
            loop.call_soon(entered.run, lambda: None, context=entered),
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [context["handle"] for context in contexts] == bad
        kinds = [type(context["exception"]) for context in contexts]
        assert kinds == [TypeError, TypeError, RuntimeError]
        assert await asyncio.sleep(0, "goes on") == "goes on"

    run(main())


def test_a_callback_that_cancels_itself(run):
    async def main():
        loop = asyncio.get_running_loop()
        log = []

        def leave(*arguments):
            handles[0].cancel()
            gc.collect()
            log.append(arguments)

        handles = [loop.call_soon(leave, [1], [2])]
        await asyncio.sleep(0)
        assert log == [([1], [2])]

    run(main())


def test_task_factory(run):
    async def main():
        loop = asyncio.get_running_loop()
        made = []

        def factory(loop, coroutine, **options):
            made.append(asyncio.Task(coroutine, loop=loop, **options))
            return made[-1]

        loop.set_task_factory(factory)
        assert run_sync(asyncio.sleep(0.001, "plain")) == "plain"

        async def blocks():
            return run_sync(asyncio.sleep(0.001, "in a plain task"))

        assert await loop.create_task(blocks()) == "in a plain task"
        assert len(made) == 3

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks(run):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.create_eager_task_factory(PyodideTask))
        log = []

        async def blocks(number):
            me = asyncio.current_task()
            run_sync(asyncio.sleep(0.001 * number))
            assert asyncio.current_task() is me
            log.append(number)

        me = asyncio.current_task()
        await asyncio.gather(*(blocks(number) for number in (1, 2)))
        assert asyncio.current_task() is me
        return log

    assert run(main()) == [1, 2]


def test_a_closed_loop_is_collected(engine):
    loop = IsolateLoop(engine)

    async def blocks():
        run_sync(asyncio.sleep(0))

    loop.run_until_complete(asyncio.wait_for(blocks(), 5))
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None


def test_subprocesses_work_where_the_sandbox_lets_them(run):
    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        return output.strip(), process.returncode

    assert run(main()) == (b"42", 0)
