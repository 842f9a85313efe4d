from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


async def refusal(awaitable):
    try:
        return f"taken: {await awaitable}"
    except JsException as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bucket = self.env.BUCKET
        await bucket.put("k", "0123456789")
        long = "k" * 1025
        upload = await bucket.createMultipartUpload("m")
        resumed = bucket.resumeMultipartUpload("m", "none")
        part = await upload.uploadPart(1, "short")
        second = await upload.uploadPart(2, "short")
        answers = {
            "long key, put": bucket.put(long, "v"),
            "long key, get": bucket.get(long),
            "long key, head": bucket.head(long),
            "long key, delete": bucket.delete(["a", long]),
            "a number": bucket.put("k", 5),
            "a dict": bucket.put("k", {"a": 1}),
            "digest": bucket.put("k", "v", md5="0" * 32),
            "digest's length": bucket.put("k", "v", sha256=b"short"),
            "two digests": bucket.put("k", "v", md5="0" * 32, sha1="0" * 40),
            "metadata": bucket.put("k", "v", customMetadata={"a": "x" * 2048}),
            "storage class": bucket.put("k", "v", storageClass="Deep"),
            "key to encrypt": bucket.put("k", "v", ssecKey="short"),
            "range": bucket.get("k", range={"offset": 11}),
            "negative range": bucket.get("k", range={"offset": -1}),
            "suffix and offset": bucket.get("k", range={"offset": 1, "suffix": 1}),
            "quoted etag": bucket.get("k", onlyIf={"etagMatches": '"x"'}),
            "limit": bucket.list(limit=1001),
            "large limit": bucket.list(limit=2**53),
            "large range": bucket.get("k", range={"offset": 10**30}),
            "large suffix": bucket.get("k", range={"suffix": 2**53}),
            "large part number": upload.uploadPart(2**53, "v"),
            "include": bucket.list(include=["everything"]),
            "cursor": bucket.list(cursor="no such cursor"),
            "too many": bucket.delete(["k"] * 1001),
            "no such upload": resumed.uploadPart(1, "v"),
            "part number": upload.uploadPart(0, "v"),
            "unknown part": upload.complete([{"partNumber": 3, "etag": "x"}]),
            "short part": upload.complete([part, second]),
        }
        return Response.json({name: await refusal(answer) for name, answer in answers.items()})
