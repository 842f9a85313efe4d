"""`run_sync` on loops that are not ours: waits in any order, refusals, cancellation, contexts."""

from __future__ import annotations


def test_waits_end_in_any_order_and_keep_task_and_context(on_loop) -> None:
    on_loop(
        """
        import contextvars
        NAME = contextvars.ContextVar("NAME", default=None)
        ended = []
        async def handler(name, delay):
            NAME.set(name)
            task = asyncio.current_task()
            def synchronous():
                assert can_run_sync()
                assert run_sync(run_js(f"new Promise((r) => setTimeout(r, {delay}, '{name}'))")) == name
                assert NAME.get() == name and asyncio.current_task() is task
                NAME.set(name + "!")
            synchronous()
            ended.append(name)
            await asyncio.sleep(0)
            assert NAME.get() == name + "!" and asyncio.current_task() is task
        async def main():
            await asyncio.gather(handler("a", 60), handler("b", 20), handler("c", 40), handler("d", 50))
            assert NAME.get() is None
        run(main(), plain=False)
        assert ended == ["b", "c", "d", "a"], ended
        """
    )


def test_what_can_be_waited_for(on_loop) -> None:
    on_loop(
        """
        class Custom:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return "custom"
        async def nested(depth):
            return 0 if depth == 0 else run_sync(nested(depth - 1)) + 1
        async def boom():
            await asyncio.sleep(0)
            raise KeyError("x")
        async def main():
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            done.set_result(1)
            assert run_sync(done) == 1
            later = loop.create_future()
            loop.call_later(0.001, later.set_result, (1, 2))
            assert run_sync(later) == (1, 2)
            assert run_sync(asyncio.create_task(asyncio.sleep(0, 3))) == 3
            assert run_sync(Custom()) == "custom"
            assert run_sync(js.Promise.resolve(4)) == 4
            assert run_sync(run_js("({ p: Promise.resolve(5) })").p) == 5
            assert run_sync(nested(20)) == 20
            for failing, kind in [(boom(), KeyError), (run_js("Promise.reject(new Error('x'))"), Exception)]:
                try:
                    run_sync(failing)
                except kind as error:
                    assert "x" in str(error)
                else:
                    raise AssertionError
            raises(TypeError, "object int is not awaitable", run_sync, 1)
            raises(RuntimeError, "itself", run_sync, asyncio.current_task())
            assert sorted([3, 1, 2], key=lambda key: run_sync(asyncio.sleep(0, key))) == [1, 2, 3]
            def generator():
                for number in range(3):
                    yield run_sync(asyncio.sleep(0.001, number))
            async def asynchronous():
                for number in generator():
                    yield number
            assert [number async for number in asynchronous()] == [0, 1, 2]
            assert await isthmus_task() == 7
        async def isthmus_task():
            return run_sync(asyncio.sleep(0, 7))
        run(main(), plain=False)
        """
    )


def test_coroutines_that_javascript_starts_can_wait_on_any_loop(on_loop) -> None:
    on_loop(
        """
        async def handler(value):
            return run_sync(asyncio.sleep(0.001, value)) + 1
        def synchronous(value):
            return run_sync(asyncio.sleep(0.001, value)) + 2
        async def main():
            assert await run_js("async (f) => await f(1)")(handler) == 2
            assert await run_js("async (f) => await f.callPromising(1)")(synchronous) == 3
            assert not can_run_sync()
        run(main())
        """
    )


def test_refusals(on_loop) -> None:
    on_loop(
        """
        import threading
        BELOW = "Cannot stack switch because the Python entrypoint was a synchronous function"
        call = run_js("(f) => f()")
        def refused(part):
            waiting = asyncio.sleep(0)
            raises(RuntimeError, part, run_sync, waiting)
            waiting.close()
            assert not can_run_sync()
        async def plain():
            refused("isthmus.task_factory")
            call(lambda: refused(BELOW))
        run(plain())
        call(lambda: refused(BELOW))
        async def main():
            call(lambda: refused(BELOW))
            await asyncio.to_thread(refused, "on the thread that called isthmus.install()")
            seen = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(lambda: seen.set_result(refused("isthmus.task_factory")))
            await seen
            assert run_sync(asyncio.sleep(0, 1)) == 1
        run(main(), plain=False)
        thread = threading.Thread(target=refused, args=("on the thread that called isthmus.install()",))
        thread.start()
        thread.join()
        """
    )


