import asyncio

from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

attempts = {}


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("waited in vain")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kind = request.url.rpartition("/")[2]
        names = [f"{kind} {letter}" for letter in "abc"]
        await self.env.Q.sendBatch([{"body": name} for name in names])
        await until(lambda: all(name in attempts for name in names))
        before = None
        while before != (before := dict(attempts)):
            await asyncio.sleep(0.4)
        return Response(" ".join(str(attempts[name]) for name in names))

    async def queue(self, batch, env, ctx):
        for message in batch.messages:
            attempts[message.body] = message.attempts
        for message in batch.messages:
            kind, letter = message.body.split()
            if kind == "explicit" and letter == "b" and message.attempts < 3:
                message.retry()
            if kind == "late" and letter == "c" and message.attempts == 1:
                self.ctx.waitUntil(create_proxy(self.later(message)))
            if kind == "raises" and letter == "a":
                message.ack()
            if kind == "first":
                message.ack()
                message.retry()
        kind = batch.messages[0].body.split()[0]
        if kind == "all" and batch.messages[0].attempts == 1:
            batch.messages[2].ack()
            batch.retryAll()
            batch.ackAll()
        if kind == "raises" and batch.messages[0].attempts == 1:
            raise ValueError("not this time")

    async def later(self, message):
        await asyncio.sleep(0.05)
        message.retry()
