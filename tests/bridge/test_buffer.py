"""Buffers both ways against the reference's recorded answers, and what no recording can show."""

from __future__ import annotations

import array
import gc
import os
from pathlib import Path
from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose: the reference writes each time at the start of an unbuffered file.
OWN = {
    # There the position of the file does not move.
    "to_file": "list(list(NoneType None, NoneType None), bytes b'ABDC')",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("buffer")])
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert case.outcome(source) == OWN.get(label, expected), label


def test_sizes_that_differ_on_64_bits() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy, to_js

    kind = run_js("(value) => value.constructor.name")
    data = run_js(
        "(proxy) => { const view = proxy.getBuffer(), { name } = view.data.constructor; view.release(); return name }"
    )
    for code, signed in (("l", True), ("L", False)):
        numbers = array.array(code, [1, 2])
        expected = (
            ("BigInt64Array" if signed else "BigUint64Array")
            if numbers.itemsize == 8
            else ("Int32Array" if signed else "Uint32Array")
        )
        assert kind(to_js(numbers)) == expected
        assert data(create_proxy(numbers)) == expected
    for code in "nNP":
        assert kind(to_js(memoryview(bytes(8)).cast(code))) in ("BigInt64Array", "BigUint64Array")


def test_memory_is_given_back_when_javascript_forgets_it() -> None:
    from isthmus._native import ffi
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    memory = bytearray(b"abc")
    proxy = create_proxy(memory)
    run_js("(proxy) => { proxy.getBuffer() }")(proxy)
    ffi.collect()
    memory.append(1)  # BufferError if it were still shown
    view = run_js("(proxy) => proxy.getBuffer().data.subarray(1)")(proxy)
    ffi.collect()
    with pytest.raises(BufferError):
        memory.append(1)
    assert view.to_bytes() == b"bc\x01"
    del view
    gc.collect()
    ffi.collect()
    memory.append(1)


def test_no_view_outlives_a_release() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    memory = bytearray(b"abcdefgh")
    result = run_js("""(proxy) => {
      const shown = proxy.getBuffer(), { data } = shown, part = data.subarray(2), whole = new DataView(data.buffer);
      shown.release();
      let failure;
      try { whole.getUint8(0) } catch (error) { failure = error.name }
      return [data.length, part.length, data.buffer.byteLength, data[0], failure, shown.data];
    }""")(create_proxy(memory))
    assert list(result)[:5] == [0, 0, 0, None, "TypeError"]
    memory.clear()


def test_released_memory_may_be_freed_at_once() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    views = []
    for _ in range(200):
        memory = bytearray(os.urandom(1 << 16))
        proxy = create_proxy(memory)
        views.append(
            run_js(
                "(proxy) => { const shown = proxy.getBuffer(); const view = shown.data; shown.release(); return view }"
            )(proxy)
        )
        proxy.destroy()
    assert all(len(view) == 0 for view in views)


def test_the_exporter_outlives_its_proxy() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    proxy = create_proxy(bytearray(b"x" * 100_000))
    view = run_js("(proxy) => proxy.getBuffer().data")(proxy)
    proxy.destroy()
    gc.collect()
    assert view.to_bytes() == b"x" * 100_000


def test_read_only_memory_stays_as_it_is() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    text = bytes(bytearray(b"abc"))
    run_js(
        """(proxy) => {
          'use strict';
          const { data } = proxy.getBuffer();
          try { data[0] = 120 } catch {}
          try { data.fill(0) } catch {}
        }"""
    )(create_proxy(text))
    assert text == b"abc"
    view = run_js("(proxy) => proxy.getBuffer().data")(create_proxy(text))
    with pytest.raises(Exception, match="immutable"):
        view.assign(b"xyz")
    with pytest.raises(Exception, match="immutable"):
        view.buffer.assign(b"xyz")
    assert text == b"abc"


