"""A short run of the fuzz target: `make fuzz SECONDS=600` is a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "fuzz" / "run.py"


def test_programs_do_what_the_model_says() -> None:
    result = subprocess.run(
        [sys.executable, RUN, "--programs", "400", "--seed", "1000000"], capture_output=True, text=True, timeout=200
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "none disagrees" in result.stdout
