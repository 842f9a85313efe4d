"""Tests of users: pytest, pytest-asyncio with a loop per test, anyio's plugin, unittest."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.interpreter import python

CONFTEST = """
import isthmus
isthmus.install(root=__file__.rpartition("/")[0])
"""

TESTS = """
import asyncio
import js
import pytest
from pyodide.code import run_js
from pyodide.ffi import JsException, run_sync

kept = run_js("({})")

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_promises(number):
    assert await run_js(f"new Promise((resolve) => setTimeout(resolve, 1, {number}))") == number
    with pytest.raises(JsException, match="no"):
        await run_js("Promise.reject(new Error('no'))")

@pytest.mark.asyncio
async def test_begins():
    run_js("(kept) => { kept.promise = new Promise((resolve) => setTimeout(resolve, 5, 'kept')); }")(kept)

@pytest.mark.asyncio
async def test_ends():
    assert await kept.promise == "kept"

@pytest.mark.asyncio(loop_scope="module")
async def test_a_loop_for_the_module():
    await asyncio.sleep(0)
    assert await js.Promise.resolve(1) == 1

def test_without_a_loop(capsys):
    assert run_sync(js.Promise.resolve(2)) == 2
    js.console.log("seen")
    assert capsys.readouterr().out == "seen\\n"

@pytest.mark.asyncio
async def test_modules():
    assert (await run_js("import('./m.mjs')")).here == 1

@pytest.fixture
async def value():
    yield await js.Promise.resolve(3)
    await js.Promise.resolve(None)

@pytest.mark.asyncio
async def test_a_fixture(value):
    assert value == 3
"""

BLOCKING = """
import asyncio
import pytest
from pyodide.code import run_js
from pyodide.ffi import run_sync

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_waits(number):
    async def work(delay):
        return run_sync(run_js(f"new Promise((resolve) => setTimeout(resolve, {delay}, {delay}))"))
    assert await asyncio.gather(work(3), work(1)) == [3, 1]
"""


def pytest_run(folder: Path, *flags: str) -> str:
    result = python("-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *flags, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "m.mjs").write_text("export const here = 1;")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
    return tmp_path


def test_pytest_asyncio(folder: Path) -> None:
    (folder / "test_users.py").write_text(TESTS.replace("@pytest.fixture", "import pytest_asyncio\n@pytest_asyncio.fixture"))
    assert "9 passed" in pytest_run(folder)


@pytest.mark.parametrize("new_loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_pytest_asyncio_with_loops_that_can_wait(folder: Path, new_loop: str) -> None:
    hook = f"""
import {new_loop.partition(".")[0]}
def pytest_asyncio_loop_factories(config, item):
    return {{"isthmus": isthmus.loop_factory({new_loop})}}
"""
    (folder / "conftest.py").write_text(CONFTEST + hook)
    (folder / "test_users.py").write_text(TESTS.replace("@pytest.fixture", "import pytest_asyncio\n@pytest_asyncio.fixture"))
    (folder / "test_blocking.py").write_text(BLOCKING)
    assert "12 passed" in pytest_run(folder)


def test_anyio(folder: Path) -> None:
    backend = """
@pytest.fixture
def anyio_backend():
    import isthmus
    return "asyncio", {"loop_factory": isthmus.loop_factory()}
"""
    (folder / "test_blocking.py").write_text(BLOCKING.replace("mark.asyncio", "mark.anyio") + backend)
    assert "3 passed" in pytest_run(folder)


def test_unittest(tmp_path: Path) -> None:
    (tmp_path / "test_case.py").write_text(
        """
import unittest
import isthmus
isthmus.install()
import js

class Case(unittest.IsolatedAsyncioTestCase):
    async def test_a(self):
        self.assertEqual(await js.Promise.resolve(1), 1)

    async def test_b(self):
        self.assertEqual(await js.eval("new Promise((r) => setTimeout(r, 1, 2))"), 2)
"""
    )
    result = python("-X", "dev", "-m", "unittest", "test_case", cwd=tmp_path)
    assert result.returncode == 0 and "OK" in result.stderr and "Warning" not in result.stderr, result.stderr
