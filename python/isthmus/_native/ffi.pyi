"""What the Python side of the FFI is built on (crates/bridge)."""

from asyncio import Handle
from collections.abc import Callable
from contextvars import Context
from typing import Any, Self, TypeVar

from pyodide.ffi.classes import JsArray, JsDoubleProxy, JsOnceCallable
from pyodide.ffi.classes import JsException as JsException

T = TypeVar("T")

flags: dict[str, int]

class Py2JsConverter:
    """From Python to JavaScript: an optional Python function first, then a conversion."""

    pre_convert: Callable[[Any], Any]
    def copy(self) -> Py2JsConverter: ...
    def py2js_convert(self, value: Any) -> Any: ...

class Js2PyConverter:
    """From JavaScript to Python: a conversion, a signature to bind to its result, then an optional Python function."""

    post_convert: Callable[[Any], Any]
    def copy(self) -> Js2PyConverter: ...
    def js2py_convert(self, value: Any) -> Any: ...

class JsFuncSignature:
    """How to call: one converter for each parameter and one for the result."""

    def __new__(
        cls,
        func: Callable[..., Any],
        should_construct: bool,
        posparams_nmandatory: int,
        posparams: tuple[Py2JsConverter, ...],
        posparams_defaults: tuple[Any, ...],
        varpos: Py2JsConverter | None,
        kwparam_names: tuple[str, ...],
        kwparam_converters: tuple[Py2JsConverter, ...],
        kwparam_defaults: tuple[Any, ...],
        varkwd: Py2JsConverter | None,
        result: Js2PyConverter,
    ) -> JsFuncSignature: ...

class Turns:
    """What an event loop of asyncio keeps for every callback."""

    _ready: Any
    _closed: bool
    _debug: bool

    def __new__(cls, *args: Any, **options: Any) -> Self: ...
    def get_debug(self) -> bool: ...
    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle: ...
    def take_failed(self) -> Any: ...

class Shape:
    """What a signature means for a proxy."""

    hints: dict[str, Any] | None
    def __new__(cls, signature: Any) -> Shape: ...
    @property
    def signature(self) -> Any: ...

js2py_as_py_json: Js2PyConverter
js2py_deep: Js2PyConverter
js2py_default: Js2PyConverter
js2py_default_call_result: Js2PyConverter
js2py_promise: Js2PyConverter
py2js_as_js_json: Py2JsConverter
py2js_deep: Py2JsConverter
py2js_default: Py2JsConverter

def create_bind_converter(shape: Shape, /) -> Js2PyConverter: ...
def create_promise_converter(converter: Js2PyConverter | None, /) -> Js2PyConverter: ...
def to_js(
    obj: Any,
    /,
    *,
    depth: int = -1,
    pyproxies: Any = None,
    create_pyproxies: bool = True,
    dict_converter: Callable[..., Any] | None = None,
    default_converter: Callable[..., Any] | None = None,
    eager_converter: Callable[..., Any] | None = None,
) -> Any: ...
def create_proxy(obj: T, /, *, capture_this: bool = False, roundtrip: bool = True) -> JsDoubleProxy[T]: ...
def create_once_callable(
    obj: Callable[..., T], /, *, _may_syncify: bool = False
) -> JsOnceCallable[..., T]: ...
def destroy_proxies(pyproxies: JsArray[Any], /) -> None: ...
def run_js(code: str, /) -> Any: ...
def js_flags(value: object, /) -> int: ...
def js_get(proxy: Any, name: str, /) -> Any: ...
def js_has(proxy: Any, name: str, /) -> bool: ...
def js_call_method(proxy: Any, name: str, /, *args: Any, **kwargs: Any) -> Any: ...
def js_is_pyproxy(value: Any, /) -> bool: ...
def js_with_flags(proxy: Any, flags: int, /) -> Any: ...
def unwrap(proxy: Any, /) -> Any: ...
def use_handles(made: type, base: type, timer: type) -> None: ...
def run_turn(
    turns: Turns,
    popleft: Callable[[], Any],
    jobs_pending: Callable[[], bool] | None,
    run_jobs: Callable[[], None],
    leave_jobs: Callable[[], None] | None,
    /,
) -> Any: ...
def live() -> tuple[int, int]: ...
def global_this() -> Any: ...
def collect() -> None: ...
def set_debug(debug: bool) -> bool: ...
def pyodide_api(behaviour: Any, /) -> Any: ...
def proxy_classes() -> Any: ...
