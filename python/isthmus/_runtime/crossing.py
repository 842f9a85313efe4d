"""The Python objects that the native bridge returns or calls. `_native` takes each by its name.

Everything here is called rarely, or is too intricate to be worth native code.
"""

from __future__ import annotations

import asyncio
import contextvars
import linecache
import sys
from asyncio import _get_running_loop, current_task, iscoroutine
from collections.abc import AsyncGenerator, Callable, Generator, MutableSequence, Sequence
from functools import cmp_to_key as compare_key
from typing import Any

from greenlet import getcurrent

from .mixins import mixins_for
from .tracebacks import FORMATTED_AT_ONCE, format_exception, format_kept
from .values import ConversionError, InternalError, JsBigInt, jsnull

__all__ = [
    "ConversionError",
    "InternalError",
    "JsBigInt",
    "async_step",
    "async_throw",
    "call_with",
    "compare_key",
    "create_future",
    "ensure_future",
    "format_exception",
    "format_kept",
    "formatted_at_once",
    "interpreter",
    "is_async_generator",
    "is_coroutine_function",
    "is_generator",
    "is_mutable_sequence",
    "is_sequence",
    "jsbind",
    "jsnull",
    "mixins_for",
    "note_source",
    "source_cache",
    "star_names",
    "task_context",
]


formatted_at_once = FORMATTED_AT_ONCE
interpreter = vars(sys)
note_source = linecache.lazycache
source_cache = linecache.cache


def create_future() -> asyncio.Future[Any] | None:
    """A future of the running loop, None without one."""
    loop = _get_running_loop()
    return None if loop is None else loop.create_future()


def task_context() -> contextvars.Context | None:
    """The context of this moment, itself and no copy, if a task runs."""
    loop = _get_running_loop()
    if loop is None or current_task(loop) is None:
        return None
    context: contextvars.Context | None = getcurrent().gr_context
    return context


def ensure_future(awaitable: Any, context: contextvars.Context | None = None) -> asyncio.Future[Any]:
    """A future of any awaitable; a coroutine's task runs in `context`. RuntimeError without a running loop."""
    loop = _get_running_loop()
    if loop is None:
        raise RuntimeError("a Python awaitable can only be awaited from JavaScript in a running event loop")
    if iscoroutine(awaitable):
        return loop.create_task(awaitable) if context is None else loop.create_task(awaitable, context=context)
    if asyncio.isfuture(awaitable):
        return awaitable
    return asyncio.ensure_future(awaitable, loop=loop)


def is_sequence(value: object) -> bool:
    """Whether JavaScript may use it as an array."""
    return isinstance(value, Sequence)


def is_mutable_sequence(value: object) -> bool:
    """Whether JavaScript may change it as an array."""
    return isinstance(value, MutableSequence)


_CO_COROUTINE = 0x80


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine that should begin to run at once."""
    code = getattr(function, "__code__", None)
    if code is None:
        return asyncio.iscoroutinefunction(function)
    return bool(code.co_flags & _CO_COROUTINE)


def call_with(
    function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any], relaxed: bool, promising: bool
) -> Any:
    """`callRelaxed` and `callPromising` of a PyProxy: drop superfluous arguments; run in a task of its own."""
    if relaxed:
        from functools import partial

        from pyodide.code import relaxed_call

        function = partial(relaxed_call, function)
    if not promising:
        return function(*positional, **named)

    async def promised() -> Any:
        result = function(*positional, **named)
        return await result if hasattr(type(result), "__await__") else result

    return ensure_future(promised())


def star_names(proxy: Any) -> list[str] | None:
    """The own property names of an object, if the caller is at `from module import *`; None for any other caller.

    To that statement an object without `__all__` and `__dict__` has nothing to give.
    """
    from isthmus._native.ffi import global_this

    frame = sys._getframe(1)
    at = frame.f_lasti
    if at < 0 or tuple(frame.f_code.co_code[at : at + 2]) != _star_import():
        return None
    names: list[str] = global_this().Object.getOwnPropertyNames(proxy).to_py()
    return names


def _star_import() -> tuple[int, int]:
    """Opcode and argument of the instruction that `from module import *` is compiled to."""
    import dis

    for step in dis.get_instructions(compile("from m import *", "", "exec")):
        if step.opname in ("IMPORT_STAR", "CALL_INTRINSIC_1"):
            return step.opcode, step.arg or 0
    raise AssertionError("no instruction of this Python is known to import all names of a module")


def jsbind() -> Any:
    """The module that finds out what bound signatures mean, imported when the first is bound."""
    from _pyodide import jsbind

    return jsbind


def async_step(iterator: Any, sent: Any) -> Any:
    """The awaitable of the next item of an asynchronous iterator."""
    send = getattr(iterator, "asend", None)
    return iterator.__anext__() if send is None else send(sent)


def async_throw(generator: Any, exception: Any) -> Any:
    """The awaitable of what an asynchronous generator gives after an exception was thrown into it."""
    # Python before 3.12 lets a generator that has ended take anything.
    if not isinstance(exception, BaseException) and not (
        isinstance(exception, type) and issubclass(exception, BaseException)
    ):
        name = type(exception).__name__
        raise TypeError(f"exceptions must be classes or instances deriving from BaseException, not {name}")
    return generator.athrow(exception)


def is_generator(value: object) -> bool:
    """Whether JavaScript may throw into it and end it."""
    return isinstance(value, Generator)


def is_async_generator(value: object) -> bool:
    """The same for asynchronous ones."""
    return isinstance(value, AsyncGenerator)
