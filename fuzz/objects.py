"""The real objects that programs work with: Python's classes and JavaScript's functions."""

from __future__ import annotations

from typing import Any

ffi: Any = None
js: dict[str, Any] = {}
"""Functions of JavaScript by name; `v` there is the array of the program's variables."""

SOURCES = {
    "object": "() => ({})",
    "array": "() => []",
    "reset": "() => { globalThis.v = [undefined, undefined, undefined, undefined, undefined]; }",
    "store": "(i, x) => { v[i] = x; }",
    "load": "(i) => v[i]",
    "move": "(i, j) => { v[i] = v[j]; }",
    "drop": "(i) => { v[i] = undefined; }",
    "get": "(i, name, j) => { v[i] = v[j][name]; }",
    "set": "(i, name, j) => { v[i][name] = v[j]; }",
    "remove": "(i, name) => delete v[i][name]",
    "call": "(i, j, k) => { v[i] = v[j](v[k]); }",
    "call_and_catch": "(j, k) => { try { v[j](v[k]); return 'done'; } catch { return 'thrown'; } }",
    "destroy": "(i) => { v[i].destroy(); }",
    "copy": "(i, j) => { v[i] = v[j].copy(); }",
    "push": "(i, j) => { v[i].push(v[j]); }",
    "pop": "(i, j) => { v[i] = v[j].pop(); }",
    "item": "(i, j, n) => { v[i] = v[j][n]; }",
    "length": "(i) => v[i].length",
    "spread": "(i, j) => { v[i] = [...v[j]]; }",
    "identity": "(x) => x",
    "pair": "(x, y) => [x, y]",
    "apply": "(f, x) => f(x)",
    "same": "() => v.map((x) => v.map((y) => x === y || (x !== x && y !== y) ? 1 : 0).join('')).join('')",
    "kinds": "() => v.map((x) => typeof x).join()",
}


class Boom(Exception):
    """What a function of Python raises."""


class Holder:
    """Attributes."""


class PyList(list):
    """A list that weak references can watch."""


class Function:
    """A callable whose kept value is its attribute `a`."""

    depth = 0
    """Calls under way that call another function."""

    def __init__(self, behaviour: int) -> None:
        self._behaviour = behaviour

    def __call__(self, *arguments: Any) -> Any:
        first = arguments[0] if arguments else None
        kept = self.__dict__.get("a")
        match self._behaviour:
            case 0:
                return first
            case 1:
                self.a = first
                return self
            case 2:
                raise Boom
            case 3:
                return js["identity"](first)
            case 4:
                if is_double(kept):
                    kept.destroy()
                return kept
            case 5:
                self.__dict__.pop("a", None)
                return kept
            case _:
                if Function.depth > 8:
                    raise Boom
                Function.depth += 1
                try:
                    return js["apply"](kept, first)
                finally:
                    Function.depth -= 1


def is_double(value: Any) -> bool:
    return ffi.js_is_pyproxy(value)


def start(native: Any, run_js: Any) -> None:
    """Makes the functions, once per process."""
    global ffi
    ffi = native
    for name, source in SOURCES.items():
        js[name] = run_js(source)
    # What the bridge makes once, when first used, is no leak.
    array = js["array"]()
    array.append(1)
    array.pop()
    array.append(1)
    array[0], len(array), dir(array)
    proxy = native.create_proxy(Function(0))
    proxy.unwrap()
    proxy.destroy()
    native.to_js([1], depth=1)


def category(error: BaseException) -> str:
    """What a real exception is in the model's terms."""
    if isinstance(error, Boom):
        return "boom"
    if isinstance(error, ffi.JsException):
        message = error.message
        if "destroyed" in message or "OnceProxy" in message:
            return "destroyed"
        if "Boom" in message:
            return "boom"
        if "not a function" in message:
            return "not callable"
        return error.name if error.name != "PythonError" else f"PythonError {message.splitlines()[-1]}"
    return type(error).__name__
