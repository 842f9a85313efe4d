"""The Python methods of JavaScript proxies that need not be native (spec/ffi.md §2 "Mixins").

`mixins_for` gives a fresh proxy type the methods that its feature flags ask for. Such a name hides the JavaScript
property of the same name, so methods here reach JavaScript by `js_get`, `js_call_method` or `_javascript`.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
    ValuesView,
)
from enum import IntFlag
from operator import index as as_index
from types import TracebackType
from typing import Any, cast

from isthmus._native.ffi import (
    JsException,
    create_proxy,
    js_call_method,
    js_flags,
    js_get,
    js_with_flags,
    run_js,
    to_js,
    unwrap,
)

from .values import jsnull

__all__ = ["Flag", "mixins_for"]


class Flag(IntFlag):
    """What a JavaScript object can do; the same numbers as in crates/bridge/src/jsproxy/flags.rs."""

    CALLABLE = 1 << 0
    AWAITABLE = 1 << 1
    ITERABLE = 1 << 2
    ITERATOR = 1 << 3
    ASYNC_ITERABLE = 1 << 4
    ASYNC_ITERATOR = 1 << 5
    HAS_LENGTH = 1 << 6
    HAS_GET = 1 << 7
    HAS_SET = 1 << 8
    HAS_HAS = 1 << 9
    HAS_INCLUDES = 1 << 10
    HAS_DISPOSE = 1 << 11
    HAS_ASYNC_DISPOSE = 1 << 12
    BUFFER = 1 << 13
    TYPEDARRAY = 1 << 14
    ARRAY = 1 << 15
    ARRAY_LIKE = 1 << 16
    GENERATOR = 1 << 17
    ASYNC_GENERATOR = 1 << 18
    DOUBLE_PROXY = 1 << 19
    ERROR = 1 << 20
    OBJECT_MAP = 1 << 21
    PY_JSON_DICT = 1 << 22
    PY_JSON_SEQUENCE = 1 << 23
    HEREDITARY = 1 << 24


# Plain numbers: testing one costs far less than with the enumeration.
_CALLABLE = int(Flag.CALLABLE)
_AWAITABLE = int(Flag.AWAITABLE)
_ITERATOR = int(Flag.ITERATOR)
_ASYNC_ITERABLE = int(Flag.ASYNC_ITERABLE)
_ASYNC_ITERATOR = int(Flag.ASYNC_ITERATOR)
_HAS_SET = int(Flag.HAS_SET)
_HAS_DISPOSE = int(Flag.HAS_DISPOSE)
_HAS_ASYNC_DISPOSE = int(Flag.HAS_ASYNC_DISPOSE)
_GENERATOR = int(Flag.GENERATOR)
_ASYNC_GENERATOR = int(Flag.ASYNC_GENERATOR)
_DOUBLE_PROXY = int(Flag.DOUBLE_PROXY)
_OBJECT_MAP = int(Flag.OBJECT_MAP)
_PY_JSON_DICT = int(Flag.PY_JSON_DICT)
_PY_JSON_SEQUENCE = int(Flag.PY_JSON_SEQUENCE)
_HEREDITARY = int(Flag.HEREDITARY)
_ARRAY = int(Flag.ARRAY)
_ARRAY_LIKE = int(Flag.ARRAY_LIKE)
_TYPEDARRAY = int(Flag.TYPEDARRAY)
_SEQUENCE = _ARRAY | _ARRAY_LIKE
_MAP = int(Flag.HAS_GET | Flag.HAS_LENGTH | Flag.ITERABLE)
_MAPPING = int(Flag.OBJECT_MAP | Flag.PY_JSON_DICT)
_PY_JSON = int(Flag.PY_JSON_DICT | Flag.PY_JSON_SEQUENCE)
_NO_OBJECT = int(
    Flag.ARRAY | Flag.TYPEDARRAY | Flag.BUFFER | Flag.DOUBLE_PROXY | Flag.ITERATOR | Flag.CALLABLE | Flag.ERROR
)

_JAVASCRIPT = """(() => {
  const { WeakRef, Object: { prototype: { hasOwnProperty } }, Array: { prototype } } = globalThis;
  const { slice, splice, push } = prototype, { apply } = Reflect;
  return {
    slice: (array, start, stop) => apply(slice, array, [start, stop]),
    pick: (array, start, step, count) => {
      const picked = [];
      for (; count > 0; count--, start += step) picked.push(array[start]);
      return picked;
    },
    append: (array, items) => {
      for (let at = 0; at < items.length; at += 10000) apply(push, array, slice.call(items, at, at + 10000));
    },
    replace: (array, start, count, items) => {
      const rest = slice.call(array, start + count);
      array.length = start;
      for (let at = 0; at < items.length; at++) array.push(items[at]);
      for (let at = 0; at < rest.length; at++) array.push(rest[at]);
    },
    spread: (array, start, step, items) => {
      for (let at = 0; at < items.length; at++, start += step) array[start] = items[at];
    },
    remove: (array, start, step, count) => {
      for (; count > 0; count--, start += step) apply(splice, array, [start, 1]);
    },
    repeat: (array, count) => {
      const whole = slice.call(array), repeated = [];
      for (; count > 0; count--) for (let at = 0; at < whole.length; at++) repeated.push(whole[at]);
      return repeated;
    },
    count: (array, value) => {
      let count = 0;
      for (let at = 0; at < array.length; at++) if (array[at] === value) count++;
      return count;
    },
    has_own: (object, key) => apply(hasOwnProperty, object, [key]),
    set: (object, key, items) => { "use strict"; object[key] = items[0]; },
    delete: (object, key) => { "use strict"; delete object[key]; },
    weak: (object) => new WeakRef(object),
    // In an object, so that the promise is read from an attribute and stays a proxy.
    then: (promise, callbacks) => ({ promise: promise.then(callbacks[0], callbacks[1]) }),
    finally: (promise, callbacks) => ({ promise: promise.finally(callbacks[0]) }),
    throw: (generator, raising) => {
      let error;
      try { raising() } catch (caught) { error = caught }
      return generator.throw(error);
    },
    dispose: (object) => { object[Symbol.dispose](); },
    dispose_async: (object) => object[Symbol.asyncDispose](),
    iterate_async: (object) => object[Symbol.asyncIterator](),
  };
})()"""

_functions: dict[str, Any] = {}


def _javascript(name: str) -> Any:
    """A function of `_JAVASCRIPT`, which is evaluated when the first is asked for."""
    function = _functions.get(name)
    if function is None:
        compiled = run_js(_JAVASCRIPT)
        _functions.update((key, js_get(compiled, key)) for key in compiled.object_keys())
        function = _functions[name]
    return function


def _crosses_by_value(value: object) -> bool:
    """Whether JavaScript compares it as it is: no PyProxy has to be made for it."""
    return value is None or isinstance(value, (int, float, str)) or value is jsnull or js_flags(value) >= 0


def _items(values: Iterable[Any]) -> Any:
    """A JavaScript array of them. The proxies in it live on, unlike those of call arguments."""
    return to_js(list(values), depth=1)


def mixins_for(kind: type, flags: int) -> None:
    """Adds the methods for `flags` to a type of proxies."""
    methods: dict[str, Any] = dict(_ALWAYS)
    if flags & _CALLABLE:
        methods["__get__"] = _get
    if flags & (_ITERATOR | _GENERATOR):
        methods["send"] = send
    if flags & _GENERATOR:
        methods.update(throw=throw, close=close)
    if flags & _ASYNC_ITERABLE:
        methods["__aiter__"] = __aiter__
    if flags & _ASYNC_ITERATOR:
        methods.setdefault("__aiter__", _self)
        methods.update(__anext__=__anext__, asend=asend)
    if flags & _ASYNC_GENERATOR:
        methods.update(athrow=athrow, aclose=aclose)
    if flags & _AWAITABLE:
        methods.update(then=then, catch=catch, finally_=finally_)
    if flags & _HAS_DISPOSE:
        methods.update(__enter__=_self, __exit__=__exit__)
    if flags & _HAS_ASYNC_DISPOSE:
        methods.update(__aenter__=__aenter__, __aexit__=__aexit__)
    if flags & _DOUBLE_PROXY:
        methods["unwrap"] = _unwrap
    if flags & (_SEQUENCE | _TYPEDARRAY):
        _add_sequence(methods, flags)
    elif flags & _MAPPING:
        methods.update(_OBJECT_MAP_METHODS)
    elif flags & _MAP == _MAP:
        methods.update(keys=keys, values=values, items=items, get=get)
        if flags & _HAS_SET:
            methods.update(pop=_pop_key, popitem=popitem, clear=clear, update=update, setdefault=setdefault)
    if not flags & (_NO_OBJECT | _MAPPING):
        methods.update(as_object_map=as_object_map, as_py_json=as_py_json)
    elif flags & _SEQUENCE:
        methods["as_py_json"] = as_py_json
    if flags & _PY_JSON_SEQUENCE:
        _wrap_children(kind, methods)
    for name, method in methods.items():
        setattr(kind, name, method)
    _register(kind, flags)


def _register(kind: type, flags: int) -> None:
    """Makes the type a virtual subclass of the abstract collections it implements."""
    if flags & (_ARRAY | _TYPEDARRAY):
        MutableSequence.register(kind)
    elif flags & _ARRAY_LIKE:
        Sequence.register(kind)
    elif flags & _MAPPING or (flags & _MAP == _MAP and flags & _HAS_SET):
        MutableMapping.register(kind)
    elif flags & _MAP == _MAP:
        Mapping.register(kind)


def _self(self: Any) -> Any:
    return self


# ---- every proxy


def to_weakref(self: Any) -> Any:
    """A JavaScript `WeakRef` of the object."""
    return _javascript("weak")(self)


_ALWAYS: dict[str, Any] = {"to_weakref": to_weakref}


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


# ---- arrays, array-likes and typed arrays


def _add_sequence(methods: dict[str, Any], flags: int) -> None:
    methods.update(_get_slice=_get_slice, __reversed__=__reversed__)
    if flags & _SEQUENCE:
        methods.update(__add__=__add__, __mul__=__mul__, __rmul__=__mul__)
    if flags & _ARRAY:
        methods.update(
            __contains__=__contains__,
            __iadd__=__iadd__,
            __imul__=__imul__,
            _set_slice=_set_slice,
            _delete=_delete,
            append=append,
            extend=extend,
            insert=insert,
            pop=pop,
            remove=remove,
            reverse=reverse,
            index=index,
            count=count,
        )
    elif flags & _TYPEDARRAY:
        methods.update(
            __contains__=__contains__,
            _get_slice=_get_typed_slice,
            _set_slice=_set_typed_slice,
            reverse=reverse,
            index=index,
            count=count,
        )


def _get_slice(self: Any, key: slice) -> Any:
    start, stop, step = key.indices(len(self))
    if step == 1:
        return _javascript("slice")(self, start, max(start, stop))
    return _javascript("pick")(self, start, step, len(range(start, stop, step)))


def _set_slice(self: Any, key: slice, values: Iterable[Any]) -> None:
    try:
        new = list(values)
    except TypeError:
        # Only what is no iterable at all: an exception of the iteration itself is passed on.
        if hasattr(type(values), "__iter__") or hasattr(type(values), "__getitem__"):
            raise
        raise TypeError("must assign iterable to extended slice") from None
    start, stop, step = key.indices(len(self))
    if step == 1:
        _javascript("replace")(self, start, max(stop - start, 0), _items(new))
        return
    size = len(range(start, stop, step))
    if len(new) != size:
        raise ValueError(f"attempt to assign sequence of size {len(new)} to extended slice of size {size}")
    _javascript("spread")(self, start, step, _items(new))


def _delete(self: Any, key: Any) -> None:
    length = len(self)
    if isinstance(key, slice):
        places = range(*key.indices(length))
        if not places:
            return
        if abs(places.step) == 1:
            first = min(places[0], places[-1])
            _javascript("replace")(self, first, len(places), _items(()))
        else:
            # From the back, so that what is removed moves nothing that is still to go.
            last = max(places[0], places[-1])
            _javascript("remove")(self, last, -abs(places.step), len(places))
        return
    place = as_index(key)
    place += length if place < 0 else 0
    if not 0 <= place < length:
        raise IndexError(key)
    _javascript("remove")(self, place, 1, 1)


def _get_typed_slice(self: Any, key: slice) -> Any:
    raise NotImplementedError("Slice subscripting isn't implemented for typed arrays")


def _set_typed_slice(self: Any, key: slice, values: Any) -> None:
    raise NotImplementedError("Slice assignment isn't implemented for typed arrays")


def __reversed__(self: Any) -> Iterator[Any]:
    for place in range(len(self) - 1, -1, -1):
        yield js_get(self, str(place))


def __contains__(self: Any, value: object) -> bool:
    if _crosses_by_value(value):
        return cast(bool, js_call_method(self, "includes", value))
    return any(element is value or element == value for element in self)


def index(self: Any, value: Any, start: int = 0, stop: int | None = None) -> int:
    """The place of the first element that is `value`; ValueError if there is none."""
    length = len(self)
    first, last, _ = slice(start, stop).indices(length)
    if _crosses_by_value(value):
        found = js_call_method(self, "indexOf", value, first)
        if 0 <= found < last:
            return cast(int, found)
    else:
        for place in range(first, last):
            element = js_get(self, str(place))
            if element is value or element == value:
                return place
    raise ValueError(f"{value!r} is not in list")


def count(self: Any, value: Any) -> int:
    """How many elements are `value`."""
    if _crosses_by_value(value):
        return cast(int, _javascript("count")(self, value))
    return sum(1 for element in self if element is value or element == value)


def append(self: Any, value: Any) -> None:
    """Adds an element at the end."""
    _javascript("append")(self, _items((value,)))


def extend(self: Any, values: Iterable[Any]) -> None:
    """Adds elements at the end."""
    _javascript("append")(self, _items(values))


def insert(self: Any, place: int, value: Any) -> None:
    """Adds an element before the one at `place`."""
    start, _, _ = slice(as_index(place), None).indices(len(self))
    _javascript("replace")(self, start, 0, _items((value,)))


def pop(self: Any, place: int = -1, /) -> Any:
    """Removes an element, the last by default, and returns it."""
    length = len(self)
    place = as_index(place)
    if length == 0:
        raise IndexError("pop from empty list")
    place += length if place < 0 else 0
    if not 0 <= place < length:
        raise IndexError("pop index out of range")
    element = js_get(self, str(place))
    _javascript("remove")(self, place, 1, 1)
    return element


def remove(self: Any, value: Any) -> None:
    """Removes the first element that is `value`; ValueError if there is none."""
    _javascript("remove")(self, index(self, value), 1, 1)


def reverse(self: Any) -> None:
    """Reverses the order in place."""
    js_call_method(self, "reverse")


def __add__(self: Any, other: Any) -> Any:
    if not _iterable(other):
        return NotImplemented
    result = _javascript("slice")(self, 0, len(self))
    _javascript("append")(result, _items(other))
    return result


def __iadd__(self: Any, other: Any) -> Any:
    if not _iterable(other):
        return NotImplemented
    extend(self, other)
    return self


def _iterable(value: Any) -> bool:
    return isinstance(value, Iterable) or hasattr(type(value), "__getitem__")


def _times(number: Any) -> int:
    try:
        return max(as_index(number), 0)
    except TypeError:
        raise TypeError(f"can't multiply sequence by non-int of type '{type(number).__name__}'") from None


def __mul__(self: Any, number: Any) -> Any:
    return _javascript("repeat")(self, _times(number))


def __imul__(self: Any, number: Any) -> Any:
    repeated = _javascript("repeat")(self, _times(number))
    _javascript("replace")(self, 0, len(self), repeated)
    return self


# ---- maps


def keys(self: Any) -> KeysView[Any]:
    """A view of the keys."""
    return KeysView(self)


def values(self: Any) -> ValuesView[Any]:
    """A view of the values."""
    return ValuesView(self)


def items(self: Any) -> ItemsView[Any, Any]:
    """A view of the keys with their values."""
    return ItemsView(self)


def get(self: Any, key: Any, default: Any = None, /) -> Any:
    """The value for a key, `default` if there is none or asking for it fails."""
    try:
        return self[key]
    except Exception:
        return default


def _pop_key(self: Any, key: Any, /, *default: Any) -> Any:
    """Removes a key and returns its value."""
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


_pop_key.__name__ = "pop"


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


def setdefault(self: Any, key: Any, default: Any = None, /) -> Any:
    """The value for a key, which is set to `default` if there is none."""
    try:
        return self[key]
    except KeyError:
        self[key] = default
    return default


# ---- plain objects as mappings

_warned = False


def as_object_map(self: Any, *, hereditary: bool = False) -> Any:
    """A proxy of the same object that is a mapping of its own enumerable string keys."""
    global _warned
    if not _warned:
        import warnings

        _warned = True
        message = "JsProxy.as_object_map() is deprecated. Use as_py_json() instead."
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return js_with_flags(self, _OBJECT_MAP | (_HEREDITARY if hereditary else 0))


def as_py_json(self: Any) -> Any:
    """A proxy of the same object that behaves as a dict or a list, as do the objects in it."""
    return js_with_flags(self, _PY_JSON_SEQUENCE if js_flags(self) & _SEQUENCE else _PY_JSON_DICT)


def _child(self: Any, value: Any) -> Any:
    """A value in a mapping: an object in it may have to be one too."""
    flags = js_flags(self)
    if not flags & (_PY_JSON | _HEREDITARY):
        return value
    found = js_flags(value)
    if found < 0:
        return value
    if found & _SEQUENCE:
        return js_with_flags(value, _PY_JSON_SEQUENCE) if flags & _PY_JSON else value
    if found & _NO_OBJECT:
        return value
    return js_with_flags(value, flags & (_PY_JSON_DICT | _OBJECT_MAP | _HEREDITARY) or _PY_JSON_DICT)


def _object_has(self: Any, key: object) -> bool:
    return isinstance(key, str) and cast(bool, _javascript("has_own")(self, key))


def _object_get(self: Any, key: Any) -> Any:
    if not _object_has(self, key):
        raise KeyError(key)
    return _child(self, js_get(self, key))


def _object_set(self: Any, key: Any, value: Any) -> None:
    if not isinstance(key, str):
        raise TypeError("Can only assign keys of type string to JavaScript object map")
    _javascript("set")(self, key, _items((value,)))


def _object_delete(self: Any, key: Any) -> None:
    if not _object_has(self, key):
        raise KeyError(key)
    _javascript("delete")(self, key)


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


def _wrap_children(kind: type, methods: dict[str, Any]) -> None:
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


# ---- iterators and generators


def _type_of(value: Any) -> str:
    """JavaScript's `typeof` of a converted value."""
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
    return "number" if isinstance(value, (int, float)) else "object"


