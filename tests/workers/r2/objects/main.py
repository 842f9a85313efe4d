from datetime import datetime

from workers import Blob, Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bucket = self.env.BUCKET
        put = await bucket.put(
            "text",
            "grüße 😀",
            httpMetadata={"contentType": "text/plain", "cacheControl": None, "cacheExpiry": datetime(2030, 1, 1)},
            customMetadata={"owner": "me"},
            sha256=None,
            storageClass="InfrequentAccess",
        )
        await bucket.put("bytes", bytes(range(256)))
        await bucket.put("large", b"x" * 300_000)
        await bucket.put("empty", None)
        await bucket.put("blob", Blob(["a", "b"], content_type="text/x"))
        await bucket.put("json", '{"a": [1, null]}')
        text = await bucket.get("text")
        head = await bucket.head("text")
        blob = await (await bucket.get("text")).blob()
        headers_of = await bucket.get("text")
        found = {
            "put": [put.key, put.size, put.etag, put.httpEtag, put.storageClass],
            "custom": dict(put.customMetadata.items()),
            "type": head.httpMetadata["contentType"],
            "no control": head.httpMetadata["cacheControl"],
            "expiry": head.httpMetadata["cacheExpiry"].isoformat(),
            "uploaded": type(head.uploaded).__name__,
            "version": len(head.version),
            "range": [head.range["offset"], head.range["length"]],
            "md5": head.checksums.toJSON()["md5"],
            "text": await text.text(),
            "used": text.bodyUsed,
            "bytes": list((await (await bucket.get("bytes")).bytes())[:4]),
            "array buffer": len(await (await bucket.get("large")).arrayBuffer()),
            "empty": [(await bucket.head("empty")).size, await (await bucket.get("empty")).text()],
            "blob": await (await bucket.get("blob")).text(),
            "json": await (await bucket.get("json")).json(),
            "as a blob": [blob.content_type, blob.size],
            "suffix": await (await bucket.get("text", range={"suffix": 4})).text(),
            "offset": list(await (await bucket.get("bytes", range={"offset": 254, "length": None})).bytes()),
            "missing": [await bucket.get("none"), await bucket.head("none")],
        }
        from js import Headers

        headers = Headers.new()
        headers_of.writeHttpMetadata(headers)
        found["headers"] = [headers.get("content-type"), headers.get("expires") is not None]
        total = 0
        async for chunk in (await bucket.get("large")).body:
            total += chunk.length
        found["streamed"] = total
        deleted = [await bucket.delete("text"), await bucket.delete(["bytes", "blob", "none"])]
        found["deleted"] = deleted
        found["left"] = [o.key for o in (await bucket.list()).objects]
        return Response.json(found)
