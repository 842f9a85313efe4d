"""The examples of docs/plain-cpython.md, run one after another in one program."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plain-cpython.md"


def test_examples(program) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 3
    program("\n".join(examples))
