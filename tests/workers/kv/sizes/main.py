from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint

LIMIT = 25 * 1024 * 1024


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        await self.env.KV.put("largest", b"x" * LIMIT)
        largest = await self.env.KV.get("largest", "arrayBuffer")
        try:
            await self.env.KV.put("larger", b"x" * (LIMIT + 1))
        except JsException as error:
            return Response(f"{len(largest) == LIMIT} {error.message} {await self.env.KV.get('larger')}")
        return Response("it was taken")