def test_assign_between_views_of_one_memory() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import create_proxy

    memory = bytearray(b"abcdef")
    view = run_js("(proxy) => proxy.getBuffer().data.subarray(1, 5)")(create_proxy(memory))
    view.assign(memoryview(memory)[:4])
    assert memory == b"aabcdf"


def test_detached_buffers_are_refused(tmp_path: Path) -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    for source in (
        "(() => { const b = new ArrayBuffer(4); b.transfer(); return b })()",
        "(() => { const a = new Uint8Array(4); a.buffer.transfer(); return a })()",
        "(() => { const a = new DataView(new ArrayBuffer(4)); a.buffer.transfer(); return a })()",
    ):
        gone = run_js(source)
        for use in (
            lambda gone: gone.to_bytes(),
            lambda gone: gone.to_memoryview(),
            lambda gone: gone.to_string(),
            lambda gone: gone.to_py(),
            lambda gone: gone.assign(b"abcd"),
            lambda gone: gone.assign_to(bytearray(4)),
        ):
            with pytest.raises((JsException, ValueError)):
                use(gone)


def test_resized_buffers_are_read_as_they_are() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import JsException

    pair = run_js(
        """(() => {
          const b = new ArrayBuffer(8, {maxByteLength: 16});
          return {b, v: new Uint8Array(b), fixed: new Uint8Array(b, 4, 4), view: new DataView(b)};
        })()"""
    )
    pair.b.resize(16)
    assert len(pair.v.to_bytes()) == 16
    pair.b.resize(2)
    assert pair.v.to_bytes() == pair.view.to_bytes() == b"\0\0"
    with pytest.raises(JsException):
        pair.fixed.to_bytes()


def test_a_view_that_lies_about_its_size() -> None:
    from pyodide.code import run_js

    lying = run_js(
        """Object.defineProperties(new DataView(new Uint8Array([1, 2, 3]).buffer), {
          byteLength: {value: 1e9}, byteOffset: {value: 1e9}, buffer: {value: new ArrayBuffer(1)},
        })"""
    )
    assert lying.to_bytes() == b"\x01\x02\x03"


def test_files(tmp_path: Path) -> None:
    from pyodide.code import run_js

    buffer = run_js("new Uint8Array([1, 2, 3])")
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        with pytest.raises(OSError) as caught:
            buffer.to_file(file)
        assert caught.value.errno == 9
    with pytest.raises(ValueError):  # the file is closed
        buffer.to_file(file)
    with path.open("rb", buffering=0) as file:
        buffer.from_file(file)
    assert buffer.to_bytes() == b"abc"
    with path.open("rb") as file:
        assert os.fstat(file.fileno())  # still open: the methods don't own the descriptor


def test_a_memoryview_outlives_its_proxy() -> None:
    from pyodide.code import run_js

    view = run_js("new Float64Array([1.5, 2.5])").to_memoryview()
    gc.collect()
    assert view.tolist() == [1.5, 2.5]
    assert type(view.obj).__name__ == "Buffer"
    assert bytes(view.cast("B"))[:2] == b"\0\0"
    view[0] = 3.5
    assert view.tolist() == [3.5, 2.5]


def test_an_exporter_that_fails() -> None:
    from pyodide.code import run_js
    from pyodide.ffi import ConversionError, JsException, create_proxy, to_js

    view = memoryview(bytearray(b"abc"))
    proxy = create_proxy(view)
    view.release()
    with pytest.raises((JsException, ValueError)):
        run_js("(proxy) => proxy.getBuffer()")(proxy)
    with pytest.raises(ConversionError):
        to_js([view])


def test_decoding_needs_a_str() -> None:
    from pyodide.code import run_js

    buffer = run_js("new Uint8Array([97])")
    with pytest.raises(TypeError):
        buffer.to_string("utf8", "strict")
    with pytest.raises(TypeError):
        buffer.to_string(errors="strict")
    assert buffer.to_string(None) == buffer.to_string(encoding=None) == "a"
