"""`pyodide.http`: requests by JavaScript's own means (spec/ffi.md §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._exceptions import AbortError, BodyUsedError, HttpStatusError
from ._pyfetch import FetchResponse, pyfetch

if TYPE_CHECKING:
    from io import StringIO

__all__ = ["AbortError", "BodyUsedError", "FetchResponse", "HttpStatusError", "open_url", "pyfetch", "pyxhr"]


def open_url(url: str) -> StringIO:
    """The text behind a URL as a file.

    By JavaScript's `XMLHttpRequest` where there is one, else by `fetch`, blocking the current task alone (see `run_sync`).
    """
    from io import StringIO

    import js

    if hasattr(js, "XMLHttpRequest"):
        request = js.XMLHttpRequest.new()
        request.open("GET", url, False)
        request.send()
        return StringIO(request.response)
    from ..ffi import run_sync

    async def text() -> str:
        return await (await pyfetch(url)).text()

    return StringIO(run_sync(text()))


def __getattr__(name: str) -> Any:
    if name == "pyxhr":
        from importlib import import_module

        return import_module(f"{__name__}.pyxhr")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
