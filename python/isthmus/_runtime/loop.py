"""The isolate's event loop: a full asyncio loop whose turns can be handed from one greenlet to another.

`run_forever` never runs a callback itself. It is the hub: it starts a greenlet that takes the turns (`_turns`), and gets
control back only to start another one, to stop, or to raise. When a callback blocks in `run_sync`, its greenlet parks
(`_park`) and another takes the turns; when the awaited future is done, a mark in the ready queue makes whoever has the
turns switch back to it. JavaScript jobs run after every callback. See design.md, "Event loop" and "run_sync".

Invariants: exactly one greenlet has the turns while the loop runs; `_END` is in the ready queue exactly once, except
while `_polling`; a greenlet in `_idle` holds no reference to user code; a parked greenlet has left its task and contexts.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import selectors
import sys
import threading
import time
from asyncio import events, format_helpers, tasks
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from greenlet import getcurrent, greenlet

from isthmus import _native
from isthmus._native.ffi import Turns, run_turn, use_handles

from .futures import PyodideFuture, PyodideTask

__all__ = ["Engine", "IsolateLoop"]

T = TypeVar("T")

_IDLE_LIMIT = 32
"""Greenlets kept for reuse: making one costs 8 µs, keeping one about 18 KiB."""
_BUSY_POLL_INTERVAL = 50e-6
"""Seconds between polls while callbacks are ready: a poll costs as much as several callbacks."""
_LINGER = 200e-6
"""Seconds: before a timer that is due sooner the engine doesn't wait for anything else."""
_MAXIMUM_SELECT_TIMEOUT = 24 * 3600.0
"""Seconds; epoll takes no more than 2^31 ms."""


class Engine(Protocol):
    """What the loop asks of the JavaScript engine. None of these may raise, SystemExit and KeyboardInterrupt excepted."""

    def jobs_pending(self) -> bool:
        """Whether the microtask queue is not empty."""

    def run_jobs(self) -> None:
        """Runs microtasks until none is left."""

    def entry_depth(self) -> int:
        """How many JavaScript frames, finalizers and native borrows are on the stack; above 0 no greenlet may switch."""

    # An engine may have `leave_jobs()`, called where a callback ends or parks with jobs pending, in its context.

    def before_poll(self, busy: bool, /) -> None:
        """Called before every poll: sends frames waiting to go out, frees proxies dropped on other threads.

        A `busy` poll does not wait, since callbacks are ready; the next one comes soon.
        """


class _Handle(events.Handle):
    """`asyncio.Handle` without the debug information, filled by the native `call_soon`."""

    __slots__ = ()
    _repr = None
    _source_traceback = None

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = None
        self._args = None


use_handles(_Handle, events.Handle, events.TimerHandle)


class _Mark:
    """An entry of the ready queue that is not a callback. It looks cancelled, so that callbacks pay no check for it."""

    __slots__ = ("_cancelled", "greenlet")

    def __init__(self, parked: greenlet | None = None) -> None:
        self._cancelled = True
        self.greenlet: Any = parked


_END = _Mark()
"""The end of a turn."""
_RETIRE = _Mark()
"""In the ready queue, or switched to an idle greenlet: leave `_turns`."""
_STOP = object()
"""Switched to the hub: leave `run_forever`."""


def _context_switches() -> tuple[Callable[[contextvars.Context], Any], Callable[[contextvars.Context], Any]]:
    """`PyContext_Enter` and `PyContext_Exit`, which Python does not expose."""
    import ctypes

    switches = ctypes.pythonapi.PyContext_Enter, ctypes.pythonapi.PyContext_Exit
    for switch in switches:
        switch.argtypes = [ctypes.py_object]
        switch.restype = ctypes.c_int
    return switches


