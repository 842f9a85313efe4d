"""Tracebacks as a user should see them: without the frames of Isthmus around their code."""

from __future__ import annotations

import os
import sys
from types import TracebackType

__all__ = ["caller_position", "format_both_sides", "format_exception", "user_traceback"]

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


def format_exception(exception: BaseException) -> str:
    """The exception with its causes, as Python prints it."""
    import traceback

    try:
        return "".join(
            traceback.format_exception(
                type(exception), exception, user_traceback(exception.__traceback__)
            )
        )
    except Exception as failure:  # a hostile __str__ or __cause__
        return f"{type(exception).__name__} (its traceback can't be formatted: {type(failure).__name__})\n"


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
