"""What the methods of proxies do in JavaScript, and what goes there from Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus._native.ffi import create_proxy, js_flags, js_get, run_js, to_js

from ..values import jsnull

__all__ = ["crosses_by_value", "javascript", "js_array", "kept"]

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
    // In an object, so that the promise is read from an attribute and stays a proxy. (A member `then` would make a promise
    // of all this.)
    chain: (promise, callbacks) => ({ promise: promise.then(callbacks[0], callbacks[1]) }),
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


def javascript(name: str) -> Any:
    """A function of `_JAVASCRIPT`, which is evaluated when the first is asked for."""
    function = _functions.get(name)
    if function is None:
        # In an array, since it has a function `then`: the result of a call would be awaited as a promise.
        compiled = js_get(run_js(f"[{_JAVASCRIPT}]"), "0")
        _functions.update((key, js_get(compiled, key)) for key in compiled.object_keys())
        function = _functions[name]
    return function


def crosses_by_value(value: object) -> bool:
    """Whether JavaScript compares it as it is: no PyProxy has to be made for it."""
    return value is None or isinstance(value, (int, float, str)) or value is jsnull or js_flags(value) >= 0


def js_array(values: Iterable[Any]) -> Any:
    """A JavaScript array of them. The proxies in it live on, unlike those of call arguments."""
    return to_js(list(values), depth=1)


def kept(value: Any) -> Any:
    """An argument that outlives its call."""
    return value if crosses_by_value(value) else create_proxy(value, roundtrip=False)
