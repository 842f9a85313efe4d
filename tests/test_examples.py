"""What the expectation files of the examples cannot say."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.server import Server, copy_worker

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize("other", ["wrangler.jsonc", "wrangler.toml"])
def test_kv_is_configured_in_either_notation(serve: Callable[..., Server], tmp_path: Path, other: str) -> None:
    folder = copy_worker(EXAMPLES / "kv", tmp_path / "kv")
    (folder / other).unlink()
    assert serve(folder).get().text == "baz"


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_every_example_is_explained_and_tested(example: str) -> None:
    files = {file.name for file in (EXAMPLES / example).iterdir()}
    assert {"README.md", "main.py", "expect.toml"} <= files
