import json

from js import Uint8Array
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        await kv.put("text", "grüße 😀")
        await kv.put("bytes", bytes(range(256)))
        await kv.put("json", json.dumps({"a": [1, None, "x"]}))
        await kv.put("empty", "")
        raw = self.env.KV._binding
        found = {
            "text": await kv.get("text"),
            "as text": await kv.get("text", "text"),
            "options": await kv.get("text", type="text"),
            "none": await kv.get("nothing"),
            "empty": await kv.get("empty"),
            "json": await kv.get("json", "json"),
            "bytes": list((await kv.get("bytes", "arrayBuffer"))[:4]),
            "length": len(await kv.get("bytes", "arrayBuffer")),
            "class": raw.constructor.name,
        }
        # The value as a stream of chunks.
        stream = await raw.get("bytes", "stream")
        total = 0
        async for chunk in stream:
            assert chunk.constructor.name == "Uint8Array", chunk.constructor.name
            total += chunk.length
        found["streamed"] = total
        await raw.put("typed", Uint8Array.new([1, 2, 3]))
        found["typed"] = list((await kv.get("typed", "arrayBuffer")))
        await kv.delete("text")
        await kv.delete("never there")
        found["deleted"] = await kv.get("text")
        return Response.json(found)
