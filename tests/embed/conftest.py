"""Programs in plain CPython, each in a process of its own."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.interpreter import RAISES, python

Program = Callable[..., subprocess.CompletedProcess[str]]

LOOPS = {
    "asyncio": "import asyncio\nnew_loop = asyncio.new_event_loop\n",
    "uvloop": "import asyncio, uvloop\nnew_loop = uvloop.new_event_loop\n",
}

PRELUDE = """\
import isthmus
isthmus.install()
import js
from pyodide.code import run_js
from pyodide.ffi import can_run_sync, create_proxy, run_sync

def run(main, plain=True):
    with asyncio.Runner(loop_factory=new_loop if plain else isthmus.loop_factory(new_loop)) as runner:
        return runner.run(main)
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs a program written to a file; it must end with code 0 and write nothing to stderr. `files` are put beside it."""

    def run(source: str, *flags: str, stderr: str = "", code: int = 0, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in {"program.py": source, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text))
        result = python(*flags, "program.py", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (code, stderr), f"{result.stdout}\n{result.stderr}"
        return result

    return run


@pytest.fixture(params=list(LOOPS))
def on_loop(request: pytest.FixtureRequest, program: Program) -> Program:
    """As `program`, after the installation and `run(main)` on a kind of loop."""

    def run(source: str, *flags: str, **options: object) -> subprocess.CompletedProcess[str]:
        return program(LOOPS[request.param] + PRELUDE + RAISES + textwrap.dedent(source), *flags, **options)

    return run
