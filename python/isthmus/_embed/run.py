"""`isthmus run script.py [args]` and `isthmus run -m module [args]`: what `python` does with them, after `install()`.

`__main__`, `sys.argv`, `sys.path[0]`, exit codes and tracebacks are as `python` has them. An exception that nobody
caught goes the interpreter's own way; only the frames of this file and its callers are taken off before it is shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType
from typing import Any

__all__ = ["main"]

_USAGE = """\
usage: isthmus run SCRIPT [ARGUMENT ...]
       isthmus run -m MODULE [ARGUMENT ...]

Runs a Python script (or a folder or archive with a __main__.py) or a module as `python` does, with the modules
`js`, `pyodide` and `pyodide_js` importable. For options of the interpreter: python -X dev -m isthmus run SCRIPT
"""


def main(arguments: list[str]) -> None:
    """Runs what the arguments name; ends as `python` would, by SystemExit or the program's own exception."""
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(_USAGE)
        return
    if arguments[:1] == ["-m"] and len(arguments) > 1:
        _run_module(arguments[1], arguments[2:])
    elif arguments and arguments[0] == "--" and len(arguments) > 1:
        _run_path(arguments[1], arguments[2:])
    elif arguments and not arguments[0].startswith("-"):
        _run_path(arguments[0], arguments[1:])
    else:
        sys.stderr.write(_USAGE)
        sys.exit(2)


def _run_module(name: str, arguments: list[str]) -> None:
    # The same values that runpy finds when `python -m` calls it; it puts the file in place of "-m".
    sys.argv[:] = ["-m", *arguments]
    _set_first_path(os.getcwd())
    _new_main()
    _install()
    import runpy

    _execute(lambda: runpy._run_module_as_main(name))  # type: ignore[attr-defined]


def _run_path(path: str, arguments: list[str]) -> None:
    sys.argv[:] = [path, *arguments]
    file = os.path.join(os.getcwd(), path)
    if os.path.isdir(path) or _is_archive(path):
        _set_first_path(file, always=True)
        _new_main()
        _install()
        import runpy

        return _execute(lambda: runpy._run_module_as_main("__main__", False))  # type: ignore[attr-defined]
    try:
        with open(file, "rb") as stream:
            source = stream.read()
    except OSError as error:
        sys.stderr.write(f"isthmus: can't open file {file!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(2)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    module = _new_main()
    module.__file__ = file
    module.__cached__ = None  # type: ignore[attr-defined]

    from importlib.machinery import SourceFileLoader

    module.__loader__ = SourceFileLoader("__main__", file)
    _install()
    code: CodeType | None = None

    def compile_it() -> None:
        nonlocal code
        code = compile(source, file, "exec", dont_inherit=True)

    _execute(compile_it)
    assert code is not None
    return _execute(lambda: exec(code, module.__dict__))


def _is_archive(path: str) -> bool:
    from zipimport import ZipImportError, zipimporter

    try:
        zipimporter(path)
    except ZipImportError:
        return False
    return True


def _set_first_path(path: str, *, always: bool = False) -> None:
    """Puts `path` where the folder of the console script or of `python -m isthmus` stands."""
    if not sys.flags.safe_path:
        sys.path[0] = path
    elif always:
        sys.path.insert(0, path)


def _new_main() -> ModuleType:
    """A fresh `__main__`, as at the start of the interpreter."""
    module = ModuleType("__main__")
    module.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    sys.modules["__main__"] = module
    return module


def _install() -> None:
    from .children import announce
    from .install import install

    try:
        install()
        announce()
    except ImportError as error:
        sys.stderr.write(f"isthmus: {error}\n")
        sys.exit(1)


def _execute(program: Callable[[], Any]) -> None:
    """Calls `program`, a function of one frame; an exception of it is shown without that and ours."""
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        traceback = error.__traceback__
        for _ in range(2):
            traceback = traceback and traceback.tb_next
        _show_from(error, traceback)
        raise


def _show_from(exception: BaseException, traceback: TracebackType | None) -> None:
    """Has the interpreter show `exception` from `traceback` on, whichever hook it uses."""
    hook = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> Any:
        if value is exception:
            value.__traceback__ = whole = traceback
        return hook(kind, value, whole)

    sys.excepthook = show
