from js import Object, caches
from js import Response as JsResponse
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        key = request.url
        if request.method == "PUT":
            # The body goes to the cache as it comes.
            init = to_js({"headers": {"cache-control": "max-age=60"}}, dict_converter=Object.fromEntries)
            await caches.default.put(key, JsResponse.new(request.js_object.body, init))
            return Response("stored")
        # And back, without being read here; conditions and ranges of the client count.
        return await caches.default.match(request.js_object) or Response("nothing", status=404)