def _step(result: Any) -> tuple[bool, Any]:
    """Whether an iterator is done, and the value, from what its method returned."""
    if js_flags(result) < 0:
        if hasattr(type(result), "__await__"):
            raise TypeError("Result was a promise, use anext() / asend() / athrow() instead.")
        raise TypeError(f'Result should have type "object" not "{_type_of(result)}"')
    done = js_get(result, "done")
    if done is None and js_flags(result) & _AWAITABLE:
        raise TypeError("Result was a promise, use anext() / asend() / athrow() instead.")
    if done is None:
        raise TypeError('Result has no "done" field.')
    return bool(done), js_get(result, "value")


def _next_value(result: Any) -> Any:
    done, value = _step(result)
    if not done:
        return value
    raise StopIteration if value is None else StopIteration(value)


def _kept(value: Any) -> Any:
    """An argument that outlives its call."""
    return value if _crosses_by_value(value) else create_proxy(value, roundtrip=False)


def send(self: Any, value: Any) -> Any:
    """The next element; `value` is what the generator's `yield` gives."""
    if value is None:
        return next(self)
    return _next_value(js_call_method(self, "next", _kept(value)))


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

    return _javascript("throw")(self, raising)


def throw(self: Any, kind: Any, value: Any = None, trace: Any = None, /) -> Any:
    """Throws an exception where the generator waits; returns the element it yields next."""
    return _next_value(_throw_into(self, _exception(kind, value, trace)))


