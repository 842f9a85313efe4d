"""Bound signatures against the reference's recorded answers, and what no recording can show.

No `from __future__ import annotations`: the classes here are local to their tests, where no string could name them.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Where we differ on purpose.
OWN = {
    # The reference's Python (3.14) has other classes for unions than its code expects.
    "attribute optional": "list(int 1)",
    "attribute optional class": "list(int 1)",
    "attribute union": "js [1]",
    # It keeps what it found out about a class where subclasses find it, and nowhere for what takes no attributes.
    "attribute of subclass after base class": "list(int 2)",
    "function signature builtin": "js [1]",
    # It forgets what a class can contain besides functions and static methods, and that attributes may be no objects.
    "attribute nested class": "list(int 1)",
    "method class": "list(int 3)",
    "class static method": "list(int 1)",
    "method on a number": "str 'int'",
    "getattr converter": "list(int 1)",
    "function call class without call": "js [1]",
    # A constructor whose `__init__` is annotated with None, as all are, gives unbound objects there.
    "class construct init annotated": "list(int 1)",
    # The future stays pending there.
    "async class of null": "raises AttributeError: 'JsNull' object has no attribute 'bind_sig'",
    "post_convert raises async": "raises ValueError: no",
    # An instance has the annotations of its class.
    "attribute instance signature": "list(int 1)",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("jsbind")])
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if inspect.iscoroutine(outcome):
        outcome = run(outcome)
    assert outcome == OWN.get(label, expected), label


def test_errors_can_be_bound() -> None:
    from _pyodide.jsbind import BindClass, Deep
    from pyodide.code import run_js

    class Failure(BindClass):
        details: Annotated[list[int], Deep]
        name: Annotated[str, Deep]

        def again(self, a: int, /) -> Annotated[list[int], Deep]: ...

    error = run_js("Object.assign(new TypeError('x'), {details: [1], again(a) { return [a, this.name] }})")
    bound = error.bind_sig(Failure)
    assert type(bound) is type(error) and isinstance(bound, Exception)
    assert bound._sig is Failure and error._sig is None
    assert bound.details == [1]
    assert bound.again(2) == [2, "TypeError"]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        bound.again()


def test_a_signature_ends_with_its_last_user() -> None:
    import gc
    import weakref
    from _pyodide.jsbind import BindClass, Deep
    from pyodide.code import run_js

    def use() -> Any:
        class Shape(BindClass):
            x: Annotated[list[int], Deep]

            def f(self, a: int, /) -> Any: ...

        Shape.f.__annotations__["return"] = Shape
        bound = run_js("({x: [1], f() { return this }})").bind_sig(Shape)
        assert bound.f(1).f(2).x == [1]
        return weakref.ref(Shape)

    gone = use()
    gc.collect()
    assert gone() is None


def test_nothing_leaks() -> None:
    import sys
    from _pyodide.jsbind import BindClass, Deep, Json
    from isthmus._native import ffi
    from pyodide.code import run_js

    class Inner(BindClass):
        x: Annotated[list[int], Deep]

    class Outer(BindClass):
        inner: Inner

        def f(self, a: Annotated[Any, Deep], b: Any, /, *, c: Annotated[Any, Json], d: int = 1) -> Inner: ...
        def g(self, a: Any, /) -> Annotated[Any, Deep]: ...

    source = "({inner: {x: [1]}, f(a, b, c) { return this.inner }, g(a) { throw new Error('no') }})"
    bound = run_js(source).bind_sig(Outer)
    values: list[Any] = [[object()], {"a": [1]}, object()]

    def round_trip() -> None:
        assert bound.inner.x == [1]
        assert bound.f(values[0], values[1], c=values[1]).x == [1]
        with pytest.raises(TypeError):
            bound.f(values[0])
        with pytest.raises(TypeError):
            bound.f(values[0], values[1], d=1)
        with pytest.raises(ffi.JsException):
            bound.g(values[2])

    round_trip()
    ffi.collect()
    before = ffi.live(), [sys.getrefcount(value) for value in values], sys.getrefcount(Inner)
    for _ in range(200):
        round_trip()
    ffi.collect()
    assert (ffi.live(), [sys.getrefcount(value) for value in values], sys.getrefcount(Inner)) == before


def test_names_asked_for_do_not_fill_the_memory() -> None:
    import gc

    from _pyodide.jsbind import BindClass, shape_of
    from pyodide.code import run_js

    class Map(BindClass): ...

    bound = run_js("({})").bind_sig(Map)
    for number in range(5000):
        setattr(bound, f"n{number}", number)
        assert getattr(bound, f"n{number}") == number
    assert all(len(one) <= 1024 for one in gc.get_referents(shape_of(Map)) if type(one) is dict)


def test_on_another_thread() -> None:
    import threading

    from pyodide.code import run_js

    def signature(a: int, /) -> int: ...

    function = run_js("(a) => a")
    bound = function.bind_sig(signature)
    raised = []

    def attempt() -> None:
        for action in (lambda: function.bind_sig(signature), lambda: bound(1), lambda: bound.length):
            try:
                action()
            except RuntimeError as error:
                raised.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(raised) == 3
    assert all("another thread" in text for text in raised)


def test_a_converted_promise_needs_a_loop() -> None:
    from _pyodide.jsbind import Deep
    from pyodide.code import run_js

    async def signature() -> Annotated[list[int], Deep]: ...

    with pytest.raises(RuntimeError, match="needs a running event loop"):
        run_js("async () => [1]").bind_sig(signature)()


def test_converters_refuse_what_is_none() -> None:
    from _pyodide import jsbind

    with pytest.raises(TypeError):
        jsbind.create_promise_converter(5)
    with pytest.raises(TypeError):
        type(jsbind.js2py_deep)()
    parts = (len, False, 2, (jsbind.py2js_deep,), (), None, (), (), (), None, jsbind.js2py_deep)
    with pytest.raises(ValueError, match="do not fit together"):
        jsbind.JsFuncSignature(*parts)


def test_signatures_that_change_their_mind(case: Any) -> None:
    """The function asked for the TypeError does not raise one."""
    from _pyodide import jsbind
    from pyodide.code import run_js

    def raises_another(*args: Any) -> None:
        raise ValueError("no")

    function = run_js("() => 1")
    for template, text in ((lambda *args: 1, "Expected an error"), (raises_another, "Expected a TypeError")):
        signature = jsbind.JsFuncSignature(template, False, 0, (), (), None, (), (), (), None, jsbind.js2py_deep)
        shape = jsbind.shape_of(template)
        assert shape.signature is template

        def bound_to(_: Any, signature: Any = signature) -> Any:
            return signature

        original, jsbind.func_to_sig = jsbind.func_to_sig, bound_to
        try:
            with pytest.raises(SystemError, match=text):
                function.bind_sig(template)(1)
        finally:
            jsbind.func_to_sig = original


def test_hostile_signatures_and_values() -> None:
    import gc

    from _pyodide import jsbind
    from _pyodide.jsbind import BindClass, Deep, Js2PyConverterMeta, Py2JsConverterMeta
    from isthmus._native import ffi
    from pyodide.code import run_js

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

    for signature in (Unhashable(), None, 5, type("Slots", (), {"__slots__": ()})()):
        with pytest.raises(TypeError):
            run_js("({x: 1})").bind_sig(signature).x
        with pytest.raises(TypeError):
            run_js("() => 1").bind_sig(signature)()

    calls = []

    class Again(metaclass=Js2PyConverterMeta):
        @staticmethod
        def post_convert(value: Any) -> Any:
            calls.append(value)
            return again()

    def endless() -> Annotated[Any, Again]: ...

    again = run_js("() => 1").bind_sig(endless)
    with pytest.raises(RecursionError):
        again()
    assert len(calls) > 10

    held: list[Any] = []

    class Forgets(metaclass=Py2JsConverterMeta):
        @staticmethod
        def pre_convert(value: Any) -> Any:
            held.clear()
            gc.collect()
            return value

    def forgetful(a: Annotated[Any, Forgets], b: Annotated[Any, Forgets], /) -> int: ...

    held.append(run_js("(a, b) => a.length + b.length").bind_sig(forgetful))
    assert held[0]([1], [2, 3]) == 3
    assert not held

    def deep(a: Annotated[Any, Deep], /) -> Annotated[Any, Deep]: ...

    identity = run_js("(a) => a").bind_sig(deep)
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RecursionError):
        identity(nested)
    cycle: list[Any] = []
    cycle.append(cycle)
    assert (copy := identity(cycle))[0] is copy

    class Shape(BindClass):
        x: int

    revoked = run_js("(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()")
    with pytest.raises(ffi.JsException):
        revoked.bind_sig(Shape).x
    with pytest.raises(AttributeError):
        run_js("Symbol('a')").bind_sig(Shape).x
    # References to themselves.
    converter = jsbind.js2py_deep.copy()
    converter.post_convert = converter
    jsbind.create_promise_converter(converter)
    shape = jsbind.Shape(None)
    shape.hints = {"shape": shape}
    del converter, shape
    gc.collect()
