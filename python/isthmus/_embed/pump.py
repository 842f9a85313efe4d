"""JavaScript's jobs and timers on event loops that are not ours (asyncio's, uvloop …), one after another.

Nothing is installed in a loop: when JavaScript returns to Python and leaves jobs behind, the bridge calls `wake`, which
asks the running loop for one turn. Without a running loop the jobs run right there, once no JavaScript is on the stack.
Timers go to the running loop; those that outlive their loop, or were started without one, go on with the next loop in
which JavaScript is used (`_adopt`).
"""

from __future__ import annotations

import contextvars
import sys
import time
import weakref
from asyncio import _get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from isthmus._runtime.futures import PyodideFuture

if TYPE_CHECKING:
    import asyncio
    import subprocess

__all__ = ["Pump"]


class _Timer:
    """A JavaScript timer that is not over."""

    __slots__ = ("due", "handle", "loop")

    def __init__(self, due: float) -> None:
        self.due = due
        self.loop: Any = None
        self.handle: Any = None


class _GivenUp:
    """Stands for a future whose loop was closed before it was done."""

    @staticmethod
    def result() -> NoReturn:
        raise RuntimeError("the event loop of this awaitable was closed before it was done")


class Pump:
    """What drives JavaScript in this interpreter. All of it runs on JavaScript's thread."""

    def __init__(self) -> None:
        self.engine: Any = None
        """`isthmus._native.Embedded`, once it is started."""
        self._loop: Any = None  # the loop that was running when JavaScript was used last
        self._scheduled: Any = None  # the loop that has a turn of ours to come
        self._in_checkpoint = False
        self._context = contextvars.Context()
        self._timers: dict[int, _Timer] = {}
        self._jobs: int | None = None  # readable when another thread has done some work; None while none works
        self._network: tuple[int, bool, bool] | None = None  # a descriptor; watch it for reading, for writing
        self._watching: dict[Any, tuple[int, bool, bool]] = {}  # the loops that watch it, and for what
        self._companion: subprocess.Popen[bytes] | None = None  # until its first process has ended
        # What JavaScript waits for, and the callbacks that settle its promises. Weak: who gave a future up gets no answer.
        self._awaited: weakref.WeakKeyDictionary[asyncio.Future[Any], list[Callable[[Any], object]]]
        self._awaited = weakref.WeakKeyDictionary()

    # Jobs

    def wake(self) -> None:
        """Jobs wait. Called by the bridge where JavaScript returns to Python."""
        loop = _get_running_loop()
        if loop is None:
            self._checkpoint()
        elif loop is not self._scheduled:
            if loop is not self._loop:
                self._adopt(loop)
            self._scheduled = loop
            loop.call_soon(self._turn, loop, context=self._context.copy())

    def _checkpoint(self) -> None:
        """Without a loop: runs jobs once JavaScript's stack is empty."""
        if self._in_checkpoint or self.engine is None or self.engine.entry_depth():
            return
        self._in_checkpoint = True
        try:
            # Rejections wait for the next loop, or the end: until then somebody may find the promise and handle it.
            self.engine.run_jobs(False)
        finally:
            self._in_checkpoint = False

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._scheduled is loop:
            self._scheduled = None
        self.engine.run_jobs()

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another loop runs than before: what is left of the old one comes along."""
        self._loop = loop
        self._context = contextvars.copy_context()
        for number, timer in self._timers.items():
            if timer.loop is not loop:
                self._start(loop, number, timer)
        if self._jobs is not None:
            loop.add_reader(self._jobs, self._finish_jobs, loop)
        if self._network is not None:
            self._watch_network(loop)
        for future in list(self._awaited):
            if future.get_loop().is_closed() and not future.done():
                for callback in self._awaited.pop(future, ()):
                    callback(_GivenUp)
        tasks = sys.modules.get("isthmus._embed.tasks")
        if tasks is not None:
            tasks.close_orphans()

    # Futures and tasks

    def create_future(self) -> asyncio.Future[Any] | None:
        """A future of the running loop, None without one."""
        loop = _get_running_loop()
        if loop is None:
            return None
        if loop is not self._loop:
            self._adopt(loop)
        return PyodideFuture(loop=loop)

    def ensure_future(self, awaitable: Any, context: contextvars.Context | None = None) -> asyncio.Future[Any]:
        """A future of an awaitable that JavaScript awaits or starts, a coroutine's in `context`; RuntimeError without a
        running loop.
        """
        import asyncio

        from .tasks import Suspendable

        loop = _get_running_loop()
        if loop is None:
            raise RuntimeError("a Python awaitable can only be awaited from JavaScript in a running event loop")
        if loop is not self._loop:
            self._adopt(loop)
        if asyncio.isfuture(awaitable):
            return awaitable
        if asyncio.iscoroutine(awaitable):
            options = {} if context is None else {"context": context}
            return loop.create_task(Suspendable(awaitable), **options)
        return asyncio.ensure_future(awaitable, loop=loop)

    def watch(self, future: asyncio.Future[Any], callback: Callable[[Any], object]) -> None:
        """As `future.add_done_callback(callback)`; should the loop end before, the callback gets a failure."""
        try:
            callbacks = self._awaited.get(future)
            if callbacks is not None:
                callbacks.append(callback)
                return
            self._awaited[future] = [callback]
        except TypeError:  # a future of somebody's own that can't be referred to weakly
            future.add_done_callback(callback)
        else:
            future.add_done_callback(self._settle)

    def _settle(self, future: asyncio.Future[Any]) -> None:
        for callback in self._awaited.pop(future, ()):
            callback(future)

    # Timers

    def start_timer(self, number: int, delay: float) -> None:
        """Has timer `number` fire in `delay` seconds."""
        timer = self._timers[number] = _Timer(time.monotonic() + delay)
        loop = _get_running_loop()
        if loop is None:
            return
        if loop is not self._loop:
            self._adopt(loop)
        if timer.loop is None:
            self._start(loop, number, timer)

    def stop_timer(self, number: int) -> None:
        """Forgets a timer; it may have fired."""
        timer = self._timers.pop(number, None)
        if timer is not None and timer.handle is not None and not timer.loop.is_closed():
            timer.handle.cancel()

    def _start(self, loop: asyncio.AbstractEventLoop, number: int, timer: _Timer) -> None:
        if timer.handle is not None and not timer.loop.is_closed():
            timer.handle.cancel()
        timer.loop = loop
        timer.handle = loop.call_later(max(timer.due - time.monotonic(), 0), self._fire, number, timer)

    def _fire(self, number: int, timer: _Timer) -> None:
        if self._timers.get(number) is not timer:
            return
        engine = self.engine
        # Jobs that were there before the timer was due go first, whatever the loop's order.
        engine.run_jobs()
        if self._timers.get(number) is timer:
            del self._timers[number]
            engine.fire_timer(number)
            engine.run_jobs()

    # Work on other threads

    def watch_jobs(self, descriptor: int) -> None:
        """Another thread works; `descriptor` becomes readable when it is done. Without a loop the next one looks."""
        self._jobs = descriptor
        loop = _get_running_loop()
        if loop is None:
            return
        if loop is not self._loop:
            self._adopt(loop)
        else:
            loop.add_reader(descriptor, self._finish_jobs, loop)

    def _finish_jobs(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.engine.finish_jobs() == 0 and self._jobs is not None:
            loop.remove_reader(self._jobs)
            self._jobs = None
        self.engine.run_jobs()

    # The network

    def start_companion(self, descriptor: int) -> None:
        """Starts the process that speaks to the network, at the other end of `descriptor`."""
        from .network import start

        self._companion = start(descriptor)

    def watch_network(self, interest: tuple[int, bool, bool] | None) -> None:
        """What of the connection to the network there is to watch; without a loop the next one does."""
        self._network = interest
        loop = _get_running_loop()
        if loop is not None and interest is not None:
            if loop is not self._loop:
                self._adopt(loop)
            self._watching.setdefault(loop, (interest[0], False, False))
        for loop in list(self._watching):
            self._watch_network(loop)

    def _watch_network(self, loop: asyncio.AbstractEventLoop) -> None:
        """Has one loop watch what is to be watched, and no more. A loop that does not run now may be the next that does."""
        was = self._watching.pop(loop, None)
        if loop.is_closed():
            return
        descriptor, reading, writing = self._network or (-1, False, False)
        was_reading, was_writing = was[1:] if was is not None else (False, False)
        if was is not None and was[0] != descriptor:
            if was_reading:
                loop.remove_reader(was[0])
            if was_writing:
                loop.remove_writer(was[0])
            was_reading = was_writing = False
        if reading != was_reading:
            if reading:
                loop.add_reader(descriptor, self._exchange)
            else:
                loop.remove_reader(descriptor)
        if writing != was_writing:
            if writing:
                loop.add_writer(descriptor, self._exchange)
            else:
                loop.remove_writer(descriptor)
        if reading or writing:
            self._watching[loop] = (descriptor, reading, writing)

    def _exchange(self) -> None:
        if self._companion is not None and self._companion.poll() is not None:
            self._companion = None
        self._context.copy().run(self._receive)

    def _receive(self) -> None:
        self.engine.exchange()
        self.engine.run_jobs()

    # The process

    def log(self, grave: bool, text: str) -> None:
        """Writes a line of the console: to `sys.stderr` if it is a warning or an error, else to `sys.stdout`."""
        stream = sys.stderr if grave else sys.stdout
        if stream is None:  # as under pythonw, and at the interpreter's end
            return
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))

    def at_exit(self) -> None:
        """Tells of rejections that nobody handled before the end."""
        if self._companion is not None and self._companion.poll() is None:
            self._companion.returncode = 0  # it is about to end, and nobody waits for it any more
        if self.engine.is_home() and self.engine.jobs_pending():
            self.engine.run_jobs()

    def after_fork(self) -> None:
        """In a forked child: the parent's loop is not ours, its timers are."""
        self._loop = self._scheduled = self._jobs = self._network = None
        self._watching.clear()  # the parent's loops share what they watch with it: they are left alone
        if self._companion is not None:
            self._companion.returncode = 0  # the parent's
            self._companion = None
        for timer in self._timers.values():
            timer.loop = timer.handle = None
        if self.engine.is_home():
            self.engine.after_fork()
