import asyncio
import datetime

from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint

seen = []
about = []


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("waited in vain")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        queue = self.env.Q
        sent = [
            {"body": {"a": [1, None]}},
            {"body": "grüße", "contentType": "text"},
            {"body": b"\x00\xff", "contentType": "bytes"},
            {"body": to_js({1, 2}), "contentType": "v8"},
        ]
        await queue.sendBatch(sent)
        await until(lambda: len(seen) == 4)
        return Response.from_json({"seen": seen, "about": about})

    async def queue(self, batch, env, ctx):
        assert (env, ctx) == (None, None)
        raw = batch._binding
        assert raw.constructor.name == "QueueController"
        about.append([batch.queue, len(batch.messages), batch.metadata["metrics"]["backlogCount"]])
        for message in batch.messages:
            assert message._binding.constructor.name == "QueueMessage"
            assert len(message.id) == 32 and int(message.id, 16)
            assert isinstance(message.timestamp, datetime.datetime)
            assert message.attempts == 1
            body = message.body
            kind = type(body).__name__
            seen.append([kind, list(bytes(body)) if kind in ("memoryview", "bytes") else list(body) if kind == "set" else body])
