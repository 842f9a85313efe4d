"""Every Worker in `tests/workers` and `examples` that has expectations meets them."""

from pathlib import Path

import pytest
from harness import cases

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
CASES = cases.find(TESTS / "workers", ROOT / "examples")


@pytest.mark.parametrize("case", CASES, ids=[str(case.relative_to(ROOT)) for case in CASES])
def test_case(case: Path, tmp_path: Path) -> None:
    cases.run(case, tmp_path / "worker")
