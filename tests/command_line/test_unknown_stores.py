"""Stores that aren't there: what is only read is not made, and a mistyped name is told from those that there are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import Server

CONFIG = """{
  "name": "test",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "kv_namespaces": [{ "binding": "KV", "id": "test" }],
  "r2_buckets": [{ "binding": "BUCKET", "bucket_name": "files" }],
  "d1_databases": [{ "binding": "DB", "database_name": "shop", "database_id": "x1" }],
  "queues": { "producers": [{ "binding": "JOBS", "queue": "jobs" }] },
  "secrets_store_secrets": [{ "binding": "TOKEN", "store_id": "vault", "secret_name": "token" }]
}"""
MAIN = "from workers import WorkerEntrypoint\n\nclass Default(WorkerEntrypoint):\n    pass\n"


def stores(state: Path) -> set[str]:
    """The files of stores in a state folder."""
    return {str(file.relative_to(state)) for file in state.rglob("*.sqlite")}


@pytest.fixture(params=["alone", "beside dev"])
def project(request: pytest.FixtureRequest, make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Path:
    """A project with a store of each kind; one half of the tests has a `dev` running on it."""
    folder = make_worker(MAIN, CONFIG, **{"keys.json": '["k"]', "migrations/0001_a.sql": "CREATE TABLE t (a);"})
    if request.param == "beside dev":
        serve(folder)
    return folder


READS = [
    # The command; what it says of the project; how it ends: with an error, or with this on standard output.
    ("kv key get k --namespace-id typo", '"test" (binding KV)', None),
    ("kv key list --namespace-id typo", '"test" (binding KV)', "[]\n"),
    ("kv key list --namespace-id typo --json", '"test" (binding KV)', "[]\n"),
    ("kv key delete k --namespace-id typo --json", '"test" (binding KV)', '{\n  "key": "k",'),
    ("kv key list --binding typo", '"test" (binding KV)', None),
    ("kv bulk get keys.json --namespace-id typo --json", '"test" (binding KV)', '{\n  "k": {\n    "value": null'),
    ("kv bulk delete keys.json --namespace-id typo --force", '"test" (binding KV)', "Success!\n"),
    ("r2 object get typo/k --pipe", '"files" (binding BUCKET)', None),
    ("r2 object get typo/k --file got", '"files" (binding BUCKET)', None),
    ("r2 object delete typo/k", '"files" (binding BUCKET)', 'Deleting object "k" from bucket "typo".'),
    ("r2 object list typo", '"files" (binding BUCKET)', "[]\n"),
    ("d1 execute typo --command SELECT", '"shop" (binding DB)', None),
    ("d1 export typo --output -", '"shop" (binding DB)', None),
    ("d1 migrations list typo", '"shop" (binding DB)', None),
    ("queues info typo", '"jobs"', None),
    ("queues send typo --message m", '"jobs"', None),
    ("queues purge typo --force", '"jobs"', None),
    ("queues pause typo", '"jobs"', None),
    ("secrets-store secret list typo --json", '"vault"', "[]\n"),
    ("secrets-store secret get typo --name token", '"vault"', None),
    ("secrets-store secret update typo --name token --value v", '"vault"', None),
    ("secrets-store secret delete typo --name token", '"vault"', None),
]


def test_what_is_mistyped_is_told_and_nothing_is_made(project: Path) -> None:
    state = project / ".wrangler/state"
    before = stores(state)
    for command, known, out in READS:
        result = isthmus(project, *command.split(), ok=out is not None)
        assert f"this project has {known}\n" in result.err, command
        assert result.text.startswith(out or ""), command
    assert stores(state) == before
    assert not (project / "got").exists()


def test_an_empty_store_is_read_like_any_other(project: Path) -> None:
    (project / ".wrangler/state/kv/test.sqlite").unlink(missing_ok=True)
    before = stores(project / ".wrangler/state")
    assert isthmus(project, "kv", "key", "list", "--binding", "KV").err == ""
    assert isthmus(project, "r2", "object", "list", "files").text == "[]\n"
    assert isthmus(project, "d1", "migrations", "list", "shop", "--json").json == [{"name": "0001_a.sql"}]
    exported = isthmus(project, "d1", "export", "shop", "--output", "-", "--json")
    assert exported.text.startswith("PRAGMA defer_foreign_keys=TRUE;\n")
    [queue] = isthmus(project, "queues", "list", "--json").json
    assert (queue["name"], queue["backlogCount"], queue["messageRetentionPeriodSecs"]) == ("jobs", 0, 345_600)
    assert isthmus(project, "queues", "purge", "jobs", "--json").json == {"queue": "jobs", "messages": 0}
    assert isthmus(project, "secrets-store", "secret", "list", "vault", "--json").json == []
    assert stores(project / ".wrangler/state") == before


def test_what_is_written_is_made_and_doubted(project: Path) -> None:
    written = isthmus(project, "kv", "key", "put", "k", "v", "--namespace-id", "typo")
    assert 'the KV namespace "typo" is new, and the project doesn\'t bind it' in written.err
    # Now that it is there it is no slip of the hand.
    assert isthmus(project, "kv", "key", "get", "k", "--namespace-id", "typo") == (0, b"v", "")
    assert isthmus(project, "kv", "key", "put", "k", "w", "--namespace-id", "typo").err == ""
    (project / "file").write_text("f")
    put = isthmus(project, "r2", "object", "put", "typo/k", "--file", "file", "--json")
    assert 'the R2 bucket "typo" is new' in put.err and put.json["key"] == "k"
    created = isthmus(project, "secrets-store", "secret", "create", "typo", "--name", "s", "--value", "v")
    assert 'the store of secrets "typo" is new' in created.err
    assert stores(project / ".wrangler/state") >= {
        "kv/typo.sqlite",
        "r2/typo/index.sqlite",
        "secrets_store/typo.sqlite",
    }


def test_a_file_that_is_not_there_makes_no_store(project: Path) -> None:
    before = stores(project / ".wrangler/state")
    missing = isthmus(project, "kv", "key", "put", "k", "--path", "nothing", "--namespace-id", "typo", ok=False)
    assert missing.err.startswith("error: cannot read nothing: ")
    isthmus(project, "kv", "bulk", "put", "nothing", "--namespace-id", "typo", ok=False)
    isthmus(project, "r2", "object", "put", "typo/k", "--file", "nothing", ok=False)
    assert stores(project / ".wrangler/state") == before


def test_without_a_project_what_is_read_leaves_no_trace(tmp_path: Path) -> None:
    for command in (
        "kv key list --namespace-id typo",
        "kv namespace list",
        "r2 object list typo",
        "r2 bucket list",
        "queues list",
        "secrets-store secret list typo",
        "secrets-store store list",
    ):
        isthmus(tmp_path, *command.split())
        isthmus(tmp_path, *command.split(), "--persist-to", "elsewhere")
    listed = isthmus(tmp_path, "kv", "key", "list", "--namespace-id", "typo")
    assert 'there is no KV namespace "typo" in .wrangler/state\n' in listed.err
    assert "--cwd or --config says where it is" in listed.err
    backup = isthmus(tmp_path, "backup", "copy", ok=False)
    assert backup.err == "error: there is no data to back up in .wrangler/state\n\n"
    assert list(tmp_path.iterdir()) == []
    # A file is no folder.
    (tmp_path / "file").write_text("")
    for command in ("kv key list --namespace-id a", "kv key put k v --namespace-id a", "kv namespace list"):
        refused = isthmus(tmp_path, *command.split(), "--persist-to", "file", ok=False)
        assert refused.err == "error: the state folder file can't be used: not a directory\n\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
