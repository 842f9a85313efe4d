from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


async def told(awaitable):
    try:
        await awaitable
        return "taken"
    except JsException as error:
        return error.message


class Default(WorkerEntrypoint):
    """The last value that is taken, and the first that isn't."""

    async def fetch(self, request):
        queue = self.env.Q

        def batch(count, size):
            return queue.sendBatch([{"body": "x" * size, "contentType": "text"}] * count)

        nothing = {"contentType": None, "delaySeconds": None}
        return Response.json(
            {
                "text": [await told(queue.send("é" * n, contentType="text")) for n in (64_000, 64_001)],
                "json": [await told(queue.send("x" * n)) for n in (127_998, 127_999)],
                "bytes": [await told(queue.send(b"x" * n, contentType="bytes")) for n in (128_000, 128_001)],
                "whole number": await told(queue.send({"n": [10**30]})),
                "delay": [await told(queue.send("x", delaySeconds=n)) for n in (0, 86_400, 86_401, -1, 1.5)],
                "count": [await told(batch(n, 1)) for n in (100, 101)],
                "size": [await told(batch(n, 96_000)) for n in (3, 4)],
                "delay of a batch": [await told(queue.sendBatch([{"body": 1}], delaySeconds=n)) for n in (86_400, 86_401)],
                "none": [
                    await told(queue.send("x", None)),
                    await told(queue.send("x", nothing)),
                    await told(queue.send("x", **nothing)),
                    await told(queue.sendBatch([{"body": "x"} | nothing], None)),
                    await told(queue.sendBatch([{"body": "x"}], {"delaySeconds": None})),
                    await told(queue.sendBatch([{"body": "x"}], delaySeconds=None)),
                ],
            }
        )
