"""Iterators and generators, asynchronous ones too (spec/ffi.md §2 ITERATOR, GENERATOR, ASYNC_*)."""

from __future__ import annotations

from types import TracebackType
from typing import Any, cast

from isthmus._native.ffi import JsException, js_call_method, js_flags, js_get

from ..values import jsnull
from .flags import ASYNC_GENERATOR, ASYNC_ITERABLE, ASYNC_ITERATOR, AWAITABLE, GENERATOR, ITERATOR
from .javascript import javascript, kept

__all__ = ["add_iteration"]


def add_iteration(methods: dict[str, Any], flags: int) -> None:
    """Adds the methods of the iterator or generator that `flags` describe."""
    if flags & (ITERATOR | GENERATOR):
        methods["send"] = send
    if flags & GENERATOR:
        methods.update(throw=throw, close=close)
    if flags & ASYNC_ITERABLE:
        methods["__aiter__"] = __aiter__
    if flags & ASYNC_ITERATOR:
        methods.setdefault("__aiter__", _self)
        methods.update(__anext__=__anext__, asend=asend)
    if flags & ASYNC_GENERATOR:
        methods.update(athrow=athrow, aclose=aclose)


def _self(self: Any) -> Any:
    return self


def _type_of(value: Any) -> str:
    """JavaScript's `typeof` of a converted value; "null" for null."""
    if js_flags(value) >= 0:
        return cast(str, value.typeof)
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int) and type(value).__name__ == "JsBigInt":
        return "bigint"
    return "null" if value is jsnull else "number" if isinstance(value, (int, float)) else "object"


def _object(result: Any) -> Any:
    """The same, which must be an object, but no function."""
    if js_flags(result) < 0 and hasattr(type(result), "__await__"):
        raise TypeError("Result was a promise, use anext() / asend() / athrow() instead.")
    if (kind := _type_of(result)) != "object":
        raise TypeError(f'Result should have type "object" not "{kind}"')
    return result


def _step(result: Any) -> tuple[bool, Any]:
    """Whether an iterator is done, and the value, from what its method returned."""
    done = js_get(_object(result), "done")
    if done is None and js_flags(result) & AWAITABLE:
        raise TypeError("Result was a promise, use anext() / asend() / athrow() instead.")
    if done is None:
        raise TypeError('Result has no "done" field.')
    return bool(done), js_get(result, "value")


def _next_value(result: Any) -> Any:
    done, value = _step(result)
    if not done:
        return value
    raise StopIteration if value is None else StopIteration(value)


def send(self: Any, value: Any) -> Any:
    """The next element; `value` is what the generator's `yield` gives."""
    if value is None:
        return next(self)
    return _next_value(js_call_method(self, "next", kept(value)))


def _exception(kind: Any, value: Any, trace: Any) -> BaseException:
    """The exception that the arguments of `throw` stand for."""
    if trace is not None and not isinstance(trace, TracebackType):
        raise TypeError("throw() third argument must be a traceback object")
    if isinstance(kind, BaseException):
        if value is not None:
            raise TypeError("instance exception may not have a separate value")
        exception = kind
    elif isinstance(kind, type) and issubclass(kind, BaseException):
        if isinstance(value, kind):
            exception = value
        elif value is None:
            exception = kind()
        else:
            exception = kind(*value) if isinstance(value, tuple) else kind(value)
    else:
        message = f"exceptions must be classes or instances deriving from BaseException, not {type(kind).__name__}"
        raise TypeError(message)
    return exception if trace is None else exception.with_traceback(trace)


def _throw_into(self: Any, exception: BaseException) -> Any:
    """Calls the generator's `throw`: with the JavaScript error itself, or with a PythonError."""
    if isinstance(exception, JsException):
        return js_call_method(self, "throw", exception)
    if isinstance(exception, GeneratorExit):
        return js_call_method(self, "return")

    def raising() -> None:
        raise exception

    return javascript("throw")(self, raising)


def throw(self: Any, kind: Any, value: Any = None, trace: Any = None, /) -> Any:
    """Throws an exception where the generator waits; returns the element it yields next."""
    return _next_value(_throw_into(self, _exception(kind, value, trace)))


def close(self: Any) -> None:
    """Has the generator return where it waits."""
    done, _ = _step(js_call_method(self, "return"))
    if not done:
        raise RuntimeError("JavaScript generator ignored return")


# ---- asynchronous


def __aiter__(self: Any) -> Any:
    return javascript("iterate_async")(self)


async def _next_async(pending: Any) -> Any:
    result = _object(await pending)
    # As the language has it: an absent `done` is false.
    if not js_get(result, "done"):
        return js_get(result, "value")
    raise StopAsyncIteration(js_get(result, "value"))


async def _closed(pending: Any) -> None:
    done, _ = _step(await pending)
    if not done:
        raise RuntimeError("JavaScript generator ignored return")


def _promised(result: Any) -> Any:
    """What an asynchronous iterator's method returned, if it can be awaited."""
    if hasattr(type(result), "__await__"):
        return result
    if js_flags(result) < 0:
        raise TypeError(f"Result of anext() should be object not {_type_of(result)}")
    raise TypeError("Result of anext() was not a promise, use next() instead.")


def _future(coroutine: Any) -> Any:
    """A future, which runs whether or not it is awaited."""
    from asyncio import ensure_future

    return ensure_future(coroutine)


def __anext__(self: Any) -> Any:
    # Awaited at once by `async for`: a coroutine will do, where a task would cost a turn of the loop.
    return _next_async(_promised(js_call_method(self, "next")))


def asend(self: Any, value: Any) -> Any:
    """A future of the next element; `value` is what the generator's `yield` gives."""
    return _future(_next_async(_promised(js_call_method(self, "next", kept(value)))))


def athrow(self: Any, kind: Any, value: Any = None, trace: Any = None, /) -> Any:
    """Throws an exception where the generator waits; a future of the element it yields next."""
    return _future(_next_async(_promised(_throw_into(self, _exception(kind, value, trace)))))


def aclose(self: Any) -> Any:
    """Has the generator return where it waits; a future of that."""
    return _future(_closed(_promised(js_call_method(self, "return"))))
