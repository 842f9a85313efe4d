"""docs/ffi.md names every recorded case whose answer is not the reference's, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def deviations() -> set[str]:
    """`topic/label` of every entry of a table OWN."""
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for statement in ast.parse(file.read_text()).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "OWN":
                assert isinstance(statement.value, ast.Dict | ast.Set)
                table = statement.value
                labels = [ast.literal_eval(key) for key in (table.keys if isinstance(table, ast.Dict) else table.elts) if key]
                found |= {f"{file.stem.removeprefix('test_')}/{label}" for label in labels}
    return found


def test_the_guide_lists_every_difference() -> None:
    section = (ROOT / "docs/ffi.md").read_text().partition("\n## Differences\n")[2]
    listed = {name for cell in re.findall(r"\| ((?:`[^`]+` ?)+)\|$", section, re.MULTILINE) for name in re.findall(r"`([^`]+)`", cell)}
    found = deviations()
    assert len(found) > 20
    assert found - listed == set(), "not in docs/ffi.md"
    assert listed - found == set(), "in docs/ffi.md, but no such deviation"
