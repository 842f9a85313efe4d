from js import Headers
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """An object store over HTTP: neither way does a body visit Python."""

    async def fetch(self, request):
        bucket = self.env.BUCKET
        key = request.url.rsplit("/", 1)[1]
        if request.method == "PUT":
            put = await bucket.put(key, request.js_object.body, httpMetadata=request.js_object.headers)
            return Response(put.etag)
        if request.method == "DELETE":
            await bucket.delete(key)
            return Response(None, status=204)
        found = await bucket.get(key, range=request.js_object.headers, onlyIf=request.js_object.headers)
        if found is None:
            return Response("there is no such object", status=404)
        headers = Headers.new()
        found.writeHttpMetadata(headers)
        headers.set("etag", found.httpEtag)
        if not hasattr(found._binding, "body"):
            return Response(None, status=304, headers=headers)
        whole = found.range["length"] == found.size
        return Response(found.body, status=200 if whole else 206, headers=headers)
