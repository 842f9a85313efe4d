"""A page that takes long to make, made once a minute."""

import asyncio

from js import caches
from workers import Response, WorkerEntrypoint


async def make(url):
    """Stands for a query, a model, another server."""
    await asyncio.sleep(1)
    return f"<h1>Made for {url.partition('://')[2].partition('/')[2] or 'everybody'}</h1>\n"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        cache = caches.default
        if request.method == "DELETE":
            return Response("deleted\n" if await cache.delete(request.url) else "nothing there\n")
        # The request's own headers count: a part of the body, or 304 for a client that has it.
        found = await cache.match(request.js_object)
        if found:
            return found
        page = Response(
            await make(request.url),
            headers={"content-type": "text/html", "cache-control": "max-age=60", "etag": '"1"'},
        )
        # The cache gets a copy. It must be whole before it can be found, so nobody has to wait for that.
        self.ctx.waitUntil(cache.put(request.url, page.js_object.clone()))
        return page
