"""Commands on a store whose file is damaged name the file and what to do, and those on other stores work; beside a running
`isthmus dev` and without one.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import Server

CONFIG = """{
  "name": "damaged", "main": "main.py", "compatibility_date": "2026-11-01", "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "test" }],
  "d1_databases": [{ "binding": "DB", "database_name": "test", "database_id": "test" }],
  "r2_buckets": [{ "binding": "BUCKET", "bucket_name": "test" }],
  "queues": { "producers": [{ "binding": "Q", "queue": "test" }, { "binding": "OTHER", "queue": "other" }] },
  "secrets_store_secrets": [{ "binding": "TOKEN", "store_id": "test", "secret_name": "token" }]
}
"""
FILES = {
    "kv": "kv/test.sqlite",
    "d1": "d1/test.sqlite",
    "queues": "queues/test.sqlite",
    "r2": "r2/test/index.sqlite",
    "secrets_store": "secrets_store/test.sqlite",
}
COMMANDS = {
    "kv": ["kv key get k --binding KV", "kv key put k v --binding KV", "kv key list --binding KV"],
    "d1": ["d1 execute test --command SELECT(a)FROM(t)", "d1 export test --output dump.sql"],
    "queues": ["queues list", "queues info test", "queues send test --message m"],
    "r2": ["r2 object get test/k --pipe", "r2 object list test", "r2 object delete test/none"],
    "secrets_store": ["secrets-store secret list test", "secrets-store secret update test --name token --value v"],
}


def nonsense(file: Path) -> None:
    """Nothing of a database is left."""
    file.write_bytes(b"this is no database" * 1000)


def torn(file: Path) -> None:
    """The first page is whole, which has the schema; the others aren't."""
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xaa" * (len(content) - 4096))


@pytest.mark.parametrize("served", [False, True], ids=["alone", "beside dev"])
@pytest.mark.parametrize("damage", [nonsense, torn])
@pytest.mark.parametrize("kind", FILES)
def test_the_file_is_named_and_the_others_work(
    make_worker: Callable[..., Path],
    serve: Callable[..., Server],
    kind: str,
    damage: Callable[[Path], None],
    served: bool,
) -> None:
    folder = make_worker("", config=CONFIG)
    (folder / "value").write_bytes(b"value")
    for command in [
        "kv key put k v --binding KV",
        "d1 execute test --command CREATE\tTABLE\tt(a)",
        "queues send test --message m",
        "queues send other --message m",
        "r2 object put test/k --file value",
        "secrets-store secret create test --name token --value v",
    ]:
        isthmus(folder, *(part.replace("\t", " ") for part in command.split(" ")))
    file = folder / ".wrangler/state" / FILES[kind]
    # A log that is left would stand for the damaged pages.
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(file)
    before = file.read_bytes()
    if served:
        serve(folder)
    for other, commands in COMMANDS.items():
        for command in commands:
            done = isthmus(folder, *command.split(" "), ok=other != kind)
            if other == kind:
                said = " ".join(done.err.split())
                assert FILES[kind] in said and "restore it from a backup (`isthmus restore`) or move it away" in said, said
    refused = isthmus(folder, "backup", "../saved", ok=False)
    assert FILES[kind] in refused.err
    if kind == "queues":
        assert isthmus(folder, "queues", "list", ok=False).text.startswith("other: 1 message")
    if damage is nonsense:
        assert file.read_bytes() == before
