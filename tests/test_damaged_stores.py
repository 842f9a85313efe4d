"""A store whose file is damaged is named, and the others work."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from harness.server import Server

WORKER = """
    from pyodide.ffi import JsException
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            env = self.env
            uses = {
                "kv": lambda: env.KV.put("a", "1"),
                "d1": lambda: env.DB.prepare("SELECT 1").run(),
                "r2": lambda: env.BUCKET.put("a", "1"),
                "queues": lambda: env.QUEUE.send("a"),
                "secrets_store": lambda: env.TOKEN.get(),
            }
            outcomes = {}
            for kind, use in uses.items():
                try:
                    await use()
                    outcomes[kind] = "works"
                except JsException as error:
                    outcomes[kind] = error.message
            return Response.json(outcomes)
"""
CONFIG = """{
  "name": "damaged", "main": "main.py",
  "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "test" }],
  "d1_databases": [{ "binding": "DB", "database_id": "test" }],
  "r2_buckets": [{ "binding": "BUCKET", "bucket_name": "test" }],
  "queues": { "producers": [{ "binding": "QUEUE", "queue": "test" }] },
  "secrets_store_secrets": [{ "binding": "TOKEN", "store_id": "test", "secret_name": "missing" }]
}
"""
WORKS = {kind: "works" for kind in ("kv", "d1", "r2", "queues")} | {"secrets_store": 'Secret "missing" not found'}


@pytest.mark.parametrize("kind", WORKS)
def test_the_log_says_what_to_do_about_a_torn_file(
    make_worker: Callable[..., Path], serve: Callable[..., Server], kind: str
) -> None:
    """The first page is whole, so that it is found only when the store is used."""
    folder = make_worker(WORKER, config=CONFIG)
    server = serve(folder)
    server.get("/")
    server.stop()
    [file] = (path for path in folder.rglob("*.sqlite") if kind in path.parts[-3:])
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xaa" * (len(content) - 4096))
    server = serve(folder)
    outcomes = server.get("/").json()
    if len(content) > 4096:
        assert outcomes.pop(kind) != WORKS[kind]
        server.wait_for_log("restore it from a backup (`isthmus restore`) or move it away")
    assert outcomes == {other: outcome for other, outcome in WORKS.items() if other != kind or len(content) <= 4096}


@pytest.mark.parametrize("kind", WORKS)
def test_the_others_work(make_worker: Callable[..., Path], serve: Callable[..., Server], kind: str) -> None:
    folder = make_worker(WORKER, config=CONFIG)
    server = serve(folder)
    assert server.get("/").json() == WORKS
    server.stop()
    [file] = (path for path in folder.rglob("*.sqlite") if kind in path.parts[-3:])
    file.write_bytes(b"this is no database" * 1000)
    server = serve(folder)
    outcomes = server.get("/").json()
    assert outcomes.pop(kind) != WORKS[kind]
    assert outcomes == {other: outcome for other, outcome in WORKS.items() if other != kind}
    server.wait_for_log(str(file.name))
    # It is not touched: who knows its worth may want to mend it.
    assert file.read_bytes() == b"this is no database" * 1000
