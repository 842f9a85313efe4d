"""A Python console for a program to drive: lines go in, futures of their values come out (spec/ffi.md §6).

Lines are compiled one by one as an interactive interpreter compiles them, may `await` at their top level, and run one after
the other on the event loop, with the standard streams redirected to callbacks.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from platform import python_build, python_version
from types import TracebackType
from typing import Any, Literal

from .code import CodeRunner

__all__ = ["BANNER", "Console", "ConsoleFuture", "PyodideConsole", "repr_shorten"]

BANNER = (
    f"Python {python_version()} ({', '.join(python_build())}) on Isthmus/{sys.platform}\n"
    'Type "help", "copyright", "credits" or "license" for more information.'
)

ConsoleFutureStatus = Literal["incomplete", "syntax-error", "complete"]
INCOMPLETE: ConsoleFutureStatus = "incomplete"
SYNTAX_ERROR: ConsoleFutureStatus = "syntax-error"
COMPLETE: ConsoleFutureStatus = "complete"

_KEEP_OPEN = 0x200
"""`codeop.PyCF_DONT_IMPLY_DEDENT`."""
_INCOMPLETE_INPUT = 0x4000
"""`codeop.PyCF_ALLOW_INCOMPLETE_INPUT`."""


# ---- streams


class redirect_stdin(redirect_stdout[Any]):
    """The counterpart of `contextlib.redirect_stdout`."""

    _stream = "stdin"


class _Stream(TextIOBase):
    """A text stream over a callback; it counts as a terminal."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, callback: Callable[..., Any], name: str) -> None:
        self._callback = callback
        self.name = name

    def isatty(self) -> bool:
        return True


class _WriteStream(_Stream):
    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        """Hands text to the callback; what that returns is how much was written, None stands for all."""
        if self.closed:
            raise ValueError("write to closed file")
        text = str.encode(text, self.encoding, self.errors).decode(self.encoding, self.errors)
        written = self._callback(text)
        return len(text) if written is None else written


class _ReadStream(_Stream):
    _rest = ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        """What is left of earlier reads and what the callback gives, which is asked once for the size still wanted."""
        if self.closed:
            raise ValueError("read from closed file")
        if size is None:
            size = -1
        if not isinstance(size, int):
            raise TypeError(f"argument should be integer or None, not '{type(size).__name__}'")
        text = self._rest
        if size < 0:
            self._rest = ""
            return text + self._callback(size)
        if len(text) <= size:
            text += self._callback(size - len(text))
        self._rest = text[size:]
        return text[:size]

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """As `read`, to the end of the first line; the rest is kept."""
        if not isinstance(size, int):
            raise TypeError(f"'{type(size).__name__}' object cannot be interpreted as an integer")
        line, newline, rest = self.read(size).partition("\n")
        self._rest = rest + self._rest
        return line + newline


# ---- compiling


def _future_flags() -> int:
    import __future__

    mask = 0
    for name in __future__.all_feature_names:
        mask |= getattr(__future__, name).compiler_flag
    return mask & ~0x80  # of `generators` and `nested_scopes` only the name is left; 0x80 is a coroutine's


class _Compiler:
    """Compiles the lines of one console, which share their `from __future__ import`s."""

    def __init__(self, dont_inherit: bool, optimize: int) -> None:
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._future_flags = _future_flags()
        self._dont_inherit = dont_inherit
        self._optimize = optimize

    def compile(self, source: str, filename: str) -> CodeRunner | None:
        """None if the source needs more lines. SyntaxError, ValueError or OverflowError if it is wrong."""
        if all(not line.strip() or line.lstrip().startswith("#") for line in source.split("\n")):
            source = "pass"
        if self._is_incomplete(source, filename):
            return None
        runner = CodeRunner(
            source,
            mode="single",
            filename=filename,
            flags=self._flags,
            dont_inherit=self._dont_inherit,
            optimize=self._optimize,
        ).compile()
        self._flags |= runner.code.co_flags & self._future_flags
        return runner

    def _is_incomplete(self, source: str, filename: str) -> bool:
        import warnings

        flags = self._flags | _KEEP_OPEN | _INCOMPLETE_INPUT
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (SyntaxWarning, DeprecationWarning))
            try:
                compile(source, filename, "single", flags, True)
                return False
            except SyntaxError:
                pass
            try:
                compile(source + "\n", filename, "single", flags, True)
                return True
            except SyntaxError as error:
                return "incomplete input" in str(error)


