import asyncio

from workers import Response, WorkerEntrypoint

seen = []


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("waited in vain")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        await self.env.Q.send("poison")
        await self.env.DROPPING.send("poison")
        await until(lambda: len(seen) == 4)
        ids = {identity for queue, identity, _ in seen if queue != "dropping"}
        metrics = [await queue.metrics() for queue in (self.env.Q, self.env.DROPPING)]
        return Response(f"{sorted((queue, attempts) for queue, _, attempts in seen)} {len(ids)} {[m['backlogCount'] for m in metrics]}")

    async def queue(self, batch, env, ctx):
        for message in batch.messages:
            seen.append((batch.queue, message.id, message.attempts))
        if batch.queue != "dead":
            raise ValueError("poison")