def test_a_loop_below_javascript_runs_but_parks_nothing(on_loop) -> None:
    on_loop(
        """
        async def inner():
            waiting = asyncio.sleep(0)
            raises(RuntimeError, "Cannot stack switch", run_sync, waiting)
            waiting.close()
            assert await run_js("(async () => { await null; return 5; })()") == 5
        assert run_js("(f) => { const o = { a: 1 }; f(); return o.a; }")(lambda: run(inner(), plain=False)) == 1
        # Greenlets that were used before at another depth of the stack must not be used below it.
        async def outer():
            run_sync(asyncio.sleep(0))
        for _ in range(3):
            run(outer(), plain=False)
            assert run_js("(f) => { const o = { a: 1 }; f(); return o.a; }")(lambda: run(inner(), plain=False)) == 1
        """
    )


def test_crossed_waits_below_javascript_are_refused(on_loop) -> None:
    on_loop(
        """
        caller = run_js('''(f, k) => { let a = { k }; let x = f(k); let e = new Error("trace");
            return a.k * 1000 + x + (e.stack.length > 0 ? 0 : 1); }''')
        async def handler(key, delay):
            def back(number):
                waiting = asyncio.sleep(delay)
                raises(RuntimeError, "Cannot stack switch", run_sync, waiting)
                waiting.close()
                return number
            run_sync(asyncio.sleep(delay))
            return caller(back, key)
        async def noise():
            for _ in range(30):
                run_js('''(() => { let o = []; for (let i = 0; i < 100; i++) o.push({ i });
                    try { throw new Error("q"); } catch (e) { o.push(e.stack); } return o.length; })()''')
                await asyncio.sleep(0.001)
        async def main():
            delays = [0.05, 0.01, 0.03, 0.02]
            *results, _ = await asyncio.gather(*[handler(k + 1, d) for k, d in enumerate(delays)], noise())
            assert results == [1001, 2002, 3003, 4004]
        run(main(), plain=False)
        """
    )


def test_cancellation(on_loop) -> None:
    on_loop(
        """
        log = []
        async def handler():
            try:
                run_sync(asyncio.sleep(10))
            except asyncio.CancelledError as error:
                log.append(error.args)
                raise
            finally:
                log.append("finally")
        async def swallow():
            try:
                run_sync(asyncio.sleep(10))
            except asyncio.CancelledError:
                assert asyncio.current_task().cancelling() == 1
                asyncio.current_task().uncancel()
            run_sync(asyncio.sleep(0))
            return "survived"
        async def main():
            task, other = asyncio.create_task(handler()), asyncio.create_task(swallow())
            never = asyncio.create_task(handler())
            never.cancel()
            await asyncio.sleep(0.01)
            task.cancel("why")
            other.cancel()
            try:
                await task
            except asyncio.CancelledError:
                log.append("task")
            assert await other == "survived"
            try:
                async with asyncio.timeout(0.01):
                    run_sync(asyncio.sleep(10))
            except TimeoutError:
                log.append("timeout")
            try:
                async with asyncio.TaskGroup() as group:
                    async def bad():
                        await asyncio.sleep(0.01)
                        raise OSError
                    group.create_task(bad())
                    run_sync(asyncio.sleep(10))
            except* OSError:
                log.append("group")
        run(main(), plain=False)
        assert log == [("why",), "finally", "task", "timeout", "group"], log
        """
    )


def test_tasks_that_are_left_waiting_unwind(on_loop) -> None:
    on_loop(
        """
        log = []
        async def handler(name):
            try:
                run_sync(asyncio.Event().wait())
            finally:
                try:
                    waiting = asyncio.sleep(0)
                    run_sync(waiting)
                except BaseException as error:
                    log.append((name, type(error).__name__))
                finally:
                    waiting.close()
        async def main(name):
            asyncio.create_task(handler(name))
            await asyncio.sleep(0.001)
        run(main("cancelled"), plain=False)
        assert log == [], log
        loop = isthmus.loop_factory(new_loop)()
        loop.run_until_complete(main("given up"))
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()
        del task
        async def other():
            run_js("1")
            js.Promise.resolve(1)
        run(other())
        assert log == [("given up", "RuntimeError")], log
        """
    )


def test_nothing_of_the_user_is_kept_alive(on_loop) -> None:
    on_loop(
        """
        import gc, weakref
        class Thing:
            pass
        references = []
        async def handler():
            thing = Thing()
            references.append(weakref.ref(thing))
            run_sync(asyncio.sleep(0))
            return thing
        async def main():
            await asyncio.gather(*[handler() for _ in range(50)])
            await asyncio.sleep(0)  # the callback that brought us here holds the result
            gc.collect()
            assert not any(reference() for reference in references)
        run(main(), plain=False)
        """
    )


