"""Python values that stand for JavaScript's own, and the errors of conversion (spec/ffi.md §0.2, §1).

They depend on nothing, so that the bridge can be handed them first; `pyodide.ffi` exports them.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ConversionError", "InternalError", "JsBigInt", "JsNull", "jsnull"]


class ConversionError(Exception):
    """A value has no counterpart in the other language."""

    __module__ = "pyodide.ffi"


class InternalError(Exception):
    """A bug of the bridge, not of the program."""

    __module__ = "pyodide.ffi"


class JsNull:
    """The type of `jsnull`, JavaScript's null. There is one instance, and it is false."""

    __module__ = "pyodide.ffi"
    _instance: JsNull | None = None
    typeof: Final = "object"

    def __new__(cls) -> JsNull:
        if JsNull._instance is None:
            JsNull._instance = super().__new__(cls)
        return JsNull._instance

    def __repr__(self) -> str:
        return "jsnull"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> tuple[type[JsNull], tuple[()]]:
        return JsNull, ()

    def __copy__(self) -> JsNull:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> JsNull:
        return self


jsnull: Final = JsNull()
"""JavaScript's `null`."""


class JsBigInt(int):
    """An int that becomes a BigInt in JavaScript, whatever its size.

    `+ - // % ** << >> & | ^` with a JsBigInt on the left and an int on the right are JsBigInts; so are the unary
    operations. All else, also `*` and `divmod`, is what int makes it. (The reference's answers, tests/pyodide/recorded.)
    """

    __module__ = "pyodide.ffi"


def _keeping_kind(name: str) -> Any:
    plain = getattr(int, name)

    def operation(self: JsBigInt, *operands: Any) -> Any:
        result = plain(self, *operands)
        return JsBigInt(result) if type(result) is int else result

    operation.__name__ = name
    operation.__qualname__ = f"JsBigInt.{name}"
    return operation


for _name in (
    "add",
    "sub",
    "floordiv",
    "mod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
    "neg",
    "pos",
    "invert",
    "abs",
):
    setattr(JsBigInt, f"__{_name}__", _keeping_kind(f"__{_name}__"))
