"""Isthmus runs Python Workers on your own machine (``isthmus dev``), and JavaScript in plain CPython.

``isthmus.install()`` makes `js`, `pyodide` and `pyodide_js` importable in this interpreter. Importing this package does
nothing else and costs nothing.
"""

from __future__ import annotations

__all__ = ["install", "loop_factory", "run", "task_factory"]


def __getattr__(name: str) -> object:
    if name == "install":
        from ._embed.install import install as found
    elif name in ("loop_factory", "run", "task_factory"):
        from ._embed import tasks

        found = getattr(tasks, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
