"""The code that user code can reach touches the world only through its own seams."""

import re
from pathlib import Path

import pytest

CRATES = Path(__file__).resolve().parents[2] / "crates"

# `web` reaches the world through `trait Host`, `bindings` through the broker, `protocol` not at all.
WORLD = re.compile(r"\bstd::(fs|net|process|env|thread|os::unix::net)\b")


@pytest.mark.parametrize("crate", ["web", "bindings", "protocol"])
def test_the_world_is_out_of_reach(crate: str) -> None:
    reached = [
        f"{file.relative_to(CRATES)}:{number}: {line.strip()}"
        for file in (CRATES / crate / "src").rglob("*.rs")
        for number, line in enumerate(file.read_text().partition("#[cfg(test)]")[0].splitlines(), 1)
        if WORLD.search(line.partition("//")[0])
    ]
    assert reached == []
