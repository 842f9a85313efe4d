from urllib.parse import unquote, urlsplit

from js import Headers
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Keeps files. What goes in and out is streamed by the host: however long it is, no byte of it comes here."""

    async def fetch(self, request):
        path = unquote(urlsplit(request.url).path).removeprefix("/")
        if request.method == "PUT" and path:
            return await self.upload(path, request.js_object)
        if request.method == "DELETE" and path:
            await self.env.FILES.delete(path)
            return Response(None, status=204)
        if request.method not in ("GET", "HEAD"):
            return Response("PUT, GET, HEAD and DELETE a file, or GET a folder", status=405)
        if not path or path.endswith("/"):
            return await self.folder(path)
        return await self.download(path, request.js_object)

    async def upload(self, path, request):
        # The headers of the request say what kind of file it is; `if-match` and `if-none-match` are obeyed.
        stored = await self.env.FILES.put(path, request.body, httpMetadata=request.headers, onlyIf=request.headers)
        if stored is None:
            return Response("there is another version of this file", status=412)
        return Response.json({"name": stored.key, "size": stored.size}, status=201, headers={"etag": stored.httpEtag})

    async def download(self, path, request):
        # A range that the file doesn't have stands for all of it.
        found = await self.env.FILES.get(path, range=request.headers, onlyIf=request.headers)
        if found is None:
            return Response("there is no such file", status=404)
        headers = Headers.new()
        found.writeHttpMetadata(headers)
        headers.set("etag", found.httpEtag)
        headers.set("accept-ranges", "bytes")
        if not hasattr(found, "body"):
            # A condition that doesn't hold.
            asked_for_news = request.headers.has("if-none-match") or request.headers.has("if-modified-since")
            return Response(None, status=304 if asked_for_news else 412, headers=headers)
        first, length = found.range["offset"], found.range["length"]
        if length == found.size:
            return Response(found.body, headers=headers)
        headers.set("content-range", f"bytes {first}-{first + length - 1}/{found.size}")
        return Response(found.body, status=206, headers=headers)

    async def folder(self, path):
        names, cursor = [], None
        while True:
            page = await self.env.FILES.list(prefix=path, delimiter="/", cursor=cursor)
            names += [*page["delimitedPrefixes"], *(file.key for file in page["objects"])]
            if not page["truncated"]:
                return Response.json(sorted(names))
            cursor = page["cursor"]