def test_tracebacks_show_the_user_frames(on_loop) -> None:
    on_loop(
        """
        import traceback
        async def handler():
            def deep():
                run_sync(asyncio.sleep(0))
                raise ValueError("user")
            deep()
        async def boom():
            await asyncio.sleep(0)
            raise KeyError("x")
        async def main():
            try:
                await asyncio.create_task(handler())
            except ValueError as error:
                names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                assert names[0] == "main" and names[-2:] == ["handler", "deep"], names
                assert len(names) <= 4, names
            try:
                run_sync(boom())
            except KeyError as error:
                names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                assert names[0] == "main" and names[-1] == "boom", names
        run(main(), plain=False)
        """
    )


def test_a_context_shared_by_tasks(on_loop) -> None:
    on_loop(
        """
        import contextvars
        async def main():
            shared = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            async def wait():
                run_sync(asyncio.sleep(0.02))
                return "a"
            async def other():
                await asyncio.sleep(0.001)
                return "b"
            tasks = [loop.create_task(wait(), context=shared), loop.create_task(other(), context=shared)]
            assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == ["a", "b"]
            own = contextvars.copy_context()
            async def inside(delay):
                return own.run(lambda: run_sync(asyncio.sleep(delay, delay)))
            assert await asyncio.gather(inside(0.002), inside(0.001)) == [0.002, 0.001]
        run(main(), plain=False)
        """
    )


def test_a_storm(on_loop) -> None:
    on_loop(
        """
        import contextvars, random
        NUMBER = contextvars.ContextVar("NUMBER")
        rng = random.Random(1)
        async def nested(depth, value):
            if depth == 0:
                await asyncio.sleep(rng.choice((0, 0, 0.0005)))
                return value
            return run_sync(nested(depth - 1, value)) if rng.random() < 0.5 else await nested(depth - 1, value)
        async def too_long():
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)
        back = run_js("(f, x) => f(x)")
        async def walk(number):
            me = asyncio.current_task()
            NUMBER.set(number)
            for step in range(10):
                choice = rng.randrange(6)
                if choice == 0:
                    assert run_sync(asyncio.sleep(rng.random() * 0.002, step)) == step
                elif choice == 1:
                    assert await asyncio.sleep(rng.random() * 0.002, step) == step
                elif choice == 2:
                    assert run_sync(nested(rng.randrange(4), step)) == step
                elif choice == 3:
                    assert back(lambda x: x + 1, step) == step + 1
                elif choice == 4:
                    assert run_sync(run_js(f"(async () => {{ await null; return {step}; }})()")) == step
                else:
                    try:
                        run_sync(too_long())
                    except TimeoutError:
                        pass
                assert asyncio.current_task() is me and NUMBER.get() == number
            return number
        async def main():
            tasks = [asyncio.create_task(walk(number)) for number in range(150)]
            await asyncio.sleep(0.005)
            for task in tasks[::10]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for number, outcome in enumerate(outcomes):
                assert outcome == number or isinstance(outcome, asyncio.CancelledError) and number % 10 == 0, outcome
        run(main(), plain=False)
        """
    )


def test_without_a_loop_it_runs_one(program) -> None:
    program(
        """
        import asyncio, isthmus
        isthmus.install()
        from pyodide.code import run_js
        from pyodide.ffi import can_run_sync, run_sync
        assert can_run_sync()
        assert run_sync(run_js("new Promise((resolve) => setTimeout(resolve, 1, 5))")) == 5
        assert run_sync(asyncio.sleep(0, 6)) == 6
        ended = []
        async def left():
            try:
                await asyncio.sleep(100)
            finally:
                ended.append("left")
        async def main():
            task = asyncio.create_task(left())
            await asyncio.sleep(0)
            return run_sync(asyncio.sleep(0, 7))
        assert run_sync(main()) == 7
        assert ended == ["left"]
        try:
            run_sync(run_js("Promise.reject(new TypeError('no'))"))
        except Exception as error:
            assert error.name == "TypeError"
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        future = loop.create_future()
        loop.call_soon(future.set_result, 8)
        assert run_sync(future) == 8
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
        loop.close()
        """,
        "-W",
        "error::ResourceWarning",
    )
