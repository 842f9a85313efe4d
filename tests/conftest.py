"""Fixtures for tests that run whole Workers."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.server import CONFIG, Server

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; `make check` leaves it out")


@pytest.fixture
def make_worker(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Worker: `make_worker("…main.py…", config="…", **{"other.py": "…"})`; answers its folder."""

    def make(main: str, config: str = CONFIG, **files: str) -> Path:
        folder = tmp_path / "worker"
        for name, text in {"wrangler.jsonc": config, "main.py": main, **files}.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return folder

    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, `serve(folder, …)`, that end with the test."""
    with ExitStack() as stack:

        def start(folder: Path, *flags: str, **options: Any) -> Server:
            return stack.enter_context(Server(folder, flags, **options))

        yield start
