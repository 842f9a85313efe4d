"""What asyncio refuses inside a running loop, made to work in isolates: `asyncio.run`, `asyncio.Runner`, `time.sleep`,
`new_event_loop` (spec/workers.md §0.5). Each becomes a `run_sync` on the running IsolateLoop; elsewhere nothing changes.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import sys
import time
import weakref
from asyncio import events, runners, tasks
from collections.abc import Callable, Coroutine
from typing import Any

from .loop import IsolateLoop
from .run_sync import _parkable_loop, can_run_sync, run_sync

__all__ = ["IsolatePolicy", "install_policy"]

if sys.version_info >= (3, 14):
    _DefaultPolicy = asyncio.unix_events._DefaultEventLoopPolicy
    _set_policy = events._set_event_loop_policy
else:
    _DefaultPolicy = asyncio.DefaultEventLoopPolicy
    _set_policy = asyncio.set_event_loop_policy

_LONGEST_SLEEP = 1e8
"""Seconds; above it `time.sleep` reports the error itself."""

_open_runners: weakref.WeakKeyDictionary[asyncio.Runner, weakref.WeakSet[asyncio.Task[Any]]]
_open_runners = weakref.WeakKeyDictionary()
"""The tasks begun under each Runner that shares the isolate's loop: closing it must cancel these alone."""


def install_policy() -> None:
    """Makes nested use of asyncio and a blocking sleep work in this process; once is enough, more does no harm."""
    if getattr(asyncio.run, "_isthmus_nested", False):
        return
    _set_policy(IsolatePolicy())
    runner: Any = asyncio.Runner
    runner._lazy_init = _nested_init(runner._lazy_init)
    runner.run = _nested_run(runner.run)
    runner.close = _nested_close(runner.close)
    asyncio.run = runners.run = _nested_asyncio_run(asyncio.run)
    time.sleep = _cooperative_sleep(time.sleep)


def _running() -> IsolateLoop | None:
    loop = events._get_running_loop()
    return loop if isinstance(loop, IsolateLoop) else None


class IsolatePolicy(_DefaultPolicy):
    """Inside a running IsolateLoop the new loop is that loop: it ignores `close` from inside."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _running() or super().new_event_loop()


def _nested_asyncio_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        if _running() is None:
            return original(main, **options)
        with asyncio.Runner(**options) as runner:
            return runner.run(main)

    run._isthmus_nested = True  # type: ignore[attr-defined]
    return run


def _nested_init(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def _lazy_init(self: Any) -> None:
        loop = _running()
        if loop is None or self._state is not runners._State.CREATED:
            return original(self)
        # `debug` and `loop_factory` would change the loop of every request; they are ignored.
        self._loop = loop
        self._context = contextvars.copy_context()
        self._state = runners._State.INITIALIZED
        _open_runners[self] = weakref.WeakSet()
        loop._adopt_task = _adopt
        return None

    return _lazy_init


def _adopt(task: asyncio.Task[Any]) -> None:
    """Counts a task begun by a task of a Runner among that Runner's."""
    parent = tasks.current_task(task.get_loop())
    if parent is not None:
        for begun in _open_runners.values():
            if parent in begun:
                begun.add(task)


def _nested_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(self: Any, coro: Any, *, context: contextvars.Context | None = None) -> Any:
        loop = _running()
        if loop is not None:
            self._lazy_init()
        if self not in _open_runners or self._loop is not loop:
            return original(self, coro, context=context)
        if not asyncio.iscoroutine(coro):
            if not inspect.isawaitable(coro):
                raise TypeError(f"a coroutine was expected, got {coro!r}")
            coro = _awaiting(coro)
        _parkable_loop()  # refuses before there is a task
        task = loop.create_task(coro, context=self._context if context is None else context)
        _open_runners[self].add(task)
        return run_sync(task)

    return run


async def _awaiting(awaitable: Any) -> Any:
    return await awaitable


def _nested_close(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def close(self: Any) -> None:
        begun = _open_runners.pop(self, None)
        if begun is None:
            return original(self)
        loop, self._loop, self._state = self._loop, None, runners._State.CLOSED
        if not _open_runners:
            loop._adopt_task = None
        left = [task for task in begun if not task.done()]
        for task in left:
            task.cancel()
        if not left or not can_run_sync():
            return None
        for task, outcome in zip(left, run_sync(asyncio.gather(*left, return_exceptions=True)), strict=True):
            if isinstance(outcome, Exception):
                message = "unhandled exception during asyncio.run() shutdown"
                loop.call_exception_handler({"message": message, "exception": outcome, "task": task})
        return None

    return close


def _cooperative_sleep(original: Callable[[float], None]) -> Callable[[float], None]:
    @functools.wraps(original)
    def sleep(seconds: float, /) -> None:
        if isinstance(seconds, (int, float)) and 0 < seconds < _LONGEST_SLEEP and can_run_sync():
            return run_sync(asyncio.sleep(seconds))
        return original(seconds)

    return sleep
