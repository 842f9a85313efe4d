"""Strings across the border, of every width and length, whole, in parts and joined from parts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import fresh
from fresh import in_fresh_process

ALPHABETS = {
    "ascii": "hello world",
    "latin1": "h\xe9llo \x80\xff",
    "bmp": "日本語 text \uffff\u0100",
    "astral": "\U0001f600 smile \U0010ffff",
    "pairs only": "\U00010000\U0001f600",
    "lone surrogates": "a\ud800b\udfff\udc00",
    "both": "\udc00\U0001f600\ud83d",
}
# Around the lengths of blocks and short strings, and beyond those that JavaScript cuts without a copy.
LENGTHS = [*range(36), 63, 64, 65, 300, 1030, 2100]
if os.environ.get("ISTHMUS_TEST_WRAPPER"):
    LENGTHS = [0, 1, 2, 15, 16, 17, 31, 32, 33, 64, 2100]


def texts() -> Iterator[str]:
    """Texts of every alphabet and length, each starting at several places of it."""
    for alphabet in ALPHABETS.values():
        for length in LENGTHS:
            for start in range(3):
                yield (alphabet * (length // len(alphabet) + 2))[start : start + length]


def joined(text: str) -> str:
    """The text with neighbouring halves of pairs joined: JavaScript can't tell them from a character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def units(text: str) -> list[int]:
    """The UTF-16 units."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[at] | data[at + 1] << 8 for at in range(0, len(data), 2)]


@in_fresh_process
def test_every_width_and_length() -> None:
    run_js, to_js = fresh.run_js, fresh.ffi.to_js
    # Made in each of the ways in which the engine makes strings.
    inspect = run_js("(s) => Array.from({ length: s.length }, (_, at) => s.charCodeAt(at))")
    echo = run_js("(s) => s")
    build = run_js("(units) => units.map((unit) => String.fromCharCode(unit)).join('')")
    inner = run_js("(s) => s.slice(1, -1)")
    twice = run_js("(s) => s + s")
    grown = run_js("(s) => { let all = ''; for (let i = 0; i < 20; i++) all += s; return all; }")
    for text in texts():
        codes = units(text)
        assert list(inspect(text)) == codes
        assert echo(text) == joined(text)
        assert build(to_js(codes)) == joined(text)
        part = b"".join(code.to_bytes(2, "little") for code in codes[1:-1])
        assert inner(text) == part.decode("utf-16-le", "surrogatepass")
        assert twice(text) == joined(text + text)
        assert grown(text) == joined(text * 20)


def test_a_single_character_is_pythons_own() -> None:
    from pyodide.code import run_js

    text = run_js("String.fromCharCode(233)")
    assert text is chr(233)
    assert run_js("''") == ""
