"""`isthmus d1 …`."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.command import isthmus
from harness.server import Server

CONFIG = """
{
  "name": "shop",
  "main": "main.py",
  "compatibility_date": "2026-11-01",
  "compatibility_flags": ["python_workers"],
  "d1_databases": [
    {
      "binding": "DB", "database_name": "shop", "database_id": "one",
      "migrations_table": "done", "migrations_dir": "steps",
    },
    { "binding": "OTHER" },
  ],
}
"""

WORKER = """
    from workers import Response, WorkerEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            sql = await request.text()
            return Response.json(await self.env.DB.prepare(sql).raw())
"""


@pytest.fixture
def shop(make_worker: Callable[..., Path]) -> Path:
    """The folder of a project with two databases."""
    return make_worker(WORKER, config=CONFIG)


def rows(shop: Path, sql: str, name: str = "DB") -> list[list[object]]:
    [*_, last] = isthmus(shop, "d1", "execute", name, "--command", sql, "--json").json
    return [list(row.values()) for row in last["results"]]


def test_sql_is_run_and_answered_as_json(shop: Path) -> None:
    sql = "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'grüße; --'), (2.5, x'0102'), (NULL, ''); SELECT * FROM t"
    done = isthmus(shop, "d1", "execute", "shop", "--command", sql, "--local")
    assert [list(result) for result in done.json] == [["results", "success", "meta"]] * 3
    assert done.json[2]["results"] == [{"a": 1, "b": "grüße; --"}, {"a": 2.5, "b": "[1, 2]"}, {"a": None, "b": ""}]
    assert "🌀 Executing on local database shop (one) from" in done.err
    assert "🚣 3 commands executed successfully." in done.err
    assert isthmus(shop, "d1", "execute", "DB", "--command", "SELECT 1 AS x", "--json").err == ""
    assert rows(shop, "SELECT count(*) FROM sqlite_schema", "OTHER") == [[0]]


def test_sql_comes_from_files(shop: Path) -> None:
    inside = "CREATE TABLE t (a);\nINSERT INTO t VALUES (1);\n"
    (shop / "dump.sql").write_text(f"-- a dump\nPRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{inside}COMMIT;\n")
    assert len(isthmus(shop, "d1", "execute", "DB", "--file", "dump.sql").json) == 3
    piped = isthmus(shop, "d1", "execute", "DB", "--file", "-", stdin=b"SELECT a FROM t")
    assert piped.json[0]["results"] == [{"a": 1}]
    big = "".join(f"INSERT INTO t VALUES ({number}, 'x');\n" for number in range(20_000))
    (shop / "big.sql").write_text("DROP TABLE t; CREATE TABLE t (a, b);" + big)
    imported = isthmus(shop, "d1", "import", "DB", "big.sql")
    assert (imported.out, imported.err.splitlines()[-1]) == (b"", "🚣 Executed 20002 statements.")
    assert isthmus(shop, "d1", "import", "DB", "big.sql", "--json").json["statements"] == 20_002
    assert rows(shop, "SELECT count(*), max(a) FROM t") == [[20_000, 19_999]]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["NONE", "--command", "SELECT 1"],
            "Couldn't find a D1 DB with the name or binding 'NONE' in your wrangler.jsonc file.",
        ),
        (["DB", "--command", "nonsense"], 'near "nonsense": syntax error at offset 0: SQLITE_ERROR'),
        (["DB", "--command", "SELECT 1; SELEC " + "x" * 100], f"in statement 2, line 1: SELEC {'x' * 74} …"),
        (["DB", "--command", "-- nothing"], "No SQL statements detected."),
        (["DB", "--command", "CREATE TABLE t (a); SELECT * FROM u"], "no such table: u: SQLITE_ERROR"),
        (["DB", "--command", " -- nothing"], "No SQL statements detected."),
        (["DB", "--command", "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT"], "several transactions"),
        (["DB", "--command", "ATTACH 'x' AS y"], "not authorized: SQLITE_AUTH"),
        (["DB", "--file", "none.sql"], "cannot read none.sql"),
        (["DB", "--file", "binary.sql"], "Provided file is a binary SQLite database file"),
        (["DB", "--file", "latin.sql"], "it is no UTF-8"),
        (["DB", "--command", "SELECT 1", "--remote"], "there is no remote data"),
    ],
)
def test_what_can_not_be_run_is_a_clear_error_and_changes_nothing(shop: Path, arguments: list[str], error: str) -> None:
    (shop / "binary.sql").write_bytes(b"SQLite format 3\0...")
    (shop / "latin.sql").write_bytes(b"SELECT '\xe9'")
    failed = isthmus(shop, "d1", "execute", *arguments, ok=False)
    assert (failed.code, failed.out) == (1, b"")
    assert error in failed.err
    assert rows(shop, "SELECT count(*) FROM sqlite_schema") == [[0]]


def test_a_command_needs_sql_from_one_place(shop: Path) -> None:
    assert isthmus(shop, "d1", "execute", "DB", ok=False).code == 2
    assert isthmus(shop, "d1", "execute", "DB", "--command", "SELECT 1", "--file", "x", ok=False).code == 2


def test_a_running_dev_and_a_command_see_the_same(shop: Path, serve: Callable[..., Server]) -> None:
    server = serve(shop)
    isthmus(shop, "d1", "execute", "DB", "--command", "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
    assert server.client.post("/", content="SELECT a FROM t").json() == [[7]]
    assert server.client.post("/", content="INSERT INTO t VALUES (8) RETURNING a").json() == [[8]]
    assert rows(shop, "SELECT a FROM t") == [[7], [8]]
    server.stop()
    assert rows(shop, "SELECT a FROM t") == [[7], [8]]


def test_migrations_are_created_listed_and_applied_once(shop: Path) -> None:
    created = isthmus(shop, "d1", "migrations", "create", "shop", "make the table")
    assert created.text.startswith("✅ Successfully created Migration '0001_make_the_table.sql'!\n")
    first = shop / "steps" / "0001_make_the_table.sql"
    assert re.fullmatch(r"-- Migration number: 0001 \t [-0-9]{10}T[:0-9]{8}\.\d{3}Z\n", first.read_text())
    first.write_text(first.read_text() + "CREATE TABLE t (a);\nINSERT INTO t VALUES ('one;');\n")
    second = isthmus(shop, "d1", "migrations", "create", "DB", "fill it", "--json").json
    assert second["name"] == "0002_fill_it.sql"
    Path(second["path"]).write_text("INSERT INTO t VALUES ('two')")
    assert [item["name"] for item in isthmus(shop, "d1", "migrations", "list", "DB", "--json").json] == [
        "0001_make_the_table.sql",
        "0002_fill_it.sql",
    ]
    applied = isthmus(shop, "d1", "migrations", "apply", "DB", "--local").text
    assert "Migrations to be applied:\n" in applied and applied.count("✅") == 3
    assert rows(shop, "SELECT a FROM t") == [["one;"], ["two"]]
    assert rows(shop, "SELECT id, name FROM done") == [[1, first.name], [2, "0002_fill_it.sql"]]
    assert isthmus(shop, "d1", "migrations", "list", "DB").text == "✅ No migrations to apply!\n"
    assert isthmus(shop, "d1", "migrations", "apply", "DB").text == "✅ No migrations to apply!\n"
    assert isthmus(shop, "d1", "migrations", "apply", "DB", "--json").json == []


def test_a_migration_that_fails_is_undone_and_ends_the_row(shop: Path) -> None:
    steps = shop / "steps"
    steps.mkdir()
    (steps / "0001_good.sql").write_text("CREATE TABLE t (a)")
    (steps / "0002_bad.sql").write_text("INSERT INTO t VALUES (1);\n-- this one\nINSERT INTO nope VALUES\n  (1);")
    (steps / "0003_later.sql").write_text("DROP TABLE t")
    failed = isthmus(shop, "d1", "migrations", "apply", "DB", ok=False)
    told = (
        r"Migration 0002_bad\.sql failed with the following errors:\s+no such table: nope: SQLITE_ERROR\s+"
        r"in statement 2, line 3: INSERT INTO nope VALUES …"
    )
    assert re.search(told, failed.err)
    assert "❌" in failed.text and "🕒️" in failed.text
    assert rows(shop, "SELECT count(*) FROM t") == [[0]]
    assert [item["name"] for item in isthmus(shop, "d1", "migrations", "list", "DB", "--json").json] == [
        "0002_bad.sql",
        "0003_later.sql",
    ]
    missing = isthmus(shop, "d1", "migrations", "list", "OTHER", ok=False)
    assert "No migrations present at" in missing.err


SCHEMA = '''
    CREATE TABLE "quoted name" (id INTEGER PRIMARY KEY AUTOINCREMENT, "a ""b""" TEXT);
    CREATE TABLE kinds (a, b REAL, c BLOB);
    CREATE TABLE made (a, twice GENERATED ALWAYS AS (a * 2) STORED, c);
    INSERT INTO made (a, c) VALUES (1, 2);
    CREATE INDEX by_b ON kinds (b);
    CREATE VIEW seen AS SELECT a FROM kinds;
    CREATE TRIGGER noted INSTEAD OF INSERT ON seen BEGIN INSERT INTO kinds (a) VALUES (new.a); END;
    INSERT INTO "quoted name" ("a ""b""") VALUES ('it''s'), (NULL);
    INSERT INTO kinds VALUES (1, 36, x'00ff'), (9007199254740993, 0.1, NULL), ('a' || char(10) || 'b', 9e999, x''),
        (char(13, 10) || '\\n', -1e-300, 5), ('a' || char(0) || 'b', 1, CAST(x'61ff' AS TEXT));
