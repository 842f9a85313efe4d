from workers import Response, WorkerEntrypoint

TABLE = """
    CREATE TABLE IF NOT EXISTS visits (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    )
"""


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        db = self.env.DB
        name = request.url.rpartition("/")[2] or "you"
        # All of a batch is done, or nothing; a prepared statement may be bound as often as needed.
        *_, found = await db.batch([
            db.prepare(TABLE),
            db.prepare("INSERT INTO visits (name) VALUES (?)").bind(name),
            db.prepare("SELECT name, count(*) AS visits FROM visits GROUP BY name ORDER BY visits DESC, name"),
        ])
        return Response.json(found["results"])
