"""A stand-in for `isthmus._native.ffi`: what the Python side needs to be imported, with JavaScript objects as Python ones.

The event loop's native half knows no JavaScript and is the real one.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

FLAGS = [
    *("CALLABLE", "AWAITABLE", "ITERABLE", "ITERATOR", "ASYNC_ITERABLE", "ASYNC_ITERATOR", "HAS_LENGTH", "HAS_GET"),
    *("HAS_SET", "HAS_HAS", "HAS_INCLUDES", "HAS_DISPOSE", "HAS_ASYNC_DISPOSE", "BUFFER", "TYPEDARRAY", "ARRAY"),
    *("ARRAY_LIKE", "GENERATOR", "ASYNC_GENERATOR", "DOUBLE_PROXY", "ERROR", "OBJECT_MAP", "PY_JSON_DICT"),
    "PY_JSON_SEQUENCE",
]


class FakeProxy:
    """A JavaScript object: its feature flags and its properties."""

    def __init__(self, flags: str = "", **properties: object) -> None:
        self._flags = sum(1 << FLAGS.index(name) for name in flags.split())
        self.destroyed = 0
        vars(self).update(properties)

    js_id = property(id)

    def destroy(self) -> None:
        self.destroyed += 1


class JsException(FakeProxy, Exception):
    def __init__(self, name: str, message: str = "", stack: str = "") -> None:
        FakeProxy.__init__(self, "ERROR", name=name, message=message, stack=stack)


def fake_native() -> types.ModuleType:
    from isthmus._native.ffi import Turns, run_turn, use_handles

    native = types.ModuleType("isthmus._native.ffi")
    native.Turns, native.run_turn, native.use_handles = Turns, run_turn, use_handles
    native.flags = {name: 1 << bit for bit, name in enumerate(FLAGS)}
    native.js_flags = lambda value: getattr(value, "_flags", -1)
    native.JsException = JsException
    native.to_js = lambda value, **options: value
    native.create_proxy = lambda function, **options: FakeProxy("DOUBLE_PROXY CALLABLE", function=function)
    native.create_once_callable = lambda function, **options: FakeProxy("CALLABLE", function=function)
    native.destroy_proxies = lambda proxies: None
    native.run_js = lambda source: ("evaluated", source)
    return native


def install() -> None:
    """Makes `pyodide` importable in this process with the fake in the extension module's place."""
    python = Path(__file__).parents[2] / "python"
    sys.path[:0] = [str(python), str(python / "isthmus" / "_isolate"), str(Path(__file__).parent / "recorded")]
    from isthmus._native import Isolate

    fake = fake_native()
    sys.modules["isthmus._native"] = native = types.ModuleType("isthmus._native")
    native.Isolate = Isolate
    sys.modules["isthmus._native.ffi"] = fake
