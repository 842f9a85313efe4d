from datetime import datetime, timedelta

from js import Headers
from workers import Response, WorkerEntrypoint


def met(found):
    return None if found is None else hasattr(found._binding, "body")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        bucket = self.env.BUCKET
        first = await bucket.put("k", "first")

        async def get(**condition):
            return met(await bucket.get("k", onlyIf=condition))

        async def put(**condition):
            return await bucket.put("k", "second", onlyIf=condition) is not None

        soon = datetime.now() + timedelta(days=1)
        answers = {
            "matches": await get(etagMatches=first.etag),
            "matches not": await get(etagMatches="other"),
            "differs": await get(etagDoesNotMatch="other"),
            "differs not": await get(etagDoesNotMatch=first.etag),
            "before": await get(uploadedBefore=soon),
            "after": await get(uploadedAfter=soon, secondsGranularity=True),
            "nothing asked": await get(etagMatches=None, uploadedBefore=None),
            "no condition": met(await bucket.get("k", onlyIf=None)),
            "header": met(await bucket.get("k", onlyIf=Headers.new({"if-none-match": first.httpEtag}.items()))),
            "missing": met(await bucket.get("none", onlyIf={"etagMatches": "x"})),
            "put, matches not": await put(etagMatches="other"),
            "put, only if new": await put(etagDoesNotMatch="*"),
            "still": await (await bucket.get("k")).text(),
            "put, matches": await put(etagMatches=first.etag),
            "now": await (await bucket.get("k")).text(),
        }
        return Response.json(answers)
