"""The Python values that stand for JavaScript's `null` and BigInt, and the errors of conversion.

They have no dependency, so that the native module can be handed them before anything else is imported;
`pyodide.ffi` re-exports them. Semantics: `spec/ffi.md` §0.2, §1.
"""

from __future__ import annotations

from typing import Any, final

__all__ = ["ConversionError", "InternalError", "JsBigInt", "JsNull", "jsnull"]


class ConversionError(Exception):
    """A value has no counterpart in the other language."""


class InternalError(Exception):
    """A bug in the foreign function interface."""


@final
class JsNull:
    """The type of `jsnull`."""

    __slots__ = ()
    _instance: JsNull | None = None

    def __new__(cls) -> JsNull:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "jsnull"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "jsnull"

    @property
    def typeof(self) -> str:
        """As JavaScript has it."""
        return "object"


jsnull = JsNull()
"""JavaScript's `null`."""


class JsBigInt(int):
    """An integer that becomes a BigInt in JavaScript, whatever its size."""

    def __repr__(self) -> str:
        return int.__repr__(self)


def _follows_left(name: str) -> Any:
    plain = getattr(int, name)

    def operation(self: JsBigInt, other: Any, *rest: Any) -> Any:
        result = plain(self, other, *rest)
        return result if type(result) is not int else JsBigInt(result)

    operation.__name__ = name
    return operation


def _needs_both(name: str) -> Any:
    plain = getattr(int, name)

    def operation(self: JsBigInt, other: Any) -> Any:
        result = plain(self, other)
        return JsBigInt(result) if isinstance(other, JsBigInt) and type(result) is int else result

    operation.__name__ = name
    return operation


def _unary(name: str) -> Any:
    plain = getattr(int, name)

    def operation(self: JsBigInt) -> JsBigInt:
        return JsBigInt(plain(self))

    operation.__name__ = name
    return operation


for _name in ("__add__", "__sub__", "__and__", "__or__", "__xor__"):
    setattr(JsBigInt, _name, _needs_both(_name))
for _name in ("__floordiv__", "__lshift__", "__rshift__", "__pow__", "__mod__"):
    setattr(JsBigInt, _name, _follows_left(_name))
for _name in ("__neg__", "__pos__", "__abs__", "__invert__"):
    setattr(JsBigInt, _name, _unary(_name))
