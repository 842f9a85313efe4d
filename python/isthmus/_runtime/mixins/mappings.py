"""Maps and plain objects as Python mappings (spec/ffi.md §2 "Map-like", "object map / py_json dict")."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast

from isthmus._native.ffi import js_call_method, js_flags, js_get, js_with_flags

from .flags import (
    ARRAY,
    HAS_SET,
    HEREDITARY,
    MAP_LIKE,
    MAPPING,
    NO_OBJECT,
    OBJECT_MAP,
    PY_JSON,
    PY_JSON_DICT,
    PY_JSON_SEQUENCE,
    SEQUENCE,
    TYPEDARRAY,
)
from .javascript import javascript, js_array

__all__ = ["add_mapping", "wrap_children"]


def add_mapping(methods: dict[str, Any], flags: int) -> None:
    """Adds the methods of the mapping that `flags` describe, and those that make one of a plain object."""
    if flags & MAPPING:
        methods.update(_OBJECT_MAP_METHODS)
    elif flags & MAP_LIKE == MAP_LIKE and not flags & (ARRAY | TYPEDARRAY):
        methods.update(keys=keys, values=values, items=items, get=get)
        if flags & HAS_SET:
            methods.update(pop=_pop_key, popitem=popitem, clear=clear, update=update, setdefault=setdefault)
    if not flags & (NO_OBJECT | SEQUENCE):
        methods.update(as_object_map=as_object_map, as_py_json=as_py_json)
    elif flags & SEQUENCE:
        methods["as_py_json"] = as_py_json


def keys(self: Any) -> KeysView[Any]:
    """A view of the keys."""
    return KeysView(self)


def values(self: Any) -> ValuesView[Any]:
    """A view of the values."""
    return ValuesView(self)


def items(self: Any) -> ItemsView[Any, Any]:
    """A view of the keys with their values."""
    return ItemsView(self)


def get(self: Any, key: Any, default: Any = None) -> Any:
    """The value for a key, `default` if there is none or asking for it fails."""
    try:
        return self[key]
    except Exception:
        return default


def _pop_key(self: Any, key: Any, *default: Any, **named: Any) -> Any:
    """Removes a key and returns its value, or the default."""
    default += tuple(named.pop(name) for name in ("default",) if name in named)
    if named:
        raise TypeError(f"pop() got an unexpected keyword argument {next(iter(named))!r}")
    if len(default) > 1:
        raise TypeError(f"pop() takes at most 2 arguments ({1 + len(default)} given)")
    try:
        value = self[key]
    except KeyError:
        if default:
            return default[0]
        raise
    del self[key]
    return value


_pop_key.__name__ = _pop_key.__qualname__ = "pop"


def popitem(self: Any) -> tuple[Any, Any]:
    """Removes the first key and returns it with its value; KeyError if there is none."""
    for key in self:
        value = self[key]
        del self[key]
        return key, value
    raise KeyError


def clear(self: Any) -> None:
    """Removes all keys."""
    if callable(js_get(self, "clear")):
        js_call_method(self, "clear")
    else:
        _clear_by_key(self)


def _clear_by_key(self: Any) -> None:
    """Removes all keys."""
    for key in list(self):
        del self[key]


_clear_by_key.__name__ = "clear"


def update(self: Any, other: Any = (), /, **more: Any) -> None:
    """Sets the keys of a mapping, or of pairs, and of the keyword arguments."""
    if isinstance(other, Mapping) or hasattr(other, "keys"):
        for key in other.keys():
            self[key] = other[key]
    else:
        for key, value in other:
            self[key] = value
    for key, value in more.items():
        self[key] = value


def setdefault(self: Any, key: Any, default: Any = None) -> Any:
    """The value for a key, which is set to `default` if there is none."""
    try:
        return self[key]
    except KeyError:
        self[key] = default
    return default


_warned = False


def as_object_map(self: Any, *, hereditary: bool = False) -> Any:
    """A proxy of the same object that is a mapping of its own enumerable string keys."""
    global _warned
    if not _warned:
        import warnings

        _warned = True
        message = "JsProxy.as_object_map() is deprecated. Use as_py_json() instead."
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return js_with_flags(self, OBJECT_MAP | (HEREDITARY if hereditary else 0))


def as_py_json(self: Any) -> Any:
    """A proxy of the same object that behaves as a dict or a list, as do the objects in it."""
    return js_with_flags(self, PY_JSON_SEQUENCE if js_flags(self) & SEQUENCE else PY_JSON_DICT)


def _child(self: Any, value: Any) -> Any:
    """A value in a mapping: an object in it may have to be one too."""
    flags = js_flags(self)
    if not flags & (PY_JSON | HEREDITARY):
        return value
    found = js_flags(value)
    if found < 0:
        return value
    if found & SEQUENCE:
        return js_with_flags(value, PY_JSON_SEQUENCE) if flags & PY_JSON else value
    if found & NO_OBJECT:
        return value
    return js_with_flags(value, flags & (PY_JSON_DICT | OBJECT_MAP | HEREDITARY) or PY_JSON_DICT)


def _object_has(self: Any, key: object) -> bool:
    return isinstance(key, str) and cast(bool, javascript("has_own")(self, key))


def _object_get(self: Any, key: Any) -> Any:
    if not _object_has(self, key):
        raise KeyError(key)
    return _child(self, js_get(self, key))


def _object_set(self: Any, key: Any, value: Any) -> None:
    if not isinstance(key, str):
        raise TypeError("Can only assign keys of type string to JavaScript object map")
    javascript("set")(self, key, js_array((value,)))


def _object_delete(self: Any, key: Any) -> None:
    if not _object_has(self, key):
        raise KeyError(key)
    javascript("delete")(self, key)


def _object_iterate(self: Any) -> Iterator[str]:
    return iter(self.object_keys())


def _object_length(self: Any) -> int:
    return len(self.object_keys())


_OBJECT_MAP_METHODS: dict[str, Any] = {
    "__getitem__": _object_get,
    "__setitem__": _object_set,
    "__delitem__": _object_delete,
    "__contains__": _object_has,
    "__iter__": _object_iterate,
    "__len__": _object_length,
    "keys": keys,
    "values": values,
    "items": items,
    "get": get,
    "pop": _pop_key,
    "popitem": popitem,
    "clear": _clear_by_key,
    "update": update,
    "setdefault": setdefault,
}


def wrap_children(kind: type, methods: dict[str, Any]) -> None:
    """Has the elements of a sequence wrapped as they are read."""
    native: Any = kind
    read: Callable[[Any, Any], Any] = native.__getitem__
    iterate: Callable[[Any], Iterator[Any]] = native.__iter__

    def __getitem__(self: Any, key: Any) -> Any:
        return _child(self, read(self, key))

    def __iter__(self: Any) -> Iterator[Any]:
        for element in iterate(self):
            yield _child(self, element)

    methods.update(__getitem__=__getitem__, __iter__=__iter__)
