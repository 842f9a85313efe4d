import asyncio
import socket
import time

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        found = {}

        # Timers, in the order of their times.
        order = []

        async def timed(seconds):
            await asyncio.sleep(seconds)
            order.append(seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in (0.03, 0.01, 0.02, 0):
                group.create_task(timed(seconds))
        found["timers"] = order

        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            found["timeout"] = True

        # Real sockets: a server and a client in this isolate.
        async def echo(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        found["socket"] = (await reader.readline()).decode().strip()
        writer.close()
        server.close()
        await server.wait_closed()

        # Work on a thread does not hold up the loop.
        blocking = asyncio.create_task(asyncio.to_thread(time.sleep, 0.1))
        turns = 0
        while not blocking.done():
            await asyncio.sleep(0.005)
            turns += 1
        found["turned meanwhile"] = turns > 3

        queue = asyncio.Queue()
        asyncio.get_running_loop().call_soon(queue.put_nowait, "soon")
        found["queue"] = await queue.get()
        generator = (number async for number in numbers())
        found["generator"] = [number async for number in generator]
        return Response.json(found)


async def numbers():
    for number in range(3):
        await asyncio.sleep(0)
        yield number
