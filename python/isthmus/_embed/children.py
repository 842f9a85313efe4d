"""`isthmus run` in the processes that its program starts with multiprocessing ("spawn", "forkserver").

They import the program anew in a bare interpreter, but get `sys.path` from their parent. So `isthmus run` puts a folder
there with modules named `js`, `pyodide` and `pyodide_js`: the first of them to be imported installs, and gives way.
"""

from __future__ import annotations

import importlib
import os
import sys

from .install import install, installed

__all__ = ["announce", "give_way"]

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autoload")
_MODULES = os.path.join(os.path.dirname(os.path.dirname(_FOLDER)), "_isolate")


def announce() -> None:
    """After `install()`: has the processes of this program install too."""
    sys.path.insert(sys.path.index(_MODULES), _FOLDER)


def give_way(name: str) -> None:
    """Called by the stand-in for `name`, while it is imported: puts the real module in its place."""
    position = sys.path.index(_FOLDER)
    del sys.path[position], sys.modules[name]
    try:
        if installed() is None:
            install(root=sys.path[0])
        importlib.import_module(name)
    finally:
        sys.path.insert(position, _FOLDER)
