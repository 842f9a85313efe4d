"""Tracebacks as a user should see them: without the frames of Isthmus around their code."""

from __future__ import annotations

import os
import sys
from types import CodeType, TracebackType
from typing import Any

__all__ = [
    "FORMATTED_AT_ONCE",
    "caller_position",
    "format_both_sides",
    "format_exception",
    "format_kept",
    "user_traceback",
]

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


def user_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """Drops the leading frames that belong to Isthmus or to the import system; all of it if nothing else is there."""
    first = traceback
    while first is not None:
        file = first.tb_frame.f_code.co_filename
        if not (file.startswith(_OURS) or file.startswith("<frozen importlib")):
            return first
        first = first.tb_next
    return None


_LONG, _OUTERMOST, _INNERMOST = 100, 10, 30
"""A traceback of more than so many entries is shown by its first and last ones."""


def _innermost(first: TracebackType | None) -> tuple[TracebackType | None, int]:
    """Where the innermost calls of a long traceback begin, and how many are before; of others the beginning and 0."""
    length, entry = 0, first
    while entry is not None:
        length, entry = length + 1, entry.tb_next
    if length <= _LONG:
        return first, 0
    entry = first
    for _ in range(length - _INNERMOST):
        entry = entry.tb_next
    return entry, length - _INNERMOST


def format_exception(exception: BaseException) -> str:
    """The exception with its causes, as Python prints it; of very long tracebacks the outermost and innermost calls."""
    import traceback

    try:
        first = user_traceback(exception.__traceback__)
        last, omitted = _innermost(first)
        formatted = traceback.TracebackException(type(exception), exception, last, limit=-_LONG, compact=True)
        if omitted:
            # An exception that passes many levels of a recursion is formatted at each: all of it would be quadratic.
            formatted.stack[:0] = traceback.extract_tb(first, limit=_OUTERMOST)
            notes = list(getattr(formatted, "__notes__", None) or ())
            formatted.__notes__ = [*notes, f"({omitted - _OUTERMOST} calls in the middle of the traceback are left out)"]
        return "".join(formatted.format())
    except Exception as failure:  # a hostile __str__ or __cause__
        return f"{type(exception).__name__} (its traceback can't be formatted: {type(failure).__name__})\n"


FORMATTED_AT_ONCE = (SyntaxError, NameError, AttributeError, ImportError, BaseExceptionGroup)
"""Classes of exceptions whose formatted text shows more than name, text and calls."""


class _Call:
    """An entry of a traceback and its frame at once, as far as formatting reads them."""

    f_globals: dict[str, object] = {}

    def __init__(self, f_code: CodeType, tb_lasti: int, line: int, tb_next: _Call | None) -> None:
        self.f_code, self.tb_lasti, self.tb_next = f_code, tb_lasti, tb_next
        self.tb_lineno = line if line >= 0 else None
        self.tb_frame = self


def format_kept(module: str, name: str, text: str, *calls: Any) -> str:
    """What `format_exception` makes of an exception without causes, notes or suggestions, of what native code kept of it.

    `calls` are the code, the position in it and the line of each call in turn, outermost first.
    """
    import traceback

    stated = name if module in ("__main__", "builtins") else f"{module}.{name}"
    last_line = f"{stated}: {text}\n" if text else f"{stated}\n"
    try:
        first: Any = None
        for at in range(len(calls) - 3, -1, -3):
            first = _Call(*calls[at : at + 3], first)
        walked = traceback._walk_tb_with_full_positions(user_traceback(first))  # type: ignore[attr-defined]
        stack = traceback.StackSummary._extract_from_extended_frame_gen(walked, limit=-_LONG)  # type: ignore[attr-defined]
        return "".join(("Traceback (most recent call last):\n", *stack.format(), last_line))
    except Exception as failure:  # a hostile source
        return f"{name} (its traceback can't be formatted: {type(failure).__name__})\n"


def format_both_sides(exception: BaseException) -> str:
    """As `format_exception`; below it, for an error that JavaScript threw, where in JavaScript that was."""
    from isthmus._native.ffi import JsException

    text = format_exception(exception)
    if not isinstance(exception, JsException):
        return text
    try:
        stack = exception.stack
    except Exception:  # a hostile getter
        return text
    if not isinstance(stack, str) or not stack.strip():
        return text
    return f"{text.rstrip()}\nJavaScript, innermost call first:\n{stack.rstrip()}\n"


def caller_position() -> str | None:
    """`file:line` of the innermost Python frame; None if that is Isthmus's own. Called from native code."""
    try:
        frame = sys._getframe(1)
    except ValueError:  # no Python below: a job that native code runs
        return None
    file = frame.f_code.co_filename
    return None if file.startswith(_OURS) else f"{file}:{frame.f_lineno}"