def close(self: Any) -> None:
    """Has the generator return where it waits."""
    done, _ = _step(js_call_method(self, "return"))
    if not done:
        raise RuntimeError("JavaScript generator ignored return")


# ---- asynchronous iterators and generators


def __aiter__(self: Any) -> Any:
    return _javascript("iterate_async")(self)


async def _next_async(pending: Any) -> Any:
    done, value = _step(await pending)
    if not done:
        return value
    raise StopAsyncIteration if value is None else StopAsyncIteration(value)


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
    return _future(_next_async(_promised(js_call_method(self, "next", _kept(value)))))


def athrow(self: Any, kind: Any, value: Any = None, trace: Any = None, /) -> Any:
    """Throws an exception where the generator waits; a future of the element it yields next."""
    return _future(_next_async(_promised(_throw_into(self, _exception(kind, value, trace)))))


def aclose(self: Any) -> Any:
    """Has the generator return where it waits; a future of that."""
    return _future(_closed(_promised(js_call_method(self, "return"))))


# ---- promises


def then(self: Any, onfulfilled: Any = None, onrejected: Any = None, /) -> Any:
    """A promise for what the callback that fits the outcome returns."""
    return js_get(_javascript("then")(self, _items((onfulfilled, onrejected))), "promise")


def catch(self: Any, onrejected: Any, /) -> Any:
    """The same as `then(None, onrejected)`."""
    return then(self, None, onrejected)


def finally_(self: Any, onfinally: Any, /) -> Any:
    """A promise of the same outcome, after `onfinally()` was called."""
    return js_get(_javascript("finally")(self, _items((onfinally,))), "promise")


# ---- disposables


def __exit__(self: Any, kind: Any, value: Any, trace: Any) -> None:
    _javascript("dispose")(self)


async def __aenter__(self: Any) -> Any:
    return self


async def __aexit__(self: Any, kind: Any, value: Any, trace: Any) -> None:
    result = _javascript("dispose_async")(self)
    if hasattr(type(result), "__await__"):
        await result
