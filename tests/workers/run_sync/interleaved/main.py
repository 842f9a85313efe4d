import asyncio
import time

from pyodide.ffi import can_run_sync, run_sync
from workers import Response, WorkerEntrypoint

finished = []


async def after(seconds, value):
    await asyncio.sleep(seconds)
    return value


def blocking(seconds):
    """Ordinary synchronous code, several frames above the await."""
    value = run_sync(after(seconds, seconds))
    finished.append(value)
    return value


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("/order"):
            return Response.json(finished)
        if request.url.endswith("/tasks"):
            return await self.tasks()
        blocking(float(request.url.rpartition("/")[2]))
        return Response("done")

    async def tasks(self):
        """Tasks of one request that block, in the opposite order of their starts."""
        order = []
        name = asyncio.current_task().get_name()

        async def wait(seconds):
            assert can_run_sync()
            order.append(run_sync(after(seconds, seconds)))

        await asyncio.gather(wait(0.3), wait(0.2), wait(0.1), wait(0))
        assert asyncio.current_task().get_name() == name
        return Response.json(order)
