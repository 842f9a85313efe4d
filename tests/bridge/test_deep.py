"""Deep conversions and buffers, option by option (spec/ffi.md §4), against the reference's recorded answers.

| clause | cases in recorded/ |
|---|---|
| `to_js`: depth, proxies, the three converters, collisions of keys, containers | to_js_options (and to_js) |
| `PyProxy.toJs` | to_js_object |
| `JsProxy.to_py`: depth, what becomes a dict, keys, the converter | to_py_options (and to_py) |
| `pyodide.toPy` | to_py_object (and api) |
| `assign`, `to_bytes`, `to_memoryview`, `to_string`, files; `getBuffer` | buffer_copies (and buffer) |
| every format and layout of a Python buffer | buffer_formats |
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_cases import load

TOPICS = "to_js_options to_js_object to_py_options to_py_object buffer_copies buffer_formats".split()

# Where we differ on purpose, by the reason; the outcomes are in own_deep.json.
OWN = {
    "a C long has 64 bits here": ["depth too large", "to_py depth too large"],
    "the reference fails inside: SystemError, or a fatal error": [
        "create_pyproxies false and depth",
        "create_pyproxies false and depth of plain items",
        "destroy_proxies",
        "toJs depth is a BigInt",
        "toJs depth is a symbol",
        "toJs pyproxies is a string",
        "toJs pyproxies is an object",
        "toJs pyproxies frozen",
        "defaultConverter gives null",
        "rows through pointers copied",
    ],
    "None, the documented default, may be given": [
        "pyproxies kinds",
        "dict_converter kinds",
        "default_converter kinds",
        "eager_converter kinds",
        "to_string of byte order marks",
        "to_string arguments",
    ],
    "what is no array is refused as the list of proxies even if there are none": ["toJs pyproxies is an object, unused"],
    "what is no PyProxy in the array is left alone": ["destroy_proxies kinds"],
    "the reference loses the reference to the dict itself": ["dict_converter cycle in lists"],
    "an interrupt or exit is no failed conversion": ["default_converter raises what is no Exception"],
    "the converter's argument is destroyed there although it is the result": ["eager_converter in JavaScript, identity"],
    "the list has every proxy of the result: there what a converter passes on below the depth is missing": [
        "all options together"
    ],
    "converters are called without a `this`, not with the conversion's inner state": [
        "toJs dict_converter this and arguments",
        "toJs default_converter this and arguments",
    ],
    "a Map, Set or buffer is what was made as one, whatever it calls itself or its class overrides": [
        "tags",
        "fake containers",
        "subclasses",
        "subclasses with methods of their own",
    ],
    "the reference doesn't know Float16Array": ["assign on Float16Array"],
    "a structure is no byte, even if as long as the array": ["assign structures"],
    "a byte has no order": ["formats of the other byte order copied"],
    "a pointer has 64 bits": ["pointers"],
}
OUTCOMES = json.loads((Path(__file__).parent / "recorded" / "own_deep.json").read_text())
CASES = [pytest.param(topic, *case, id=f"{topic}-{case[0]}") for topic in TOPICS for case in load(topic)]


@pytest.fixture(autouse=True)
def _pyodide_in_javascript() -> Iterator[None]:
    import js
    import pyodide_js

    js.pyodide = pyodide_js
    yield


@pytest.mark.parametrize(("topic", "label", "source", "expected"), CASES)
@pytest.mark.filterwarnings("ignore:JsProxy.as_object_map")
def test_recorded(case: Any, topic: str, label: str, source: str, expected: str) -> None:
    if topic == "buffer_formats":
        pytest.importorskip("_testbuffer")  # not in every CPython
    assert case.outcome(source) == OUTCOMES.get(label, expected), label


def test_every_deviation_has_a_reason() -> None:
    labels = [label for reasons in OWN.values() for label in reasons]
    assert sorted(labels) == sorted(OUTCOMES)
    recorded: dict[str, list[str]] = {}
    for topic in TOPICS:
        for label, _, answer in load(topic):
            recorded.setdefault(label, []).append(answer)
    assert [label for label in labels if OUTCOMES[label] in recorded[label]] == []
