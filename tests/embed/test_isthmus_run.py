"""`isthmus run` beside `python`: the same arguments, `__main__`, paths, exit codes, tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.interpreter import python

FACTS = """
import os, sys
sys.modules.pop("js", None)
print(sys.argv, sys.path[0], __name__, __file__, __package__, __doc__, type(__loader__).__name__)
print(getattr(__spec__, "name", None), sorted(set(globals()) - {"annotations"}), __builtins__.__name__)
print(sys.modules["__main__"].__dict__ is globals(), os.getcwd(), sys.flags.dev_mode)
import pickle
class Thing: pass
print(pickle.loads(pickle.dumps(Thing)) is Thing)
"""


def both(folder: Path, *arguments: str, flags: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python` and `isthmus run`; they must agree. The latter's answer."""
    expected = python(*flags, *arguments, cwd=folder, **environment)
    got = python(*flags, "-m", "isthmus", "run", *arguments, cwd=folder, **environment)
    assert (got.returncode, got.stdout, got.stderr) == (expected.returncode, expected.stdout, expected.stderr)
    return got


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "facts.py").write_text(FACTS)
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(FACTS)
    (tmp_path / "package" / "inner" / "__init__.py").write_text("")
    (tmp_path / "package" / "fails.py").write_text("def f():\n    1 / 0\nf()\n")
    (tmp_path / "elsewhere" / "link.py").symlink_to(tmp_path / "facts.py")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", FACTS)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["facts.py"],
        ["./facts.py", "a", "-b", "--", "-m", "c d"],
        ["elsewhere/link.py", "x"],
        ["-m", "facts", "a", "-h"],
        ["-m", "package", "a"],
        ["-m", "package.__main__"],
        ["package", "a"],
        ["archive.pyz", "a"],
    ],
)
def test_programs_see_the_same(folder: Path, arguments: list[str]) -> None:
    assert both(folder, *arguments).returncode == 0
    assert both(folder, *arguments, flags=("-X", "dev")).returncode == 0


def test_a_safe_path_stays_safe(folder: Path) -> None:
    assert "facts.py" in both(folder, str(folder / "facts.py"), PYTHONSAFEPATH="1").stdout


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    1 / 0\nf()\n",
        "import asyncio\nasync def main():\n    raise ValueError('x')\nasyncio.run(main())\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('y') from error\n",
        "def f(:\n    pass\n",
        "x = 1\n  y = 2\n",
        "import package.fails\n",
        "import nothing_of_that_name\n",
        "import sys\nsys.exit()\n",
        "import sys\nsys.exit(3)\n",
        "import sys\nsys.exit('text')\n",
        "raise SystemExit(None)\n",
        "raise KeyboardInterrupt\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
        "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[1], a[2].tb_lineno)\n1 / 0\n",
        "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n",
        "import threading, time\nprint('main')\nthreading.Thread(target=lambda: time.sleep(0.1) or print('thread')).start()\n",
        "import atexit\natexit.register(print, 'end')\n1 / 0\n",
        "from __future__ import annotations\ndef f(x: y): pass\nprint(f.__annotations__)\n",
        "def f(x: int): pass\nprint(f.__annotations__)\n",
        "x: int = 1\nprint(__annotations__)\n",
        "import warnings\nwarnings.warn('careful')\n",
        "print(open(__file__).read() != '')\nassert __file__.endswith('program.py')\nassert False, 'no'\n",
    ],
)
def test_ends_and_errors_are_the_same(folder: Path, source: str) -> None:
    (folder / "program.py").write_bytes(source.encode())
    both(folder, "program.py")


@pytest.mark.parametrize("source", [b"# coding: nonsense\n", b"x = '\xe4'\n", b"x = 1\0\n"])
def test_text_that_is_no_source(folder: Path, source: bytes) -> None:
    # The interpreter words these by how it reads a file, which only it can do.
    (folder / "program.py").write_bytes(source)
    got = python("-m", "isthmus", "run", "program.py", cwd=folder)
    assert got.returncode == 1 and got.stdout == ""
    assert got.stderr.splitlines()[-1].startswith("SyntaxError: ") and "Traceback" not in got.stderr


