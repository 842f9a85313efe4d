import asyncio

from workers import Response, WorkerEntrypoint


async def all_of(kv, **options):
    """The names, and in how many parts they came."""
    names, parts, cursor = [], 0, None
    while True:
        part = await kv.list(cursor=cursor, **options)
        names += [key.name for key in part["keys"]]
        parts += 1
        if part.list_complete:
            assert "cursor" not in part
            return names, parts
        cursor = part.cursor


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        kv = self.env.KV
        names = [f"many/{number:04}" for number in range(1001)]
        await asyncio.gather(*(kv.put(name, "x") for name in names))
        # In the order of UTF-8, in which UTF-16 would put the emoji before the fullwidth letter.
        emoji = ["emoji/a", "emoji/é", "emoji/ﬁ", "emoji/Ａ", "emoji/😀", "emoji/🙃"]
        for name in reversed(emoji):
            await kv.put(name, name)
        many, parts = await all_of(kv, prefix="many/")
        few, few_parts = await all_of(kv, prefix="many/", limit=400)
        listed, _ = await all_of(kv, prefix="emoji/", limit=2)
        everything, _ = await all_of(kv)
        return Response.json(
            {
                "1001 keys": [many == names, parts],
                "limit 400": [few == names, few_parts],
                "emoji in order": listed == sorted(emoji, key=str.encode),
                "emoji read": await kv.get("emoji/😀"),
                "everything": len(everything),
                "nothing": (await kv.list(prefix="no"))["keys"],
                "prefix is no pattern": (await kv.list(prefix="many/%"))["keys"],
            }
        )
