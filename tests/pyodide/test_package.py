"""Runs the tests of this folder on a fake of the extension module (see conftest.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_package_on_a_fake():
    here = Path(__file__).parent
    arguments = ["-q", "-p", "no:cacheprovider", f"--confcutdir={here}", str(here)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env={**os.environ, "ISTHMUS_FAKE_NATIVE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
