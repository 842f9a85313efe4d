"""Commands run beside a running `isthmus dev` and without one: what they do is the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.server import Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            key = request.url.rpartition("/")[2]
            if request.method == "PUT":
                await self.env.KV.put(key, await request.text())
                return Response("stored")
            value = await self.env.KV.get(key)
            return Response(value or "", status=200 if value is not None else 404)
"""


@pytest.fixture
def folder(make_worker: Callable[..., Path]) -> Path:
    """A project with the binding `KV`, of the namespace `test`."""
    return make_worker(WORKER)


@pytest.fixture(params=["alone", "beside dev"])
def project(request: pytest.FixtureRequest, folder: Path, serve: Callable[..., Server]) -> Iterator[Path]:
    """The same; one half of the tests has a `dev` running on it."""
    if request.param == "beside dev":
        serve(folder)
        assert (folder / ".wrangler/state/dev.sock").is_socket()
    yield folder
