"""The Worker's entrypoints: which classes and functions it exports, and how each event calls them
(`spec/workers.md` C1 steps 6-8, C2).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from types import FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["Worker", "load"]

_NO_CLASS = "There is no 'Default' class defined in the Python Worker's main module"

_LEGACY_HANDLERS = ("on_fetch", "on_scheduled", "on_queue", "on_alarm", "on_trace", "on_pubsub", "test")


class Worker:
    """What a Worker's main module exports."""

    def __init__(self, module: ModuleType, flags: dict[str, bool], env: Any) -> None:
        """Reads the exports of the main module. ImportError if the SDK isn't there."""
        self.module = module
        self.env = env
        self.legacy = not flags.get("python_no_global_handlers", False)
        self.classes = _entrypoint_classes(module)
        self.default = self.classes.get("Default")
        self.fetch: Callable[[Any, Callable[[int], Any], int], Coroutine[Any, Any, Any]] = self._choose_fetch()
        """Answers a request, with the context that the second argument makes of the third."""
        self._request, self._from_js = _sdk()
        self._count_arguments()

    def entrypoints(self) -> list[str]:
        """The names of exported classes and, in legacy mode, handlers."""
        names = list(self.classes)
        if self.legacy:
            names += [name for name in _LEGACY_HANDLERS if hasattr(self.module, name)]
        return names

    def _choose_fetch(self) -> Callable[[Any, Callable[[int], Any], int], Coroutine[Any, Any, Any]]:
        if self.default is not None:
            return self._class_fetch
        if self.legacy:
            return self._legacy_fetch
        return self._missing_class

    def _count_arguments(self) -> None:
        """Here and not in each isolate's first request, since it touches much of `inspect`."""
        for name in ("fetch", "test"):
            handler = getattr(self.default, name, None)
            if isinstance(handler, FunctionType):
                method = MethodType(handler, self)
                _positional[handler.__code__, True] = _count(method)

    async def _class_fetch(self, request: Any, new_context: Callable[[int], Any], event: int) -> Any:
        method = _method(self.default(new_context(event), self.env), "fetch")
        result = _call_relaxed(method, self._request(request), None, None)
        if inspect.isawaitable(result):
            result = await result
        return _to_js_response(result)

    async def _legacy_fetch(self, request: Any, new_context: Callable[[int], Any], event: int) -> Any:
        result = _call_relaxed(self._legacy_handler("on_fetch"), request, self.env, new_context(event))
        if inspect.isawaitable(result):
            result = await result
        return _to_js_response(result)

    def _legacy_handler(self, name: str) -> Any:
        handler = getattr(self.module, name, None)
        if handler is None:
            file = (self.module.__file__ or self.module.__name__).rpartition("/")[2]
            raise TypeError(f'Python entrypoint "{file}" does not export a handler named "{name}"')
        return handler

    async def _missing_class(self, *_: Any) -> Any:
        raise TypeError(_NO_CLASS)

    async def deliver(self, name: str, argument: Any, ctx: Any) -> None:
        """Runs the handler of an event that nobody waits for: `scheduled` or `queue`."""
        if self.default is not None:
            handler = _method(self.default(ctx, self.env), name)
            # Unlike `fetch`, these are called with all three arguments, whatever they take; what they need of the last two
            # is on `self`.
            result = handler(self._from_js(argument), None, None)
        elif self.legacy:
            result = _call_relaxed(self._legacy_handler(f"on_{name}"), argument, self.env, ctx)
        else:
            raise TypeError(_NO_CLASS)
        if inspect.isawaitable(result):
            await result

    async def test(self, ctx: Any) -> None:
        """Runs the Worker's own test handler."""
        if self.default is not None:
            handler = _method(self.default(ctx, self.env), "test")
            result = _call_relaxed(handler, None, None, None)
        elif self.legacy and hasattr(self.module, "test"):
            result = _call_relaxed(self.module.test, None, self.env, ctx)
        else:
            raise TypeError("Method test does not exist")
        if inspect.isawaitable(result):
            await result


def load(module: ModuleType, flags: dict[str, bool], env: Any) -> Worker:
    """The Worker of a main module."""
    return Worker(module, flags, env)


def _sdk() -> tuple[type, Callable[[Any], Any]]:
    """The SDK's class of requests, and its conversion of what an event carries."""
    from workers import Request, python_from_rpc

    return Request, python_from_rpc


def _entrypoint_classes(module: ModuleType) -> dict[str, type]:
    from workers import DurableObject, WorkerEntrypoint, WorkflowEntrypoint

    bases = (DurableObject, WorkerEntrypoint, WorkflowEntrypoint)
    exported = getattr(module, "__all__", None)
    names = exported if exported is not None else [name for name in dir(module) if not name.startswith("_")]
    classes: dict[str, type] = {}
    for name in names:
        value = getattr(module, name, None)
        if isinstance(value, type) and issubclass(value, bases) and value not in bases:
            # `Default = asgi.entrypoint(app)` exports a class by the name it was defined with.
            classes[value.__name__] = value
    return classes


def _method(instance: Any, name: str) -> Any:
    method = getattr(instance, name, None)
    if method is None:
        raise TypeError(f"Method {name} does not exist")
    return method


def _to_js_response(result: Any) -> Any:
    """The JavaScript object of what a fetch handler returned; anything else as it is, to be refused."""
    inner = getattr(result, "js_object", None)
    return result if inner is None else inner


_positional: dict[Any, int | None] = {}
"""How many positional arguments a function takes, by its code; None for any number."""


def _call_relaxed(function: Any, *arguments: Any) -> Any:
    """Calls with as many of the arguments as the function takes."""
    code = getattr(function, "__code__", None)
    if code is None:
        return function(*arguments[: _count(function)])
    bound = getattr(function, "__self__", None) is not None
    key = (code, bound)
    try:
        count = _positional[key]
    except KeyError:
        count = _positional[key] = _count(function)
    return function(*arguments[:count])


def _count(function: Any) -> int | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    count = 0
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return None
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            count += 1
    return count
