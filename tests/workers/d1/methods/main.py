from workers import Response, WorkerEntrypoint


def plain(result):
    meta = result["meta"]
    assert isinstance(meta["duration"], int | float), meta
    assert meta["size_after"] % 4096 == 0, meta
    return {
        "success": result["success"],
        "results": result["results"],
        "changes": meta["changes"],
        "last_row_id": meta["last_row_id"],
        "changed_db": meta["changed_db"],
    }


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        db = self.env.DB
        created = await db.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age REAL, data BLOB)")
        insert = db.prepare("INSERT INTO people (name, age, data) VALUES (?, ?, ?)")
        found = {
            "exec": created["count"],
            "run": plain(await insert.bind("Ada", 36, b"\x01\x02").run()),
            "batch": [
                plain(result)
                for result in await db.batch([
                    insert.bind("Bob", 41.5, None),
                    db.prepare("UPDATE people SET age = age + ? WHERE id = ?").bind(True, 1),
                    db.prepare("SELECT name FROM people ORDER BY id"),
                ])
            ],
            "all": plain(await db.prepare("SELECT * FROM people WHERE age > ?").bind(40).all()),
            "first": await db.prepare("SELECT name, age FROM people ORDER BY id").first(),
            "first of a column": await db.prepare("SELECT name FROM people ORDER BY id DESC").first("name"),
            "first, no column": await db.prepare("SELECT count(*) AS n FROM people").first(None),
            "first of nothing": await db.prepare("SELECT * FROM people WHERE id = 9").first(),
            "raw": await db.prepare("SELECT id, name, data FROM people ORDER BY id").raw(),
            "raw with names": await db.prepare("SELECT 1 AS a, 'ü' AS b").raw(columnNames=True),
            "raw with options": await db.prepare("SELECT 1 AS a").raw({"columnNames": True}),
            "raw, none": await db.prepare("SELECT 1 AS a").raw(None),
        }
        session = db.withSession("first-primary")
        before = session.getBookmark()
        await session.prepare("DELETE FROM people WHERE id = 1").run()
        bookmark = session.getBookmark()
        later = db.withSession(bookmark)
        rows = await later.batch([later.prepare("SELECT count(*) AS n FROM people")])
        found["session"] = [before, len(bookmark), later.getBookmark() >= bookmark, rows[0]["results"][0]["n"]]
        found["unconstrained"] = db.withSession(None).getBookmark()
        tables = "SELECT count(*) AS n FROM sqlite_schema"
        found["others"] = await self.env.OTHER.prepare(tables).first("n")
        found["classes"] = [
            db._binding.constructor.name,
            db._binding.prepare("").constructor.name,
            db._binding.withSession().constructor.name,
        ]
        return Response.json(found)
