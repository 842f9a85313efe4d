"""The classes that a JsProxy can be tested for. They have no instances: `isinstance` asks for the object's feature flags
(spec/ffi.md §2). An object is an instance if it has all the flags of one of the masks of the class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from isthmus._native.ffi import JsException, js_flags
from isthmus._native.ffi import flags as _FLAGS

_MODULE = "pyodide.ffi"

JsException._js_type_flags = _FLAGS["ERROR"]  # type: ignore[attr-defined]

P = ParamSpec("P")
T = TypeVar("T")
KT = TypeVar("KT")
VT = TypeVar("VT")
T_co = TypeVar("T_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)
VT_co = TypeVar("VT_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


def _mask(names: str) -> int:
    mask = 0
    for name in names.split():
        mask |= _FLAGS[name]
    return mask


class _JsProxyMetaClass(type):
    """Instances by feature flags."""

    __module__ = _MODULE
    _js_type_flags: tuple[int, ...]
    """The masks; of the type of a proxy and of JsException, in which there are objects, an int: their flags."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, flags: tuple[str, ...] = ()
    ) -> Any:
        """Each of `flags` names the flags of one mask; without any, the masks are inherited."""
        if flags:
            namespace["_js_type_flags"] = tuple(_mask(names) for names in flags)
        namespace.setdefault("__module__", _MODULE)
        return super().__new__(mcs, name, bases, namespace)

    def __instancecheck__(cls, instance: object) -> bool:
        flags = js_flags(instance)
        if flags < 0:
            return False
        for mask in cls._js_type_flags:
            if flags & mask == mask:
                return True
        return False

    def __subclasscheck__(cls, subclass: type) -> bool:
        if type.__subclasscheck__(cls, subclass):
            return True
        found = getattr(subclass, "_js_type_flags", None)
        if found is None:
            return False
        # All that can be an instance of the one must be an instance of the other.
        alternatives = (found,) if isinstance(found, int) else found
        return all(any(flags & mask == mask for mask in cls._js_type_flags) for flags in alternatives)

    def __call__(cls, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__} cannot be instantiated.")


class JsProxy(metaclass=_JsProxyMetaClass, flags=("",)):
    """Any JavaScript object seen from Python."""

    __module__ = _MODULE

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Properties are JavaScript's."""


class JsDoubleProxy(JsProxy, Generic[T], flags=("DOUBLE_PROXY",)):
    """The proxy of a PyProxy, as `create_proxy` returns."""

    __module__ = _MODULE


class JsPromise(JsProxy, Generic[T], flags=("AWAITABLE",)):
    """An object with a method `then`."""

    __module__ = _MODULE


class JsBuffer(JsProxy, flags=("BUFFER",)):
    """An ArrayBuffer or a view of one."""

    __module__ = _MODULE


class JsIterable(JsProxy, Generic[T_co], flags=("ITERABLE",)):
    """An object with a method `[Symbol.iterator]`."""

    __module__ = _MODULE


class JsAsyncIterable(JsProxy, Generic[T_co], flags=("ASYNC_ITERABLE",)):
    """An object with a method `[Symbol.asyncIterator]`."""

    __module__ = _MODULE


class JsIterator(JsProxy, Generic[T_co], flags=("ITERATOR",)):
    """An object with a method `next` that answers at once."""

    __module__ = _MODULE


class JsAsyncIterator(JsProxy, Generic[T_co], flags=("ASYNC_ITERATOR",)):
    """An object with a method `next` that answers with a promise."""

    __module__ = _MODULE


class JsGenerator(JsIterable[T_co], Generic[T_co, T_contra, V_co], flags=("GENERATOR",)):
    """A JavaScript generator."""

    __module__ = _MODULE


class JsAsyncGenerator(JsAsyncIterable[T_co], Generic[T_co, T_contra, V_co], flags=("ASYNC_GENERATOR",)):
    """A JavaScript asynchronous generator."""

    __module__ = _MODULE


class JsCallable(JsProxy, Generic[P, T], flags=("CALLABLE",)):
    """A function."""

    __module__ = _MODULE


class JsOnceCallable(JsCallable[P, T], Generic[P, T]):
    """A function, as `create_once_callable` returns."""

    __module__ = _MODULE


class JsArray(JsIterable[T], Generic[T], flags=("ARRAY", "ARRAY_LIKE", "TYPEDARRAY", "PY_JSON_SEQUENCE")):
    """An Array, a TypedArray, or an object that is iterable and has a length."""

    __module__ = _MODULE


class JsTypedArray(JsBuffer, JsArray[int], flags=("TYPEDARRAY",)):
    """A TypedArray."""

    __module__ = _MODULE


class JsMap(JsIterable[KT], Generic[KT, VT_co], flags=("HAS_GET HAS_LENGTH ITERABLE", "OBJECT_MAP", "PY_JSON_DICT")):
    """An object with `get`, a length or size, and iteration; or an object seen as a mapping."""

    __module__ = _MODULE


class JsMutableMap(JsMap[KT, VT], Generic[KT, VT], flags=("HAS_GET HAS_SET HAS_LENGTH ITERABLE", "OBJECT_MAP", "PY_JSON_DICT")):
    """A JsMap that has `set`."""

    __module__ = _MODULE


class JsCallableDoubleProxy(JsDoubleProxy[T], JsCallable[P, T], Generic[P, T], flags=("DOUBLE_PROXY CALLABLE",)):
    """The proxy of the PyProxy of something callable."""

    __module__ = _MODULE


class JsDomElement(JsProxy):
    """For annotations: an element of a document."""

    __module__ = _MODULE


class JsFetchResponse(JsProxy):
    """For annotations: a Response."""

    __module__ = _MODULE


class JsWeakRef(JsProxy, Generic[T]):
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
        dict_converter: Callable[[Iterable[JsArray[Any]]], JsProxy] | None = None,
        default_converter: Callable[..., JsProxy] | None = None,
        eager_converter: Callable[..., JsProxy] | None = None,
    ) -> Any:
        """Converts `obj` as `to_js` does."""
        raise TypeError("ToJsConverter cannot be called.")
