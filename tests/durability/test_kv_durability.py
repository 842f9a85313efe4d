"""What a resolved KV `put` promises: it survives the death of every process, a full disk and a failing one."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crash import TIMEOUT, Values, survive_kills
from disk import FailingSync, seen_by, small_disk
from harness.server import Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            key = request.url.rpartition("/")[2]
            try:
                if request.method == "PUT":
                    await self.env.KV.put(key, await request.text(), metadata={"key": key})
                    return Response("stored")
                if request.method == "DELETE":
                    await self.env.KV.delete(key)
                    return Response("deleted")
                found = await self.env.KV.getWithMetadata(key)
            except Exception as error:
                return Response(str(error).removeprefix("Error: "), status=500)
            if found["value"] is None:
                return Response("", status=404)
            return Response(found["value"], headers={"x-metadata": found["metadata"]["key"]})
"""


LONG = 256 * 1024
"""Values longer than this have a file each."""


def value(number: int) -> bytes:
    """What is put: small and large values, ones of several pages of a body, and ones that are long enough for a file."""
    return f"value {number} ".encode() * (1, 20, 500, 20_000, 50_000, 200_000)[number % 6]


def files(folder: Path) -> list[Path]:
    bodies = folder / ".wrangler/state/kv/test.bodies"
    return list(bodies.iterdir()) if bodies.exists() else []


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_no_acknowledged_put_is_lost_when_the_host_is_killed(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    outcome = survive_kills(Values(value), server)
    # What the killed hosts have left is swept: long values have one file each, the others none.
    there = [n for n in outcome.acknowledged + outcome.unsure if n % 7 != 6 and server.get(f"/key-{n}").status_code == 200]
    expected = sum(len(value(number)) > LONG for number in there)
    assert expected, "no value is long"
    deadline = time.monotonic() + 20
    while len(files(folder)) != expected:
        assert time.monotonic() < deadline, f"{len(files(folder))} files, but {expected} values that have one"
        time.sleep(0.1)


def test_a_value_that_is_overwritten_is_the_old_or_the_new(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder)
    for content in ("1" * 300_000, "2", "3" * 400_000, "4" * 300_000):
        assert server.client.put("/key", content=content).text == "stored"
        server.kill_host()
        server.start()
        assert server.get("/key").text == content
    assert server.stop() == 0
    assert len(files(folder)) == 1


def test_a_value_is_there_after_a_crash_and_after_an_orderly_end(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    server = serve(make_worker(WORKER))
    assert server.client.put("/key", content="value").text == "stored"
    server.kill_host()
    server.start()
    assert server.get("/key").text == "value"
    assert server.stop() == 0
    server.start()
    assert server.get("/key").text == "value"


def test_the_state_lies_where_it_is_wanted(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = make_worker(WORKER)
    server = serve(folder, "--persist-to", str(tmp_path / "elsewhere"))
    assert server.client.put("/key", content="value").text == "stored"
    assert (tmp_path / "elsewhere").is_dir()
    assert not (folder / ".wrangler").exists()
    server.stop()
    assert serve(folder).get("/key").status_code == 404


@pytest.mark.parametrize("length", [100_000, 400_000])
def test_a_full_disk_is_a_clear_error_and_the_store_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path, length: int
) -> None:
    disk = tmp_path / "disk"
    server = serve(make_worker(WORKER), "--persist-to", str(disk / "state"), prefix=small_disk(disk, "8m"))
    seen = seen_by(server.host_pid, disk)
    ballast = seen / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    stored = []
    for number in range(200):
        response = server.client.put(f"/key-{number}", content=f"{number}" + "x" * length)
        if response.text != "stored":
            break
        stored.append(number)
    assert response.text == "KV PUT failed: 507 there is no room left in the database or on the disk"
    assert stored, "the disk is too small to show anything"
    bodies = seen / "state/kv/test.bodies"
    assert (len(list(bodies.iterdir())) if bodies.exists() else 0) == (len(stored) if length > LONG else 0)
    # Small ones may still fit or not, but whoever is told so is told the truth.
    for number in range(1000, 1050):
        response = server.client.put(f"/key-{number}", content=f"{number}")
        if response.text == "stored":
            stored.append(number)
        else:
            assert "507" in response.text, response.text
    for number in stored:
        assert server.get(f"/key-{number}").text.startswith(str(number))
    ballast.unlink()
    assert server.client.put("/key-2000", content="2000" * length).text == "stored"
    for number in [*stored, 2000]:
        assert server.get(f"/key-{number}").text.startswith(str(number))


def test_a_failing_sync_is_a_clear_error_and_the_store_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    shim = FailingSync(tmp_path)
    server = serve(make_worker(WORKER), environment=shim.environment)
    new = ("new" * 10_000, "new" * 200_000)
    errors = ("the database failed: disk I/O error", "the value can't be written: Input/output error (os error 5)")
    for number in range(20):
        assert server.client.put(f"/key-{number}", content="old").text == "stored"
    shim.fail()
    for number in range(10):
        response = server.client.put(f"/key-{number}", content=new[number % 2])
        assert (response.status_code, response.text) == (500, f"KV PUT failed: 500 {errors[number % 2]}")
    assert shim.failed >= 10
    for number in range(20):
        assert server.get(f"/key-{number}").text == "old"
    shim.work()
    for number in range(5):
        assert server.client.put(f"/key-{number}", content="newer").text == "stored"
    server.kill_host()
    server.start()
    for number in range(20):
        found = server.get(f"/key-{number}").text
        # A write that failed is not there, unless the whole of it is.
        allowed = ("newer",) if number < 5 else ("old", new[number % 2]) if number < 10 else ("old",)
        assert found in allowed, found[:40]
