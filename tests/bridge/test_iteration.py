"""What JavaScript gets from `proxy[Symbol.iterator]()`: a generator to all appearances (spec/ffi.md §3)."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from isthmus._native import ffi

STEP = "const j = JSON.stringify; const i = l[Symbol.iterator]();"


def steps(source: str, iterable: Any) -> Any:
    """What `source` pushes to `out`, given the proxy `l` and the iteration `i`."""
    from pyodide.code import run_js

    return json.loads(run_js(f"(l) => {{ const out = []; {STEP} {source}; return j(out); }}")(iterable))


def test_it_is_a_generator_that_iterates_once() -> None:
    source = """
        out.push(Object.prototype.toString.call(i), i[Symbol.iterator]() === i, Object.getOwnPropertyNames(i).length);
        out.push(j(i.next()), j(i.next('ignored')), j(i.next()), j(i.next()))"""
    assert steps(source, [1, 2]) == [
        "[object Generator]",
        True,
        0,
        '{"value":1,"done":false}',
        '{"value":2,"done":false}',
        '{"done":true}',
        '{"done":true}',
    ]


@pytest.mark.parametrize("source", ["[...l]", "Array.from(l)", "(() => { const a = []; for (const x of l) a.push(x); return a; })()"])
def test_every_way_of_iterating_gives_the_same(source: str) -> None:
    assert steps(f"out.push(...{source})", ["a", None, 3]) == ["a", None, 3]
    assert steps(f"out.push(...{source})", (n for n in range(3))) == [0, 1, 2]


def test_return_and_throw_end_it_at_any_stage() -> None:
    source = """
        out.push(j(i.return(7)), j(i.next()), j(i.return(8)));
        const t = l[Symbol.iterator](); t.next();
        try { t.throw(new RangeError('out')); } catch (e) { out.push(String(e)); }
        out.push(j(t.next()));
        const u = l[Symbol.iterator]();
        try { u.throw(5); } catch (e) { out.push(e); }
        out.push(j(u.next()))"""
    assert steps(source, [1, 2, 3]) == [
        '{"value":7,"done":true}',
        '{"done":true}',
        '{"value":8,"done":true}',
        "RangeError: out",
        '{"done":true}',
        5,
        '{"done":true}',
    ]


def test_the_iterator_begins_with_the_first_step_and_is_given_up_with_the_loop() -> None:
    log = []

    class Lines:
        def __iter__(self) -> Iterator[int]:
            log.append("begun")
            try:
                yield 1
                yield 2
            finally:
                log.append("closed")

    assert steps("out.push(1)", Lines()) == [1]
    assert log == []
    assert steps("for (const x of l) { out.push(x); break; }", Lines()) == [1]
    assert log == ["begun", "closed"]


def test_what_the_iterator_returns_and_raises() -> None:
    def returning() -> Iterator[int]:
        yield 1
        return "r"  # noqa: B901

    class Returning:
        __iter__ = staticmethod(returning)

    assert steps("out.push(j(i.next()), j(i.next()), j(i.next()))", Returning()) == [
        '{"value":1,"done":false}',
        '{"value":"r","done":true}',
        '{"done":true}',
    ]

    class Failing:
        def __iter__(self) -> Iterator[int]:
            yield 1
            raise KeyError("k")

    source = "out.push(j(i.next())); try { i.next(); } catch (e) { out.push(e.type); } out.push(j(i.next()))"
    assert steps(source, Failing()) == ['{"value":1,"done":false}', "KeyError", '{"done":true}']

    class NotIterable:
        def __iter__(self) -> Iterator[int]:
            raise ValueError("no")

    source = "try { i.next(); } catch (e) { out.push(e.type); } out.push(j(i.next()))"
    assert steps(source, NotIterable()) == ["ValueError", '{"done":true}']


def test_a_step_inside_a_step_is_refused() -> None:
    from pyodide.code import run_js

    refused = []

    class Inside:
        def __iter__(self) -> Iterator[int]:
            yield 1
            for way in ("next", "return", "throw"):
                try:
                    run_js(f"globalThis.iterationUnderTest.{way}()")
                except ffi.JsException as error:
                    refused.append(error.message)
            yield 2

    assert steps("globalThis.iterationUnderTest = i; out.push(i.next().value, i.next().value, i.next().done)", Inside()) == [1, 2, True]
    run_js("delete globalThis.iterationUnderTest")
    assert refused == ["cannot invoke a running generator"] * 3


def test_methods_refuse_another_receiver() -> None:
    source = """
        const t = (f) => { try { f(); } catch (e) { out.push(e instanceof TypeError); } };
        t(() => i.next.call({})); t(() => i.next.call(l)); t(() => i.return.call(undefined)); t(() => l.get.call({}, 0));
        t(() => Object.getPrototypeOf(i).next())"""
    assert steps(source, [1]) == [True] * 5


def test_a_proxy_destroyed_before_the_first_step() -> None:
    source = "l.destroy(); try { i.next(); } catch (e) { out.push(e.message.split('\\n')[0]); } out.push(j(i.next()))"
    proxy = ffi.create_proxy([1, 2])
    assert steps(source, proxy) == ["Object has already been destroyed", '{"done":true}']
    proxy = ffi.create_proxy([1, 2])
    assert steps("i.next(); l.destroy(); out.push(i.next().value)", proxy) == [2]


def test_the_step_of_a_proxied_iterator_is_upstreams() -> None:
    def generator() -> Iterator[int]:
        yield (yield 1)

    assert steps("out.push(j(i.next()), j(i.next(5)), j(i.next()))", generator()) == [
        '{"done":false,"value":1}',
        '{"done":false,"value":5}',
        '{"done":true}',
    ]


def test_nothing_stays() -> None:
    def round_trip() -> None:
        steps("i.next(); l[Symbol.iterator]().return(); for (const x of l) { if (x) break; }", [0, 1, 2])

    round_trip()
    ffi.collect()
    gc.collect()
    before = ffi.live()
    for _ in range(50):
        round_trip()
    ffi.collect()
    gc.collect()
    assert ffi.live() == before
