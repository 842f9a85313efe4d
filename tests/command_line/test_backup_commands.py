"""`isthmus backup` and `isthmus restore`, and a state folder that this Isthmus can't use."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from harness.command import isthmus
from harness.server import CONFIG, Server, StartError

KV = "--binding=KV"


def test_a_backup_is_made_and_restored(project: Path, tmp_path: Path) -> None:
    isthmus(project, "kv", "key", "put", "k", "before", KV)
    made = isthmus(project, "backup", str(tmp_path / "saved"))
    assert made.text.startswith("Backed up 1 databases and 0 other files ("), made.text
    isthmus(project, "kv", "key", "put", "k", "after", KV)
    told = isthmus(project, "backup", "../again", "--json").json
    assert (told["databases"], Path(told["folder"]).resolve()) == (1, (tmp_path / "again").resolve())
    elsewhere = tmp_path / "elsewhere"
    restored = isthmus(project, "restore", str(tmp_path / "saved"), "--persist-to", str(elsewhere), "--json").json
    assert restored == {"databases": 1, "bodies": 0}
    got = isthmus(project, "kv", "key", "get", "k", KV, "--persist-to", str(elsewhere))
    assert got.text == "before"
    refused = isthmus(project, "backup", str(tmp_path / "saved"), ok=False)
    assert "isn't empty" in refused.err


def test_a_restore_waits_for_no_dev(folder: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    isthmus(folder, "kv", "key", "put", "k", "before", KV)
    isthmus(folder, "backup", str(tmp_path / "saved"))
    server = serve(folder)
    server.client.put("/k", content="after")
    refused = isthmus(folder, "restore", str(tmp_path / "saved"), ok=False)
    assert "is in use by another process: end it first" in refused.err
    assert server.get("/k").text == "after"
    server.stop()
    restored = isthmus(folder, "restore", str(tmp_path / "saved"))
    assert restored.text.startswith("Restored 1 databases and 0 other files to "), restored.text
    server.start()
    assert server.get("/k").text == "before"


def test_a_backup_beside_a_busy_dev_holds_what_was_acknowledged_before(
    folder: Path, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(folder)
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        with httpx.Client(base_url=server.url) as client:
            while not stop.is_set():
                client.put(f"/{len(acknowledged)}", content="v" * 2000).raise_for_status()
                acknowledged.append(len(acknowledged))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(acknowledged) < 50:
            assert writer.is_alive(), server.log
        before = len(acknowledged)
        isthmus(folder, "backup", str(tmp_path / "saved"))
    finally:
        stop.set()
        writer.join()
    server.kill_host()
    isthmus(folder, "restore", str(tmp_path / "saved"))
    names = {int(key["name"]) for key in isthmus(folder, "kv", "key", "list", KV).json}
    assert names >= set(range(before)) and names == set(range(len(names)))


def test_a_damaged_backup_changes_nothing(folder: Path, tmp_path: Path) -> None:
    isthmus(folder, "kv", "key", "put", "k", "v", KV)
    isthmus(folder, "backup", str(tmp_path / "saved"))
    shutil.rmtree(tmp_path / "saved/kv")
    refused = isthmus(folder, "restore", str(tmp_path / "saved"), ok=False)
    assert "kv/test.sqlite in the backup can't be used: it is missing" in refused.err
    refused = isthmus(folder, "restore", str(tmp_path / "none"), ok=False)
    assert "is no complete backup" in refused.err
    assert isthmus(folder, "kv", "key", "get", "k", KV).text == "v"


def test_a_newer_state_is_refused(folder: Path, serve: Callable[..., Server]) -> None:
    isthmus(folder, "kv", "key", "put", "k", "v", KV)
    version = folder / ".wrangler/state/isthmus.json"
    assert json.loads(version.read_text()) == {"version": 1}
    version.write_text('{"version": 7}')
    expected = "has version 7, but this Isthmus knows versions up to 1"
    assert expected in isthmus(folder, "kv", "key", "get", "k", KV, ok=False).err
    with pytest.raises(StartError) as refused:
        serve(folder)
    assert expected in refused.value.log


def test_a_damaged_store_is_named_and_the_others_work(
    make_worker: Callable[..., Path], serve: Callable[..., Server]
) -> None:
    config = """{
      "name": "test", "main": "main.py", "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"],
      "kv_namespaces": [{ "binding": "BAD", "id": "bad" }, { "binding": "GOOD", "id": "good" }]
    }
    """
    worker = """
        from workers import Response, WorkerEntrypoint

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                await self.env.GOOD.put("k", "v")
                try:
                    await self.env.BAD.get("k")
                except Exception as error:
                    return Response(f"{error}; {await self.env.GOOD.get('k')}")
    """
    folder = make_worker(worker, config)
    kv = folder / ".wrangler/state/kv"
    kv.mkdir(parents=True)
    (kv / "bad.sqlite").write_bytes(b"no database, but long enough for a header" * 100)
    server = serve(folder)
    expected = "the store behind this binding can't be opened; the log of the server says why; v"
    assert server.get("/").text.removeprefix("Error: ") == expected
    assert "the binding `BAD` fails until its file is restored from a backup" in server.log
    assert "kv/bad.sqlite" in server.log


def test_bodies_in_files_are_backed_up_with_the_rows_that_name_them(
    make_worker: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_worker("", CONFIG.rstrip().rstrip("}") + ', "r2_buckets": [{ "binding": "R2", "bucket_name": "bucket" }] }')
    content = bytes(range(256)) * 20_000
    (folder / "content").write_bytes(content)
    for key in ("long", "deleted", "overwritten"):
        isthmus(folder, "r2", "object", "put", f"bucket/{key}", "--file", "content")
    (folder / "content").write_bytes(b"short")
    isthmus(folder, "r2", "object", "put", "bucket/short", "--file", "content")
    told = isthmus(folder, "backup", str(tmp_path / "saved"), "--json").json
    assert told["databases"] == 1 and told["bodies"] >= 3 and told["bytes"] > 3 * len(content)
    isthmus(folder, "r2", "object", "delete", "bucket/deleted")
    isthmus(folder, "r2", "object", "put", "bucket/overwritten", "--file", "content")
    isthmus(folder, "restore", str(tmp_path / "saved"))
    for key in ("long", "deleted", "overwritten", "short"):
        isthmus(folder, "r2", "object", "get", f"bucket/{key}", "--file", "got")
        assert (folder / "got").read_bytes() == (b"short" if key == "short" else content), key


ALL = """{
  "name": "test", "main": "main.py", "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "kv" }],
  "r2_buckets": [{ "binding": "R2", "bucket_name": "bucket" }],
  "d1_databases": [{ "binding": "D1", "database_name": "db", "database_id": "db" }],
  "queues": { "producers": [{ "binding": "QUEUE", "queue": "jobs" }] },
  "secrets_store_secrets": [{ "binding": "SECRET", "store_id": "store", "secret_name": "token" }]
}
"""


def test_every_store_is_backed_up_and_restored_beside_a_running_dev(
    make_worker: Callable[..., Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Objects come and go while copies are made: a restore, which checks that all bodies are there, takes each copy."""
    worker = """
        from workers import Response, WorkerEntrypoint

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                env = self.env
                name = request.url.rsplit("/", 1)[1]
                if name == "fill":
                    await env.KV.put("k", "kv")
                    await env.R2.put("short", "r2")
                    await env.R2.put("long", b"r" * 100_000)
                    await env.D1.exec("CREATE TABLE t (x)")
                    await env.D1.prepare("INSERT INTO t VALUES (?)").bind("d1").run()
                    await env.QUEUE.send("queue")
                elif name == "churn":
                    await env.R2.put("churn", b"c" * 100_000)
                    await env.R2.delete("churn")
                else:
                    long = await env.R2.get("long")
                    return Response.json([
                        await env.KV.get("k"),
                        await (await env.R2.get("short")).text(),
                        len(await long.text()),
                        await env.D1.prepare("SELECT x FROM t").first("x"),
                        (await env.QUEUE.metrics())["backlogCount"],
                        await env.SECRET.get(),
                    ])
                return Response("")
    """
    folder = make_worker(worker, ALL)
    isthmus(folder, "secrets-store", "secret", "create", "store", "--name", "token", "--value", "hush")
    server = serve(folder)
    server.get("/fill")
    expected = ["kv", "r2", 100_000, "d1", 1, "hush"]
    assert server.get("/").json() == expected
    stop = threading.Event()

    def churn() -> None:
        with httpx.Client(base_url=server.url) as client:
            while not stop.is_set():
                client.get("/churn").raise_for_status()

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    copies = [tmp_path / f"copy{number}" for number in range(8)]
    try:
        for copy in copies:
            assert isthmus(folder, "backup", str(copy), "--json").json["databases"] == 5
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    server.stop()
    for copy in copies:
        assert isthmus(folder, "restore", str(copy), "--json").json["databases"] == 5
    server.start()
    assert server.get("/").json() == expected
