"""`pyodide.ffi`: proxies, conversions and what they can be tested for (spec/ffi.md).

Native, from `isthmus._native.ffi`: `JsException`, `create_once_callable`, `create_proxy`, `destroy_proxies`, `to_js`
(and, used by the modules beside this one, `flags`, `js_flags`, `run_js`).
"""

from _pyodide._importhook import register_js_module, unregister_js_module
from isthmus._native.ffi import JsException, create_once_callable, create_proxy, destroy_proxies, to_js
from isthmus._runtime.run_sync import can_run_sync, run_sync
from isthmus._runtime.values import ConversionError, InternalError, JsBigInt, JsNull, jsnull

from .classes import (
    JsArray,
    JsAsyncGenerator,
    JsAsyncIterable,
    JsAsyncIterator,
    JsBuffer,
    JsCallable,
    JsCallableDoubleProxy,
    JsDomElement,
    JsDoubleProxy,
    JsFetchResponse,
    JsGenerator,
    JsIterable,
    JsIterator,
    JsMap,
    JsMutableMap,
    JsOnceCallable,
    JsPromise,
    JsProxy,
    JsTypedArray,
    JsWeakRef,
    ToJsConverter,
)

IN_PYODIDE = True

__all__ = [
    "IN_PYODIDE",
    "ConversionError",
    "InternalError",
    "JsArray",
    "JsAsyncGenerator",
    "JsAsyncIterable",
    "JsAsyncIterator",
    "JsBigInt",
    "JsBuffer",
    "JsCallable",
    "JsCallableDoubleProxy",
    "JsDomElement",
    "JsDoubleProxy",
    "JsException",
    "JsFetchResponse",
    "JsGenerator",
    "JsIterable",
    "JsIterator",
    "JsMap",
    "JsMutableMap",
    "JsNull",
    "JsOnceCallable",
    "JsPromise",
    "JsProxy",
    "JsTypedArray",
    "JsWeakRef",
    "ToJsConverter",
    "can_run_sync",
    "create_once_callable",
    "create_proxy",
    "destroy_proxies",
    "jsnull",
    "register_js_module",
    "run_sync",
    "to_js",
    "unregister_js_module",
]
