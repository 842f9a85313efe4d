from js import Headers
from workers import Response, WorkerEntrypoint

NO_HTTP = dict.fromkeys(
    ("contentType", "contentLanguage", "contentDisposition", "contentEncoding", "cacheControl", "cacheExpiry")
)
NO_DIGEST = dict.fromkeys(("md5", "sha1", "sha256", "sha384", "sha512"))
NO_CONDITION = dict.fromkeys(
    ("etagMatches", "etagDoesNotMatch", "uploadedBefore", "uploadedAfter", "secondsGranularity")
)
NOTHING = dict.fromkeys(("httpMetadata", "customMetadata", "onlyIf", "storageClass", "ssecKey")) | NO_DIGEST
NO_LIST = dict.fromkeys(("limit", "prefix", "cursor", "delimiter", "startAfter", "include"))


class Default(WorkerEntrypoint):
    """Every option: absent, `None`, by keyword, in a dict."""

    async def fetch(self, request):
        bucket = self.env.BUCKET

        def shown(stored):
            return [stored.key, stored.size, dict(stored.customMetadata.items()), stored.httpMetadata["contentType"]]

        found = {
            "put": [
                shown(await bucket.put("none", "v", None)),
                shown(await bucket.put("keywords", "v", **NOTHING)),
                shown(await bucket.put("dict", "v", NOTHING)),
                shown(await bucket.put("inner", "v", httpMetadata=NO_HTTP, customMetadata={}, onlyIf=NO_CONDITION)),
                shown(await bucket.put("given", "v", {"httpMetadata": {"contentType": "a/b"}, "customMetadata": {"a": "1"}})),
                shown(await bucket.put("headers", "v", httpMetadata=Headers.new({"content-type": "c/d"}.items()))),
            ],
            "get": [
                await (await bucket.get("given", None)).text(),
                await (await bucket.get("given", range=None, onlyIf=None, ssecKey=None)).text(),
                await (await bucket.get("given", {"range": None, "onlyIf": NO_CONDITION, "ssecKey": None})).text(),
                await (await bucket.get("given", range={"offset": 0, "length": None, "suffix": None})).text(),
                await (await bucket.get("given", range={"offset": None, "length": 1})).text(),
            ],
            "list": [
                len((await bucket.list(None)).objects),
                len((await bucket.list(NO_LIST)).objects),
                len((await bucket.list(**NO_LIST)).objects),
                [o.key for o in (await bucket.list({"prefix": "g"})).objects],
            ],
        }
        uploads = [
            await bucket.createMultipartUpload("upload", None),
            await bucket.createMultipartUpload("upload", httpMetadata=None, customMetadata=None, storageClass=None, ssecKey=None),
            await bucket.createMultipartUpload("upload", {"httpMetadata": NO_HTTP, "customMetadata": {}}),
        ]
        found["uploads"] = []
        for upload in uploads:
            part = await upload.uploadPart(1, "v", None)
            found["uploads"].append(shown(await upload.complete([part])))
        return Response.json(found)
