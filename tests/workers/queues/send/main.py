import datetime
import json

from js import Object
from pyodide.ffi import jsnull, to_js
from workers import Response, WorkerEntrypoint


async def outcome(make):
    try:
        return await make()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        queue = self.env.Q
        path = request.url.rpartition("/")[2]
        if path == "results":
            sent = await queue.send("one")
            metrics = sent["metadata"]["metrics"]
            oldest = metrics["oldestMessageTimestamp"]
            age = datetime.datetime.now() - oldest
            again = await queue.metrics()
            return Response.from_json({
                "sent": [metrics["backlogCount"], metrics["backlogBytes"], abs(age.total_seconds()) < 60],
                "metrics": [again["backlogCount"], again["backlogBytes"], again["oldestMessageTimestamp"] == oldest],
            })
        cases = {
            "text": lambda: queue.send("grüße", contentType="text"),
            "dict": lambda: queue.send({"a": [1, None, True]}),
            "bytes": lambda: queue.send(b"\x00\xff", contentType="bytes", delaySeconds=1),
            "v8": lambda: queue.send({1, 2}, contentType="v8"),
            "none options": lambda: queue.send("a", contentType=None, delaySeconds=None),
            "null options": lambda: queue.send("a", jsnull),
            "options as a dict": lambda: queue.send("a", {"contentType": "text", "delaySeconds": 3}),
            "null": lambda: queue.send(jsnull),
            "none": lambda: queue.send(None),
            "undefined": lambda: queue._binding.send(None),
            "nothing": lambda: queue.send(),
            "number as text": lambda: queue.send(5, contentType="text"),
            "text as bytes": lambda: queue.send("a", contentType="bytes"),
            "buffer as bytes": lambda: queue.send(to_js(b"ab").buffer, contentType="bytes"),
            "unknown type": lambda: queue.send("a", contentType="xml"),
            "options that are none": lambda: queue.send("a", 5),
            "negative delay": lambda: queue.send("a", delaySeconds=-1),
            "too long a delay": lambda: queue.send("a", delaySeconds=86401),
            "too long": lambda: queue.send("a" * 128_001, contentType="text"),
            "far too long": lambda: queue.send("a" * 5_000_000, contentType="text"),
            "batch": lambda: queue.sendBatch([{"body": 1}, {"body": "b", "contentType": "text", "delaySeconds": 2}]),
            "batch with a delay": lambda: queue.sendBatch([{"body": 1}], delaySeconds=1),
            "empty batch": lambda: queue.sendBatch([]),
            "no batch": lambda: queue.sendBatch(),
            "text as batch": lambda: queue.sendBatch("ab"),
            "number in batch": lambda: queue.sendBatch([5]),
            "batch without body": lambda: queue.sendBatch([{"contentType": "text"}]),
            "too many": lambda: queue.sendBatch([{"body": 1}] * 101),
            "too much": lambda: queue.sendBatch([{"body": "a" * 100_000, "contentType": "text"}] * 3),
            "one too long": lambda: queue.sendBatch([{"body": "a" * 128_001, "contentType": "text"}]),
            "batch delay": lambda: queue.sendBatch([{"body": 1}], delaySeconds=-1),
        }
        results = {}
        for name, make in cases.items():
            result = await outcome(make)
            results[name] = "sent" if isinstance(result, dict) and "metadata" in result else result
        assert queue._binding.constructor.name == "WorkerQueue"
        assert Object.prototype.toString.call(queue._binding) == "[object WorkerQueue]"
        return Response(json.dumps(results), headers={"content-type": "application/json"})
