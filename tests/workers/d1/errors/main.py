from datetime import datetime

from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


async def told(make):
    """The error that a call or what it promises comes to."""
    try:
        await make()
    except JsException as error:
        return f"{error.name}: {error.message}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        db = self.env.DB
        await db.exec("CREATE TABLE t (a INTEGER UNIQUE)")

        async def bound(*values):
            return await db.prepare("SELECT " + ", ".join("?" for _ in values)).bind(*values).run()

        found = {
            "syntax": await told(lambda: db.prepare("SELEC 1").run()),
            "constraint": await told(lambda: db.prepare("INSERT INTO t VALUES (1), (1)").run()),
            "exec": await told(lambda: db.exec("INSERT INTO nope VALUES (1)")),
            "batch": await told(lambda: db.batch([db.prepare("INSERT INTO t VALUES (1)"), db.prepare("nonsense")])),
            "empty batch": await told(lambda: db.batch([])),
            "no statement in a batch": await told(lambda: db.batch([1])),
            "no list": await told(lambda: db.batch(None)),
            "no text": await told(lambda: db.prepare(None).run()),
            "exec of nothing": await told(lambda: db.exec(None)),
            "column": await told(lambda: db.prepare("SELECT 1 AS a").first("b")),
            "parameters": await told(lambda: db.prepare("SELECT ?").run()),
            "object": await told(lambda: bound({"a": 1})),
            "date": (await told(lambda: bound(datetime(2026, 1, 1)))).partition(" not supported")[0],
            "big integer": await told(lambda: bound(2**60)),
            "list": await told(lambda: bound(["a"])),
            "many parameters": await told(lambda: bound(*range(101))),
            "transaction": (await told(lambda: db.prepare("BEGIN").run()))[:46],
            "attach": await told(lambda: db.prepare("ATTACH 'x' AS y").run()),
            "dump": await told(lambda: db.dump()),
            "left": await db.prepare("SELECT count(*) AS n FROM t").first("n"),
        }
        return Response.json(found)
