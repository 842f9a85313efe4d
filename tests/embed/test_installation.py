"""`isthmus.install()`: what it does, and what it refuses to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.interpreter import python


def test_the_package_alone_imports_nothing() -> None:
    source = "import sys, __future__; before = set(sys.modules); import isthmus; print(sorted(set(sys.modules) - before))"
    assert python("-c", source).stdout == "['isthmus']\n"


def test_installing_makes_no_thread_and_no_loop(program) -> None:
    program(
        """
        import os, sys, threading
        hooks = sys.meta_path[:], sys.path_hooks[:], sys.excepthook, sys.getprofile(), sys.gettrace()
        descriptors = os.listdir("/proc/self/fd")
        import isthmus
        isthmus.install()
        import js, pyodide.ffi
        assert len(os.listdir("/proc/self/task")) == 1 and threading.active_count() == 1
        assert os.listdir("/proc/self/fd") == descriptors
        import asyncio
        policy = asyncio.get_event_loop_policy()
        assert type(policy) is asyncio.DefaultEventLoopPolicy
        assert (sys.meta_path[:-1], sys.path_hooks[:], sys.excepthook, sys.getprofile(), sys.gettrace()) == hooks
        assert asyncio.run.__module__ == "asyncio.runners" and asyncio.new_event_loop().get_task_factory() is None
        """
    )


def test_twice_is_once(program) -> None:
    program(
        """
        import sys, isthmus
        isthmus.install()
        import js
        path = list(sys.path)
        isthmus.install()
        from isthmus import install
        install()
        import js as again
        assert again is js and sys.path == path
        """
    )


@pytest.mark.parametrize("name", ["js", "pyodide", "_pyodide_entrypoint_helper"])
def test_a_module_of_the_user_is_not_shadowed(program, name: str) -> None:
    program(
        f"""
        import sys, isthmus
        path = list(sys.path)
        for imported in (False, True):
            if imported:
                import {name}
                assert {name}.mine
            try:
                isthmus.install()
            except ImportError as error:
                assert "{name}" in str(error) and "{name}.py" in str(error), error
                assert ("imported already" in str(error)) is imported
            else:
                raise AssertionError
            assert sys.path == path
        """,
        **{f"{name}.py": "mine = True"},
    )


def test_upstreams_own_package_is_stood_in_for(program) -> None:
    program(
        """
        import sys, isthmus
        sys.path.append("site")
        isthmus.install()
        import pyodide.ffi
        assert "_isolate" in pyodide.__file__
        assert sys.path[0] != pyodide.__path__[0]
        """,
        **{"site/pyodide/__init__.py": "raise ImportError", "site/_pyodide/_core_docs.py": "", "site/_pyodide/__init__.py": ""},
    )


def test_on_another_thread(program) -> None:
    program(
        """
        import threading, isthmus
        def work():
            isthmus.install()
            import js, asyncio
            from pyodide.code import run_js
            from pyodide.ffi import run_sync
            async def main():
                return await run_js("new Promise((resolve) => setTimeout(resolve, 1, 5))")
            results.append(asyncio.run(main()))
            results.append(run_sync(run_js("Promise.resolve(6)")))
        results = []
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert results == [5, 6]
        isthmus.install()
        try:
            import js  # from 3.13 on this looks at the module
            js.Object
        except RuntimeError as error:
            assert "thread" in str(error)
        else:
            raise AssertionError
        """
    )


def test_after_a_failure_it_can_be_tried_again(program) -> None:
    program(
        """
        import sys, isthmus
        try:
            isthmus.install()
        except ImportError:
            pass
        else:
            raise AssertionError
        sys.path.remove("taken")
        sys.path_importer_cache.clear()
        isthmus.install()
        import js
        assert js.Object
        """.replace("import sys, isthmus", "import sys, isthmus; sys.path.append('taken')"),
        **{"taken/js.py": ""},
    )


def test_a_subinterpreter_is_refused(program) -> None:
    module = {(3, 11): "_xxsubinterpreters", (3, 12): "_xxsubinterpreters"}.get(sys.version_info[:2], "_interpreters")
    program(
        f"""\
import isthmus, {module} as interpreters
isthmus.install()
source = '''
import isthmus
try:
    isthmus.install()
except (ImportError, RuntimeError) as error:
    assert "subinterpreters" in str(error), error
else:
    raise AssertionError
'''
interpreter = interpreters.create()
failed = interpreters.run_string(interpreter, source)
assert failed is None, failed
interpreters.destroy(interpreter)
import js
assert js.Math.max(1, 2) == 2
        """
    )


def test_without_it_the_modules_say_so(tmp_path: Path) -> None:
    result = python("-c", "import js", cwd=tmp_path)
    assert result.returncode == 1 and "No module named 'js'" in result.stderr
