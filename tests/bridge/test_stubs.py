"""The stubs for type checkers name what there is at run time, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

PYTHON = Path(__file__).parents[2] / "python" / "isthmus"


def names(path: Path) -> dict[str, ast.stmt]:
    """The public names that a stub defines, with what defines them."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name: node for alias in node.names if alias.asname == alias.name}
    return found


def members(node: ast.stmt) -> set[str]:
    """The names that a class of a stub defines."""
    assert isinstance(node, ast.ClassDef)
    found = {child.name for child in node.body if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return found | {
        child.target.id
        for child in node.body
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
    }


def public(module: object) -> set[str]:
    return {name for name in vars(module) if not name.startswith("_")}


def test_native() -> None:
    from isthmus import _native
    from isthmus._native import ffi

    assert names(PYTHON / "_native" / "__init__.pyi").keys() - {"__version__"} == public(_native)
    stub = names(PYTHON / "_native" / "ffi.pyi")
    assert stub.keys() == public(ffi)
    for name in ("Shape", "Py2JsConverter", "Js2PyConverter", "JsFuncSignature"):
        given = {member for member in members(stub[name]) if not member.startswith("__")}
        assert given == {member for member in dir(getattr(ffi, name)) if not member.startswith("_")}


def test_classes_of_proxies() -> None:
    from pyodide import ffi
    from pyodide.ffi import classes

    stub = names(PYTHON / "_isolate" / "pyodide" / "ffi" / "classes.pyi")
    exported = {name for name in ffi.__all__ if name.startswith("Js") and name not in ("JsNull", "JsBigInt")}
    assert exported | {"ToJsConverter", "_JsProxyMetaClass"} == stub.keys()
    for name in exported - {"JsException"}:
        node = stub[name]
        assert isinstance(node, ast.ClassDef)
        parameters = getattr(getattr(classes, name), "__parameters__", ())
        generic = [ast.unparse(base) for base in node.bases if ast.unparse(base).startswith("Generic[")]
        expected = [f"Generic[{', '.join(one.__name__ for one in parameters)}]"] if parameters else []
        assert generic == expected, name


def test_methods_of_proxies() -> None:
    """What a stub promises is there, on an object of that kind."""
    import js
    from pyodide.code import run_js
    from pyodide.ffi import create_once_callable, create_proxy, to_js

    stub = names(PYTHON / "_isolate" / "pyodide" / "ffi" / "classes.pyi")
    objects = {
        "JsProxy": run_js("(class {})"),
        "JsDoubleProxy": create_proxy(object()),
        "JsPromise": run_js("({p: Promise.resolve()})").p,
        "JsBuffer": run_js("new ArrayBuffer(1)"),
        "JsIterable": run_js("new Set()"),
        "JsIterator": run_js("[].values()"),
        "JsAsyncIterator": run_js("({next() {}, [Symbol.asyncIterator]() { return this }})"),
        "JsGenerator": run_js("(function*() {})()"),
        "JsAsyncGenerator": run_js("(async function*() {})()"),
        "JsCallable": run_js("() => 1"),
        "JsOnceCallable": create_once_callable(len),
        "JsArray": to_js([1]),
        "JsTypedArray": js.Uint8Array.new(1),
        "JsMap": run_js("new Map()"),
        "JsMutableMap": run_js("new Map()"),
        "JsWeakRef": run_js("({})").to_weakref(),
        "JsException": run_js("new Error('x')"),
    }
    # By a deprecated conversion and one for plain objects; of JavaScript's classes; of no object.
    apart = {"as_object_map", "as_py_json", "new", "__getattr__"}
    for name, proxy in objects.items():
        for member in members(stub[name]) - apart:
            assert hasattr(proxy, member) or hasattr(type(proxy), member), (name, member)
