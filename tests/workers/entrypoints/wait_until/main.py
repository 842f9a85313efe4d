import asyncio

from workers import Response, WorkerEntrypoint, wait_until
from pyodide.ffi import create_proxy


class Default(WorkerEntrypoint):
    async def later(self, key):
        await asyncio.sleep(0.3)
        await self.env.KV.put(key, "done")

    async def fetch(self, request):
        if request.url.endswith("/start"):
            self.ctx.waitUntil(self.later("method"))
            wait_until(create_proxy(self.later("function")))
            return Response(f"{await self.env.KV.get('method')}")
        while not (await self.env.KV.get("method") and await self.env.KV.get("function")):
            await asyncio.sleep(0.02)
        return Response("both done")
