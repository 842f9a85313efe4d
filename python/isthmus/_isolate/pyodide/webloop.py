"""The names of upstream's event loop (spec/ffi.md §5): here a full asyncio loop."""

from isthmus._runtime.futures import PyodideFuture, PyodideTask
from isthmus._runtime.loop import IsolateLoop as WebLoop

__all__ = ["PyodideFuture", "PyodideTask", "WebLoop"]
