import hashlib

from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint

PART = 5 * 1024 * 1024


async def refusal(awaitable):
    try:
        await awaitable
        return "taken"
    except JsException as error:
        return error.message.partition("\n")[0]


class Default(WorkerEntrypoint):
    """The last value that is taken, and the first that isn't."""

    async def fetch(self, request):
        bucket = self.env.BUCKET

        async def digests(name):
            right = hashlib.new(name, b"value").digest()
            wrong = bytes(len(right))
            stored = await bucket.put("digest", "value", **{name: right})
            same = stored.checksums.toJSON()[name] == right.hex()
            by_text = await refusal(bucket.put("digest", "value", **{name: right.hex()}))
            return [same, by_text, await refusal(bucket.put("digest", "other", **{name: wrong}))]

        async def completed(*sizes):
            upload = await bucket.createMultipartUpload("parts")
            parts = [await upload.uploadPart(number, b"x" * size) for number, size in enumerate(sizes, 1)]
            return await refusal(upload.complete(parts))

        upload = await bucket.createMultipartUpload("k")
        await bucket.put("ten", "0123456789")
        return Response.json(
            {
                "key": [await refusal(bucket.put("é" * n, "v")) for n in (512, 513)],
                "custom metadata": [await refusal(bucket.put("k", "v", customMetadata={"a": "x" * n})) for n in (2047, 2048)],
                "http metadata": [
                    await refusal(bucket.put("k", "v", httpMetadata={"contentType": "x" * n})) for n in (8000, 9000)
                ],
                "metadata of an upload": await refusal(bucket.createMultipartUpload("k", customMetadata={"a": "x" * 2048})),
                "delete": [await refusal(bucket.delete(["k"] * n)) for n in (1000, 1001)],
                "list": [await refusal(bucket.list(limit=n)) for n in (1, 1000, 0, -1, 1001)],
                "part number": [await refusal(upload.uploadPart(n, "x")) for n in (1, 10_000, 0, 10_001)],
                "parts": [
                    await completed(PART, PART, 1),
                    await completed(PART - 1, 1),
                    await completed(PART, PART + 1, 1),
                ],
                "storage class": [
                    await refusal(bucket.put("k", "v", storageClass=name)) for name in ("Standard", "InfrequentAccess", "Cold")
                ],
                "digests": {name: await digests(name) for name in ("md5", "sha1", "sha256", "sha384", "sha512")},
                "two digests": await refusal(
                    bucket.put("k", "value", md5=hashlib.md5(b"value").digest(), sha1=hashlib.sha1(b"value").digest())
                ),
                "range": [
                    await refusal(bucket.get("ten", range=wanted))
                    for wanted in ({"offset": 9}, {"offset": 10}, {"offset": 0, "length": 0}, {"suffix": 0}, {"suffix": 11})
                ],
            }
        )
