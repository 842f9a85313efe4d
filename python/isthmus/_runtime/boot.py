"""A zygote's way from a bare interpreter to an imported Worker, and an isolate's from there to its event loop."""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, NamedTuple

from isthmus import _native

# The event loop's modules are imported here, in the zygote, so that isolates need not: none of them makes a loop.
from . import loop as event_loop
from . import nesting, packing, rehearsal, serve, stdio, worker
from .api import register_pyodide_js

__all__ = ["Boot"]

_ISOLATE_PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_isolate")


_REHEARSAL_LIMIT = 1.0
"""Seconds, should what user code has put in place of asyncio's or the SDK's functions keep a rehearsal from its end."""


_YOUNG_OBJECTS = 10_000
"""Objects made and not freed before the collector looks at them: CPython's 700 are reached by a few dozen requests at once,
all of which are still needed. Looking at them in vain costs a request more than its share of the garbage there may be."""


class _Prepared(NamedTuple):
    """What an isolate serves with, as far as it can be made before the fork: a loop without descriptors."""

    loop: event_loop.IsolateLoop
    server: serve.Server


class Boot:
    """Boots one Worker. The native side calls the methods in the order they stand here."""

    def __init__(self, isolate: Any, spec: dict[str, Any], control: int) -> None:
        """`spec` is the plain part of `protocol::control::IsolateSpec`, `control` the zygote's socket."""
        self._isolate = isolate
        self._spec = spec
        self._control = control
        self._worker: worker.Worker | None = None
        self._streams = stdio.streams(isolate)
        self._prepared: _Prepared | None = None
        self._blame = _Blame()
        self._set_paths()
        self._set_modules()

    def _set_paths(self) -> None:
        root, packages = self._spec["module_root"], self._spec["python_modules"]
        front = [root, *([packages] if packages else []), _ISOLATE_PATH]
        # `python -m` puts the current folder first; a Worker sees its own folders only.
        rest = [path for path in sys.path if path not in ("", os.getcwd(), *front)]
        sys.path[:] = front + rest
        if packages and self._spec["flags"].get("python_process_pth_files"):
            import site

            site.addsitedir(packages)
        sys.argv[:] = [self._spec["main"]]

    def _set_modules(self) -> None:
        from isthmus._native import ffi
        from pyodide.ffi import register_js_module, to_js

        # The Worker's `__main__` (`pyodide.globals`) is empty, not the command line's.
        sys.modules["__main__"] = ModuleType("__main__")
        register_js_module("js", ffi.global_this())
        register_pyodide_js()
        register_js_module("_pyodide_entrypoint_helper", self._isolate.entrypoint_helper)
        register_js_module("_cloudflare_compat_flags", to_js(dict(self._spec["flags"])))

    def import_worker(self) -> None:
        """Imports the SDK and the Worker's main module. Raises what user code raises."""
        # A collection would leave holes in the memory that isolates share, see `freeze`.
        gc.disable()
        # The Worker may choose otherwise.
        gc.set_threshold(max(_YOUNG_OBJECTS, gc.get_threshold()[0]), *gc.get_threshold()[1:])
        # Line by line, so that nothing waits in a buffer that every isolate would inherit.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        watch = _HangWatch(self._spec["startup_timeout"])
        self._blame.start()
        try:
            self._worker = self._import_main()
        finally:
            self._blame.stop()
            watch.stop()

    def _import_main(self) -> worker.Worker:
        import workers  # noqa: F401 - warms the SDK whether or not the main module imports it at its top

        root = self._spec["module_root"]
        try:
            module = importlib.import_module(_module_name(self._spec["main"], root))
        except ModuleNotFoundError as error:
            _explain_src_prefix(error, root)
            raise
        return worker.load(module, self._spec["flags"], self._isolate.env)

    def entrypoints(self) -> list[str]:
        """What the Worker exports."""
        return self._worker.entrypoints() if self._worker else []

    def hazards(self, threads: list[str], sockets: list[str], epolls: list[str]) -> list[str]:
        """What stands against forking, in plain words with the import to blame. A running loop is one of the epolls."""
        found = [f"a thread ({name})" for name in threads]
        found += [f"a socket ({name})" for name in sockets]
        found += [f"an event queue ({name})" for name in epolls]
        if not found:
            return []
        blamed = self._blame.modules(bool(threads), bool(sockets or epolls))
        source = f" left by importing {', '.join(blamed)}" if blamed else ""
        return [f"{thing}{source}" for thing in found]

    def freeze(self) -> None:
        """Before the first fork: makes what isolates need, in memory that they share. What is alive now their collectors
        leave alone. Nothing is collected here: what that freed would be holes in shared pages, and filling them unshares
        the pages.
        """
        nesting.install_policy()
        # What the module left for JavaScript to do is done in each isolate, in a loop that lasts.
        if not self._isolate.is_owed_work():
            self._isolate.rehearse(self._rehearse)
        if self._worker is not None:
            self._prepared = self._prepare(self._worker)
        self._isolate.fill_heap()
        packing.fill()
        gc.freeze()

    def _rehearse(self) -> None:
        """`serve` with a Worker of our own. The isolate is connected to nobody; the events are there already, and the last
        of them ends it. Leaves the process as it was. TimeoutError at the limit, so that no more are tried.
        """
        replaced = stdio.installed()
        prepared = self._prepare(rehearsal.worker(self._isolate.env))
        overdue = False

        def give_up() -> None:
            nonlocal overdue
            overdue = True
            prepared.server.stop()

        prepared.loop.call_later(_REHEARSAL_LIMIT, give_up)
        rehearsal.fork_hooks()
        try:
            self._begin()
            self._run(prepared)
            if overdue:
                raise TimeoutError(f"it took more than {_REHEARSAL_LIMIT} s")
        finally:
            stdio.install(replaced)
            asyncio.set_event_loop(None)
            prepared.loop.close()

    def serve(self) -> None:
        """In a forked child: serves events until the host closes the connections."""
        gc.enable()
        self._begin()
        # Unless the zygote couldn't import for its isolates.
        self._run(self._prepared or self._prepare(self._import_main()))

    def _begin(self) -> None:
        stdio.install(self._streams)
        _reseed()

    def _prepare(self, served: worker.Worker) -> _Prepared:
        loop = event_loop.IsolateLoop(self._isolate, unopened=True)
        return _Prepared(loop, serve.Server(self._isolate, loop, served))

    def _run(self, prepared: _Prepared) -> None:
        prepared.loop.open()
        asyncio.set_event_loop(prepared.loop)
        prepared.server.run()

    def exit(self, exception: BaseException | None) -> None:
        """Ends an isolate."""
        serve.exit_now(exception)


