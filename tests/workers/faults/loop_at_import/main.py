import asyncio

from workers import Response, WorkerEntrypoint

# A common mistake: a loop made at import, left open.
loop = asyncio.new_event_loop()


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        await asyncio.sleep(0)
        return Response("fine")