class IsolateLoop(Turns, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """An asyncio loop that drives JavaScript jobs and in which `run_sync` can block a single task."""

    if TYPE_CHECKING:
        # What is used of asyncio's own internals, the same from 3.11 to 3.14.
        _closed: bool
        _debug: bool
        _stopping: bool
        _thread_id: int | None
        _ready: deque[Any]
        _scheduled: list[Any]
        _timer_cancelled_count: int
        _clock_resolution: float
        _selector: selectors.BaseSelector
        _task_factory: Callable[..., asyncio.Future[Any]] | None
        _check_closed: Callable[[], None]
        _check_running: Callable[[], None]
        _process_events: Callable[[Any], None]
        _set_coroutine_origin_tracking: Callable[[bool], None]
        _asyncgen_firstiter_hook: Any
        _asyncgen_finalizer_hook: Any

    def __init__(self, engine: Engine, *, unopened: bool = False) -> None:
        """Uses `engine.context_enter` and `engine.context_exit` in place of ctypes if there are such, and calls
        `engine.linger`, if there is one, before it sleeps. An `unopened` loop has no descriptors, so that a process can fork
        with it; it runs once `open` has made them.
        """
        self._unopened = unopened
        super().__init__(selectors.SelectSelector() if unopened else None)
        self._engine = engine
        self._hub: Any = None  # the greenlet in run_forever
        self._idle: list[greenlet] = []
        self._parked: set[_Mark] = set()
        self._polling = False
        self._next_poll = 0.0
        self._base_context: contextvars.Context | None = None
        self._wake_context = contextvars.Context()
        self.root_task: asyncio.Task[Any] | None = None
        """The task that serves, which never ends while others run and is not counted among them."""
        self._adopt_task: Callable[[asyncio.Task[Any]], None] | None = None
        enter = getattr(engine, "context_enter", None)
        leave = getattr(engine, "context_exit", None)
        if enter is None or leave is None:
            enter, leave = _context_switches()
        self._enter_context: Callable[[contextvars.Context], Any] = enter
        self._exit_context: Callable[[contextvars.Context], Any] = leave
        self._leave_jobs: Callable[[], None] | None = getattr(engine, "leave_jobs", None)
        self._linger: Callable[[], None] = getattr(engine, "linger", lambda: None)

    def open(self) -> None:
        """Makes the descriptors of an `unopened` loop."""
        self._unopened = False
        self._selector = selectors.DefaultSelector()
        self._make_self_pipe()

    def _make_self_pipe(self) -> None:
        if not self._unopened:
            super()._make_self_pipe()

    # Scheduling

    def _call_soon_checked(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> asyncio.Handle:
        """`call_soon` of a loop that is closed or debugged."""
        return asyncio.SelectorEventLoop.call_soon(self, callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Runs `callback(*args)` after `delay` seconds. ValueError for a negative delay, as upstream has it."""
        if delay is not None and delay < 0:
            raise ValueError("Can't schedule in the past")
        return super().call_later(delay, callback, *args, context=context)

    def create_future(self) -> PyodideFuture[Any]:
        """A future of this loop, with the methods of a promise."""
        return PyodideFuture(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
        """Schedules a coroutine; `name`, `context` and (where Python has it) `eager_start` as asyncio's."""
        if self._closed or self._task_factory is not None:
            return super().create_task(coro, **options)
        task: Any = PyodideTask(coro, loop=self, **options)
        if task._source_traceback:
            del task._source_traceback[-1]
        if self._adopt_task is not None:
            self._adopt_task(task)
        return task

    # Running

    def run_forever(self) -> None:
        """Runs until `stop()`. SystemExit and KeyboardInterrupt of a callback end it and are raised here."""
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        hooks = sys.get_asyncgen_hooks()
        try:
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            events._set_running_loop(self)
            self._take_hub()
            self._poll()
            self._ready.append(_END)
            while True:
                outcome = (self._idle.pop() if self._idle else self._new_greenlet()).switch()
                if outcome is _STOP:
                    break
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            outcome = None
            self._polling = False
            while _END in self._ready:
                self._ready.remove(_END)
            self._retire_idle()
            self._hub = None
            self._stopping = False
            self._thread_id = None
            events._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def run_until_complete(self, future: Any) -> Any:
        """Runs until `future` is done and returns its result; called from inside this loop, it is `run_sync`."""
        if self._thread_id is not None and self._thread_id == threading.get_ident():
            from .run_sync import run_sync

            return run_sync(future)
        return super().run_until_complete(future)

    def close(self) -> None:
        """Closes the loop; tasks still blocked in `run_sync` are cancelled first. Ignored from inside, as upstream does.

        RuntimeError if another thread runs the loop.
        """
        if self._thread_id is not None and self._thread_id == threading.get_ident():
            return
        if not self.is_running() and not self._closed:
            self._unwind_parked()
        super().close()

    async def shutdown_asyncgens(self) -> None:
        """Closes all asynchronous generators; ignored while the loop serves others, that is, from inside."""
        if self._serves_others():
            return
        await super().shutdown_asyncgens()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Joins the executor's threads within `timeout` seconds; ignored from inside, like `shutdown_asyncgens`."""
        if self._serves_others():
            return
        if sys.version_info >= (3, 12):
            await super().shutdown_default_executor(timeout)
        else:
            await super().shutdown_default_executor()

    def _serves_others(self) -> bool:
        own = {tasks.current_task(self), self.root_task}
        return bool(self._parked) and any(other not in own and not other.done() for other in tasks.all_tasks(self))

    # Turns

    def _take_hub(self) -> None:
        """Makes the current greenlet the hub, and its context the one that jobs and idle greenlets run in."""
        self._hub = getcurrent()
        if self._hub.gr_context is None:
            contextvars.copy_context()  # makes the thread's own context
        self._base_context = self._hub.gr_context

    def _new_greenlet(self) -> greenlet:
        fresh = greenlet(self._turns, self._hub)
        fresh.gr_context = self._base_context
        return fresh

    def _turns(self) -> object:
        """The body of every greenlet that takes turns. Ends with what the hub is to do: stop, raise, or (None) go on."""
        ready = self._ready
        pop = ready.popleft
        # The engine of this process is asked without a call.
        jobs_pending = None if isinstance(self._engine, _native.Isolate) else self._engine.jobs_pending
        run_jobs = self._engine.run_jobs
        leave_jobs = self._leave_jobs
        monotonic = time.monotonic
        this = getcurrent()
        idle = self._idle
        handle: Any
        while True:
            try:
                handle = run_turn(self, pop, jobs_pending, run_jobs, leave_jobs)
                if handle is _END:
                    if self._stopping:
                        this.parent = self._hub
                        return _STOP
                    if not ready or monotonic() >= self._next_poll:
                        self._poll()
                    ready.append(_END)
                    continue
            except (SystemExit, KeyboardInterrupt) as exception:
                self.take_failed()
                this.parent = self._hub
                return exception
            except BaseException as exception:
                handle = self.take_failed()
                if handle is None:  # the poll itself failed
                    this.parent = self._hub
                    return exception
                self._callback_failed(handle, exception)
                handle = None
                continue
            if handle.__class__ is not _Mark:
                continue  # a cancelled callback
            if handle is _RETIRE:
                this.parent = self._hub
                return None
            parked, handle.greenlet = handle.greenlet, None
            handle = None
            if parked is None:
                continue  # its wait was ended by an exception
            if len(idle) >= _IDLE_LIMIT:
                this.parent = parked  # ends this greenlet and continues that one
                return None
            idle.append(this)
            switch, parked = parked.switch, None
            if switch() is _RETIRE:
                return None
            switch = None

    def _poll(self) -> None:
        """Waits for events and timers, at most until the next one, and makes their callbacks ready."""
        self._polling = True
        engine = self._engine
        ready = self._ready
        engine.before_poll(bool(ready))
        if engine.jobs_pending():
            engine.run_jobs()
            engine.before_poll(bool(ready))
        scheduled = self._scheduled
        if scheduled:
            self._drop_cancelled_timers()
        timeout: float | None = None
        if ready or self._stopping or engine.jobs_pending():
            timeout = 0.0
        elif scheduled:
            timeout = min(max(0.0, scheduled[0]._when - time.monotonic()), _MAXIMUM_SELECT_TIMEOUT)
        if timeout is None or timeout > _LINGER:
            self._linger()
        happened = self._selector.select(timeout)
        if happened:
            self._process_events(happened)
        now = time.monotonic()
        self._next_poll = now + _BUSY_POLL_INTERVAL
        now += self._clock_resolution
        while scheduled and scheduled[0]._when < now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        self._polling = False

    def _drop_cancelled_timers(self) -> None:
        """Takes cancelled timers off the head of the heap, and rebuilds it when most of a hundred are cancelled."""
        scheduled = self._scheduled
        if len(scheduled) > 100 and self._timer_cancelled_count * 2 > len(scheduled):
            for timer in scheduled:
                timer._scheduled = not timer._cancelled
            scheduled[:] = [timer for timer in scheduled if not timer._cancelled]
            heapq.heapify(scheduled)
            self._timer_cancelled_count = 0
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False

    def _callback_failed(self, handle: Any, exception: BaseException) -> None:
        source = format_helpers._format_callback_source(handle._callback, handle._args)
        context = {"message": f"Exception in callback {source}", "exception": exception, "handle": handle}
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    # Blocking in `run_sync`

    def _can_park(self) -> bool:
        """Whether the current greenlet, on the thread of this running loop, may give the turns away."""
        return (
            not self._polling
            and self._engine.entry_depth() == 0
            and self._hub is not None
            and getcurrent() is not self._hub
        )

    def _park(self, future: asyncio.Future[Any]) -> None:
        """Lets others take the turns until `future` is done. Only where `_can_park()`; raises CancelledError if the
        current task was cancelled after `future` was done but before it could go on."""
        this = getcurrent()
        mark = _Mark(this)
        ready = self._ready
        future.add_done_callback(lambda _: ready.appendleft(mark), context=self._wake_context)
        task = tasks.current_task(self)
        tracked = task if isinstance(task, PyodideTask) else None
        if task is not None:
            tasks._leave_task(self, task)
        if tracked is not None:
            tracked._sync_wait = future
        if self._leave_jobs is not None and self._engine.jobs_pending():
            self._leave_jobs()
        contexts = self._leave_contexts(this)
        self._parked.add(mark)
        try:
            if self._idle:
                self._idle.pop().switch()
            else:
                self._hub.switch()
        except BaseException:
            # Only the loop's end throws into a parked greenlet, be it `close` or its collection: take no turn after it.
            mark.greenlet = None
            ready.appendleft(_RETIRE)
            raise
        finally:
            self._parked.discard(mark)
            while contexts:
                self._enter_context(contexts.pop())
            if tracked is not None:
                tracked._sync_wait = None
            if task is not None:
                tasks._enter_task(self, task)
        if tracked is not None and tracked._sync_cancelled is not None:
            arguments, tracked._sync_cancelled = tracked._sync_cancelled, None
            raise asyncio.CancelledError(*arguments)

    def _leave_contexts(self, this: greenlet) -> list[contextvars.Context]:
        """Exits the contexts entered on this greenlet, innermost first: a Context entered here cannot be entered by
        another greenlet, and callbacks share Contexts."""
        contexts = []
        while (context := this.gr_context) is not None and context is not self._base_context:
            try:
                self._exit_context(context)
            except RuntimeError:  # the thread's own context, which nobody entered
                break
            contexts.append(context)
        return contexts

    def _retire_idle(self) -> None:
        this = getcurrent()
        while self._idle:
            idle = self._idle.pop()
            idle.parent = this
            idle.switch(_RETIRE)

    def _unwind_parked(self) -> None:
        """Raises CancelledError in every task blocked in `run_sync` and lets it come to its end."""
        running = events._get_running_loop()
        failure: BaseException | None = None
        self._take_hub()
        self._polling = True  # nothing may park any more
        events._set_running_loop(self)
        try:
            while self._parked:
                parked = next(iter(self._parked)).greenlet
                parked.parent = self._hub
                outcome = parked.throw(asyncio.CancelledError("the event loop was closed"))
                if isinstance(outcome, BaseException):
                    failure = outcome
        finally:
            events._set_running_loop(running)
            self._retire_idle()
            self._polling = False
            self._hub = None
        if failure is not None:
            raise failure
