"""The message of a `PythonError`, which is made when it is read, is the text that formatting at once would give."""

from __future__ import annotations

import gc
import linecache
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from isthmus._native import ffi
from isthmus._runtime.tracebacks import format_exception

LAZY, AT_ONCE = True, False


class Custom(Exception):
    class Nested(LookupError):
        pass


class Speaking(Exception):
    def __str__(self) -> str:
        return f"said with {len(self.args)} arguments"


class Attributed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__("attributed")
        self.code = code


class Foreign(Exception):
    __module__ = "some.where"


class WithNotes(Exception):
    __notes__ = ["of the class"]


class OwnCause(Exception):
    __cause__ = property(lambda self: ValueError("own cause"))  # type: ignore[assignment]


class Kind(type):
    def __getattribute__(cls, name: str) -> Any:
        return "another name" if name == "__qualname__" else super().__getattribute__(name)


class OfKind(Exception, metaclass=Kind):
    pass


class NoModule(Exception):
    __module__ = 5  # type: ignore[assignment]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raising(exception: BaseException) -> Callable[[], Any]:
    def raises() -> None:
        raise exception

    return raises


def with_context() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904


def with_suppressed_context() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second") from None


def with_cause() -> None:
    raise ValueError("second") from KeyError("first")


def with_note() -> None:
    error = ValueError("noted")
    error.add_note("a note\nof two lines")
    raise error


def deep(levels: int) -> None:
    if levels:
        deep(levels - 1)
    raise ValueError("déjà vu ünïcode 日本語", (lambda x: (x + [y for y in [1][5:]][0]))(1))


def generated(source: str) -> Callable[[], Any]:
    names: dict[str, Any] = {"__name__": "generated", "__loader__": Loader()}
    exec(compile(source, "generated_for_test.py", "exec"), names)
    return names["raises"]


class Loader:
    def get_source(self, name: str) -> str:
        return "def raises():\n    return 1 / 0  # from the loader\n"


def without_positions() -> None:
    exec(compile("1 / 0", "<no file>", "exec").replace(co_linetable=b""))


