import asyncio

from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def told(call):
    try:
        await call
        return "done"
    except JsException as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    """Statements that never come to an end, and what others see of them."""

    async def fetch(self, request):
        db = self.env.DB

        async def value(sql):
            return await db.prepare(sql).first("value")

        await db.exec("CREATE TABLE t (a)")
        insert = db.prepare("INSERT INTO t VALUES (?)")
        endless = db.prepare(f"INSERT INTO t {ENDLESS}")
        answers = {
            "a read": await told(db.prepare(ENDLESS).all()),
            "the same through a session": await told(db.withSession("first-primary").prepare(ENDLESS).first()),
            "exec": await told(db.exec(ENDLESS)),
            "a write": await told(endless.run()),
            "a batch": await told(db.batch([insert.bind(1), endless, insert.bind(2)])),
            "what they wrote": await value("SELECT count(*) AS value FROM t"),
            "the next write": await told(insert.bind(3).run()),
        }
        long = [asyncio.ensure_future(told(statement.run())) for statement in (endless, db.prepare(ENDLESS))]
        # The long write has begun when these come, or it is in one transaction with them.
        waiting = [asyncio.ensure_future(told(insert.bind(number).run())) for number in range(10, 20)]
        await asyncio.sleep(0.1)
        answers["reads meanwhile"] = [await value("SELECT 1 AS value") for _ in range(3)]
        answers["which were answered first"] = not any(task.done() for task in long)
        answers["the long ones"] = await asyncio.gather(*long)
        answers["those that waited"] = await asyncio.gather(*waiting)
        answers["what there is"] = await value("SELECT group_concat(a, ' ') AS value FROM (SELECT a FROM t ORDER BY a)")
        return Response.json(answers)
