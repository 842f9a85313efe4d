"""What the methods of proxies do in JavaScript, and what goes there from Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus._native.ffi import create_proxy, js_flags, js_get, run_js, to_js

from ..values import jsnull

__all__ = ["crosses_by_value", "javascript", "js_array", "kept", "prepare"]

_JAVASCRIPT = """(() => {
  "use strict";
  const { WeakRef, Object: { prototype: { hasOwnProperty }, isExtensible }, Array: { prototype } } = globalThis;
  const { slice, splice, push, includes, indexOf, reverse } = prototype, { apply } = Reflect;
  const { TypeError, Symbol: { dispose, asyncDispose, asyncIterator } } = globalThis;
  return {
    slice: (array, start, stop) => apply(slice, array, [start, stop]),
    pick: (array, start, step, count) => {
      const picked = [];
      for (let at = 0; at < count; at++, start += step) picked[at] = array[start];
      return picked;
    },
    append: (array, items) => {
      for (let at = 0; at < items.length; at += 10000) apply(push, array, apply(slice, items, [at, at + 10000]));
    },
    replace: (array, start, count, items) => {
      // At once where it may be: an array that can't be changed stays as it is.
      if (items.length <= 10000) {
        const all = [start, count];
        for (let at = 0; at < items.length; at++) all[at + 2] = items[at];
        apply(splice, array, all);
        return;
      }
      if (!isExtensible(array)) throw new TypeError("object is not extensible");
      const rest = apply(slice, array, [start + count]);
      array.length = start;
      for (let at = 0; at < items.length; at++) apply(push, array, [items[at]]);
      for (let at = 0; at < rest.length; at++) apply(push, array, [rest[at]]);
    },
    spread: (array, start, step, items) => {
      for (let at = 0; at < items.length; at++, start += step) array[start] = items[at];
    },
    remove: (array, start, step, count) => {
      for (; count > 0; count--, start += step) apply(splice, array, [start, 1]);
    },
    repeat: (array, count) => {
      const whole = apply(slice, array, []), repeated = [];
      for (let to = 0; count > 0; count--) for (let at = 0; at < whole.length; at++) repeated[to++] = whole[at];
      return repeated;
    },
    count: (array, value) => {
      let count = 0;
      for (let at = 0; at < array.length; at++) if (array[at] === value) count++;
      return count;
    },
    includes: (array, value) => apply(includes, array, [value]),
    index_of: (array, value, start) => apply(indexOf, array, [value, start]),
    reverse: (array) => { apply(reverse, array, []); },
    has_own: (object, key) => apply(hasOwnProperty, object, [key]),
    set: (object, key, items) => { object[key] = items[0]; },
    delete: (object, key) => { delete object[key]; },
    weak: (object) => new WeakRef(object),
    // In an object, so that the promise is read from an attribute and stays a proxy. (A member `then` would make a promise
    // of all this.)
    chain: (promise, callbacks) => ({ promise: promise.then(callbacks[0], callbacks[1]) }),
    finally: (promise, callbacks) => ({ promise: promise.finally(callbacks[0]) }),
    throw: (generator, raising) => {
      let error;
      try { raising() } catch (caught) { error = caught }
      return generator.throw(error);
    },
    dispose: (object) => { object[dispose](); },
    dispose_async: (object) => object[asyncDispose](),
    iterate_async: (object) => object[asyncIterator](),
  };
})()"""

_functions: dict[str, Any] = {}
_prepared = False


def prepare() -> None:
    """Evaluates `_JAVASCRIPT`, before user code may replace what it is made of: with the first type of proxies."""
    global _prepared
    if not _prepared:
        _prepared = True
        compiled = run_js(_JAVASCRIPT)
        _functions.update((key, js_get(compiled, key)) for key in compiled.object_keys())


def javascript(name: str) -> Any:
    """A function of `_JAVASCRIPT`."""
    return _functions[name]


def crosses_by_value(value: object) -> bool:
    """Whether JavaScript compares it as it is: no PyProxy has to be made for it."""
    return value is None or isinstance(value, (int, float, str)) or value is jsnull or js_flags(value) >= 0


def js_array(values: Iterable[Any]) -> Any:
    """A JavaScript array of them. The proxies in it live on, unlike those of call arguments."""
    return to_js(list(values), depth=1)


def kept(value: Any) -> Any:
    """An argument that outlives its call."""
    return value if crosses_by_value(value) else create_proxy(value, roundtrip=False)