@pytest.mark.parametrize(
    "arguments",
    [["-m", "nothing_of_that_name"], ["-m", "package.nothing"], ["-m", "package.inner"], ["-m", "package.fails"], ["-m", ""]],
)
def test_modules_that_do_not_run(folder: Path, arguments: list[str]) -> None:
    both(folder, *arguments)


@pytest.mark.parametrize("path", ["nothing.py", "package/nothing.py", "facts.py/x", ""])
def test_files_that_do_not_open(folder: Path, path: str) -> None:
    expected = python(path, cwd=folder) if path else None
    got = python("-m", "isthmus", "run", path, cwd=folder)
    assert got.returncode == 2 and got.stdout == ""
    if expected is not None:
        assert got.stderr.removeprefix("isthmus: ") == expected.stderr.removeprefix(f"{sys.executable}: ")
    else:
        assert "can't open file" in got.stderr


def test_a_folder_without_a_main(folder: Path) -> None:
    got = both(folder, "elsewhere")
    assert got.returncode == 1 and "__main__" in got.stderr


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-x", "facts.py"], ["--"]])
def test_wrong_usage(folder: Path, arguments: list[str]) -> None:
    got = python("-m", "isthmus", "run", *arguments, cwd=folder)
    assert got.returncode == 2 and got.stdout == "" and got.stderr.startswith("usage: isthmus run")


def test_help(folder: Path) -> None:
    for arguments in (["run", "--help"], ["run", "-h"]):
        got = python("-m", "isthmus", *arguments)
        assert got.returncode == 0 and got.stdout.startswith("usage: isthmus run")
    assert "\n  run " in python("-m", "isthmus", "--help").stdout


def test_the_console_script(folder: Path) -> None:
    script = Path(sys.executable).with_name("isthmus")
    if not script.exists():
        pytest.skip("isthmus is not installed here")
    (folder / "fails.py").write_text("import js\nprint(js.Math.max(1, 2))\ndef f():\n    js.nothing()\nf()\n")
    got = subprocess.run([script, "run", "fails.py"], cwd=folder, capture_output=True, text=True)
    assert (got.returncode, got.stdout) == (1, "2\n")
    assert "isthmus" not in got.stderr and got.stderr.startswith(f'Traceback (most recent call last):\n  File "{folder}/fails.py", line 5')


def test_names_that_are_taken(folder: Path) -> None:
    (folder / "js.py").write_text("")
    got = python("-m", "isthmus", "run", "facts.py", cwd=folder)
    assert (got.returncode, got.stdout) == (1, "")
    assert got.stderr.startswith("isthmus: ") and str(folder / "js.py") in got.stderr and "Traceback" not in got.stderr


def test_interrupted_by_a_signal(folder: Path) -> None:
    (folder / "waits.py").write_text("import time, js\nprint('up', flush=True)\ntime.sleep(30)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "run", "waits.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "python")},
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[1].strip().startswith(f'File "{folder}/waits.py"') and errors.endswith("KeyboardInterrupt\n")


WORKERS = """
import multiprocessing, sys
import {first}
from pyodide.code import run_js
from pyodide.ffi import run_sync

def work(number):
    module = run_sync(run_js("import('./m.mjs')"))
    return module.twice(number)

if __name__ == "__main__":
    import js, pyodide_js, pyodide
    assert "_isolate" in pyodide.__file__
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(work, range(4)), pyodide_js.version == pyodide.__version__)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("first", ["js", "pyodide.code", "pyodide_js"])
def test_multiprocessing(folder: Path, method: str, first: str) -> None:
    (folder / "workers_program.py").write_text(WORKERS.format(first=first))
    (folder / "m.mjs").write_text("export const twice = (x) => 2 * x;")
    for arguments in (["workers_program.py"], ["-m", "workers_program"]):
        got = python("-m", "isthmus", "run", *arguments, method, cwd=folder)
        assert (got.returncode, got.stdout, got.stderr) == (0, "[0, 2, 4, 6] True\n", "")
