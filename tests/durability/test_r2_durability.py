"""What a resolved R2 `put` or `complete` promises: it survives the death of every process, a full disk and a failing one."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crash import TIMEOUT, Values, survive_kills
from disk import FailingSync, seen_by, small_disk
from harness.server import CONFIG as KV_CONFIG
from harness.server import Server

WORKER = """
    from workers import Response, WorkerEntrypoint

    PART = 5 * 1024 * 1024

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            bucket = self.env.BUCKET
            key = request.url.rpartition("/")[2]
            try:
                if request.method == "PUT":
                    await bucket.put(key, request.js_object.body, customMetadata={"key": key})
                    return Response("stored")
                if request.method == "POST":
                    value = await request.bytes()
                    upload = await bucket.createMultipartUpload(key, customMetadata={"key": key})
                    parts = [await upload.uploadPart(1, value[:PART]), await upload.uploadPart(2, value[PART:])]
                    await upload.complete(parts)
                    return Response("stored")
                if request.method == "DELETE":
                    await bucket.delete(key)
                    return Response("deleted")
                found = await bucket.get(key)
            except Exception as error:
                return Response(str(error).removeprefix("Error: "), status=500)
            if found is None:
                return Response("", status=404)
            return Response(found.body, headers={"x-metadata": found.customMetadata["key"], "etag": found.httpEtag})
"""

CONFIG = KV_CONFIG.replace(
    '"kv_namespaces": [{ "binding": "KV", "id": "test" }]',
    '"r2_buckets": [{ "binding": "BUCKET", "bucket_name": "test-bucket" }]',
)

MIB = 1024 * 1024


def value(number: int) -> bytes:
    """What is put: 5 MiB, something short, and what goes in two parts."""
    length = (5 * MIB, 3000, 5 * MIB + 1000, 100_000)[number % 4]
    seed = hashlib.sha256(str(number).encode()).digest()
    return (seed * (length // len(seed) + 1))[:length]


def method(number: int) -> str:
    """What goes in parts is posted."""
    return "POST" if number % 4 == 2 else "PUT"


def files(folder: Path) -> list[Path]:
    return list((folder / ".wrangler/state/r2/test-bucket/bodies").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT)
def test_no_acknowledged_object_is_lost_or_torn_when_the_host_is_killed(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER, config=CONFIG)
    server = serve(folder)
    outcome = survive_kills(Values(value, method), server, writers=3)
    # What the killed hosts have left is swept: long objects have one file each, the others none.
    there = [n for n in outcome.acknowledged + outcome.unsure if n % 7 != 6 and server.get(f"/key-{n}").status_code == 200]
    expected = sum(len(value(number)) > 64 * 1024 for number in there)
    # The parts of uploads that nobody has completed stay until somebody does.
    unfinished = sum(number % 4 == 2 for number in outcome.unsure)
    deadline = time.monotonic() + 20
    while not expected <= len(files(folder)) <= expected + unfinished:
        assert time.monotonic() < deadline, f"{len(files(folder))} files, but {expected} objects that have one"
        time.sleep(0.1)


def test_an_object_that_is_overwritten_is_the_old_or_the_new(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    folder = make_worker(WORKER, config=CONFIG)
    server = serve(folder)
    for content in (b"1" * 300_000, b"2" * 400_000):
        assert server.client.put("/key", content=content).text == "stored"
        server.kill_host()
        server.start()
        assert server.get("/key").content == content
    assert server.stop() == 0
    assert len(files(folder)) == 1


def test_a_full_disk_is_a_clear_error_and_the_store_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    server = serve(make_worker(WORKER, config=CONFIG), "--persist-to", str(disk / "state"), prefix=small_disk(disk, "16m"))
    ballast = seen_by(server.host_pid, disk) / "ballast"
    ballast.write_bytes(bytes(4 << 20))
    stored = []
    for number in range(40):
        response = server.client.put(f"/key-{number}", content=f"{number}".encode() * 500_000)
        if response.text != "stored":
            break
        stored.append(number)
    assert response.text in (
        "put: there is no room left on the disk (10001)",
        "put: there is no room left in the database or on the disk (10001)",
    )
    assert stored, "the disk is too small to show anything"
    for number in stored:
        assert server.get(f"/key-{number}").content == f"{number}".encode() * 500_000
    ballast.unlink()
    assert server.client.put("/key-100", content=b"x" * 1_000_000).text == "stored"
    for number in stored:
        assert server.get(f"/key-{number}").content == f"{number}".encode() * 500_000
    assert server.get("/key-100").content == b"x" * 1_000_000


def test_a_failing_sync_is_a_clear_error_and_the_store_stays_whole(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    shim = FailingSync(tmp_path)
    server = serve(make_worker(WORKER, config=CONFIG), environment=shim.environment)
    sizes = (1000, 200_000)
    for number in range(10):
        assert server.client.put(f"/key-{number}", content=b"o" * sizes[number % 2]).text == "stored"
    shim.fail()
    for number in range(10):
        response = server.client.put(f"/key-{number}", content=b"n" * sizes[number % 2])
        assert response.status_code == 500
        assert response.text in (
            "put: the database failed: disk I/O error (10001)",
            "put: the value can't be written: Input/output error (os error 5) (10001)",
        )
    assert shim.failed >= 10
    for number in range(10):
        assert server.get(f"/key-{number}").content == b"o" * sizes[number % 2]
    shim.work()
    assert server.client.put("/key-0", content=b"newer").text == "stored"
    server.kill_host()
    server.start()
    assert server.get("/key-0").content == b"newer"
    for number in range(1, 10):
        # A write that failed is not there, unless the whole of it is.
        assert server.get(f"/key-{number}").content in (b"o" * sizes[number % 2], b"n" * sizes[number % 2])
