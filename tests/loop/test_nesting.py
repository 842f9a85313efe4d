"""install_policy, in a process of its own since it patches asyncio: nested run, Runner, loops, sleep, pytest-asyncio."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PRELUDE = """
import asyncio, gc, sys, time, warnings
from fake_engine import FakeEngine
from isthmus._runtime.loop import IsolateLoop
from isthmus._runtime.nesting import install_policy
from isthmus._runtime.run_sync import run_sync
engine = FakeEngine()
install_policy()
install_policy()
def isolate(main):
    with asyncio.Runner(loop_factory=lambda: IsolateLoop(engine)) as runner:
        return runner.run(main)
async def ticks(log, count, delay=0.001):
    for _ in range(count):
        await asyncio.sleep(delay)
        log.append("tick")
"""


def in_isolate(body: str) -> None:
    source = PRELUDE + textwrap.dedent(body)
    path = [str(HERE), str(HERE.parents[1] / "python")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path}\n{source}"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=HERE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr


def test_run_runner_and_run_until_complete():
    in_isolate("""
    async def main():
        log = []
        ticking = asyncio.create_task(ticks(log, 3))
        loop = asyncio.get_running_loop()
        assert asyncio.run(asyncio.sleep(0.002, "run")) == "run"
        assert loop.run_until_complete(asyncio.sleep(0.002, "until")) == "until"
        with asyncio.Runner(debug=True) as runner:
            assert runner.get_loop() is loop
            assert runner.run(asyncio.sleep(0.002, "runner")) == "runner"
            assert runner.run(asyncio.sleep(0, "again")) == "again"
        assert not loop.get_debug()
        assert not loop.is_closed()
        await ticking
        assert len(log) == 3
        try:
            runner.run(asyncio.sleep(0))
        except RuntimeError as error:
            assert "Runner is closed" in str(error) or "running event loop" in str(error), error
        else:
            raise AssertionError
    warnings.simplefilter("ignore", RuntimeWarning)
    isolate(main())
    """)


def test_errors_and_cancellation_pass_through():
    in_isolate("""
    async def boom():
        await asyncio.sleep(0)
        raise KeyError("k")
    async def main():
        try:
            asyncio.run(boom())
        except KeyError:
            pass
        else:
            raise AssertionError
        try:
            asyncio.run(5)
        except TypeError:
            pass
        else:
            raise AssertionError
        try:
            async with asyncio.timeout(0.005):
                asyncio.run(asyncio.sleep(10))
        except TimeoutError:
            pass
        else:
            raise AssertionError
    isolate(main())
    """)


def test_a_runner_cancels_only_what_began_under_it():
    in_isolate("""
    async def main():
        log = []
        outside = asyncio.create_task(ticks(log, 3))
        async def forever():
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise
        async def grandchild():
            asyncio.create_task(forever())
        async def inner():
            asyncio.create_task(forever())
            await asyncio.create_task(grandchild())
            await asyncio.sleep(0)
        asyncio.run(inner())
        assert log.count("cancelled") == 2, log
        assert not outside.done()
        await outside
        assert log.count("tick") == 3
        assert asyncio.get_running_loop()._adopt_task is None
    isolate(main())
    """)


def test_new_loops_inside_are_the_running_one():
    in_isolate("""
    async def main():
        log = []
        ticking = asyncio.create_task(ticks(log, 3))
        await asyncio.sleep(0)
        async def left_open():
            yield 1
            yield 2
        generator = left_open()
        await anext(generator)
        loop = asyncio.new_event_loop()
        assert loop is asyncio.get_running_loop()
        try:
            assert loop.run_until_complete(asyncio.sleep(0.001, "old style")) == "old style"
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        assert await anext(generator) == 2, "a request's generator outlives another request's cleanup"
        assert await asyncio.to_thread(lambda: "executor") == "executor"
        await ticking
    isolate(main())
    """)


def test_refused_below_a_javascript_frame():
    in_isolate("""
    async def main():
        for nested in (asyncio.run, asyncio.get_running_loop().run_until_complete):
            coroutine = asyncio.sleep(0)
            before = asyncio.all_tasks()
            try:
                engine.javascript(lambda: nested(coroutine))
            except RuntimeError as error:
                assert "Cannot stack switch" in str(error)
            else:
                raise AssertionError
            assert asyncio.all_tasks() == before
            coroutine.close()
    isolate(main())
    """)


def test_nothing_changes_outside():
    in_isolate("""
    import threading
    async def kind():
        return type(asyncio.get_running_loop())
    assert asyncio.run(kind()) is not IsolateLoop
    async def main():
        assert await asyncio.to_thread(lambda: asyncio.run(kind())) is not IsolateLoop
        loop = await asyncio.to_thread(asyncio.new_event_loop)
        assert type(loop) is not IsolateLoop
        loop.close()
    isolate(main())
    """)


def test_sleep_lets_others_run():
    in_isolate("""
    async def main():
        log = []
        ticking = asyncio.create_task(ticks(log, 3))
        started = time.monotonic()
        time.sleep(0.02)
        assert time.monotonic() - started >= 0.02
        assert len(log) == 3
        started = time.monotonic()
        engine.javascript(lambda: time.sleep(0.005))
        assert time.monotonic() - started >= 0.005
        for wrong, error in ((-1, ValueError), ("1", TypeError), (float("nan"), ValueError), (1e300, OverflowError)):
            try:
                time.sleep(wrong)
            except error:
                pass
            else:
                raise AssertionError(wrong)
        time.sleep(0)
    isolate(main())
    """)


def test_pytest_asyncio_inside_a_handler(tmp_path):
    pytest.importorskip("pytest_asyncio")
    (tmp_path / "test_inner.py").write_text(
        textwrap.dedent("""
        import asyncio, pytest, pytest_asyncio

        @pytest_asyncio.fixture
        async def resource():
            await asyncio.sleep(0)
            yield "resource"
            await asyncio.sleep(0)

        @pytest.mark.asyncio
        async def test_one(resource):
            await asyncio.sleep(0.001)
            assert resource == "resource"

        @pytest.mark.asyncio
        async def test_fails():
            await asyncio.sleep(0)
            assert 1 == 2

        @pytest.mark.asyncio
        async def test_leaves_a_task():
            asyncio.create_task(asyncio.sleep(100))
        """)
    )
    in_isolate(f"""
    import contextlib, io, os, pytest
    os.chdir({str(tmp_path)!r})
    async def main():
        log = []
        ticking = asyncio.create_task(ticks(log, 3))
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:timeout", "-W", "ignore", "test_inner.py"])
        assert "1 failed, 2 passed" in output.getvalue(), output.getvalue()
        assert code == 1
        await ticking
        assert len(asyncio.all_tasks()) == 1, asyncio.all_tasks()
    with contextlib.redirect_stderr(io.StringIO()):
        isolate(main())
    """)
