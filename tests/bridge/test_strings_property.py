"""Any text across the border and back. Apart from test_strings.py, since the import of hypothesis alone displeases valgrind."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_strings import joined


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=80))
@example("\ud83d" * 16 + "\ude00")
@example("x" * 15 + "\U0001f600" + "y" * 15)
def test_any_text_comes_back(text: str) -> None:
    from pyodide.code import run_js

    assert run_js("(s) => s")(text) == joined(text)
    assert run_js("(s) => ({ [s]: s })")(text).to_py() == {joined(text): joined(text)}