def _module_name(main: str, root: str) -> str:
    stem = os.path.splitext(os.path.relpath(main, root))[0]
    return stem.replace(os.sep, ".")


def _explain_src_prefix(error: ModuleNotFoundError, root: str) -> None:
    """`src.x` can't be imported when the main module's folder is `src`: upstream says so, and so do we."""
    folder = os.path.basename(root)
    if error.name and (error.name == folder or error.name.startswith(f"{folder}.")):
        shorter = error.name[len(folder) + 1 :] or "the module's own name"
        error.add_note(
            f"The folder of the main module ({folder}/) is the root of the Worker's modules: import them without "
            f"the prefix `{folder}.`, here as `{shorter}`."
        )


def _reseed() -> None:
    """Generators that a fork copied. `random` reseeds itself after a fork; NumPy doesn't."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


class _HangWatch:
    """Has the stack written to stderr shortly before the host ends an import that hangs."""

    def __init__(self, timeout: float) -> None:
        import faulthandler

        self._faulthandler = faulthandler
        self._active = timeout > 0
        if self._active:
            # The standard streams may be replaced by user code; descriptor 2 is the host's pipe.
            faulthandler.dump_traceback_later(max(timeout - 0.5, timeout / 2), file=2)

    def stop(self) -> None:
        """The import is over; the watching thread ends."""
        if self._active:
            self._faulthandler.cancel_dump_traceback_later()


class _Blame(importlib.abc.MetaPathFinder):
    """Notes which modules leave threads or descriptors behind when they are imported."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, int, int]] = []
        self._noted = [0, 0]
        self._active = False

    def start(self) -> None:
        self._active = True
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        self._active = False
        sys.meta_path.remove(self)

    def modules(self, threads: bool, descriptors: bool) -> list[str]:
        """The modules that left what is asked for."""
        return [
            name
            for name, more_threads, more_descriptors in self._notes
            if (threads and more_threads) or (descriptors and more_descriptors)
        ]

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if not self._active:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Watched(spec.loader, self)
                return spec
        return None

    def execute(self, loader: Any, module: ModuleType) -> None:
        threads, descriptors = _native.process_counts()
        noted = list(self._noted)
        try:
            loader.exec_module(module)
        finally:
            after = _native.process_counts()
            # What modules imported in between left is theirs.
            more_threads = after[0] - threads - (self._noted[0] - noted[0])
            more_descriptors = after[1] - descriptors - (self._noted[1] - noted[1])
            if more_threads > 0 or more_descriptors > 0:
                self._notes.append((module.__name__, max(more_threads, 0), max(more_descriptors, 0)))
                self._noted[0] += max(more_threads, 0)
                self._noted[1] += max(more_descriptors, 0)


class _Watched(importlib.abc.Loader):
    """Stands in for a loader until the module is executed, then leaves no trace."""

    def __init__(self, loader: Any, blame: _Blame) -> None:
        self._loader = loader
        self._blame = blame

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._blame.execute(self._loader, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
