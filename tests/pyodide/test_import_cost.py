"""A zygote imports the package at every start: nothing comes with it that the loop has not brought anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
PROBE = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import asyncio, greenlet, collections.abc, importlib.abc, typing
import fake_native
fake_native.install()
before = set(sys.modules)
import pyodide, pyodide.ffi, pyodide.http, pyodide.code, pyodide.webloop
print(*sorted(name for name in set(sys.modules) - before))
"""


def test_only_our_own_modules():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=30)
    imported = done.stdout.split()
    assert "pyodide.http" in imported
    assert [name for name in imported if not name.startswith(("pyodide", "_pyodide", "isthmus"))] == []
