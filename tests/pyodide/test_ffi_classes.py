"""isinstance of the classes in pyodide.ffi: by feature flags, as the reference answered for real objects."""

from __future__ import annotations

import collections.abc

import pyodide.ffi
import pytest

CLASSES = [name for name in pyodide.ffi.__all__ if name.startswith("Js") and name not in ("JsNull", "JsBigInt")]
# Typing-only classes have no flags of their own: every proxy is an instance.
ALWAYS = {"JsProxy", "JsDomElement", "JsFetchResponse", "JsWeakRef"}
OBJECTS = {
    "object": ("", set()),
    "array": ("ARRAY ITERABLE HAS_LENGTH HAS_INCLUDES", {"JsArray", "JsIterable"}),
    "map": ("ITERABLE HAS_LENGTH HAS_GET HAS_SET HAS_HAS", {"JsIterable", "JsMap", "JsMutableMap"}),
    "read-only map": ("ITERABLE HAS_LENGTH HAS_GET", {"JsIterable", "JsMap"}),
    "get without iteration": ("HAS_LENGTH HAS_GET", set()),
    "set": ("ITERABLE HAS_LENGTH HAS_HAS", {"JsIterable"}),
    "Uint8Array": ("ITERABLE HAS_LENGTH BUFFER TYPEDARRAY", {"JsArray", "JsBuffer", "JsIterable", "JsTypedArray"}),
    "ArrayBuffer": ("BUFFER", {"JsBuffer"}),
    "function": ("CALLABLE", {"JsCallable", "JsOnceCallable"}),
    "promise": ("AWAITABLE", {"JsPromise"}),
    "generator": ("ITERABLE ITERATOR GENERATOR", {"JsGenerator", "JsIterable", "JsIterator"}),
    "async generator": (
        "ASYNC_ITERABLE ASYNC_ITERATOR ASYNC_GENERATOR",
        {"JsAsyncGenerator", "JsAsyncIterable", "JsAsyncIterator"},
    ),
    "arguments": ("ITERABLE HAS_LENGTH ARRAY_LIKE", {"JsArray", "JsIterable"}),
    "object map": ("OBJECT_MAP", {"JsMap", "JsMutableMap"}),
    "as_py_json of an object": ("PY_JSON_DICT", {"JsMap", "JsMutableMap"}),
    "function's PyProxy": (
        "DOUBLE_PROXY CALLABLE",
        {"JsDoubleProxy", "JsCallableDoubleProxy", "JsCallable", "JsOnceCallable"},
    ),
    # The reference calls this a JsCallableDoubleProxy too; the specification does not.
    "PyProxy": ("DOUBLE_PROXY", {"JsDoubleProxy"}),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_isinstance(proxy, name):
    flags, expected = OBJECTS[name]
    value = proxy(flags)
    classes = [cls for cls in CLASSES if cls != "JsException"]
    assert {cls for cls in classes if isinstance(value, getattr(pyodide.ffi, cls))} == expected | ALWAYS


@pytest.mark.parametrize("value", [None, 1, "a", [], {}, object(), pyodide.ffi.jsnull, pyodide.ffi.JsBigInt(1), int])
def test_nothing_else_is_an_instance(value):
    assert [cls for cls in CLASSES if isinstance(value, getattr(pyodide.ffi, cls))] == []


def test_exceptions():
    error = pyodide.ffi.JsException("TypeError", "text")
    assert isinstance(error, pyodide.ffi.JsProxy)
    assert isinstance(error, Exception)
    assert not isinstance(error, pyodide.ffi.JsArray)


@pytest.mark.parametrize("name", [cls for cls in CLASSES if cls != "JsException"])
def test_no_instances_can_be_made(name):
    cls = getattr(pyodide.ffi, name)
    for arguments in ((), (1,)):
        with pytest.raises(TypeError, match=f"^{name} cannot be instantiated.$"):
            cls(*arguments)
    assert cls.__module__ == "pyodide.ffi"
    assert cls.__name__ == cls.__qualname__ == name


def test_subclasses():
    ffi = pyodide.ffi
    assert issubclass(ffi.JsTypedArray, ffi.JsArray)
    assert issubclass(ffi.JsTypedArray, ffi.JsBuffer)
    assert issubclass(ffi.JsMutableMap, ffi.JsMap)
    assert not issubclass(ffi.JsMap, ffi.JsMutableMap)
    assert issubclass(ffi.JsArray, ffi.JsProxy)
    assert not issubclass(int, ffi.JsProxy)
    assert issubclass(ffi.JsArray, collections.abc.MutableSequence)
    assert issubclass(ffi.JsMap, collections.abc.Mapping)
    assert not issubclass(ffi.JsMap, collections.abc.MutableMapping)
    assert issubclass(ffi.JsMutableMap, collections.abc.MutableMapping)


def test_the_type_of_a_proxy_is_a_subclass_by_its_flags(proxy):
    kind = type("JsProxy", (), {"_js_type_flags": proxy("ARRAY ITERABLE")._flags})
    assert issubclass(kind, pyodide.ffi.JsArray)
    assert issubclass(kind, pyodide.ffi.JsProxy)
    assert not issubclass(kind, pyodide.ffi.JsMap)


def test_generic():
    assert repr(pyodide.ffi.JsArray[int]) == "pyodide.ffi.JsArray[int]"
    assert repr(pyodide.ffi.JsPromise[int]) == "pyodide.ffi.JsPromise[int]"
    with pytest.raises(TypeError, match="not subscriptable"):
        pyodide.ffi.JsProxy[int]


def test_exports():
    for name in pyodide.ffi.__all__:
        assert hasattr(pyodide.ffi, name)
    assert pyodide.__version__ == "314.0.7"
    assert pyodide.ffi.IN_PYODIDE is True
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pyodide.nothing