def of_generator() -> int:
    return sum(1 // n for n in (1, 0))


def unbound() -> None:
    lenght = 1  # noqa: F841
    print(lenghth)  # type: ignore[name-defined]  # noqa: F821


CASES: list[tuple[str, Callable[[], Any], bool]] = [
    ("no text", raising(ValueError()), LAZY),
    ("a text", raising(ValueError("boom")), LAZY),
    ("an empty text", raising(ValueError("")), LAZY),
    ("None for a text", raising(ValueError(None)), LAZY),
    ("several lines", raising(ValueError("a\nb\n")), LAZY),
    ("lone surrogates", raising(ValueError("\ud800 \U0001f600")), LAZY),
    ("several arguments", raising(ValueError(1, "two")), LAZY),
    ("KeyError", raising(KeyError("k")), LAZY),
    ("OSError", raising(FileNotFoundError(2, "No such file", "x")), LAZY),
    ("a class", raising(Custom("c")), LAZY),
    ("a nested class", raising(Custom.Nested("n")), LAZY),
    ("another module's class", raising(Foreign("f")), LAZY),
    ("own text", raising(Speaking(1, 2)), LAZY),
    ("attributes", raising(Attributed(5)), LAZY),
    ("SystemExit", raising(SystemExit(3)), LAZY),
    ("a C function", lambda: int("x"), LAZY),
    ("a generator expression", of_generator, LAZY),
    ("calls of several widths", lambda: deep(3), LAZY),
    ("repeated calls", lambda: deep(80), LAZY),
    ("suppressed context", with_suppressed_context, LAZY),
    ("a source known to a loader", generated("def raises():\n    return 1 / 0\n"), LAZY),
    ("no positions", without_positions, LAZY),
    ("many calls", lambda: deep(150), AT_ONCE),
    ("a context", with_context, AT_ONCE),
    ("a cause", with_cause, AT_ONCE),
    ("a note", with_note, AT_ONCE),
    ("notes of the class", raising(WithNotes("w")), AT_ONCE),
    ("a cause of the class", raising(OwnCause("o")), AT_ONCE),
    ("a metaclass's name", raising(OfKind("k")), AT_ONCE),
    ("a module that is no text", raising(NoModule("m")), AT_ONCE),
    ("a text that raises", raising(Mute()), AT_ONCE),
    ("SyntaxError", lambda: compile("a b", "<there>", "exec"), AT_ONCE),
    ("NameError", unbound, AT_ONCE),
    ("AttributeError", lambda: "".uppper(), AT_ONCE),  # type: ignore[attr-defined]
    ("ImportError", lambda: __import__("no_such_module"), AT_ONCE),
    ("a group", raising(ExceptionGroup("g", [ValueError(1), KeyError(2)])), AT_ONCE),
]


def js(source: str) -> Any:
    from pyodide.code import run_js

    return run_js(source)


@pytest.fixture
def caught() -> Any:
    """Calls `see(error)` of JavaScript with what the call of a Python function threw."""

    def caught(raises: Callable[[], Any], see: str) -> Any:
        return js(f"(raises) => {{ try {{ raises(); }} catch (error) {{ return ({see})(error); }} }}")(raises)

    return caught


IS_LAZY = "(e) => Object.getOwnPropertyDescriptor(e, 'message').get !== undefined"


@pytest.mark.parametrize(("raises", "lazy"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_text_is_that_of_formatting_at_once(raises: Callable[[], Any], lazy: bool, caught: Any) -> None:
    message = caught(raises, "(e) => e.message")
    assert message == format_exception(sys.last_exc)  # type: ignore[attr-defined]
    assert caught(raises, IS_LAZY) is lazy


def test_the_source_is_shown_as_it_was_known_when_thrown() -> None:
    linecache.cache.pop("generated_for_test.py", None)
    raises = generated("def raises():\n    return 1 / 0\n")
    error = js("(raises) => { try { raises(); } catch (error) { globalThis.keptError = error; } }")
    error(raises)
    del raises
    gc.collect()
    assert "from the loader" in js("keptError.message")
    js("delete globalThis.keptError")


def test_the_message_passes_for_a_data_property(caught: Any) -> None:
    raises = raising(ValueError("boom"))
    see = """(e) => {
        const own = (o) => JSON.stringify(Object.getOwnPropertyDescriptor(o, 'message'), (k, v) => k === 'value' ? typeof v : v);
        const out = [JSON.stringify(Object.getOwnPropertyNames(e).sort()), e.hasOwnProperty('message'), Object.keys(e).join(),
            Object.create(e).message.includes('ValueError: boom'), own(e), e.message === e.message, e instanceof Error,
            String(e).startsWith('PythonError: Traceback'), JSON.stringify(e)];
        return JSON.stringify(out);
    }"""
    import json

    assert json.loads(caught(raises, see)) == [
        '["__error_address","message","type"]',
        True,
        "type",
        True,
        '{"value":"string","writable":true,"enumerable":false,"configurable":true}',
        True,
        True,
        True,
        '{"type":"ValueError"}',
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("e.message = 5; return [e.message, Object.keys(e).join()]", [5, "type"]),
        ("delete e.message; return [e.message, 'message' in e]", ["", True]),
        ("const d = Object.create(e); d.message = 'own'; return [d.message, Object.keys(d).join(), e.message.length > 20]",
         ["own", "message", True]),
        ("Object.freeze(e); return [e.message === e.message, e.message.includes('boom')]", [True, True]),
        ("'use strict'; Object.freeze(e); try { e.message = 1; } catch (x) { return [x instanceof TypeError, e.message.includes('boom')]; }",
         [True, True]),
        ("Object.defineProperty(e, 'message', {value: 'new'}); return [e.message]", ["new"]),
        ("const {get} = Object.getOwnPropertyDescriptor(e, 'message'); return [get.call({}) === undefined, get.call(null) === undefined, "
         "get.call(new Error('x')) === undefined]", [True, True, True]),
        ("const own = new e.constructor('T', 'm', 1); return [own.message, own.type, own instanceof Error]", ["m", "T", True]),
    ],
)
def test_changes_before_it_is_read(change: str, expected: list[Any], caught: Any) -> None:
    see = f"(e) => {{ return ((e) => {{ {change} }})(e) }}"
    assert caught(raising(ValueError("boom")), see).to_py() == expected


def test_neither_exception_nor_frame_is_kept() -> None:
    class Held:
        pass

    held = Held()
    seen = weakref.ref(held)

    def raises(local: Held) -> None:
        raise ValueError("boom")

    proxy = ffi.create_proxy(lambda: raises(held))
    js("(raises) => { try { raises(); } catch (error) { globalThis.keptError = error; } }")(proxy)
    proxy.destroy()
    del held, proxy
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()
    assert seen() is None
    assert "ValueError: boom" in js("keptError.message")
    js("delete globalThis.keptError")


def test_what_was_kept_is_given_up(caught: Any) -> None:
    def round_trip() -> None:
        for see in ("(e) => 0", "(e) => e.message.length", "(e) => { e.message = 1; }", "(e) => { Object.freeze(e); return e.message.length; }"):
            caught(raising(ValueError("boom")), see)

    def live() -> tuple[int, ...]:
        gc.collect()
        ffi.collect()
        return ffi.live()

    round_trip()
    before = live()
    for _ in range(100):
        round_trip()
    # What other tests left behind may have gone meanwhile.
    assert all(now <= then for now, then in zip(live(), before, strict=True))
