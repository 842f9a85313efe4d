"""Promises, futures, the event loop and what waits for them: as the reference's recorded answers (spec/ffi.md §5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
OWN: dict[str, str] = {}

CASES = [pytest.param(*case, id=f"{name}: {case[0]}") for name in ("promises", "unhandled") for case in load(name)]


@pytest.mark.parametrize(("label", "source", "expected"), CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_recorded(case: Any, awaiting: Any, label: str, source: str, expected: str) -> None:
    async def outcome() -> str:
        answer = case.outcome(source)
        return answer if isinstance(answer, str) else await asyncio.wait_for(answer, 10)

    assert awaiting(outcome()) == OWN.get(label, expected), label
