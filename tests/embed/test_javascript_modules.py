"""JavaScript's `import` in plain CPython: files beside the script, installed packages, clear refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.interpreter import python

PRELUDE = """
import asyncio, isthmus
isthmus.install()
from pyodide.code import run_js
from pyodide.ffi import run_sync

def fails(specifier, *parts):
    try:
        run_sync(run_js(f"import({specifier!r})"))
    except Exception as error:
        for part in parts:
            assert part in f"{error.name}: {error.message}\\n{error.stack}", (error.name, error.message, error.stack)
    else:
        raise AssertionError(f"{specifier} was imported")
"""

FILES = {
    "a.mjs": "import { b } from './inner/b.mjs'; export const a = b + 1; export default (x) => x * a;",
    "inner/b.mjs": "import * as c from '../c.js'; export const b = c.value; export { c };",
    "waits.mjs": "export const value = await new Promise((resolve) => setTimeout(resolve, 1, 7));",
    "c.js": "export const value = 41; globalThis.loads = (globalThis.loads ?? 0) + 1;",
}


def test_files_resolve_beside_the_importing_one(program) -> None:
    program(
        PRELUDE
        + """
        async def main():
            module = await run_js("import('./a.mjs')")
            assert module.a == 42 and module.default(2) == 84
            same = await run_js("import('./inner/../a.mjs')")
            assert same == module
            assert (await run_js("import('a.mjs')")) == module
            inner = await run_js("import('./inner/b.mjs')")
            assert inner.c.value == 41
            assert (await run_js("import('./waits.mjs')")).value == 7
            import js
            assert js.loads == 1
        asyncio.run(main())
        asyncio.run(main())
        """.replace("\n        ", "\n"),
        **FILES,
    )


def test_paths_and_urls(program, tmp_path: Path) -> None:
    program(
        PRELUDE
        + f"""
assert run_sync(run_js("import({str(tmp_path / 'c.js')!r})")).value == 41
assert run_sync(run_js("import('file://{tmp_path}/c.js')")).value == 41
assert run_sync(run_js("import('python_modules/workers/workflows.js')"))
module = run_sync(run_js("import('cloudflare:workers')"))
assert module.WorkerEntrypoint and not module.env.object_keys()
""",
        **FILES,
    )


def test_failures_are_rejections(program) -> None:
    program(
        PRELUDE
        + """
fails("./missing.mjs", "./missing.mjs", "no such file")
fails("lodash", "lodash", "no such file")
fails("node:fs", "node:fs")
fails("./inner", "is a folder")
fails("./program.py", ".mjs or .js")
fails("./broken.mjs", "SyntaxError", "broken.mjs:2")
fails("./imports_missing.mjs", "gone.mjs", "imports_missing.mjs")
fails("./imports_broken.mjs", "SyntaxError", "broken.mjs:2")
fails("./throws.mjs", "RangeError: too far", "throws.mjs")
fails("./no_export.mjs", "SyntaxError", "nothing")
fails("./null.mjs")
# The engine goes on.
assert run_sync(run_js("import('./a.mjs')")).a == 42
""",
        **FILES,
        **{
            "broken.mjs": "export const a = 1;\nexport const = ;\n",
            "imports_missing.mjs": "import './gone.mjs';",
            "imports_broken.mjs": "import './broken.mjs';",
            "throws.mjs": "throw new RangeError('too far');",
            "no_export.mjs": "import { nothing } from './c.js';",
            "null.mjs": "\0",
        },
    )


def test_files_that_cannot_be_read(program, tmp_path: Path) -> None:
    (tmp_path / "unreadable.mjs").symlink_to("/proc/self/mem")
    program(PRELUDE + 'fails("./unreadable.mjs", ".mjs or .js")\n')
    (tmp_path / "latin.mjs").write_bytes(b"export const text = '\xe4';")
    program(PRELUDE + 'run_sync(run_js("import(\'./latin.mjs\').catch(() => {})"))\n')


def test_the_root_is_that_of_the_script_not_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder" / "m.mjs").write_text("export const here = 1;")
    (tmp_path / "folder" / "s.py").write_text(PRELUDE + "print(run_sync(run_js(\"import('./m.mjs')\")).here)\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "folder" / "s.py")
    for arguments in (["../folder/s.py"], ["../link.py"], ["-m", "isthmus", "run", "../folder/s.py"]):
        result = python(*arguments, cwd=tmp_path / "elsewhere")
        assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr
    result = python("-m", "s", cwd=tmp_path / "folder")
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr


def test_a_root_can_be_given(program, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    program(
        """
        import isthmus
        isthmus.install(root="inner")
        isthmus.install(root="inner")
        isthmus.install()
        try:
            isthmus.install(root=".")
        except ValueError as error:
            assert "installed already" in str(error)
        else:
            raise AssertionError
        from pyodide.code import run_js
        from pyodide.ffi import run_sync
        assert run_sync(run_js("import('./m.mjs')")).here == 2
        """,
        **{"inner/m.mjs": "export const here = 2;"},
    )


@pytest.mark.parametrize("plain", [True, False])
def test_the_sdk_imports_modules(program, plain: bool) -> None:
    runner = "asyncio.run" if plain else "isthmus.run"
    program(
        PRELUDE
        + f"""
from workers import Response, import_from_javascript
assert import_from_javascript("./a.mjs").a == 42
assert import_from_javascript("cloudflare:workers").env is not None
try:
    import_from_javascript("./missing.mjs")
except ImportError as error:
    assert "no such file" in str(error)
else:
    raise AssertionError
async def main():
    if not {plain}:
        assert import_from_javascript("./inner/b.mjs").b == 41
    assert await Response("text").text() == "text"
{runner}(main())
""",
        **FILES,
    )
