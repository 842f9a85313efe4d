"""Tasks in which `run_sync` can wait, on any asyncio loop.

A loop that is not ours can't be handed from one greenlet to another. So each step of a task runs in a pooled greenlet of
its own: where it blocks in `run_sync` the greenlet parks, and the task awaits the future in its stead, as any task awaits.
The loop, the current task, cancellation and contexts are none the wiser. That takes a coroutine around the task's own
(`Suspendable`), which `task_factory` puts there; coroutines that JavaScript starts always have it.

A step that begins below a JavaScript frame runs in place: parking that frame while others run JavaScript would corrupt the
engine's stack.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import weakref
from asyncio import _get_running_loop, tasks
from collections.abc import Awaitable, Callable, Coroutine, Generator
from threading import get_ident
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from isthmus._runtime.futures import PyodideTask
from isthmus._runtime.run_sync import SYNCHRONOUS_ENTRY

__all__ = ["Suspendable", "bind", "can_run_sync", "close_orphans", "loop_factory", "run", "run_sync", "task_factory"]

T = TypeVar("T")

_POOL_LIMIT = 64
"""Greenlets kept for reuse: making one costs 8 µs."""

_YIELDED, _RETURNED, _RAISED, _WAITS = range(4)
"""What a step came to: the coroutine yielded, returned, raised; or `run_sync` waits for a future."""

_engine: Any = None
_home = 0
_pool: list[_Stepper] = []
_parked: weakref.WeakKeyDictionary[Suspendable[Any], asyncio.AbstractEventLoop] = weakref.WeakKeyDictionary()
"""What is parked, and the loop that will have it go on."""


def bind(engine: Any) -> None:
    """The engine has started, on this thread."""
    global _engine, _home
    _engine, _home = engine, get_ident()


def close_orphans() -> None:
    """Ends what is parked under loops that were closed: nobody else would, since the collector can't see into greenlets."""
    for coroutine, loop in list(_parked.items()):
        if loop.is_closed():
            try:
                coroutine.close()
            except BaseException as error:
                context = {"message": "exception while a task of a closed event loop was ended", "exception": error}
                loop.call_exception_handler(context)


class _Stepper(greenlet):
    """A greenlet that makes steps of tasks, one after another."""

    base: contextvars.Context | None = None
    """The context of the task whose step this is."""
    closing = False
    """The task is given up: nothing may wait in it any more."""

    def run(self, work: tuple[Callable[[Any], Any], Any]) -> None:
        while True:
            step, argument = work
            work = None  # type: ignore[assignment]
            try:
                outcome = [_YIELDED, step(argument)]
            except StopIteration as stop:
                outcome = [_RETURNED, stop.value]
            except GreenletExit:
                raise
            except BaseException as error:
                outcome = [_RAISED, error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)]
            # Nothing of the user's stays alive while this is idle: who takes the outcome empties the list.
            step = argument = None  # type: ignore[assignment]
            work = self.parent.switch(outcome)


class Suspendable(Coroutine[Any, Any, T]):
    """A coroutine in which `run_sync` can wait: give it to `create_task`, or await it."""

    __slots__ = ("__weakref__", "_coroutine", "_stepper", "_wait")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Wraps `coroutine`, to be used in its place."""
        self._coroutine = coroutine
        self._stepper: _Stepper | None = None  # the parked one
        self._wait: Any = None  # the iterator of the future it waits for

    def __getattr__(self, name: str) -> Any:
        # `cr_frame`, `cr_running`, `__qualname__` …: what debuggers and anyio ask of a coroutine.
        return getattr(self._coroutine, name)

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield from _Awaiting(self))

    # An exception is raised in `send` and `throw` themselves, so that its traceback has one frame of ours.

    def send(self, value: Any) -> Any:
        """As a coroutine's."""
        if self._stepper is None:
            kind, value = self._step(self._coroutine.send, value)
        else:
            try:
                return self._wait.send(value)
            except StopIteration as stop:
                kind, value = self._resume(stop.value)
            except BaseException as error:
                kind, value = self._resume(error, failed=True)
        if kind == _YIELDED:
            return value
        if kind == _RETURNED:
            raise StopIteration(value)
        try:
            raise value
        finally:
            del value

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        """As a coroutine's."""
        error = kind
        if isinstance(kind, type):
            error = kind() if value is None else value if isinstance(value, kind) else kind(value)
        if traceback is not None:
            error = error.with_traceback(traceback)
        if self._stepper is None:
            kind, value = self._step(self._coroutine.throw, error)
        else:
            kind, value = self._resume(error, failed=True)
        del error
        if kind == _YIELDED:
            return value
        if kind == _RETURNED:
            raise StopIteration(value)
        try:
            raise value
        finally:
            del value

    def close(self) -> None:
        """As a coroutine's."""
        stepper = self._stepper
        if stepper is not None:
            stepper.closing = True
            kind, value = self._resume(GeneratorExit(), failed=True)
            if kind == _RAISED and not isinstance(value, GeneratorExit):
                raise value
        self._coroutine.close()

    def __del__(self) -> None:
        if self._stepper is not None and get_ident() == _home:
            self.close()

    def _step(self, step: Callable[[Any], Any], argument: Any) -> tuple[int, Any]:
        if get_ident() != _home or _engine.entry_depth():
            try:
                return _YIELDED, step(argument)
            except StopIteration as stop:
                return _RETURNED, stop.value
        current = getcurrent()
        stepper = _pool.pop() if _pool else _Stepper()
        stepper.parent = current
        stepper.gr_context = stepper.base = current.gr_context
        return self._came_to(stepper, stepper.switch((step, argument)))

    def _resume(self, outcome: Any, *, failed: bool = False) -> tuple[int, Any]:
        """Lets the parked greenlet go on with what it waited for."""
        stepper, self._stepper, self._wait = self._stepper, None, None
        assert stepper is not None
        _parked.pop(self, None)
        current = getcurrent()
        stepper.parent = current
        stepper.gr_context = stepper.base = current.gr_context
        if failed:
            return self._came_to(stepper, stepper.throw(type(outcome), outcome, outcome.__traceback__))
        return self._came_to(stepper, stepper.switch(outcome))

    def _came_to(self, stepper: _Stepper, outcome: list[Any]) -> tuple[int, Any]:
        kind, value = outcome
        outcome.clear()
        if kind != _WAITS:
            stepper.gr_context = stepper.base = None
            stepper.closing = False
            if len(_pool) < _POOL_LIMIT:
                _pool.append(stepper)
            return kind, value
        self._stepper, self._wait = stepper, value.__await__()
        _parked[self] = value.get_loop()
        # A pending future always yields.
        return _YIELDED, self._wait.send(None)


