"""Importing JavaScript objects as Python modules: the registered JsProxy *is* the module (spec/ffi.md §6)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from isthmus._native.ffi import js_flags

__all__ = ["JsFinder", "JsLoader", "register_js_module", "unregister_js_module"]


def _is_proxy(value: object) -> bool:
    return js_flags(value) >= 0


class JsLoader(Loader):
    """Gives the import system the proxy in place of a new module."""

    def __init__(self, jsproxy: Any) -> None:
        self.jsproxy = jsproxy

    def create_module(self, spec: ModuleSpec) -> Any:
        return self.jsproxy

    def exec_module(self, module: Any) -> None:
        """Nothing to run: JavaScript has run already."""

    def is_package(self, fullname: str) -> bool:
        return True


class JsFinder(MetaPathFinder):
    """Finds registered modules, and submodules as attributes of modules that are proxies."""

    def __init__(self) -> None:
        self.jsproxies: dict[str, Any] = {}
        self._makers: dict[str, Callable[[], Any]] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """The spec of a JavaScript module; ModuleNotFoundError if its parent is one and has no such object."""
        parent, _, child = fullname.rpartition(".")
        if parent:
            module = sys.modules.get(parent)
            if not _is_proxy(module):
                return None
            jsproxy = getattr(module, child, None)
            if not _is_proxy(jsproxy):
                raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        else:
            if fullname in self._makers:
                self.jsproxies.setdefault(fullname, self._makers.pop(fullname)())
            jsproxy = self.jsproxies.get(fullname)
            if jsproxy is None:
                return None
        return ModuleSpec(fullname, JsLoader(jsproxy), origin="javascript", is_package=True)

    def register_js_module(self, name: str, jsproxy: Any) -> None:
        """Makes `jsproxy` importable as `name`; a module imported earlier under that name stays what it is."""
        if not isinstance(name, str):
            raise TypeError(f"Argument 'name' must be a str, not {type(name).__name__!r}")
        if not _is_proxy(jsproxy):
            raise TypeError(f"Argument 'jsproxy' must be a JsProxy, not {type(jsproxy).__name__!r}")
        self.jsproxies[name] = jsproxy
        self._makers.pop(name, None)
        self._join_path()

    def register_maker(self, name: str, make: Callable[[], Any]) -> None:
        """Has the first import of `name` register what `make()` returns."""
        self._makers[name] = make
        self._join_path()

    def _join_path(self) -> None:
        if self not in sys.meta_path:
            sys.meta_path.append(self)

    def unregister_js_module(self, name: str) -> None:
        """Takes a registration back; ValueError if there is none."""
        made = self._makers.pop(name, None)
        if self.jsproxies.pop(name, None) is None and made is None:
            raise ValueError(f"Cannot unregister {name!r}: no Javascript module with that name is registered")


jsfinder = JsFinder()
register_js_module = jsfinder.register_js_module
unregister_js_module = jsfinder.unregister_js_module
