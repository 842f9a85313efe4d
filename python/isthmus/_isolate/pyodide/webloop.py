"""The names of upstream's event loop (spec/ffi.md §5): here a full asyncio loop."""

from isthmus._runtime.futures import PyodideFuture, PyodideTask
from isthmus._runtime.loop import IsolateLoop as WebLoop
from isthmus._runtime.nesting import IsolatePolicy as WebLoopPolicy

__all__ = ["PyodideFuture", "PyodideTask", "WebLoop", "WebLoopPolicy"]
