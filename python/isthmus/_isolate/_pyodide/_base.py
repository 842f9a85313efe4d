"""What upstream has here of `pyodide.code`, for those who import it from this module."""

from __future__ import annotations

from typing import Any

from pyodide.code import CodeRunner, eval_code, eval_code_async, find_imports, should_quiet

__all__ = ["CodeRunner", "eval_code", "eval_code_async", "find_imports", "pyimport_impl", "should_quiet"]


def pyimport_impl(path: str) -> Any:
    """The module or the attribute of a module that a dotted path names. ImportError or AttributeError if there is none."""
    from importlib import import_module

    parent, _, name = path.rpartition(".")
    if not parent:
        return import_module(path)
    module = import_module(parent)
    return getattr(module, name) if hasattr(module, name) else import_module(path)
