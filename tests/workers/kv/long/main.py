"""Values around the length from which on they lie in files, by every way in and out."""

import hashlib
import json

import js
from pyodide.ffi import JsException, to_js
from workers import Response, WorkerEntrypoint

LENGTHS = (262_143, 262_144, 262_145, 300_000, 1_048_576, 1_048_577, 3_000_000)


def value(length):
    seed = hashlib.sha256(str(length).encode()).digest()
    return (seed * (length // 32 + 1))[:length]


def stream_of(*chunks):
    """A stream of unknown length."""
    transform = js.TransformStream.new()
    writer = transform.writable.getWriter()
    for chunk in chunks:
        writer.write(to_js(chunk)).catch(lambda _: None)
    writer.close().catch(lambda _: None)
    return transform.readable


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        told = []
        for length in LENGTHS:
            await kv.put(f"bytes-{length}", value(length), metadata={"length": length})
            await kv.put(f"text-{length}", "é" * (length // 2))
            halves = value(length)[:100_001], value(length)[100_001:]
            await kv.put(f"stream-{length}", stream_of(*halves))
        for length in LENGTHS:
            for kind in ("bytes", "stream"):
                got = await kv.get(f"{kind}-{length}", "arrayBuffer")
                if bytes(got) != value(length):
                    told.append(f"{kind}-{length} came back as {len(got)} bytes")
            if await kv.get(f"text-{length}") != "é" * (length // 2):
                told.append(f"text-{length} came back as another text")
            found = await kv.getWithMetadata(f"bytes-{length}", "stream")
            whole = await js.Response.new(found["value"]).arrayBuffer()
            if whole.to_bytes() != value(length) or found["metadata"]["length"] != length:
                told.append(f"bytes-{length} came back otherwise as a stream")
        document = {"items": ["x" * 1000] * 600}
        await kv.put("json", json.dumps(document))
        if (await kv.get("json", "json"))["items"] != document["items"]:
            told.append("json came back as something else")
        # Several at once, short ones, long ones and none between each other.
        await kv.put("short", "s")
        keys = ["short", "text-300000", "none", "text-262144", "text-3000000"]
        many = await kv.get(keys)
        if [len(many[key] or "") for key in keys] != [1, 150_000, 0, 131_072, 1_500_000]:
            told.append("several came back otherwise")
        too_many = [f"bytes-{length}" for length in LENGTHS] * 5
        try:
            await kv.get(too_many)
        except JsException as error:
            told.append(error.message)
        # A long one in the place of a short one, and the other way round.
        await kv.put("short", value(300_000))
        await kv.put("bytes-300000", "s")
        if len(await kv.get("short", "arrayBuffer")) != 300_000 or await kv.get("bytes-300000") != "s":
            told.append("what is replaced is not what was put")
        # From one key to another, and by way of JavaScript.
        await kv.put("copy", await kv.get("stream-3000000", "stream"))
        await kv.put("piped", (await kv.get("copy", "stream")).pipeThrough(js.TransformStream.new()))
        for key in ("copy", "piped"):
            if bytes(await kv.get(key, "arrayBuffer")) != value(3_000_000):
                told.append(f"{key} is not what was copied")
        # One that turns out too long changes nothing.
        try:
            await kv.put("short", stream_of(*[value(1_048_576)] * 25, b"x"))
        except JsException as error:
            told.append(error.message)
        broken = js.ReadableStream.new(to_js({"pull": breaking()}, dict_converter=js.Object.fromEntries))
        try:
            await kv.put("short", broken)
        except JsException as error:
            told.append(error.message)
        if len(await kv.get("short", "arrayBuffer")) != 300_000:
            told.append("a put that failed left something")
        await kv.delete("short")
        if await kv.get("short", "arrayBuffer") is not None:
            told.append("what is deleted is there")
        listed = await kv.list(prefix="bytes-3")
        told.append(", ".join(f"{key['name']} {key.get('metadata')}" for key in listed["keys"]))
        return Response("\n".join(told))


def breaking():
    """What a stream is pulled with that ends in an error, after some megabytes."""
    pulls = iter(range(4))

    def pull(controller):
        if next(pulls) == 3:
            controller.error(js.Error.new("broke off"))
        else:
            controller.enqueue(to_js(value(1_048_576)))

    return pull
