from workers import Response, WorkerEntrypoint


def shape(page):
    return [[o.key for o in page.objects], list(page.delimitedPrefixes), page.truncated]


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bucket = self.env.BUCKET
        for key in ["a", "b/1", "b/2", "b/c/3", "d", "é", "😀"]:
            await bucket.put(key, key, customMetadata={"key": key}, httpMetadata={"contentType": "text/x"})
        pages, cursor = [], None
        while True:
            page = await bucket.list(limit=2, delimiter="/", cursor=cursor)
            pages.append(shape(page))
            if not page.truncated:
                break
            cursor = page.cursor
        included = await bucket.list(prefix="b/", include=["customMetadata", "httpMetadata"])
        bare = await bucket.list({"prefix": "b/", "include": None})
        return Response.json(
            {
                "all": shape(await bucket.list()),
                "none": shape(await bucket.list(None)),
                "pages": pages,
                "prefix": shape(await bucket.list(prefix="b/", delimiter="/")),
                "after": shape(await bucket.list(startAfter="b/2")),
                "included": [[o.customMetadata.key, o.httpMetadata.contentType] for o in included.objects],
                "bare": [list(o.customMetadata.object_keys()) for o in bare.objects],
                "sizes": [o.size for o in bare.objects],
            }
        )
