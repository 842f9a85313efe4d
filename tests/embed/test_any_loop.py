"""Jobs, timers, promises and tasks on loops that are not ours, one loop after another."""

from __future__ import annotations


def test_promises_are_awaited(on_loop) -> None:
    on_loop(
        """
        async def main():
            assert await run_js("(async () => { await null; await null; return 5; })()") == 5
            assert await run_js("Promise.resolve(6)") == 6
            assert await run_js("new Promise((resolve) => setTimeout(resolve, 5, 7))") == 7
            try:
                await run_js("Promise.reject(new RangeError('no'))")
            except Exception as error:
                assert error.name == "RangeError" and error.message == "no"
            answers = await asyncio.gather(*[run_js(f"new Promise((r) => setTimeout(r, {n % 7}, {n}))") for n in range(50)])
            assert answers == list(range(50))
        run(main())
        run(main())
        """
    )


def test_jobs_run_without_anything_being_awaited(on_loop) -> None:
    on_loop(
        """
        class Target:
            pass
        async def main():
            seen = []
            push = create_proxy(seen.append)
            loop = asyncio.get_running_loop()
            def turn():
                future = loop.create_future()
                loop.call_later(0.01, future.set_result, None)
                return future
            def check(name):
                assert seen == [name], seen
                seen.clear()
            # Each way into JavaScript that can leave a job.
            run_js("(push) => { queueMicrotask(() => push('call')); }")(push)
            await turn(); check("call")
            thing = run_js('''(push) => ({
                get property() { queueMicrotask(() => push('get')); return 1; },
                set property(_) { queueMicrotask(() => push('set')); },
                [Symbol.iterator]() { queueMicrotask(() => push('iterate')); return [1, 2][Symbol.iterator](); },
            })''')(push)
            thing.property
            await turn(); check("get")
            thing.property = 2
            await turn(); check("set")
            iter(thing)
            await turn(); check("iterate")
            store = run_js('''(push) => {
                class Store {
                    get(key) { queueMicrotask(() => push('item')); return 1; }
                    set(key, value) { queueMicrotask(() => push('assigned')); }
                    has(key) { queueMicrotask(() => push('asked')); return true; }
                }
                return new Store();
            }''')(push)
            store["a"]
            await turn(); check("item")
            store["a"] = 1
            await turn(); check("assigned")
            assert "a" in store
            await turn(); check("asked")
            iterator = run_js("(push) => (function* () { queueMicrotask(() => push('next')); yield 1; })()")(push)
            next(iterator)
            await turn(); check("next")
            run_js("(push) => Function.prototype.call.bind(push)")(push)(None, "now")
            check("now")
            # A Python future settles a promise whose reaction nobody in Python waits for.
            future = loop.create_future()
            run_js("(future, push) => { future.then((value) => push(value)); }")(create_proxy(future), push)
            loop.call_soon(future.set_result, "settled")
            await turn(); check("settled")
        run(main())
        """
    )


def test_jobs_of_getters_and_traps(on_loop) -> None:
    on_loop(
        """
        from pyodide.ffi import JsException, to_js
        async def main():
            jobs = []
            run_js("(push) => { globalThis.job = () => queueMicrotask(push); }")(create_proxy(lambda: jobs.append(1)))
            thing = run_js('''({
                get a() { job(); return 1; }, toString() { job(); return "thing"; },
                get then() { job(); throw new Error("no"); },
            })''')
            traps = run_js('''new Proxy({ a: 1 }, {
                get(o, key) { job(); return Reflect.get(o, key); }, has(o, key) { job(); return Reflect.has(o, key); },
                ownKeys(o) { job(); return Reflect.ownKeys(o); },
            })''')
            error = run_js('''new Proxy(new Error("e"), {
                get(o, key) { job(); return Reflect.get(o, key); }, has(o, key) { job(); return Reflect.has(o, key); },
                set(o, key, value) { job(); return Reflect.set(o, key, value); },
            })''')
            array = run_js("Object.defineProperty([1], 1, { get() { job(); return 1; } })")
            primitive = run_js("({ [Symbol.toPrimitive]() { job(); return 1; } })")
            make = run_js("() => { job(); return {}; }")
            sized = run_js("({ get length() { job(); return 2; } })")
            class Signature:
                a: int
            ways = [
                lambda: hasattr(traps, "missing"), lambda: str(thing), lambda: repr(traps), lambda: dir(traps),
                lambda: traps.object_keys(), lambda: traps.object_entries(), lambda: thing.object_values(),
                lambda: traps.to_py(), lambda: to_js({"a": 1}, dict_converter=make), lambda: array[1],
                lambda: primitive < thing, lambda: len(sized), lambda: traps.bind_sig(Signature).a,
                lambda: hasattr(error, "missing"), lambda: setattr(error, "other", 1),
            ]
            for number, way in enumerate(ways):
                for _ in range(10):
                    await asyncio.sleep(0)
                jobs.clear()
                try:
                    way()
                except (JsException, TypeError):
                    pass
                for _ in range(10):
                    await asyncio.sleep(0)
                assert jobs, number
        run(main())
        """
    )


