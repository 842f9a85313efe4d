from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


async def told(call):
    try:
        await call()
        return "taken"
    except JsException as error:
        return error.message.partition("\n")[0]


class Default(WorkerEntrypoint):
    """The last value that is taken, and the first that isn't."""

    async def fetch(self, request):
        db = self.env.DB

        def ask(sql, *values):
            return db.prepare(sql).bind(*values).run()

        def commas(count, what="1"):
            return ", ".join([what] * count)

        return Response.json(
            {
                "parameters": [await told(lambda: ask(f"SELECT max({commas(n, '?')})", *range(n))) for n in (100, 101)],
                "columns": [await told(lambda: ask(f"SELECT {commas(n)}")) for n in (100, 101)],
                "arguments": [await told(lambda: ask(f"SELECT max({commas(n)})")) for n in (127, 128)],
                "pattern": [await told(lambda: ask("SELECT 'a' LIKE ?", "a" * n)) for n in (50, 51)],
                "glob": [await told(lambda: ask("SELECT 'a' GLOB ?", "a" * n)) for n in (50, 51)],
                "compound": [await told(lambda: ask(" UNION ".join(["SELECT 1"] * n))) for n in (5, 6)],
                "depth": [await told(lambda: ask("SELECT " + "+".join(["1"] * n))) for n in (100, 102)],
                "statement": [await told(lambda: ask("SELECT 1" + " " * (n - 8))) for n in (100_000, 100_001)],
                "text": [await told(lambda: ask("SELECT length(?)", "x" * n)) for n in (2_000_000, 4_194_305)],
                "bytes": [await told(lambda: ask("SELECT length(?)", b"x" * n)) for n in (2_000_000, 4_194_305)],
                "a whole number": await told(lambda: ask("SELECT ?", 2**53 + 2)),
                "a tuple": await told(lambda: ask("SELECT ?", [None])),
            }
        )
