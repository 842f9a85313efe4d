"""A command of the command line, run to its end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()

    @property
    def json(self) -> Any:
        """Standard output as JSON: all of it must be."""
        return json.loads(self.out)


def isthmus(folder: Path, *arguments: str, stdin: bytes = b"", ok: bool = True) -> Result:
    """Runs `isthmus …` in a folder; fails the test if it doesn't end as expected."""
    command = [sys.executable, "-m", "isthmus", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, env=environment, timeout=50)
    result = Result(done.returncode, done.stdout, done.stderr.decode())
    assert (result.code == 0) is ok, f"{arguments} ended with {result.code}:\n{result.out!r}\n{result.err}"
    return result
