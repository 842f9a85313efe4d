from js import JSON, Object, URLSearchParams
from pyodide.ffi import to_js as _to_js
from workers import Response, WorkerEntrypoint


# A dictionary becomes a `Map` unless it is told to become a plain object, which most JavaScript APIs expect.
def to_js(obj):
    return _to_js(obj, dict_converter=Object.fromEntries)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        query = URLSearchParams.new(to_js({"name": "Ada", "year": "1815"}))
        nested = to_js({"list": [1, 2.5, "three"], "inner": {"yes": True}})
        return Response(f"{query.toString()}\n{JSON.stringify(nested)}\n")
