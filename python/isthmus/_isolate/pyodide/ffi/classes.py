"""The classes that a JsProxy can be tested for. They have no instances: `isinstance` asks for the object's feature flags
(spec/ffi.md §2). An object is an instance if it has all the flags of one of the masks of the class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from isthmus._native.ffi import flags as _FLAGS
from isthmus._native.ffi import js_flags

_MODULE = "pyodide.ffi"


def _mask(names: str) -> int:
    mask = 0
    for name in names.split():
        mask |= _FLAGS[name]
    return mask


class _JsProxyMetaClass(type):
    """Instances by feature flags."""

    __module__ = _MODULE
    _masks: tuple[int, ...]

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, flags: tuple[str, ...] = ()
    ) -> Any:
        """Each of `flags` names the flags of one mask; without any, the masks are inherited."""
        if flags:
            namespace["_masks"] = tuple(_mask(names) for names in flags)
        namespace.setdefault("__module__", _MODULE)
        return super().__new__(mcs, name, bases, namespace)

    def __instancecheck__(cls, instance: object) -> bool:
        flags = js_flags(instance)
        if flags < 0:
            return False
        for mask in cls._masks:
            if flags & mask == mask:
                return True
        return False

    def __subclasscheck__(cls, subclass: type) -> bool:
        # The type of a proxy carries the flags of its objects.
        flags = getattr(subclass, "_js_type_flags", None)
        if flags is None:
            return type.__subclasscheck__(cls, subclass)
        return any(flags & mask == mask for mask in cls._masks)

    def __call__(cls, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__} cannot be instantiated.")


class JsProxy(metaclass=_JsProxyMetaClass, flags=("",)):
    """Any JavaScript object seen from Python."""

    __module__ = _MODULE

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Properties are JavaScript's."""


class _Generic(JsProxy):
    __module__ = _MODULE
    __class_getitem__ = classmethod(GenericAlias)


class JsDoubleProxy(_Generic, flags=("DOUBLE_PROXY",)):
    """The proxy of a PyProxy, as `create_proxy` returns."""

    __module__ = _MODULE


class JsPromise(_Generic, flags=("AWAITABLE",)):
    """An object with a method `then`."""

    __module__ = _MODULE


class JsBuffer(JsProxy, flags=("BUFFER",)):
    """An ArrayBuffer or a view of one."""

    __module__ = _MODULE


class JsIterable(_Generic, flags=("ITERABLE",)):
    """An object with a method `[Symbol.iterator]`."""

    __module__ = _MODULE


class JsAsyncIterable(_Generic, flags=("ASYNC_ITERABLE",)):
    """An object with a method `[Symbol.asyncIterator]`."""

    __module__ = _MODULE


class JsIterator(_Generic, flags=("ITERATOR",)):
    """An object with a method `next` that answers at once."""

    __module__ = _MODULE


class JsAsyncIterator(_Generic, flags=("ASYNC_ITERATOR",)):
    """An object with a method `next` that answers with a promise."""

    __module__ = _MODULE


class JsGenerator(JsIterable, flags=("GENERATOR",)):
    """A JavaScript generator."""

    __module__ = _MODULE


class JsAsyncGenerator(JsAsyncIterable, flags=("ASYNC_GENERATOR",)):
    """A JavaScript asynchronous generator."""

    __module__ = _MODULE


class JsCallable(_Generic, flags=("CALLABLE",)):
    """A function."""

    __module__ = _MODULE


class JsOnceCallable(JsCallable):
    """A function, as `create_once_callable` returns."""

    __module__ = _MODULE


class JsArray(JsIterable, flags=("ARRAY", "ARRAY_LIKE", "TYPEDARRAY", "PY_JSON_SEQUENCE")):
    """An Array, a TypedArray, or an object that is iterable and has a length."""

    __module__ = _MODULE


class JsTypedArray(JsBuffer, JsArray, flags=("TYPEDARRAY",)):
    """A TypedArray."""

    __module__ = _MODULE


class JsMap(JsIterable, flags=("HAS_GET HAS_LENGTH ITERABLE", "OBJECT_MAP", "PY_JSON_DICT")):
    """An object with `get`, a length or size, and iteration; or an object seen as a mapping."""

    __module__ = _MODULE


class JsMutableMap(JsMap, flags=("HAS_GET HAS_SET HAS_LENGTH ITERABLE", "OBJECT_MAP", "PY_JSON_DICT")):
    """A JsMap that has `set`."""

    __module__ = _MODULE


class JsCallableDoubleProxy(JsDoubleProxy, JsCallable, flags=("DOUBLE_PROXY CALLABLE",)):
    """The proxy of the PyProxy of something callable."""

    __module__ = _MODULE


class JsDomElement(JsProxy):
    """For annotations: an element of a document."""

    __module__ = _MODULE


class JsFetchResponse(JsProxy):
    """For annotations: a Response."""

    __module__ = _MODULE


class JsWeakRef(_Generic):
    """For annotations: a WeakRef."""

    __module__ = _MODULE


MutableSequence.register(JsArray)
Mapping.register(JsMap)
MutableMapping.register(JsMutableMap)


class ToJsConverter:
    """For annotations: the second argument of a `default_converter` of `to_js`, which converts parts of the object."""

    __module__ = _MODULE

    def __call__(
        self,
        obj: Any,
        /,
        *,
        depth: int = -1,
        pyproxies: JsProxy | None = None,
        create_pyproxies: bool = True,
        dict_converter: Callable[[Iterable[JsArray]], JsProxy] | None = None,
        default_converter: Callable[..., JsProxy] | None = None,
        eager_converter: Callable[..., JsProxy] | None = None,
    ) -> Any:
        """Converts `obj` as `to_js` does."""
        raise TypeError("ToJsConverter cannot be called.")
