"""Arrays, array-likes and typed arrays as Python sequences (spec/ffi.md §2 ARRAY, TYPEDARRAY, ARRAY_LIKE)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import index as as_index
from sys import maxsize
from typing import Any, cast

from isthmus._native.ffi import js_flags, js_get

from .flags import ARRAY, SEQUENCE, TYPEDARRAY
from .javascript import crosses_by_value, javascript, js_array

__all__ = ["add_sequence"]


def add_sequence(methods: dict[str, Any], flags: int) -> None:
    """Adds the methods of the sequence that `flags` describe, if it is one."""
    if not flags & (SEQUENCE | TYPEDARRAY):
        return
    methods.update(_get_slice=_get_slice, __reversed__=__reversed__)
    if flags & SEQUENCE:
        methods.update(__add__=__add__, __mul__=__mul__, __rmul__=__mul__)
    if flags & ARRAY:
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
    elif flags & TYPEDARRAY:
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
        return javascript("slice")(self, start, max(start, stop))
    count = len(range(start, stop, step))
    # The step to a second element is a small number.
    return javascript("pick")(self, start, step if count > 1 else 1, count)


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
        javascript("replace")(self, start, max(stop - start, 0), js_array(new))
        return
    size = len(range(start, stop, step))
    if len(new) != size:
        raise ValueError(f"attempt to assign sequence of size {len(new)} to extended slice of size {size}")
    javascript("spread")(self, start, step if size > 1 else 1, js_array(new))


def _delete(self: Any, key: Any) -> None:
    length = len(self)
    if isinstance(key, slice):
        places = range(*key.indices(length))
        if not places:
            return
        if abs(places.step) == 1:
            first = min(places[0], places[-1])
            javascript("replace")(self, first, len(places), js_array(()))
        else:
            # From the back, so that what is removed moves nothing that is still to go.
            last = max(places[0], places[-1])
            javascript("remove")(self, last, -abs(places.step), len(places))
        return
    place = _place(key, length)
    if not 0 <= place < length:
        raise IndexError(key)
    javascript("remove")(self, place, 1, 1)


def _place(number: Any, length: int) -> int:
    """A place that counts from the end if it is negative; OverflowError where a list raises it."""
    place = as_index(number)
    if not -maxsize - 1 <= place <= maxsize:
        raise OverflowError("Python int too large to convert to C ssize_t")
    return place + length if place < 0 else place


def _get_typed_slice(self: Any, key: slice) -> Any:
    raise NotImplementedError("Slice subscripting isn't implemented for typed arrays")


def _set_typed_slice(self: Any, key: slice, values: Any) -> None:
    raise NotImplementedError("Slice assignment isn't implemented for typed arrays")


def __reversed__(self: Any) -> Iterator[Any]:
    for place in range(len(self) - 1, -1, -1):
        yield javascript("pick")(self, place, 1, 1)[0]


def __contains__(self: Any, value: object) -> bool:
    if crosses_by_value(value):
        return cast(bool, javascript("includes")(self, value))
    return any(element is value or element == value for element in self)


def index(self: Any, value: Any, start: int = 0, stop: int = maxsize) -> int:
    """The place of the first element that is `value`; ValueError if there is none."""
    length = len(self)
    first, last = (min(max(_place(bound, length), 0), length) for bound in (start, stop))
    if crosses_by_value(value):
        found = javascript("index_of")(self, value, first)
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
    if crosses_by_value(value):
        return cast(int, javascript("count")(self, value))
    return sum(1 for element in self if element is value or element == value)


def append(self: Any, value: Any) -> None:
    """Adds an element at the end."""
    javascript("append")(self, js_array((value,)))


def extend(self: Any, values: Iterable[Any]) -> None:
    """Adds elements at the end."""
    javascript("append")(self, js_array(values))


def insert(self: Any, place: int, value: Any) -> None:
    """Adds an element before the one at `place`."""
    length = len(self)
    start = min(max(_place(place, length), 0), length)
    javascript("replace")(self, start, 0, js_array((value,)))


def pop(self: Any, place: int = -1, /) -> Any:
    """Removes an element, the last by default, and returns it."""
    length = len(self)
    place = _place(place, length)
    if length == 0:
        raise IndexError("pop from empty list")
    if not 0 <= place < length:
        raise IndexError("pop index out of range")
    # By way of another array: a function among the elements is not bound to this one.
    element = javascript("pick")(self, place, 1, 1)[0]
    javascript("remove")(self, place, 1, 1)
    return element


def remove(self: Any, value: Any) -> None:
    """Removes the first element that is `value`; ValueError if there is none."""
    javascript("remove")(self, index(self, value), 1, 1)


def reverse(self: Any) -> None:
    """Reverses the order in place."""
    javascript("reverse")(self)


def __add__(self: Any, other: Any) -> Any:
    if not _iterable(other):
        return NotImplemented
    result = javascript("slice")(self, 0, len(self))
    javascript("append")(result, js_array(other))
    return result


def __iadd__(self: Any, other: Any) -> Any:
    if not _iterable(other):
        return NotImplemented
    extend(self, other)
    return self


def _iterable(value: Any) -> bool:
    return isinstance(value, Iterable) or hasattr(type(value), "__getitem__")


_LONGEST_ARRAY = 2**32 - 1


def _times(self: Any, number: Any) -> int:
    """How often to repeat the elements; a list's errors."""
    try:
        times = max(as_index(number), 0)
    except TypeError:
        kind = "pyodide.ffi.JsProxy" if js_flags(number) >= 0 else type(number).__name__
        raise TypeError(f"can't multiply sequence by non-int of type '{kind}'") from None
    if times * len(self) > _LONGEST_ARRAY:
        raise MemoryError
    return times


def __mul__(self: Any, number: Any) -> Any:
    return javascript("repeat")(self, _times(self, number))


def __imul__(self: Any, number: Any) -> Any:
    repeated = javascript("repeat")(self, _times(self, number))
    javascript("replace")(self, 0, len(self), repeated)
    return self
