import js
from workers import Response, WorkerEntrypoint, env

# Readable at the top level.
AT_IMPORT = env.TEXT


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kind = js.Object.prototype.toString
        return Response.json(
            {
                "at import": AT_IMPORT,
                "text": self.env.TEXT,
                "number": self.env.NUMBER,
                "boolean": self.env.YES,
                "nested": self.env.NESTED.to_py(),
                "secret": self.env.SECRET,
                "module": env.TEXT,
                "ctx": js.Reflect.apply(kind, self.ctx, []),
                "missing": hasattr(self.env, "MISSING"),
            }
        )