class _Awaiting:
    """The iterator of `await suspendable`."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Suspendable[Any]) -> None:
        self._coroutine = coroutine

    def __iter__(self) -> _Awaiting:
        return self

    def __next__(self) -> Any:
        return self._coroutine.send(None)

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Any:
        return self._coroutine.throw(kind, value, traceback)

    def close(self) -> None:
        self._coroutine.close()


def task_factory(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    """For `loop.set_task_factory`: tasks in which `run_sync` can wait, with `then`, `catch` and `finally_`."""
    if not isinstance(coroutine, Suspendable):
        coroutine = Suspendable(coroutine)
    return PyodideTask(coroutine, loop=loop, **options)


def loop_factory(
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Callable[[], asyncio.AbstractEventLoop]:
    """A function that makes loops with `task_factory`, for `asyncio.Runner`, pytest-asyncio and anyio.

    Without `install()`, as in isolates, whose loop can do without, it makes them as they are.
    """

    def new_event_loop() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        if _engine is not None:
            loop.set_task_factory(task_factory)
        return loop

    return new_event_loop


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> T:
    """As `asyncio.run`, with `task_factory`."""
    with asyncio.Runner(debug=debug, loop_factory=globals()["loop_factory"](loop_factory)) as runner:
        return runner.run(main)


# Waiting


def can_run_sync() -> bool:
    """Whether `run_sync` can wait here."""
    if get_ident() != _home or _engine.entry_depth():
        return False
    if _get_running_loop() is None:
        return True
    stepper = getcurrent()
    return type(stepper) is _Stepper and not stepper.closing


def run_sync(awaitable: Awaitable[T]) -> T:
    """Waits for an awaitable in a task of ours; without a running loop, in a loop of its own.

    TypeError if it cannot be awaited; RuntimeError below a JavaScript frame, in other tasks and on other threads.
    """
    future: asyncio.Future[T] | None = awaitable if asyncio.isfuture(awaitable) else None
    if future is not None and future.done():
        return future.result()
    if future is None and not inspect.isawaitable(awaitable):
        raise TypeError(f"object {type(awaitable).__name__} is not awaitable")
    if get_ident() != _home:
        raise RuntimeError(
            "run_sync can only wait on the thread that called isthmus.install(); "
            "from another thread use asyncio.run_coroutine_threadsafe(coroutine, loop).result()"
        )
    if _engine.entry_depth():
        raise RuntimeError(SYNCHRONOUS_ENTRY)
    loop = _get_running_loop()
    if loop is None:
        return _run_to_the_end(awaitable)
    stepper = getcurrent()
    if type(stepper) is not _Stepper:
        raise RuntimeError(
            "Cannot stack switch: this is not a task that can be suspended. Start the program with isthmus.run(main()), "
            "or call loop.set_task_factory(isthmus.task_factory) before the task is made."
        )
    if stepper.closing:
        raise RuntimeError("Cannot stack switch: the task is being closed")
    if future is None:
        coroutine = awaitable if asyncio.iscoroutine(awaitable) else _awaiting(awaitable)
        future = loop.create_task(Suspendable(coroutine))
    elif future.get_loop() is not loop:
        raise RuntimeError(f"run_sync got {future!r} attached to a different loop")
    elif future is tasks.current_task(loop):
        raise RuntimeError(f"Task cannot await on itself: {future!r}")
    return _park(stepper, future)


def _park(stepper: _Stepper, future: asyncio.Future[T]) -> T:
    """Lets the task await `future`. Contexts entered in this step are left meanwhile: others may enter them."""
    entered = []
    while (context := stepper.gr_context) is not stepper.base and context is not None:
        _engine.context_exit(context)
        entered.append(context)
    try:
        return stepper.parent.switch([_WAITS, future])
    finally:
        while entered:
            _engine.context_enter(entered.pop())


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _run_to_the_end(awaitable: Awaitable[T]) -> T:
    """Waits without a running loop: in the future's own, or in a new one that ends as that of `asyncio.run` does."""
    if asyncio.isfuture(awaitable):
        return awaitable.get_loop().run_until_complete(awaitable)
    loop = loop_factory()()
    try:
        coroutine = awaitable if asyncio.iscoroutine(awaitable) else _awaiting(awaitable)
        return loop.run_until_complete(loop.create_task(coroutine))
    finally:
        try:
            left = tasks.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
