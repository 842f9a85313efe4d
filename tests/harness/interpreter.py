"""Plain interpreters, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["RAISES", "python"]

RAISES = """
def raises(kind, part, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        assert part in str(error), str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")
"""
"""A function for the programs of the tests: fails unless the call raises that, with that in its text."""

PYTHON = Path(__file__).resolve().parents[2] / "python"


def python(
    *arguments: str, cwd: Path | None = None, timeout: float = 30, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the interpreter."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", *arguments],
        env={**os.environ, "PYTHONPATH": str(PYTHON), "NO_COLOR": "1", "PYTHON_COLORS": "0", **environment},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
