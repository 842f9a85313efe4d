"""A short run of the fuzz target: `make fuzz SECONDS=600` is a long one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "fuzz" / "run.py"


def test_programs_do_what_the_model_says() -> None:
    # tools/sanitize.sh runs it by a command that makes it slow.
    wrapper = shlex.split(os.environ.get("ISTHMUS_TEST_WRAPPER", ""))
    programs = "25" if wrapper else "400"
    result = subprocess.run(
        [*wrapper, sys.executable, RUN, "--programs", programs, "--seed", "1000000"],
        capture_output=True,
        text=True,
        timeout=1200 if wrapper else 200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "none disagrees" in result.stdout