'''


def test_what_is_exported_can_be_imported_and_is_the_same(shop: Path, tmp_path: Path) -> None:
    isthmus(shop, "d1", "execute", "DB", "--command", SCHEMA)
    exported = isthmus(shop, "d1", "export", "DB", "--output", "dump.sql", "--local", "-y")
    assert exported.out == b"" and exported.err.endswith("Done!\n")
    dump = (shop / "dump.sql").read_bytes().decode()
    assert dump.startswith("PRAGMA defer_foreign_keys=TRUE;\n")
    isthmus(shop, "d1", "import", "OTHER", "dump.sql")
    again = isthmus(shop, "d1", "export", "OTHER", "--output", "-")
    assert again.out.decode() == dump
    # SQLite itself reads it, to the same values.
    plain = sqlite3.connect(tmp_path / "plain.sqlite")
    plain.text_factory = bytes
    plain.executescript(dump)
    # Versions differ in how they quote infinity.
    digest = "quote(a) || typeof(b) || iif(b > 1e308, 'infinite', quote(b)) || typeof(c) || quote(c)"
    [kinds] = plain.execute(f"SELECT group_concat({digest}) FROM kinds")
    ours = rows(shop, f"SELECT group_concat({digest}) FROM kinds")
    assert kinds[0].decode(errors="replace") == ours[0][0]
    assert plain.execute("SELECT seq FROM sqlite_sequence").fetchall() == [(2,)]


def test_parts_of_a_database_are_exported(shop: Path) -> None:
    isthmus(shop, "d1", "execute", "DB", "--command", SCHEMA)
    only = isthmus(shop, "d1", "export", "DB", "--output", "-", "--table", "kinds", "--no-data").text
    assert only == "PRAGMA defer_foreign_keys=TRUE;\nCREATE TABLE kinds (a, b REAL, c BLOB);\n"
    data = isthmus(shop, "d1", "export", "DB", "--output", "-", "--table", "quoted name", "--no-schema").text
    assert "CREATE" not in data and data.count("INSERT INTO \"quoted name\" VALUES(") == 2
    missing = isthmus(shop, "d1", "export", "DB", "--output", "-", "--table", "nope", ok=False)
    assert "there is no table `nope`" in missing.err
    assert "not a directory" in isthmus(shop, "d1", "export", "DB", "--output", ".", ok=False).err
    isthmus(shop, "d1", "execute", "DB", "--command", "CREATE VIRTUAL TABLE docs USING fts5(body)")
    assert "Virtual Tables" in isthmus(shop, "d1", "export", "DB", "--output", "-", ok=False).err
    assert isthmus(shop, "d1", "export", "DB", "--output", "-", "--no-data", "--no-schema", ok=False).code == 2
