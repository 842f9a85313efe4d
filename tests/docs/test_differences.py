"""docs/ffi.md lists every recorded case whose answer is not the reference's, with the reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools/differences.py"


def test_the_guide_lists_every_difference() -> None:
    spec = importlib.util.spec_from_file_location("differences", SCRIPT)
    assert spec is not None and spec.loader is not None
    differences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(differences)
    expected = differences.section()
    assert expected.count("\n") > 20
    assert differences.written()[1] == expected, "run python tools/differences.py"
