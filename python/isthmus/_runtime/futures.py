"""asyncio's Future and Task with the methods of a JavaScript promise (spec/ffi.md §5).

`PyodideTask` also knows the future that `run_sync` waits for on its behalf, so that a cancellation
reaches the wait: C's Task sees only what is awaited by its coroutine.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["PyodideFuture", "PyodideTask"]

T = TypeVar("T")
S = TypeVar("S")


def _reject(promise: asyncio.Future[Any], exception: BaseException) -> None:
    """Settles `promise` with `exception`, unless its holder cancelled it meanwhile."""
    if promise.done():
        return
    if isinstance(exception, asyncio.CancelledError):
        promise.cancel(*exception.args[:1])
        return
    if isinstance(exception, StopIteration):  # a Future refuses it, and would stay pending
        cause, exception = exception, RuntimeError("callback raised StopIteration")
        exception.__cause__ = cause
    promise.set_exception(exception)


def _follow(promise: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
    """Settles `promise` as `done` was settled."""
    if done.cancelled():
        promise.cancel()
    elif (exception := done.exception()) is not None:
        _reject(promise, exception)
    elif not promise.done():
        promise.set_result(done.result())


def _when_settled(
    promise: asyncio.Future[Any],
    callback: Callable[..., Any],
    args: tuple[Any, ...],
    settle: Callable[[asyncio.Future[Any] | None, Any], None],
) -> None:
    """Calls `callback(*args)` and hands what it returned, once that is settled, to `settle(future, value)`."""
    try:
        value = callback(*args)
        if not inspect.isawaitable(value):
            settle(None, value)
            return
        if value is promise:
            raise TypeError("Chaining cycle detected for promise")
        inner = asyncio.ensure_future(value, loop=promise.get_loop())
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exception:
        _reject(promise, exception)
    else:
        inner.add_done_callback(lambda done: settle(done, None))


def _again(
    promise: asyncio.Future[Any],
    done: asyncio.Future[Any],
    settle: Callable[[asyncio.Future[Any] | None, Any], None],
) -> bool:
    """Whether the result of `done` is to be awaited in turn, which has been arranged."""
    if done.cancelled() or done.exception() is not None or not inspect.isawaitable(done.result()):
        return False
    _when_settled(promise, done.result, (), settle)
    return True


class PyodideFuture(asyncio.Future[T]):
    """A Future with `then`, `catch` and `finally_`."""

    __slots__ = ()
    __module__ = "pyodide.webloop"

    def then(
        self,
        onfulfilled: Callable[[T], S | Awaitable[S]] | None,
        onrejected: Callable[[BaseException], S | Awaitable[S]] | None = None,
    ) -> PyodideFuture[S]:
        """A future for what the callback that fits the outcome returns; an awaitable it returns is awaited.

        Without a callback for the outcome, the outcome itself is passed on. A cancellation is always passed on.
        """
        promise: PyodideFuture[Any] = PyodideFuture(loop=self.get_loop())

        def settle(done: asyncio.Future[Any] | None, value: Any) -> None:
            if done is not None:
                if not _again(promise, done, settle):
                    _follow(promise, done)
            elif not promise.done():
                promise.set_result(value)

        def on_done(done: asyncio.Future[T]) -> None:
            if not done.cancelled():
                exception = done.exception()
                if exception is None and onfulfilled is not None:
                    return _when_settled(promise, onfulfilled, (done.result(),), settle)
                if exception is not None and onrejected is not None:
                    return _when_settled(promise, onrejected, (exception,), settle)
            return _follow(promise, done)

        self.add_done_callback(on_done)
        return promise

    def catch(self, onrejected: Callable[[BaseException], object]) -> PyodideFuture[Any]:
        """The same as `then(None, onrejected)`."""
        return self.then(None, onrejected)

    def finally_(self, onfinally: Callable[[], Any]) -> PyodideFuture[T]:
        """A future with this one's outcome, after `onfinally()` (awaited if awaitable) is over.

        An exception of `onfinally` replaces the outcome. It is called for a cancellation too.
        """
        promise: PyodideFuture[Any] = PyodideFuture(loop=self.get_loop())

        def on_done(done: asyncio.Future[T]) -> None:
            def settle(inner: asyncio.Future[Any] | None, _value: Any) -> None:
                if inner is not None and _again(promise, inner, settle):
                    return
                failed = inner is not None and (inner.cancelled() or inner.exception() is not None)
                _follow(promise, inner if failed and inner is not None else done)

            _when_settled(promise, onfinally, (), settle)

        self.add_done_callback(on_done)
        return promise


class PyodideTask(asyncio.Task[T], PyodideFuture[T]):
    """A Task with the methods of PyodideFuture, which a cancellation reaches inside `run_sync`."""

    __slots__ = ()
    __module__ = "pyodide.webloop"

    # Class-level defaults; a task that never blocks in `run_sync` gets no instance dict.
    _sync_wait: asyncio.Future[Any] | None = None
    """The future that `run_sync` waits for in this task."""
    _sync_cancels: int = 0
    """Cancellations requested during such waits, which C's counter does not hold."""
    _sync_cancelled: tuple[Any, ...] | None = None
    """The arguments of a CancelledError still to be raised: the wait was over, but not yet left."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Requests cancellation; False if the task is done."""
        wait = self._sync_wait
        if wait is None:
            return super().cancel(msg)
        self._sync_cancels += 1
        if not wait.cancel(msg):
            self._sync_cancelled = () if msg is None else (msg,)
        return True

    def cancelling(self) -> int:
        """The number of pending cancellation requests."""
        return super().cancelling() + self._sync_cancels

    def uncancel(self) -> int:
        """Takes one cancellation request back; returns how many remain."""
        if self._sync_cancels:
            self._sync_cancels -= 1
            return self.cancelling()
        return super().uncancel()
