from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


async def refusal(awaitable):
    try:
        return f"taken: {await awaitable}"
    except JsException as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        long = "k" * 513
        # `await` is inside `refusal`, but some checks raise at once, as a JavaScript async function never does.
        answers = {
            "empty key": await refusal(kv.get("")),
            "dot": await refusal(kv.put(".", "x")),
            "dots": await refusal(kv.delete("..")),
            "longest key": await refusal(kv.get("k" * 512)),
            "long key get": await refusal(kv.get(long)),
            "long key put": await refusal(kv.put(long, "x")),
            "long key delete": await refusal(kv.delete(long)),
            "long in bytes": await refusal(kv.get("é" * 257)),
            "ttl 59": await refusal(kv.put("k", "x", expirationTtl=59)),
            "ttl 60": await refusal(kv.put("k", "x", expirationTtl=60)),
            "ttl null": await refusal(kv.put("k", "x", expirationTtl=None)),
            "ttl 0": await refusal(kv.put("k", "x", expirationTtl=0)),
            "past": await refusal(kv.put("k", "x", expiration=1)),
            "limit 1001": await refusal(kv.list(limit=1001)),
            "metadata": await refusal(kv.put("k", "x", metadata="m" * 1023)),
            "metadata with a whole number that is too large": await refusal(kv.put("k", "x", metadata={"n": [10**30]})),
            "cache ttl": await refusal(kv.get("k", cacheTtl=1)),
            "type": await refusal(kv.get("k", "number")),
            "bad json": (await refusal(kv.get("k", "json")))[:11],
        }
        answers["cursor"] = (await refusal(kv.list(cursor="no such cursor")))[:12]
        return Response.json(answers)
