"""A JavaScript engine whose jobs are Python callables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class FakeEngine:
    """An engine whose jobs are Python callables."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], object]] = deque()
        self.depth = 0
        self.polls = 0
        self.busy = False
        self.on_poll: Callable[[], object] | None = None

    def jobs_pending(self) -> bool:
        return bool(self.jobs)

    def run_jobs(self) -> None:
        self.depth += 1
        try:
            while self.jobs:
                self.jobs.popleft()()
        finally:
            self.depth -= 1

    def entry_depth(self) -> int:
        return self.depth

    def before_poll(self, busy: bool) -> None:
        self.polls += 1
        self.busy = busy
        if self.on_poll is not None:
            self.on_poll()

    def javascript(self, function: Callable[[], Any]) -> Any:
        """Calls `function` as if a JavaScript frame were below it."""
        self.depth += 1
        try:
            return function()
        finally:
            self.depth -= 1