def test_order_of_jobs_and_timers(on_loop) -> None:
    on_loop(
        """
        async def main():
            seen = []
            run_js('''(push) => {
                setTimeout(() => { push('timer 1'); Promise.resolve().then(() => push('job of timer 1')); }, 0);
                setTimeout(() => push('timer 2'), 0);
                Promise.resolve().then(() => push('job')).then(() => push('next job'));
                const repeated = setInterval(() => { push('again'); if (++count === 2) clearInterval(repeated); }, 3);
                let count = 0;
                clearTimeout(setTimeout(() => push('never'), 1));
            }''')(create_proxy(seen.append))
            await asyncio.sleep(0.2)
            assert seen == ["job", "next job", "timer 1", "job of timer 1", "timer 2", "again", "again"], seen
        run(main())
        """
    )


def test_console_and_unhandled_errors(on_loop) -> None:
    result = on_loop(
        """
        import contextlib, io
        out, err = io.StringIO(), io.StringIO()
        async def main():
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                print("before")
                js.console.log("a", 1, run_js("({b: [1]})"))
                js.console.warn("careful")
                run_js("Promise.reject(new Error('nobody'))").cancel()
                run_js("void Promise.reject(new Error('nobody cares'))")
                run_js("void setTimeout(() => { throw new Error('in a timer'); })")
                await asyncio.sleep(0.02)
        run(main())
        assert out.getvalue() == "before\\na 1 { b: [ 1 ] }\\n", out.getvalue()
        assert err.getvalue().startswith("careful\\n")
        assert "nobody cares" in err.getvalue() and "in a timer" in err.getvalue()
        js.console.log("to the real one")
        """
    )
    assert result.stdout == "to the real one\n"


def test_text_that_the_stream_cannot_encode(program) -> None:
    result = program(
        """
        import sys, isthmus
        isthmus.install()
        import js
        sys.stdout.reconfigure(encoding="ascii")
        js.console.log("ä\U0001f600")
        sys.stdout = None
        js.console.log("nowhere")
        """
    )
    assert result.stdout == "\\xe4\\U0001f600\n"


def test_coroutines_are_thenable(on_loop) -> None:
    on_loop(
        """
        async def main():
            async def work(value):
                await asyncio.sleep(0)
                if value < 0:
                    raise ValueError("negative")
                return value * 2
            assert await run_js("async (work) => await work(4) + 1")(work) == 9
            try:
                await run_js("async (work) => await work(-1)")(work)
            except ValueError as error:
                assert str(error) == "negative"
            else:
                raise AssertionError
            chained = run_js("Promise.resolve(3)").then(lambda value: work(value)).then(lambda value: value + 1)
            assert await chained == 7
            assert await run_js("Promise.reject(new Error('x'))").catch(lambda error: error.message) == "x"
            assert await asyncio.create_task(work(1)) == 2
            task = asyncio.get_running_loop().create_task(work(1))
            assert await run_js("async (task) => await task")(task) == 2
        run(main())
        """
    )


def test_tasks_have_the_methods_of_promises_with_the_task_factory(on_loop) -> None:
    on_loop(
        """
        async def five():
            return 5
        async def main():
            assert await asyncio.create_task(five(), name="five").then(lambda value: value + 1) == 6
        run(main(), plain=False)
        async def plain():
            task = asyncio.create_task(five())
            assert not hasattr(task, "then")
            await task
        run(plain())
        """
    )


def test_what_was_begun_under_an_old_loop_settles(on_loop) -> None:
    on_loop(
        """
        kept = run_js("({ push: undefined })")
        async def first():
            run_js('''(kept) => {
                kept.timer = new Promise((resolve) => setTimeout(resolve, 30, 'late'));
                kept.chain = kept.timer.then((value) => value + '!');
                kept.open = new Promise((resolve) => { kept.resolve = resolve; });
            }''')(kept)
        run(first())
        async def second():
            assert await kept.timer == "late"
            assert await kept.chain == "late!"
            kept.resolve(3)
            assert await kept.open == 3
        run(second())
        """
    )


def test_a_future_of_an_old_loop_fails_clearly_in_a_new_one(on_loop) -> None:
    on_loop(
        """
        futures = []
        async def first():
            futures.append(run_js("({ promise: new Promise((resolve) => { globalThis.settle = resolve; }) })"))
            futures.append(run_js("(o) => o.promise")(futures[0]))
        run(first())
        async def second():
            try:
                await futures[1]
            except RuntimeError as error:
                assert "different loop" in str(error)
            else:
                raise AssertionError
            js.settle(1)
            assert await futures[0].promise == 1
            assert futures[1].done()
        run(second())
        """
    )


