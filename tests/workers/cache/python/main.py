from js import Object, Request, caches
from pyodide.ffi import JsException, to_js
from workers import Response, WorkerEntrypoint

FRESH = {"cache-control": "max-age=60"}


async def outcome(awaitable):
    try:
        return await awaitable
    except JsException as error:
        return f"{error.name}: {error.message}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        cache = caches.default
        key = "http://cache.test/key"
        answers = {"before": await cache.match(key)}

        # The SDK's response, and one that the SDK wraps.
        answers["put"] = await cache.put(key, Response("from Python", headers=FRESH).js_object)
        found = await cache.match(key)
        answers["found"] = [found.status, await found.text(), found.headers["cf-cache-status"]]

        named = await caches.open("named")
        answers["named"] = [named.constructor.name, await named.match(key)]
        await named.put(Request.new(key), Response(b"\x00\xff", headers=FRESH).js_object)
        answers["bytes"] = list((await (await named.match(key)).bytes()).to_py())

        post = Request.new(key, method="POST")
        answers["post"] = [await cache.match(post), (await cache.match(post, ignoreMethod=True)).status]
        part = await cache.match(Request.new(key, headers=to_js({"range": "bytes=5-"}, dict_converter=Object.fromEntries)))
        answers["part"] = [part.status, await part.text(), part.headers["content-range"]]

        answers["refused"] = [
            await outcome(cache.put(post, Response("x").js_object)),
            await outcome(cache.put(key, Response("x", status=206).js_object)),
            await outcome(cache.put("no URL", Response("x").js_object)),
            await outcome(cache.put(key, "no response")),
        ]
        answers["delete"] = [await cache.delete(key), await cache.delete(key), await cache.match(key)]
        return Response.json(answers)
