"""These tests need a process of their own, where a fake takes the place of the extension module: test_package.py runs them.

Directly: `ISTHMUS_FAKE_NATIVE=1 pytest tests/pyodide --confcutdir tests/pyodide`.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

if os.environ.get("ISTHMUS_FAKE_NATIVE"):
    sys.path.insert(0, str(Path(__file__).parent))
    import fake_native

    fake_native.install()
    collect_ignore = ["test_package.py"]
else:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_package.py"]


@pytest.fixture
def js():
    """The module `js`, to be filled by the test."""
    module = types.ModuleType("js")
    before = sys.modules.get("js")
    sys.modules["js"] = module
    yield module
    if before is None:
        del sys.modules["js"]
    else:
        sys.modules["js"] = before


@pytest.fixture
def proxy():
    """Makes an object that counts as a JsProxy: of feature flags and properties."""
    return fake_native.FakeProxy
