from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """What may be left out, or be `None`, and what types come back."""

    async def fetch(self, request):
        db = self.env.DB
        one = db.prepare("SELECT 1 AS a, NULL AS b")
        session = db.withSession(None)
        values = db.prepare("SELECT ? AS x, typeof(?) AS kind")

        async def bound(value):
            row = await values.bind(value, value).first()
            return [row["x"], row["kind"]]

        return Response.json(
            {
                "first": [await one.first(), await one.first(None), await one.first("a"), await one.first("b")],
                "raw": [
                    await one.raw(),
                    await one.raw(None),
                    await one.raw(columnNames=None),
                    await one.raw({"columnNames": None}),
                    await one.raw({"columnNames": True}),
                    await one.raw(columnNames=False),
                ],
                "bind nothing": await one.bind().first("a"),
                "session": [session.getBookmark(), await session.prepare("SELECT 1 AS a").first("a")],
                "constraints": [
                    db.withSession(name).getBookmark() for name in ("first-primary", "first-unconstrained", "0000-1")
                ],
                "none": await bound(None),
                "true": await bound(True),
                "int": await bound(7),
                "float": await bound(1.5),
                "text": await bound("ü"),
                "bytes": await bound(b"\x00\xff"),
                "memoryview": await bound(memoryview(b"\x01")),
                "list of bytes": await bound([1, 255]),
                "as attributes": (await one.first()).a,
            }
        )
