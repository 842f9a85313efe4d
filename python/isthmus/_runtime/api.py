"""What JavaScript's `pyodide` object does (spec/ffi.md §6): `crates/bridge/src/api.js` calls what stands here.

`register_pyodide_js` makes it importable as `pyodide_js`; it is made by the first import.
"""

from __future__ import annotations

import builtins
import sys
from typing import Any

__all__ = ["pyodide_js", "register_pyodide_js"]


class _Behaviour:
    """The Python side of one `pyodide` object."""

    def __init__(self) -> None:
        import pyodide
        from pyodide.code import eval_code, eval_code_async
        from pyodide.ffi import register_js_module, unregister_js_module

        from . import streams

        self.pyodide_py = pyodide
        self.version = pyodide.__version__
        self.globals = sys.modules["__main__"].__dict__
        self.builtins = builtins.__dict__
        self.eval_code = eval_code
        self.eval_code_async = eval_code_async
        self.register_js_module = register_js_module
        self.unregister_js_module = unregister_js_module
        self.set_stdin = streams.set_stdin
        self.set_stdout = streams.set_stdout
        self.set_stderr = streams.set_stderr

    def pyimport(self, path: str) -> Any:
        """The module or, if its parent has one of that name, the attribute at a dotted path."""
        stem, dot, name = path.rpartition(".")
        if not dot:
            return __import__(path)
        parent = __import__(stem, fromlist=[name])
        try:
            return getattr(parent, name)
        except AttributeError:
            from importlib import import_module

            return import_module(path)


_made: Any = None


def pyodide_js() -> Any:
    """JavaScript's `pyodide` object, one for this process."""
    global _made
    if _made is None:
        from isthmus._native.ffi import pyodide_api

        _made = pyodide_api(_Behaviour())
    return _made


def register_pyodide_js() -> None:
    """Has `import pyodide_js` make the `pyodide` object; needs `pyodide` on `sys.path`, and an engine when imported."""
    from _pyodide._importhook import jsfinder

    jsfinder.register_maker("pyodide_js", pyodide_js)
