from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        await kv.put("a", '{"n": [1, null]}', metadata={"by": "python"})
        await kv.put("b", "2")
        await kv.put("7", "number")
        large = "x" * 300_000
        await kv.put("large", large)

        async def refused(call):
            try:
                return repr(await call)
            except Exception as error:
                return str(error).removeprefix("Error: ")

        texts = await kv.get(["b", "none", "a", "b"])
        mixed = await kv.get(["a", "large", "7"])
        return Response.json(
            {
                "is a dict": isinstance(texts, dict),
                "texts": list(texts.items()),
                "large": mixed["large"] == large,
                "7": mixed["7"],
                "json": await kv.get(["a", "b"], "json"),
                "by options": await kv.get(["b"], {"type": "json", "cacheTtl": 60}),
                "by keywords": await kv.get(["b"], type="json", cacheTtl=None),
                "none": await kv.get(["b"], None),
                "tuple": await kv.get(["a", *("b",)], type=None),
                "with metadata": await kv.getWithMetadata(["a", "b", "none"]),
                "with metadata, json": await kv.getWithMetadata(["a"], type="json"),
                "no json": await refused(kv.get(["large"], "json")),
                "bad type": await refused(kv.get(["a"], "arrayBuffer")),
                "no keys": await refused(kv.get([])),
                "101 keys": await refused(kv.get([f"k{n}" for n in range(101)])),
                "100 keys": len(await kv.get([f"k{n}" for n in range(100)])),
                "empty key": await refused(kv.get([""])),
                "long key": await refused(kv.get(["k" * 513])),
            }
        )
