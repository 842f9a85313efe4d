from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Every option: absent, `None`, by keyword, in a dict."""

    async def fetch(self, request):
        kv = self.env.KV
        await kv.put("k", "[1]", {"metadata": {"a": 1}})
        await kv.put("all none", "v", expiration=None, expirationTtl=None, metadata=None)
        await kv.put("dict of none", "v", {"expiration": None, "expirationTtl": None, "metadata": None})
        await kv.put("no options", "v", None)
        await kv.put("expires", "v", expirationTtl=3600, expiration=None, metadata=["m"])
        await kv.put("bytes", memoryview(b"view"))
        nothing = {"type": None, "cacheTtl": None}
        page = await kv.list(prefix="n", limit=None, cursor=None)
        expires = (await kv.list(prefix="expires"))["keys"][0]
        several = ["k", "none"]
        return Response.json(
            {
                "get": [
                    await kv.get("k", None),
                    await kv.get("k", nothing),
                    await kv.get("k", **nothing),
                    await kv.get("k", "json"),
                    await kv.get("k", type="json", cacheTtl=30),
                    await kv.get("k", {"type": "json"}),
                ],
                "of several": [
                    await kv.get(several, None),
                    await kv.get(several, nothing),
                    await kv.get(several, **nothing),
                ],
                "with metadata": [
                    await kv.getWithMetadata("k", None),
                    await kv.getWithMetadata("k", nothing),
                    await kv.getWithMetadata("k", **nothing),
                    await kv.getWithMetadata("k", type="json"),
                    bytes((await kv.getWithMetadata("k", "arrayBuffer"))["value"]).decode(),
                    await kv.getWithMetadata(several, **nothing),
                ],
                "put": [(await kv.getWithMetadata(name))["metadata"] for name in ("all none", "dict of none", "no options")],
                "expires": [sorted(expires), expires["metadata"]],
                "view": await kv.get("bytes"),
                "list": [
                    len((await kv.list(None))["keys"]),
                    len((await kv.list({"prefix": None, "limit": None, "cursor": None}))["keys"]),
                    [key["name"] for key in page["keys"]],
                    page["list_complete"],
                    "cursor" in page,
                    [key["name"] for key in (await kv.list({"prefix": "d", "limit": 1}))["keys"]],
                ],
                "delete": [await kv.delete("k"), await kv.delete("k")],
            }
        )