# ---- the console


class ConsoleFuture(asyncio.Future[Any]):
    """What becomes of a line: its value, or the exception it raised."""

    syntax_check: ConsoleFutureStatus
    """"incomplete" (done, None), "syntax-error" (done, the SyntaxError) or "complete" (it runs)."""
    formatted_error: str | None
    """The exception as the interpreter shows it, once it failed."""

    def __init__(self, syntax_check: ConsoleFutureStatus) -> None:
        super().__init__()
        self.syntax_check = syntax_check
        self.formatted_error = None


class Console:
    """An interactive interpreter whose lines may await. To be used on a running event loop."""

    globals: dict[str, Any]
    """The namespace of the code."""
    stdin_callback: Callable[[int], str] | None
    """Called with the number of characters wanted, -1 for any, when the code reads its standard input."""
    stdout_callback: Callable[[str], int | None] | None
    """Called with what the code writes; may return how many characters it took."""
    stderr_callback: Callable[[str], int | None] | None
    """The same for errors."""
    buffer: list[str]
    """The lines of a statement that is not complete yet."""
    completer_word_break_characters: str
    """What ends a word for `complete`."""

    def __init__(
        self,
        globals: dict[str, Any] | None = None,
        *,
        stdin_callback: Callable[[int], str] | None = None,
        stdout_callback: Callable[[str], Any] | None = None,
        stderr_callback: Callable[[str], Any] | None = None,
        persistent_stream_redirection: bool = False,
        filename: str = "<console>",
        dont_inherit: bool = False,
        optimize: int = -1,
    ) -> None:
        """`filename` is what tracebacks show. Callbacks that are None leave the process's stream."""
        import rlcompleter

        self.globals = {"__name__": "__console__", "__doc__": None} if globals is None else globals
        self.stdin_callback = stdin_callback
        self.stdout_callback = stdout_callback
        self.stderr_callback = stderr_callback
        self.filename = filename
        self.buffer = []
        self.completer_word_break_characters = " \t\n`~!@#$%^&*()-=+[{]}\\|;:'\",<>/?"
        self._lock = asyncio.Lock()
        self._compiler = _Compiler(dont_inherit, optimize)
        self._completer = rlcompleter.Completer(self.globals)
        self._redirected = False
        self._persistent: AbstractContextManager[None] | None = None
        if persistent_stream_redirection:
            self.persistent_redirect_streams()

    # Streams

    def persistent_redirect_streams(self) -> None:
        """Redirects the standard streams until `persistent_restore_streams`."""
        if self._persistent is None:
            self._persistent = self.redirect_streams()
            self._persistent.__enter__()

    def persistent_restore_streams(self) -> None:
        """Takes `persistent_redirect_streams` back."""
        persistent, self._persistent = self._persistent, None
        if persistent is not None:
            persistent.__exit__(None, None, None)

    @contextmanager
    def redirect_streams(self) -> Iterator[None]:
        """Redirects the standard streams to the callbacks for a while; within itself it changes nothing."""
        if self._redirected:
            yield
            return
        self._redirected = True
        try:
            with ExitStack() as stack:
                if self.stdin_callback:
                    name = getattr(sys.stdin, "name", "<stdin>")
                    stack.enter_context(redirect_stdin(_ReadStream(self.stdin_callback, name)))
                if self.stdout_callback:
                    name = getattr(sys.stdout, "name", "<stdout>")
                    stack.enter_context(redirect_stdout(_WriteStream(self.stdout_callback, name)))
                if self.stderr_callback:
                    name = getattr(sys.stderr, "name", "<stderr>")
                    stack.enter_context(redirect_stderr(_WriteStream(self.stderr_callback, name)))
                yield
        finally:
            self._redirected = False

    # Running

    def push(self, line: str) -> ConsoleFuture:
        """Adds a line (without newline at its end) to the buffer, and runs the buffer if it is complete."""
        self.buffer.append(line)
        future = self.runsource("\n".join(self.buffer), self.filename)
        if future.syntax_check != INCOMPLETE:
            self.buffer = []
        return future

    def runsource(self, source: str, filename: str = "<console>") -> ConsoleFuture:
        """Compiles source, and runs it after what runs already."""
        try:
            runner = self._compiler.compile(source, filename)
        except (OverflowError, SyntaxError, ValueError) as error:
            if error.__traceback__ is not None:
                traceback.clear_frames(error.__traceback__)
            failed = ConsoleFuture(SYNTAX_ERROR)
            failed.set_exception(error)
            failed.formatted_error = self.formatsyntaxerror(error)
            return failed
        if runner is None:
            incomplete = ConsoleFuture(INCOMPLETE)
            incomplete.set_result(None)
            return incomplete
        future = ConsoleFuture(COMPLETE)

        def done(task: asyncio.Task[Any]) -> None:
            if future.done():
                return
            if task.cancelled():
                future.cancel()
            elif (error := task.exception()) is None:
                future.set_result(task.result())
            else:
                future.formatted_error = self.formattraceback(error)
                future.set_exception(error)

        asyncio.ensure_future(self._run_in_turn(source, runner)).add_done_callback(done)
        return future

    async def _run_in_turn(self, source: str, runner: CodeRunner) -> Any:
        async with self._lock:
            return await self.runcode(source, runner)

    async def runcode(self, source: str, code: CodeRunner) -> Any:
        """Runs compiled source with the streams redirected; returns the value of its last expression."""
        with self.redirect_streams():
            try:
                return await code.run_async(self.globals)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()

    # Errors

    def formatsyntaxerror(self, e: Exception) -> str:
        """The text of an exception of the compiler; `sys.last_exc` and the like are set to it."""
        self._remember(e, None)
        return "".join(traceback.format_exception_only(type(e), e))

    def num_frames_to_keep(self, tb: TracebackType | None) -> int:
        """How many frames of a traceback there are from the first of the console's code on."""
        ours = {self.filename, "<exec>"}
        names = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(tb)]
        return next((len(names) - at for at, name in enumerate(names) if name in ours), 0)

    def formattraceback(self, e: BaseException) -> str:
        """The text of an exception of the code, without the console's own frames; `sys.last_exc` and the like are set to it."""
        self._remember(e, e.__traceback__)
        kept = self.num_frames_to_keep(e.__traceback__)
        return "".join(traceback.format_exception(type(e), e, e.__traceback__, -kept))

    def _remember(self, error: BaseException, trace: TracebackType | None) -> None:
        sys.last_exc = error  # type: ignore[attr-defined]
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace

    # Completing

    def complete(self, source: str) -> tuple[list[str], int]:
        """What the last word of source may become, and where that word begins."""
        start = max(map(source.rfind, self.completer_word_break_characters)) + 1
        word = source[start:]
        matches = self._completer.attr_matches if "." in word else self._completer.global_matches
        return matches(word), start


class PyodideConsole(Console):
    """The same. (Upstream's loads the packages that a line imports; here they are installed before the program starts.)"""


# ---- values


def shorten(text: str, limit: int = 1000, split: int | None = None, separator: str = "...") -> str:
    """Text of more than `limit` characters by its first and last `split` (by default half of `limit`) alone.

    ValueError for a limit below 2.
    """
    if limit < 2:
        raise ValueError("limit must be greater than or equal to 2.")
    if len(text) <= limit:
        return text
    split = min(limit // 2 if split is None else split, len(text) // 2)
    return f"{text[:split]}{separator}{text[-split:]}"


def repr_shorten(value: Any, limit: int = 1000, split: int | None = None, separator: str = "...") -> str:
    """The `repr` of a value, as `shorten` has it. ValueError for a limit below 4."""
    if limit < 4:
        raise ValueError("limit must be greater than or equal to 4.")
    return shorten(repr(value), limit, split, separator)
