"""Laws of the conversions (spec/ffi.md §1, §4) that hold for every value, on values that hypothesis makes up.

`ISTHMUS_EXAMPLES` is the number of values per law; without it few, and the same in every run.
"""

from __future__ import annotations

import array
import json
import math
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("ISTHMUS_EXAMPLES", "0"))
law = settings(
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

SAFE = 2**53 - 1
integers = st.integers() | st.integers(-(2**54), 2**54) | st.sampled_from([SAFE, SAFE + 1, -SAFE, -SAFE - 1, 2**31, -(2**31), 2**63, -(2**63), 2**64])
huge = st.integers(0, 6000).flatmap(lambda bits: st.integers(-(2**bits), 2**bits))
floats = st.floats() | st.floats(-(2.0**54), 2.0**54).map(math.floor).map(float) | st.sampled_from([0.0, -0.0, 2.0**53, -(2.0**53), 5e-324])
units = st.lists(st.integers(0, 0xFFFF) | st.integers(0xD7FE, 0xE001) | st.integers(0, 0x7F), max_size=40)
texts = st.text(st.characters(exclude_categories=[]), max_size=40) | units.map(lambda some: "".join(map(chr, some)))
# Without surrogates: two keys that differ in Python differ in JavaScript.
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture(scope="module")
def js(isolate: Any) -> Callable[[str], Any]:
    from pyodide.code import run_js

    return run_js


@pytest.fixture(scope="module")
def ffi(isolate: Any) -> Any:
    import pyodide.ffi

    return pyodide.ffi


def joined(text: str) -> str:
    """What a text is once it was in JavaScript: neighbouring halves of a pair are one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def number(value: float) -> float:
    """A number as it comes from JavaScript: an int iff it is a safe integer."""
    return int(value) if math.isfinite(value) and value == math.floor(value) and abs(value) <= SAFE else float(value)


def same_number(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other)) and (
        not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other) or one != one
    )


# --- implicit


@law
@given(value=integers | huge)
def test_integers(js: Any, ffi: Any, value: int) -> None:
    back, kind, digits = js("(x) => [x, typeof x, x.toString(16)]")(value)
    assert int(back) == value
    assert type(back) is (int if abs(value) <= SAFE else ffi.JsBigInt)
    assert kind == ("number" if abs(value) <= SAFE else "bigint")
    assert int(digits, 16) == value


@law
@given(value=integers | huge)
def test_bigints(js: Any, ffi: Any, value: int) -> None:
    back, kind, same = js("(x, text) => [x, typeof x, x === BigInt(text)]")(ffi.JsBigInt(value), _decimal(value))
    assert type(back) is ffi.JsBigInt and back == value and kind == "bigint" and same is True


def _decimal(value: int) -> str:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return str(value)
    finally:
        sys.set_int_max_str_digits(limit)


@law
@given(value=floats)
def test_floats_bit_for_bit(js: Any, value: float) -> None:
    show = js("(x) => { const v = new DataView(new ArrayBuffer(8)); v.setFloat64(0, x); return v.getBigUint64(0).toString(16); }")
    seen = int(show(value), 16)
    if value == value:
        assert seen == int.from_bytes(struct.pack(">d", value))
    else:
        assert math.isnan(struct.unpack(">d", seen.to_bytes(8))[0])
    assert same_number(js("(x) => x")(value), number(value))


@law
@given(bits=st.integers(0, 2**64 - 1))
def test_floats_of_javascript(js: Any, ffi: Any, bits: int) -> None:
    make = js("(bits) => { const v = new DataView(new ArrayBuffer(8)); v.setBigUint64(0, bits); return v.getFloat64(0); }")
    assert same_number(make(ffi.JsBigInt(bits)), number(struct.unpack(">d", bits.to_bytes(8))[0]))


@law
@given(text=texts)
def test_texts(js: Any, text: str) -> None:
    back, codes = js("(s) => [s, Array.from({ length: s.length }, (_, i) => s.charCodeAt(i))]")(text)
    assert back == joined(text)
    encoded = text.encode("utf-16-le", "surrogatepass")
    assert codes.to_py() == [low | high << 8 for low, high in zip(encoded[::2], encoded[1::2], strict=True)]


@law
@given(codes=units)
def test_texts_of_javascript(js: Any, ffi: Any, codes: list[int]) -> None:
    text = js("(codes) => String.fromCharCode(...codes)")(ffi.to_js(codes))
    assert text == struct.pack(f"<{len(codes)}H", *codes).decode("utf-16-le", "surrogatepass")
    # Slices and ropes are stored in other ways.
    halves, left = js("(s, n) => [s.slice(0, n) + s.slice(n), s.slice(n)]")(text, len(codes) // 2)
    assert halves == text
    assert js("(a, b) => a === b")(left, left) is True


@law
@given(parts=st.lists(texts, max_size=6))
def test_texts_joined_in_javascript(js: Any, ffi: Any, parts: list[str]) -> None:
    assert js("(parts) => parts.reduce((a, b) => a + b, '')")(ffi.to_js(parts)) == joined("".join(parts))


@law
@given(value=st.sampled_from([None, True, False]) | st.builds(object) | st.tuples(st.integers()) | st.binary() | st.complex_numbers())
def test_objects_come_back_themselves(js: Any, value: object) -> None:
    assert js("(x) => x")(value) is value
    assert js("(x) => { const held = { x }; return held.x; }")(value) is value
    holder = js("({})")
    holder.value = value
    assert holder.value is value


# --- containers

leaves = st.none() | st.booleans() | integers | floats | texts


def converted(value: Any, ffi: Any) -> Any:
    """What a Python value is after `to_js` and `to_py`."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE else ffi.JsBigInt(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, dict):
        return {key: converted(item, ffi) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return {converted(item, ffi) for item in value}
    return [converted(item, ffi) for item in value]


def alike(one: Any, other: Any) -> bool:
    """Equal in values, types and order; NaN is like NaN."""
    if isinstance(one, dict) and type(one) is type(other):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and type(one) is type(other):
        return len(one) == len(other) and all(map(alike, one, other))
    return same_number(one, other) if isinstance(one, float) else type(one) is type(other) and one == other


object_keys = names.filter(lambda name: not (name.isascii() and name.isdigit()) and not hasattr(_prototype, name))


class _Prototype:
    """The names of Object.prototype: a key among them is a collision."""

    constructor = hasOwnProperty = isPrototypeOf = propertyIsEnumerable = toLocaleString = toString = valueOf = None
    __proto__ = __defineGetter__ = __defineSetter__ = __lookupGetter__ = __lookupSetter__ = None


_prototype = _Prototype()
nested = st.recursive(
    leaves | st.sets(st.integers(-(2**53), 2**53) | names, max_size=4),
    lambda inner: st.lists(inner, max_size=5) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(object_keys, inner, max_size=4),
    max_leaves=20,
)


@law
@given(value=nested)
def test_containers(ffi: Any, value: Any) -> None:
    there = ffi.to_js(value)
    assert alike(there.to_py() if isinstance(there, ffi.JsProxy) else converted(there, ffi), converted(value, ffi))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(object_keys, inner, max_size=4),
    max_leaves=20,
)


def without_null(value: Any, ffi: Any) -> Any:
    """JSON's null is jsnull, its integers are ints even if written with a fraction."""
    if value is None:
        return ffi.jsnull
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return [without_null(item, ffi) for item in value]
    if isinstance(value, dict):
        return {key: without_null(item, ffi) for key, item in value.items()}
    return value


@law
@given(value=json_values)
def test_containers_of_javascript(js: Any, ffi: Any, value: Any) -> None:
    parsed = js("JSON.parse")(json.dumps(value))
    expected = without_null(value, ffi)
    assert alike(parsed.to_py() if isinstance(parsed, ffi.JsProxy) else parsed, expected)
    again = js("(x) => JSON.parse(JSON.stringify(x))")(ffi.to_js(expected))
    assert alike(again.to_py() if isinstance(again, ffi.JsProxy) else again, expected)


@law
@given(data=st.data(), size=st.integers(1, 8))
def test_shared_references_and_cycles(js: Any, ffi: Any, data: Any, size: int) -> None:
    """Any graph of lists and dicts, whatever shares or contains itself, is the same graph on the other side."""
    nodes: list[Any] = [data.draw(st.sampled_from([list, dict]))() for _ in range(size)]
    for node in nodes:
        for position in range(data.draw(st.integers(0, 4))):
            target = nodes[data.draw(st.integers(0, size - 1))]
            if isinstance(node, list):
                node.append(target)
            else:
                node[f"key{position}"] = target
    there = ffi.to_js(nodes)
    assert same_graph(nodes, there.to_py())
    # The same again, found by JavaScript's ===.
    for first in range(size):
        for second in range(size):
            assert js("(list, i, j) => list[i] === list[j]")(there, first, second) is (first == second)


def same_graph(one: Any, other: Any) -> bool:
    pairs: dict[int, int] = {}
    pending = [(one, other)]
    while pending:
        first, second = pending.pop()
        if id(first) in pairs:
            if pairs[id(first)] != id(second):
                return False
            continue
        pairs[id(first)] = id(second)
        if type(first) is not type(second) or len(first) != len(second):
            return False
        if isinstance(first, dict):
            if list(first) != list(second):
                return False
            pending += [(first[key], second[key]) for key in first]
        else:
            pending += zip(first, second, strict=True)
    return len(set(pairs.values())) == len(pairs)


@law
@given(value=nested, depth=st.integers(0, 4))
def test_depth(ffi: Any, value: Any, depth: int) -> None:
    """Containers below the depth are the very objects."""

    def check(python: Any, there: Any, left: int) -> None:
        if not isinstance(python, (list, tuple, dict, set)):
            assert alike(converted(there, ffi) if not isinstance(there, ffi.JsProxy) else there, converted(python, ffi))
        elif left == 0:
            # There is one empty tuple: it may have been met, and converted, above.
            assert there is python or python == ()
        elif isinstance(python, dict):
            assert list(there.object_keys()) == list(python)
            for key in python:
                check(python[key], ffi.to_js(list(there.object_entries())).to_py(depth=2)[list(python).index(key)][1], left - 1)
        elif isinstance(python, set):
            assert alike(there.to_py(), converted(python, ffi))
        else:
            assert len(there) == len(python)
            for index, item in enumerate(python):
                check(item, there[index], left - 1)

    there = ffi.to_js(value, depth=depth)
    if depth == 0 and isinstance(there, ffi.JsDoubleProxy):
        there = there.unwrap()
    check(value, there, depth)


map_keys = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names


@law
@given(value=st.dictionaries(map_keys, leaves, max_size=8))
def test_keys_of_maps(js: Any, ffi: Any, value: dict[Any, Any]) -> None:
    """As a Map every immutable key is kept, in order, with its type."""
    there = ffi.to_js(value, dict_converter=js("(pairs) => new Map(pairs)"))
    back = there.to_py()
    expected = {converted(key, ffi): converted(item, ffi) for key, item in value.items()}
    assert [(type(key), key) for key in back] == [(type(key), key) for key in expected]
    assert all(alike(back[key], expected[key]) for key in expected)


@law
@given(value=st.dictionaries(names | st.integers(-5, 50) | st.sampled_from(["toString", "__proto__", "constructor", "1"]), st.integers(0, 9)))
def test_keys_of_objects(js: Any, ffi: Any, value: dict[Any, Any]) -> None:
    """A key is a property, or the conversion says that it collides; never is a value lost."""
    spelled = [str(key) for key in value]
    inherited = js("(k) => k in {}")
    collides = len(set(spelled)) < len(spelled) or any(inherited(key) for key in spelled)
    if collides:
        with pytest.raises(ffi.ConversionError, match="Key collision"):
            ffi.to_js(value)
    else:
        there = ffi.to_js(value)
        assert {key: js("(o, k) => o[k]")(there, key) for key in spelled} == dict(zip(spelled, value.values(), strict=True))
        assert sorted(there.object_keys()) == sorted(spelled)


@law
@given(value=st.dictionaries(names, leaves, max_size=6), key=names, item=leaves)
def test_dicts_used_in_javascript(js: Any, ffi: Any, value: dict[str, Any], key: str, item: Any) -> None:
    """Through its proxy a dict does what a dict does."""
    assert js("(d, k) => d.has(k)")(value, key) is (key in value)
    expected = converted(item, ffi)
    js("(d, k, v) => { d.set(k, v); }")(value, key, item)
    assert alike(value[key], expected)
    assert alike(js("(d, k) => d.get(k)")(value, key), expected)
    assert js("(d) => d.length")(value) == len(value)
    js("(d, k) => { d.delete(k); }")(value, key)
    assert key not in value


@law
@given(value=st.lists(leaves, max_size=8), index=st.integers(0, 10))
def test_lists_used_in_javascript(js: Any, ffi: Any, value: list[Any], index: int) -> None:
    got = js("(l, i) => l[i]")(value, index)
    assert alike(got, converted(value[index], ffi)) if index < len(value) else got is None
    there = js("(l) => [...l]")(value)
    assert alike(there.to_py(), converted(value, ffi))
    assert alike(list(js("(l) => l.slice(1)")(value)), converted(value[1:], ffi))


@law
@given(before=st.lists(st.integers(0, 9), max_size=8), bounds=st.tuples(*[st.none() | st.integers(-9, 9)] * 2), step=st.none() | st.integers(-3, 3).filter(bool))
def test_slices_of_arrays(ffi: Any, before: list[int], bounds: tuple[Any, Any], step: int | None) -> None:
    """An array is sliced as a list is, read and deleted."""
    there, which = ffi.to_js(before), slice(*bounds, step)
    assert there[which].to_py() == before[which]
    del there[which]
    after = list(before)
    del after[which]
    assert there.to_py() == after


# --- memory

FORMATS = {"b": "Int8Array", "B": "Uint8Array", "h": "Int16Array", "H": "Uint16Array", "i": "Int32Array", "I": "Uint32Array",
           "q": "BigInt64Array", "Q": "BigUint64Array", "l": "BigInt64Array", "L": "BigUint64Array", "f": "Float32Array", "d": "Float64Array"}


@law
@given(content=st.binary(max_size=64), code=st.sampled_from(sorted(FORMATS)))
def test_buffers(js: Any, ffi: Any, content: bytes, code: str) -> None:
    """The bytes, the size of an item and the kind of number are kept, both ways and in place."""
    size = array.array(code).itemsize
    content = content[: len(content) // size * size]
    source = array.array(code, content)
    there = ffi.to_js(source)
    assert js("(t) => t.constructor.name")(there) == FORMATS[code]
    assert there.to_bytes() == content
    for back in (there.to_py(), there.to_memoryview()):
        assert back.tobytes() == content and back.itemsize == size
        assert memoryview(source).cast("B").cast(back.format).tobytes() == content
    other = js("(t) => new t.constructor(t.length)")(there)
    other.assign(source)
    assert other.to_bytes() == content
    target = array.array(code, bytes(len(content)))
    other.assign_to(target)
    assert target.tobytes() == content
    # Live memory: what JavaScript writes is there.
    js("(p) => { const b = p.getBuffer('u8'); b.data.reverse(); b.release(); }")(source)
    assert source.tobytes() == content[::-1]
    assert there.to_bytes() == content


@law
@given(content=st.binary(min_size=1, max_size=60), start=st.integers(0, 5), step=st.integers(1, 4))
def test_strided_memory(js: Any, ffi: Any, content: bytes, start: int, step: int) -> None:
    view = memoryview(content)[start::step]
    assert ffi.to_js(view).to_bytes() == bytes(view)
    read = js(
        """(p) => { const b = p.getBuffer(); const out = [];
           for (let i = 0; i < b.shape[0]; i++) out.push(b.data[b.offset + i * b.strides[0]]); b.release(); return out; }"""
    )
    assert bytes(read(view)) == bytes(view)
    backwards = memoryview(content)[::-1]
    assert ffi.to_js(backwards).to_bytes() == bytes(backwards) == bytes(read(backwards))


@law
@given(rows=st.integers(1, 4), columns=st.integers(1, 4), data=st.data())
def test_memory_of_two_dimensions(ffi: Any, rows: int, columns: int, data: Any) -> None:
    content = data.draw(st.binary(min_size=rows * columns, max_size=rows * columns))
    view = memoryview(content).cast("B", (rows, columns))
    there = ffi.to_js(view)
    assert [bytes(row.to_bytes()) for row in there] == [bytes(row) for row in view.tolist()]
