import asyncio

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        db = self.env.DB
        await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, data BLOB)")
        insert = db.prepare("INSERT INTO t (text, data) VALUES (?, ?)")
        # Longer than a frame on the way in and on the way out.
        await insert.bind("ü" * 900_000, bytes(range(256)) * 1000).run()
        row = await db.prepare("SELECT * FROM t").first()
        found = {
            "text": row["text"] == "ü" * 900_000,
            "data": bytes(row["data"]) == bytes(range(256)) * 1000,
        }
        await db.batch([insert.bind(str(n) * 1000, None) for n in range(2000)])
        rows = await db.prepare("SELECT text FROM t WHERE id > 1").raw()
        found["rows"] = [len(rows), rows[-1] == ["1999" * 1000]]
        # All at once.
        counts = await asyncio.gather(*(db.prepare("SELECT count(*) AS n FROM t").first("n") for _ in range(200)))
        found["counts"] = sorted(set(counts))
        await asyncio.gather(*(insert.bind(f"at once {n}", b"").run() for n in range(200)))
        found["written"] = await db.prepare("SELECT count(DISTINCT text) AS n FROM t WHERE text LIKE 'at once%'").first("n")
        try:
            await insert.bind("x" * 2_300_000, None).run()
        except Exception as error:
            found["too long"] = str(error).partition("\n")[0]
        try:
            await db.prepare("SELECT 1" + " " * 100_000).run()
        except Exception as error:
            found["long statement"] = str(error).partition("\n")[0]
        return Response.json(found)
