"""JavaScript's `globalThis` as a module: its names are known at run time only."""

from typing import Any

def __getattr__(name: str) -> Any: ...
