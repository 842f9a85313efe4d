"""What every proxy has, functions as methods, promises, disposables and double proxies."""

from __future__ import annotations

from typing import Any

from isthmus._native.ffi import js_call_method, js_get, unwrap

from .flags import AWAITABLE, CALLABLE, DOUBLE_PROXY, HAS_ASYNC_DISPOSE, HAS_DISPOSE
from .javascript import javascript, js_array

__all__ = ["add_object"]


def add_object(methods: dict[str, Any], flags: int) -> None:
    """Adds what every proxy has, and what `flags` ask for of the rest here."""
    methods["to_weakref"] = to_weakref
    if flags & CALLABLE:
        methods["__get__"] = _get
    if flags & AWAITABLE:
        methods.update(then=then, catch=catch, finally_=finally_)
    if flags & HAS_DISPOSE:
        methods.update(__enter__=_self, __exit__=__exit__)
    if flags & HAS_ASYNC_DISPOSE:
        methods.update(__aenter__=__aenter__, __aexit__=__aexit__)
    if flags & DOUBLE_PROXY:
        methods["unwrap"] = _unwrap


def _self(self: Any) -> Any:
    return self


def to_weakref(self: Any) -> Any:
    """A JavaScript `WeakRef` of the object."""
    return javascript("weak")(self)


def _get(self: Any, instance: Any, owner: type | None = None) -> Any:
    """As a class attribute a function is a method: `this` is the instance."""
    if instance is None:
        return self

    def method(*args: Any, **kwargs: Any) -> Any:
        return js_call_method(self, "call", instance, *args, **kwargs)

    return method


def _unwrap(self: Any) -> Any:
    """The Python object behind the PyProxy."""
    return unwrap(self)


_unwrap.__name__ = "unwrap"


# ---- promises


def then(self: Any, onfulfilled: Any = None, onrejected: Any = None, /) -> Any:
    """A promise for what the callback that fits the outcome returns."""
    return js_get(javascript("chain")(self, js_array((onfulfilled, onrejected))), "promise")


def catch(self: Any, onrejected: Any, /) -> Any:
    """The same as `then(None, onrejected)`."""
    return then(self, None, onrejected)


def finally_(self: Any, onfinally: Any, /) -> Any:
    """A promise of the same outcome, after `onfinally()` was called."""
    return js_get(javascript("finally")(self, js_array((onfinally,))), "promise")


# ---- disposables


def __exit__(self: Any, kind: Any, value: Any, trace: Any) -> None:
    javascript("dispose")(self)


async def __aenter__(self: Any) -> Any:
    return self


async def __aexit__(self: Any, kind: Any, value: Any, trace: Any) -> None:
    result = javascript("dispose_async")(self)
    if hasattr(type(result), "__await__"):
        await result
