"""The classes that objects of every combination of properties are instances of, against the reference's recorded answers."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_cases import load

# Where we differ on purpose.
OWN = {
    # What has no `next` is no generator, whatever it calls itself.
    "generators by their tag",
}


@pytest.mark.parametrize(("label", "source", "expected"), [pytest.param(*case, id=case[0]) for case in load("kinds")])
def test_recorded(case: Any, label: str, source: str, expected: str) -> None:
    assert (case.outcome(source) == expected) is (label not in OWN), label
