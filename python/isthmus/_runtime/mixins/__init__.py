"""The Python methods of JavaScript proxies that need not be native (spec/ffi.md §2 "Mixins").

`mixins_for` gives a fresh proxy type the methods that its feature flags ask for. Such a name hides the JavaScript
property of the same name, so methods here reach JavaScript by `js_get`, `js_call_method` or `javascript`.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

from .flags import ARRAY, ARRAY_LIKE, HAS_SET, MAP_LIKE, MAPPING, PY_JSON_SEQUENCE, TYPEDARRAY, Flag
from .iteration import add_iteration
from .javascript import prepare
from .mappings import add_mapping, wrap_children
from .objects import add_object
from .sequences import add_sequence

__all__ = ["Flag", "mixins_for"]


def mixins_for(kind: type, flags: int) -> None:
    """Adds the methods for `flags` to a type of proxies, which nobody changes any more afterwards."""
    prepare()
    # Before `issubclass` finds the type to be a sequence by its flags: then it would not be made one for `match`.
    _register(kind, flags)
    # For `issubclass` of the classes in pyodide.ffi.
    methods: dict[str, Any] = {"_js_type_flags": flags}
    add_object(methods, flags)
    add_iteration(methods, flags)
    add_sequence(methods, flags)
    add_mapping(methods, flags)
    if flags & PY_JSON_SEQUENCE:
        wrap_children(kind, methods)
    for name, method in methods.items():
        setattr(kind, name, method)


def _register(kind: type, flags: int) -> None:
    """Makes the type a virtual subclass of the abstract collections it implements."""
    if flags & (ARRAY | TYPEDARRAY):
        MutableSequence.register(kind)
        return
    if flags & ARRAY_LIKE:
        Sequence.register(kind)
    if flags & MAPPING or (flags & MAP_LIKE == MAP_LIKE and flags & HAS_SET):
        MutableMapping.register(kind)
    elif flags & MAP_LIKE == MAP_LIKE:
        Mapping.register(kind)
