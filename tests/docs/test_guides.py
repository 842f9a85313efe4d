"""The sessions in the guides do what the guides say."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = [guide for guide in sorted(DOCS.glob("*.md")) if "```pycon" in guide.read_text()]


def check(guide: Path) -> int:
    """Runs the guide's sessions, one after the other with the same names; how many examples failed."""
    text = guide.read_text()
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for block in re.finditer(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, block.start(1))
        session = doctest.DocTestParser().get_doctest(block[1], names, guide.name, str(guide), line)
        runner.run(session, clear_globs=False)
        names = session.globs
    return runner.failures


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_sessions(guide: Path) -> None:
    result = subprocess.run([sys.executable, __file__, str(guide)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1])) > 0)
