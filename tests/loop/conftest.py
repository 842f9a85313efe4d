"""A runner on IsolateLoop. The loop needs no JavaScript engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "python")]

from fake_engine import FakeEngine
from isthmus._runtime.loop import IsolateLoop


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