def test_a_coroutine_whose_loop_was_closed_fails_the_promise(on_loop) -> None:
    on_loop(
        """
        kept = run_js("({})")
        async def never():
            await asyncio.get_running_loop().create_future()
        async def first():
            run_js("(kept, work) => { kept.promise = (async () => await work())(); }")(kept, create_proxy(never))
            await asyncio.sleep(0)
        loop = new_loop()
        loop.run_until_complete(first())
        tasks = asyncio.all_tasks(loop)
        loop.close()
        async def second():
            try:
                await asyncio.wait_for(kept.promise, 5)
            except RuntimeError as error:
                assert "was closed before it was done" in str(error), error
            else:
                raise AssertionError
        run(second())
        for task in tasks:
            task._log_destroy_pending = False
            task.get_coro().close()
        """
    )


def test_futures_that_nobody_settles_are_not_kept(on_loop) -> None:
    on_loop(
        """
        import gc, weakref
        async def main():
            loop = asyncio.get_running_loop()
            references = []
            for _ in range(10):
                future = loop.create_future()
                references.append(weakref.ref(future))
                run_js("(future) => { future.then(() => {}); }")(future)
            del future
            await asyncio.sleep(0)
            gc.collect()
            run_js("0")
            assert not any(reference() for reference in references)
            # Two promises for one future.
            future = loop.create_future()
            both = run_js("(future) => Promise.all([future, future.then((x) => x + 1)])")(future)
            loop.call_soon(future.set_result, 1)
            assert list(await both) == [1, 2]
        run(main())
        """
    )


def test_jobs_without_a_loop_run_when_javascript_returns(program) -> None:
    program(
        """
        import asyncio, isthmus
        isthmus.install()
        from pyodide.code import run_js
        from pyodide.ffi import create_proxy
        seen = []
        push = create_proxy(seen.append)
        promise = run_js("(push) => { const p = (async () => { await null; push(1); return 2; })(); push(0); return p; }")(push)
        assert seen == [0, 1]
        # Not before all of JavaScript has returned.
        def back():
            run_js("(push) => { queueMicrotask(() => push('inner')); }")(push)
            seen.append("before")
        del seen[:]
        run_js("(back) => back()")(back)
        assert seen == ["before", "inner"], seen
        run_js("(push) => { setTimeout(() => push('timer'), 0); }")(push)
        del seen[:]
        async def main():
            assert await promise == 2
            await asyncio.sleep(0.01)
            assert seen == ["timer"]
        asyncio.run(main())
        """
    )


def test_loops_that_alternate(on_loop) -> None:
    on_loop(
        """
        loops = [new_loop(), new_loop()]
        async def step(number):
            promise = run_js(f"new Promise((resolve) => setTimeout(resolve, 1, {number}))")
            run_js("void queueMicrotask(() => { globalThis.ran = (globalThis.ran ?? 0) + 1; })")
            return await promise
        for number in range(10):
            assert loops[number % 2].run_until_complete(step(number)) == number
        assert js.ran == 10
        # A loop that is left with a turn to come doesn't keep the other from having its own.
        async def leave():
            run_js("void Promise.resolve().then(() => { globalThis.left = true; })")
            loops[0].stop()
        task = loops[0].create_task(leave())
        loops[0].run_forever()
        assert loops[1].run_until_complete(step(11)) == 11
        assert js.left
        for loop in loops:
            loop.close()
        """
    )


def test_context_variables_of_callbacks(on_loop) -> None:
    on_loop(
        """
        import contextvars
        variable = contextvars.ContextVar("variable", default="none")
        async def main():
            variable.set("main")
            seen = []
            run_js("(f) => { setTimeout(f, 1); Promise.resolve().then(f); }")(create_proxy(lambda *_: seen.append(variable.get())))
            await asyncio.sleep(0.05)
            assert seen == ["main", "main"]
        run(main())
        """
    )


def test_an_anyio_program(program) -> None:
    program(
        """
        import anyio, isthmus
        isthmus.install()
        from pyodide.code import run_js
        from pyodide.ffi import run_sync
        async def main():
            async with anyio.create_task_group() as group:
                async def work(number):
                    assert await run_js(f"new Promise((r) => setTimeout(r, 1, {number}))") == number
                for number in range(5):
                    group.start_soon(work, number)
            with anyio.move_on_after(0.01) as scope:
                await run_js("new Promise(() => {})")
            assert scope.cancelled_caught
        anyio.run(main)
        async def blocking():
            async with anyio.create_task_group() as group:
                async def work(number):
                    assert run_sync(run_js(f"new Promise((r) => setTimeout(r, 1, {number}))")) == number
                for number in range(5):
                    group.start_soon(work, number)
            with anyio.move_on_after(0.01) as scope:
                run_sync(run_js("new Promise(() => {})"))
            assert scope.cancelled_caught
        anyio.run(blocking, backend_options={"loop_factory": isthmus.loop_factory()})
        """
    )
