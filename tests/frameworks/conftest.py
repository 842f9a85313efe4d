"""One start of both servers for all cases of an application."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.server import Server, copy_worker
from harness.twins import Peer, Twins

HERE = Path(__file__).resolve().parent


@contextmanager
def twins(
    folder: Path, app: str, command: Callable[[int], Sequence[str]], config: str = "wrangler.jsonc", **environment: str
) -> Iterator[Twins]:
    """Serves copies of an application's folder twice; `command` makes the arguments of the peer's Python, which gets the
    `environment`."""
    worker, copy = (copy_worker(HERE / app, folder / name) for name in ("worker", "peer"))
    with Server(worker, ["--config", str(worker / config)]) as isthmus, Peer(command, copy, **environment) as peer:
        both = Twins(isthmus, peer)
        try:
            yield both
        finally:
            both.close()


@pytest.fixture(scope="session")
def fastapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Beside uvicorn."""
    folder = tmp_path_factory.mktemp("fastapi")
    with twins(folder, "fastapi", lambda port: ["-m", "uvicorn", "application:app", "--port", str(port)]) as both:
        yield both


@pytest.fixture(scope="session")
def flask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Beside gunicorn."""
    with twins(tmp_path_factory.mktemp("flask"), "flask", gunicorn("application:app")) as both:
        yield both


def gunicorn(app: str) -> Callable[[int], Sequence[str]]:
    """One process with threads, for a WSGI application."""
    options = ["--threads", "4", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
    return lambda port: ["-m", "gunicorn", app, "-b", f"127.0.0.1:{port}", *options]


@pytest.fixture(scope="session")
def django_wsgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Beside gunicorn."""
    command = gunicorn("project_wsgi:application")
    with twins(tmp_path_factory.mktemp("django"), "django", command, GREETING="hello from env") as both:
        yield both


@pytest.fixture(scope="session")
def django_asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Beside uvicorn."""

    def command(port: int) -> Sequence[str]:
        # Django does without a lifespan, and says so with an exception.
        return ["-m", "uvicorn", "project_asgi:application", "--port", str(port), "--lifespan", "off"]

    folder = tmp_path_factory.mktemp("django-asgi")
    with twins(folder, "django", command, "wrangler-asgi.jsonc", GREETING="hello from env") as both:
        yield both
