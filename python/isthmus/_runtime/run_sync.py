"""`run_sync`: wait for an awaitable in a synchronous function, while every other task goes on (spec/ffi.md §5)."""

from __future__ import annotations

import asyncio
import inspect
from asyncio import events, tasks
from collections.abc import Awaitable
from typing import Any, TypeVar

from .loop import IsolateLoop

__all__ = ["SYNCHRONOUS_ENTRY", "can_run_sync", "run_sync"]

T = TypeVar("T")

elsewhere: Any = None
"""What answers on loops that are not ours: `isthmus._embed.tasks`, where that is installed."""

SYNCHRONOUS_ENTRY = (
    "Cannot stack switch because the Python entrypoint was a synchronous function. Use pyFunc.callPromising() to fix."
)


def run_sync(awaitable: Awaitable[T]) -> T:
    """Waits for `awaitable` and returns its result or raises its exception; cancelling the current task cancels it.

    TypeError if it cannot be awaited; RuntimeError below a JavaScript frame, outside the loop and on other threads.
    """
    if elsewhere is not None and not isinstance(events._get_running_loop(), IsolateLoop):
        return elsewhere.run_sync(awaitable)
    if asyncio.isfuture(awaitable):
        future: asyncio.Future[T] = awaitable
        if not future.done():
            loop = _parkable_loop()
            if future.get_loop() is not loop:
                raise RuntimeError(f"run_sync got {future!r} attached to a different loop")
            if future is tasks.current_task(loop):
                raise RuntimeError(f"Task cannot await on itself: {future!r}")
            loop._park(future)
        return future.result()
    if asyncio.iscoroutine(awaitable):
        loop = _parkable_loop()
        future = loop.create_task(awaitable)
    elif inspect.isawaitable(awaitable):
        loop = _parkable_loop()
        future = asyncio.ensure_future(awaitable, loop=loop)
    else:
        raise TypeError(f"object {type(awaitable).__name__} is not awaitable")
    loop._park(future)
    return future.result()


def can_run_sync() -> bool:
    """Whether `run_sync` can block here."""
    loop = events._get_running_loop()
    if isinstance(loop, IsolateLoop):
        return loop._can_park()
    return elsewhere is not None and elsewhere.can_run_sync()


def _parkable_loop() -> IsolateLoop:
    loop: Any = events._get_running_loop()
    if not isinstance(loop, IsolateLoop):
        if loop is None:
            raise RuntimeError(
                "run_sync needs a running event loop on this thread; "
                "from another thread use asyncio.run_coroutine_threadsafe(coroutine, loop).result()"
            )
        raise RuntimeError(f"run_sync needs the isolate's event loop, but {type(loop).__name__} is running")
    if not loop._can_park():
        raise RuntimeError(SYNCHRONOUS_ENTRY)
    return loop
