"""Events in an isolate: each becomes a task of the event loop, and its result the answer to the host."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable, Coroutine
from typing import Any

from .loop import IsolateLoop
from .tracebacks import format_both_sides, format_exception
from .worker import Worker

__all__ = ["Server", "current_event"]

current_event: contextvars.ContextVar[int | None] = contextvars.ContextVar("isthmus.current_event", default=None)
"""The stream of the event in whose course code runs; None outside of events."""


class Server:
    """Turns events into calls of the Worker. The native side calls its methods; none of them raises."""

    def __init__(self, isolate: Any, loop: IsolateLoop, worker: Worker) -> None:
        """Serves `worker` on `loop`; `isolate` is the native side (`isthmus._native.Isolate`)."""
        self._isolate = isolate
        self._loop = loop
        self._worker = worker
        self._new_context = isolate.new_context
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._requests: dict[int, Any] = {}
        self._canceled: set[int] = set()
        self._draining = False
        self._ended: asyncio.Future[None] | None = None

    def run(self) -> None:
        """Serves until the host closes the connections, or `stop`."""
        # A task that the loop is run for: anyio keeps its threads for as long as it finds one, and else for the task that
        # needed them first, which would be a thread per request.
        self._loop.run_until_complete(self._serve())

    def stop(self) -> None:
        """Ends serving."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def _serve(self) -> None:
        isolate, loop = self._isolate, self._loop
        self._ended = loop.create_future()
        loop.root_task = asyncio.current_task()
        events, broker = isolate.descriptors()
        isolate.attach(self, current_event)
        loop.add_reader(events, self._read, isolate.read_events)
        loop.add_reader(broker, self._read, isolate.read_broker)
        isolate.ready()
        await self._ended

    def _read(self, read: Any) -> None:
        if not read():
            self.stop()

    # Called by the native side.

    def fetch(self, stream: int, request: Any) -> None:
        """A request came."""
        self._requests[stream] = request
        handler = self._worker.fetch(request, self._new_context, stream)
        self._tasks[stream] = self._loop.create_task(self._handle(stream, handler, self._isolate.respond))

    def test(self, stream: int) -> None:
        """The Worker's own test handler is to run."""
        self._tasks[stream] = self._loop.create_task(self._handle(stream, self._test(stream), self._finished))

    def scheduled(self, stream: int, controller: Any) -> None:
        """A cron trigger came."""
        self._deliver(stream, "scheduled", controller)

    def queue(self, stream: int, batch: Any) -> None:
        """A batch of messages came."""
        self._deliver(stream, "queue", batch)

    def cancel(self, stream: int) -> None:
        """The client of an event went away: its signal aborts, its task is cancelled. `waitUntil` goes on, and so does what
        waits in the SDK's ASGI adapter: cancelled there, it would never shut the application's lifespan down, and behind
        other servers an application is not cancelled either.
        """
        task = self._tasks.get(stream)
        if task is None:
            return
        handling = task.get_coro()
        if handling is not None and inspect.getcoroutinestate(handling) == inspect.CORO_CREATED:
            # Cancelled before its first step, `_handle` would never say that the event is over.
            self._loop.call_soon(self.cancel, stream)
            return
        self._canceled.add(stream)
        request = self._requests.get(stream)
        if request is not None:
            self._isolate.abort_request(request)
        if not _waits_in_asgi(task):
            task.cancel()

    def shutdown(self) -> None:
        """The host wants this isolate to end when its events have."""
        self._draining = True
        self._end_if_drained()

    def start_timer(self, timer: int, delay: float) -> asyncio.TimerHandle:
        """Has a JavaScript timer fired after `delay` seconds."""
        return self._loop.call_later(delay, self._isolate.fire_timer, timer)

    def watch_jobs(self, descriptor: int) -> None:
        """Other threads will work: `descriptor` becomes readable when some of it is done."""
        self._loop.add_reader(descriptor, self._isolate.finish_jobs)

    def watch_room(self, descriptor: int, watch: bool) -> None:
        """A connection's buffer is full, or has been emptied."""
        if watch:
            self._loop.add_writer(descriptor, self._isolate.before_poll)
        else:
            self._loop.remove_writer(descriptor)

    # Events

    async def _test(self, stream: int) -> None:
        await self._worker.test(self._new_context(stream))

    def _deliver(self, stream: int, name: str, argument: Any) -> None:
        self._tasks[stream] = self._loop.create_task(self._handle(stream, self._delivery(stream, name, argument), self._finished))

    async def _delivery(self, stream: int, name: str, argument: Any) -> None:
        await self._worker.deliver(name, argument, self._new_context(stream))

    def _finished(self, stream: int, _result: None) -> None:
        self._isolate.finished(stream)

    async def _handle(
        self, stream: int, handler: Coroutine[Any, Any, Any], answer: Callable[[int, Any], None]
    ) -> None:
        current_event.set(stream)
        outcome = "exception"
        try:
            answer(stream, await handler)
            outcome = "ok"
        except BaseException as exception:
            if stream in self._canceled and isinstance(exception, asyncio.CancelledError):
                outcome = "canceled"
            else:
                self._fail(stream, exception)
                if isinstance(exception, KeyboardInterrupt | SystemExit):
                    raise
        finally:
            self._over(stream, outcome)

    def _fail(self, stream: int, exception: BaseException) -> None:
        try:
            message = str(exception)
        except Exception:
            message = "(the exception's text can't be had)"
        self._isolate.fail(stream, type(exception).__qualname__, message, format_both_sides(exception))

    def _over(self, stream: int, outcome: str) -> None:
        self._tasks.pop(stream, None)
        self._requests.pop(stream, None)
        self._canceled.discard(stream)
        self._isolate.handler_ended(stream, outcome)
        if self._draining:
            self._loop.call_soon(self._end_if_drained)

    def _end_if_drained(self) -> None:
        if self._draining:
            if self._isolate.open_events() == 0:
                self._isolate.before_poll()
                self.stop()
            else:
                self._loop.call_later(0.01, self._end_if_drained)


def _waits_in_asgi(task: asyncio.Task[None]) -> bool:
    """Whether one of the coroutines that a task's wait goes through is the SDK's ASGI adapter's."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None)
        if frame is not None and frame.f_globals.get("__name__") == "workers.asgi":
            return True
        waiting = getattr(waiting, "cr_await", None)
    return False


def exit_now(exception: BaseException | None) -> None:
    """Ends this process without running what a forked child must not run again (exit handlers of the zygote)."""
    import sys

    status = 0
    if exception is not None:
        status = exception.code if isinstance(exception, SystemExit) and isinstance(exception.code, int) else 1
        if not isinstance(exception, SystemExit):
            print(format_exception(exception), file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the host may be gone
            pass
    os._exit(status)
