import hashlib

from workers import Response, WorkerEntrypoint

PART = 5 * 1024 * 1024


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bucket = self.env.BUCKET
        upload = await bucket.createMultipartUpload(
            "parts", customMetadata={"a": "1"}, httpMetadata={"contentType": "text/x"}, storageClass=None
        )
        second = await upload.uploadPart(2, b"2" * PART)
        # Another request might go on with it.
        resumed = bucket.resumeMultipartUpload(upload.key, upload.uploadId)
        first = await resumed.uploadPart(1, b"1" * PART)
        last = await resumed.uploadPart(3, "the end")
        before = await bucket.head("parts")
        done = await resumed.complete([first, second, last])
        whole = hashlib.md5()
        got = await bucket.get("parts")
        async for chunk in got.body:
            whole.update(chunk.to_bytes())
        across = await bucket.get("parts", range={"offset": PART - 1, "length": 3})
        aborted = await bucket.createMultipartUpload("parts")
        await aborted.uploadPart(1, "x")
        nothing = await aborted.abort()
        return Response.json(
            {
                "before": before,
                "part": [second["partNumber"], len(second["etag"])],
                "done": [done.key, done.size, done.etag, done.checksums.toJSON()["md5"]],
                "metadata": [done.customMetadata["a"], got.httpMetadata["contentType"], got.storageClass],
                "whole": whole.hexdigest() == hashlib.md5(b"1" * PART + b"2" * PART + b"the end").hexdigest(),
                "across": await across.text(),
                "aborted": nothing,
                "kept": (await bucket.head("parts")).size,
            }
        )
