"""`isthmus.install()`: `js`, `pyodide` and `pyodide_js` in this interpreter."""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pump import Pump

__all__ = ["install", "installed"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MODULES = os.path.join(_PACKAGE, "_isolate")

_PROVIDED = ("js", "pyodide", "pyodide_js", "_pyodide", "_pyodide_entrypoint_helper", "_cloudflare_compat_flags")

_COMPATIBILITY_FLAGS = ("python_workflows_implicit_dependencies", "python_request_headers_preserve_commas")
"""The flags that the SDK asks for, on as they are for a Worker of today (`crates/project/src/flags`)."""

_installed: tuple[Pump, str] | None = None


def install(*, root: str | os.PathLike[str] | None = None) -> None:
    """Makes `js`, `pyodide` and `pyodide_js` importable; the calling thread becomes the one JavaScript belongs to.

    JavaScript's `import()` looks for files in `root`: by default the folder of the script, or the working directory where
    there is none. ImportError if one of the names is taken by somebody else's module. Calling it again does no harm;
    ValueError if that is for another `root`.
    """
    global _installed
    if _installed is not None:
        if root is not None and os.path.realpath(root) != _installed[1]:
            raise ValueError(f"isthmus is installed already, with the root {_installed[1]}")
        return
    if _in_an_isolate():
        return
    position = _free_position()
    folder = os.path.realpath(_script_folder() if root is None else root)
    before = list(sys.path)
    if _MODULES not in sys.path:  # as in a process that got its parent's path
        sys.path.insert(position, _MODULES)
    try:
        pump = _start(folder)
    except BaseException:
        sys.path[:] = before
        raise
    _installed = pump, folder


def installed() -> Pump | None:
    """What drives JavaScript here; None before `install()`."""
    return None if _installed is None else _installed[0]


def _in_an_isolate() -> bool:
    hook = sys.modules.get("_pyodide._importhook")
    return hook is not None and _is_ours(hook) and "js" in hook.jsfinder.jsproxies


def _is_ours(module: Any) -> bool:
    return (getattr(module, "__file__", None) or "").startswith(_MODULES + os.sep)


def _free_position() -> int:
    """Where in `sys.path` our folder goes: last, but before upstream's own package. ImportError if a name is taken."""
    position = len(sys.path)
    for name in _PROVIDED:
        module = sys.modules.get(name)
        if module is not None:
            if _is_ours(module):
                continue
            spec = getattr(module, "__spec__", None)
        else:
            spec = importlib.util.find_spec(name)
            if spec is None:
                continue
        origin = getattr(spec, "origin", None)
        place = origin or next(iter(getattr(spec, "submodule_search_locations", None) or ()), "this process")
        if origin is not None and origin.startswith(_MODULES + os.sep):
            continue
        upstream = _upstream_entry(origin) if module is None else None
        if upstream is None:
            state = "imported already from" if module is not None else "found in"
            raise ImportError(
                f"isthmus.install() would make {name!r} importable, but a module of that name is {state} {place}. "
                "Isthmus shadows no module: rename or remove that one, or install before it is imported."
            )
        position = min(position, upstream)
    return position


def _upstream_entry(origin: str | None) -> int | None:
    """The place in `sys.path` of `pyodide-py`, the package that ours stands in for; None if it is something else."""
    if origin is None:
        return None
    site = os.path.dirname(os.path.dirname(origin))
    if not os.path.exists(os.path.join(site, "_pyodide", "_core_docs.py")):
        return None
    for position, entry in enumerate(sys.path):
        if os.path.realpath(entry) == os.path.realpath(site):
            return position
    return None


def _script_folder() -> str:
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        return os.getcwd()  # interactive, -c or -m
    return file if os.path.isdir(file) else os.path.dirname(os.path.realpath(file))


def _start(root: str) -> Pump:
    from isthmus import _native
    from isthmus._native import ffi
    from isthmus._runtime import crossing, run_sync
    from isthmus._runtime.api import register_pyodide_js

    from . import tasks
    from .pump import Pump

    pump = Pump()
    crossing.create_future = pump.create_future
    crossing.ensure_future = pump.ensure_future
    packages = [path for path in sys.path if path.endswith("-packages")]
    pump.engine = _native.start_embedded(pump, root, packages)
    tasks.bind(pump.engine)
    run_sync.elsewhere = tasks
    os.register_at_fork(after_in_child=pump.after_fork)
    atexit.register(pump.at_exit)

    from _pyodide._importhook import register_js_module

    register_js_module("js", ffi.global_this())
    register_pyodide_js()
    register_js_module("_pyodide_entrypoint_helper", pump.engine.entrypoint_helper)
    register_js_module("_cloudflare_compat_flags", ffi.to_js(dict.fromkeys(_COMPATIBILITY_FLAGS, True)))
    return pump
