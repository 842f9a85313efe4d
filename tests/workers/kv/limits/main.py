import time

from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint

MIB = 1024 * 1024


async def refusal(call):
    try:
        await call()
        return "taken"
    except JsException as error:
        return error.message


class Default(WorkerEntrypoint):
    """The last value that is taken, and the first that isn't."""

    async def fetch(self, request):
        kv = self.env.KV
        now = int(time.time())
        answers = {
            "key": [await refusal(lambda: kv.put(name, "v")) for name in ("é" * 256, "é" * 256 + "k")],
            "key with metadata": await refusal(lambda: kv.getWithMetadata("k" * 513)),
            "metadata": [await refusal(lambda: kv.put("k", "v", metadata="m" * n)) for n in (1022, 1023)],
            "metadata in bytes": await refusal(lambda: kv.put("k", "v", metadata="é" * 512)),
            "ttl": [await refusal(lambda: kv.put("k", "v", expirationTtl=n)) for n in (60, 59, -1)],
            "expiration": [
                (await refusal(lambda: kv.put("k", "v", expiration=n))).replace(str(n), "N") for n in (now + 120, now + 30)
            ],
            "cache ttl": [await refusal(lambda: kv.get("k", cacheTtl=n)) for n in (30, 29)],
            "cache ttl of several": await refusal(lambda: kv.get(["k"], cacheTtl=29)),
            "limit": [await refusal(lambda: kv.list(limit=n)) for n in (1, 1000, 0, -1, 1001)],
            "a number": [await refusal(lambda: kv.put("number", 5)), await kv.get("number")],
            "a dict": await refusal(lambda: kv.put("k", {"a": 1})),
            "a list": await refusal(lambda: kv.put("k", [1])),
        }
        await kv.put("half", b"x" * (13 * MIB))
        await kv.put("other half", b"x" * (12 * MIB + 1))
        answers["several"] = await refusal(lambda: kv.get(["half", "other half"]))
        return Response.json(answers)
