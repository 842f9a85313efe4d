"""What a resolved D1 batch promises: it survives the death of every process, a full disk and a failing one, whole."""

from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest
from crash import TIMEOUT, survive_kills
from disk import FailingSync, seen_by, small_disk
from harness.server import Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            db = self.env.DB
            number = int(request.url.rpartition("/")[2])
            try:
                if request.method == "POST":
                    await db.exec("CREATE TABLE IF NOT EXISTS parts (number INTEGER, part INTEGER, value TEXT)")
                    return Response("made")
                if request.method == "GET":
                    rows = await db.prepare("SELECT value FROM parts WHERE number = ? ORDER BY part").bind(number).raw()
                    return Response.json([value for (value,) in rows])
                insert = db.prepare("INSERT INTO parts VALUES (?, ?, ?)")
                values = await request.json()
                statements = [insert.bind(number, part, value) for part, value in enumerate(values)]
                if len(statements) == 1:
                    await statements[0].run()
                else:
                    await db.batch(statements)
                return Response("stored")
            except Exception as error:
                return Response(str(error).removeprefix("Error: "), status=500)
"""


def values(number: int) -> list[str]:
    """What a batch inserts: one row or several, small and large."""
    return [f"{number}/{part} " * (1, 20, 2000)[number % 3] for part in range(1 + number % 4)]


class D1:
    """Batches, and single statements that share transactions."""

    def write(self, client: httpx.Client, number: int) -> None:
        response = client.put(f"/{number}", json=values(number))
        assert (response.status_code, response.text) == (200, "stored"), response.text

    def check(self, server: Server, acknowledged: Iterable[int], unsure: Iterable[int]) -> list[str]:
        wrong = []
        maybe = set(unsure)
        for number in sorted({*acknowledged, *maybe}):
            found = server.get(f"/{number}").json()
            if found != values(number) and not (found == [] and number in maybe):
                wrong.append(f"{number}: {len(found)} of {len(values(number))} rows")
        return wrong


def served(serve: Callable[..., Server], folder: Path, *flags: str, **options: object) -> Server:
    config = folder / "wrangler.jsonc"
    config.write_text(config.read_text().replace("kv_namespaces", "d1_databases").replace('"KV"', '"DB"'))
    server = serve(folder, *flags, **options)
    assert server.client.post("/0").text == "made"
    return server


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_no_acknowledged_batch_is_lost_or_torn_when_the_host_is_killed(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    survive_kills(D1(), served(serve, make_worker(WORKER)))


def test_a_full_disk_is_a_clear_error_and_the_database_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    server = served(serve, make_worker(WORKER), "--persist-to", str(disk / "state"), prefix=small_disk(disk, "8m"))
    ballast = seen_by(server.host_pid, disk) / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    stored = []
    for number in range(1, 100):
        response = server.client.put(f"/{number}", json=["x" * 50_000, "y" * 50_000])
        if response.text != "stored":
            break
        stored.append(number)
    assert response.text == "D1_ERROR: database or disk is full: SQLITE_FULL"
    assert stored, "the disk is too small to show anything"
    server.wait_for_log("database or disk is full")
    for number in stored:
        assert server.get(f"/{number}").json() == ["x" * 50_000, "y" * 50_000]
    assert server.get(f"/{len(stored) + 1}").json() == []
    ballast.unlink()
    assert server.client.put("/2000", json=["again"]).text == "stored"
    assert server.get("/2000").json() == ["again"]
    assert server.get("/1").json() == ["x" * 50_000, "y" * 50_000]


def test_a_failing_sync_is_a_clear_error_and_the_database_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    shim = FailingSync(tmp_path)
    server = served(serve, make_worker(WORKER), environment=shim.environment)
    for number in range(10):
        assert server.client.put(f"/{number}", json=values(number)).text == "stored"
    shim.fail()
    # The isolate was told before the sync, and may have worked with it.
    response = server.client.put("/99", json=["new", "new"])
    assert response.status_code == 502
    assert "can't be made durable" in response.text
    server.wait_for_log("what was written to the D1 database")
    server.wait_for_log("another isolate takes its place")
    assert str(server.folder) not in response.text
    for number in range(100, 105):
        response = server.client.put(f"/{number}", json=["new", "new"])
        assert (response.status_code, response.text) == (500, "D1_ERROR: the database failed: disk I/O error")
    assert shim.failed >= 6
    for number in range(10):
        assert server.get(f"/{number}").json() == values(number)
    shim.work()
    assert server.client.put("/200", json=["newer"]).text == "stored"
    server.kill_host()
    server.start()
    for number in range(10):
        assert server.get(f"/{number}").json() == values(number)
    assert server.get("/200").json() == ["newer"]
    for number in range(99, 105):
        # A write that failed is not there, unless the whole of it is.
        assert server.get(f"/{number}").json() in ([], ["new", "new"])
