"""A fake JavaScript engine and a runner on IsolateLoop. The loop needs nothing native."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

from isthmus._runtime.loop import IsolateLoop


class FakeEngine:
    """An engine whose jobs are Python callables."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], object]] = deque()
        self.depth = 0
        self.polls = 0
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

    def before_poll(self) -> None:
        self.polls += 1
        if self.on_poll is not None:
            self.on_poll()

    def javascript(self, function: Callable[[], Any]) -> Any:
        """Calls `function` as if a JavaScript frame were below it."""
        self.depth += 1
        try:
            return function()
        finally:
            self.depth -= 1


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def run(engine: FakeEngine) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine as asyncio.run does, on a fresh IsolateLoop."""

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=lambda: IsolateLoop(engine)) as runner:
            return runner.run(main)

    return run
