from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        await kv.put("a", "1", metadata={"by": "python", "n": 1})
        await kv.put("b", "2", {"expiration": 2_000_000_000})
        await kv.put("c", "3")
        await kv.put("null", "4", metadata=None)
        with_metadata = await kv.getWithMetadata("a")
        missing = await kv.getWithMetadata("nothing")
        listed = await kv.list()
        return Response.json(
            {
                "a": [with_metadata["value"], with_metadata["metadata"], with_metadata.cacheStatus],
                "missing": [missing["value"], missing["metadata"]],
                "keys": listed["keys"],
                "complete": listed.list_complete,
                "cursor": "cursor" in listed,
            }
        )
