"""Every recorded case answers as the reference did (recorded/record.mjs)."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path

import pytest
from answer import answer

RECORDED = Path(__file__).parent / "recorded"
CASES = json.loads((RECORDED / "cases.json").read_text())
ANSWERS = json.loads((RECORDED / "answers.json").read_text())


def test_every_case_has_an_answer():
    assert len(CASES) == len(ANSWERS)
    assert len(CASES) > 400


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda index: f"{index}: {CASES[index]['expression'][:60]}")
def test_answers_as_recorded(index):
    case = CASES[index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = asyncio.run(answer(case))
    expected = ANSWERS[index]
    assert json.loads(json.dumps(got)) == expected, case
