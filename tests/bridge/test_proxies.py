"""Values, JavaScript objects in Python and what lives how long, against the reference's recorded answers.

The clauses of spec/ffi.md §1 and §2 and the files of their cases, each clause a heading there:

| clause | cases in recorded/ |
|---|---|
| implicit conversions, identity, JsBigInt, jsnull, keyword arguments | values |
| getattr, setattr, delattr, `this`, mangling, dir, bool, len, equality, order, hash, text, the types themselves | attributes |
| feature flags, revoked Proxies, isinstance, collections.abc, match | flags |
| iter, next, send, throw, close, results of next, the asynchronous ones | iteration |
| arrays, array-likes, typed arrays, files | sequences, mixins, buffer |
| maps, views, object maps, py_json | mappings, mixins |
| lifetimes of arguments, `new`, results that take their time, recursion | lifetimes |
| what is thrown, JsException, with | exceptions |
| objects that lie, Proxies of everything, subclassed builtins, other odd objects | hostile |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from recorded_cases import load

Run = Callable[[Coroutine[Any, Any, Any]], Any]

TOPICS = "values attributes flags iteration sequences mappings lifetimes exceptions hostile".split()

# Where we differ on purpose, by the reason; the outcomes are in own.json.
OWN = {
    "the reference makes a BigInt of 2**53 - 1, which is a safe integer": ["int borders"],
    "the global object is that of a Worker, as upstream's": ["toString"],
    "a symbol has attributes as all else has: none is no error of another kind": [
        "a symbol's missing property",
        "dir of a symbol",
    ],
    "the reference fails inside: SystemError, or a fatal error": [
        "a destroyed proxy arrives",
        "values that throw",
        "null as a result",
        "change frozen arrays",
        "change sealed arrays",
        "change arrays that can't grow",
        "change arrays with a fixed length",
        "+ and * keep objects",
        "extend of what is not iterable",
        "addition with array-likes",
        "revoked later",
        "revoked thrown",
        "the call returns its argument inside an object",
        "a callback kept by an array method",
        "things like errors",
        "errors with odd fields",
        "rejecting with other values",
        "a Proxy of an array that refuses",
        "an Array subclass with its own push",
        "frozen everything",
        "Proxy objects",
    ],
    "the reference knows typed arrays by the name of their constructor, and no subclasses": [
        "buffers",
        "typed array subclasses and subarrays",
        "a Uint8Array subclass",
    ],
    "a keyword is a property, never the prototype": ["keyword names", "keyword __proto__"],
    "names are not cut at NULs, and lone surrogates are names too": [
        "names with NULs",
        "missing name with a NUL",
        "names with lone surrogates",
        "setting names with a NUL",
        "construction with odd texts",
    ],
    "js_id is equal for proxies of one object, as documented": ["equality of bound functions", "js_id"],
    "what a trap or a comparison throws is raised": ["dir of a proxy that throws", "order that throws"],
    "the length of an array is that by which it is indexed": ["arrays with a size"],
    "exceptions have a hash: Python's traceback module needs it": ["errors have a hash"],
    "nobody changes the types of proxies under everybody's feet": ["types can't be changed"],
    "proxies can be referred to weakly": ["weak references"],
    "a tag alone makes no generator": ["generators"],
    "`done` is what is true for JavaScript": ["done is an object"],
    "an exception that comes home is the object that left": [
        "athrow not handled",
        "new of a Promise with a failing executor",
        "a JsException through Python and JavaScript",
        "raising a JsException",
        "raising an error from JavaScript",
        "rejecting with a Python exception",
    ],
    "for the language too a result that is no object is an error": ["anext of promises of bad results"],
    "indices have 64 bits": ["get with huge indices"],
    "what can't be set is an error, not ignored": ["set before the start", "setting beyond the end"],
    "a slice is an array": ["slices of array-likes", "an array-like with a lying length"],
    "as a list: an exception of `==` is raised, `in` asks as `index` does": [
        "index of unequal and failing objects",
        "in with PyProxies",
    ],
    "no array has that many elements": ["multiplication that is too much"],
    "the reference reads past the end of a buffer that shrank": ["resizable buffers"],
    "the system's error is an OSError": ["files that are read-only or write-only"],
    "hereditary says: all the way down": ["hereditary object maps"],
    "the keys are those of when iteration began": ["records deleted under the hands"],
    "a class of Python is no constructor in JavaScript": ["new of a PyProxy's class"],
    "what a generator returns or is sent lives as long as JavaScript has it": [
        "a generator that returns its argument",
        "sending objects into a generator",
    ],
    "JsException can be derived from": ["subclasses", "subclass raised"],
}
OUTCOMES = json.loads((Path(__file__).parent / "recorded" / "own.json").read_text())
CASES = [pytest.param(*case, id=f"{topic}-{case[0]}") for topic in TOPICS for case in load(topic)]


@pytest.mark.parametrize(("label", "source", "expected"), CASES)
@pytest.mark.filterwarnings("ignore:JsProxy.as_object_map")
def test_recorded(case: Any, run: Run, label: str, source: str, expected: str) -> None:
    outcome = case.outcome(source)
    if not isinstance(outcome, str):
        outcome = run(asyncio.wait_for(outcome, 20))
    assert outcome == OUTCOMES.get(label, expected), label


def test_every_deviation_has_a_reason() -> None:
    labels = [label for reasons in OWN.values() for label in reasons]
    assert sorted(labels) == sorted(OUTCOMES)
    recorded = {label: answer for topic in TOPICS for label, _, answer in load(topic)}
    assert [label for label in labels if OUTCOMES[label] == recorded[label]] == []


# Each replaces builtins of the language by what fails.
BREAKERS = {
    "methods of arrays": "for (const k of ['push', 'pop', 'splice', 'slice', 'concat', 'forEach', 'map', 'join', 'values', 'keys', "
    "'entries', 'fill', 'at', 'indexOf', 'includes', 'reverse']) change(Array.prototype, k, fail)",
    "iterators": "change(Object.getPrototypeOf([][Symbol.iterator]()), 'next', fail)",
    "functions of Object": "for (const k of ['keys', 'values', 'entries', 'getPrototypeOf', 'getOwnPropertyNames', 'fromEntries', "
    "'create', 'defineProperty', 'getOwnPropertyDescriptor', 'isExtensible', 'assign']) change(Object, k, fail)",
    "methods of functions": "for (const k of ['call', 'apply', 'bind']) change(Function.prototype, k, fail)",
    "methods of maps and sets": "for (const k of ['forEach', 'entries', 'values']) for (const C of [Map, Set]) change(C.prototype, k, fail);"
    "change(Set.prototype, 'add', fail)",
    "global names": "for (const k of ['Array', 'Map', 'Set', 'String', 'Error', 'TypeError', 'Reflect', 'BigInt', 'Promise', 'Symbol', "
    "'Object', 'Uint8Array']) change(globalThis, k, undefined)",
    "further properties of all objects": "for (const k of ['extra', 'message', 'destroyRoundtrip']) change(Object.prototype, k, 0)",
}
BREAK = """(code) => {
  const { getOwnPropertyDescriptor, defineProperty } = Object;
  const changed = [];
  const fail = () => { throw new Error('replaced') };
  const change = (object, name, value) => {
    changed[changed.length] = [object, name, getOwnPropertyDescriptor(object, name)];
    defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
  };
  (new Function('change', 'fail', code))(change, fail);
  return () => {
    for (let at = changed.length - 1; at >= 0; at--) {
      const object = changed[at][0], name = changed[at][1], old = changed[at][2];
      if (old === undefined) delete object[name]; else defineProperty(object, name, old);
    }
  };
}"""


INPUTS = """(() => ({
  array: [1, 2, 3], record: {a: 1, b: [2]}, length: (x) => x.length, call: (f) => f(1), big: 10n ** 30n, same: (x) => x,
  bytes: new Uint8Array([1, 2]), raise: () => { throw 5 }, seen: (f) => { try { f() } catch (error) { return error.type } },
  generate: function* (x) { yield x.length },
}))()"""


def operations(inputs: Any) -> list[Any]:
    """What the bridge does with its own JavaScript, once each."""
    from pyodide.ffi import JsException, to_js

    array, record = inputs.array, inputs.record

    def failing(*_: Any) -> None:
        raise KeyError("k")

    seen: list[Any] = [array.append(4), array.extend([5]), array.insert(0, 0), array.pop(), array.pop(1), array.reverse()]
    seen += [array.index(2), array.count(2), 3 in array, [1] in array, len(array), array[0], array[-1], bool(array)]
    array[1:2] = [7, 8]
    del array[0], array[::2]
    seen += [[part[index] for index in range(len(part))] for part in (array, array[1:], array[::-1], array + [9], array * 2)]
    seen += [list(reversed(array)), array.to_py(), record.to_py(), dir(record)[-1], str(record), record.object_keys().to_py()]
    records = record.as_py_json()
    records["c"] = 3
    seen += [records["a"], len(records), sorted(dict(records)), "b" in records, records.pop("c")]
    converted = to_js({"x": [1, {2}], "y": b"ab"})
    seen += [converted.x[0], len(converted.x[1]), converted.y[1], to_js([1, 2]).to_py()]
    seen += [inputs.length([1, 2]), inputs.call(lambda x: x + 1), inputs.big + 1]
    seen += [inputs.same(JsException("TypeError", "m")).message, inputs.bytes.to_bytes()]
    with pytest.raises(JsException, match="was thrown as an error"):
        inputs.raise_()
    with pytest.raises(KeyError):
        inputs.call(failing)
    seen.append(inputs.seen(failing))
    generator = inputs.generate([1, 2, 3])
    seen += [next(generator), next(generator, "end")]
    return seen


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in BREAKERS.items()])
def test_builtins_that_user_code_replaced(code: str) -> None:
    from pyodide.code import run_js

    expected, inputs = operations(run_js(INPUTS)), run_js(INPUTS)
    restore = run_js(BREAK)(code)
    try:
        actual = operations(inputs)
    finally:
        restore()
    assert actual == expected
