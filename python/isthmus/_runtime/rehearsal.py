"""What a zygote rehearses with before it forks (`Boot.freeze`): a Worker that does what most do, and the fork itself."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .worker import Worker, load

__all__ = ["fork_hooks", "worker"]


def worker(env: Any) -> Worker:
    """A Worker that answers every request with a text."""
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request: Any) -> Any:
            text = f"{request.method} {request.url} {request.headers.get('accept')}"
            return Response(text, headers={"content-type": "text/plain"})

    module = ModuleType("rehearsal")
    module.Default = Default  # type: ignore[attr-defined]
    return load(module, {}, env)


def fork_hooks() -> None:
    """Runs what the standard library has registered for forked children, where it is known and changes nothing here."""
    if threading.active_count() == 1:
        for hook in _hooks():
            hook()


def _hooks() -> list[Callable[[], object]]:
    hooks: list[Callable[[], object]] = [random.seed]
    for module, names in (
        (threading, ("_after_fork",)),
        (logging, ("_acquireLock", "_after_at_fork_child_reinit_locks")),
        (logging, ("_prepareFork", "_after_at_fork_child_reinit_locks")),  # since Python 3.13
    ):
        found = [getattr(module, name, None) for name in names]
        if None not in found:
            hooks += found
    return hooks
