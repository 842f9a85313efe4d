import js
from js import Object
from pyodide.ffi import JsException, JsProxy, create_once_callable, create_proxy, jsnull, to_js
from workers import Response, WorkerEntrypoint


def to_object(value):
    return to_js(value, dict_converter=Object.fromEntries)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        identity = js.Function.prototype.bind  # any method, to see that methods are callable
        array = js.Array.new(1, 2.5, "three", True)
        array.push(None, jsnull)
        record = to_object({"x": 1, "inner": {"list": [1, 2]}, "none": None})
        found = {
            "array": [repr(item) for item in array],
            "length": len(array),
            "index": array[2],
            "json": js.JSON.stringify(record),
            "attribute": record.inner.list[1],
            "to_py": record.to_py()["inner"],
            "type": type(record).__name__,
            "is proxy": isinstance(record, JsProxy),
            "dict": js.Object.prototype.toString.call(to_js({"a": 1})),
            "big": [2**53 - 1 == to_js([2**53 - 1])[0], repr(js.BigInt(2**70))],
            "bytes": list(js.Uint8Array.new([1, 2, 255]).to_bytes()),
            "callable": callable(identity),
            "has constructor": [hasattr(value, "constructor") for value in ("s", 1, True, None, record)],
            "iterated": list(js.Map.new([["k", "v"]]).entries())[0].to_py(),
        }
        record.added = "yes"
        found["added"] = record.to_py()["added"]
        del record.added
        found["removed"] = hasattr(record, "added")
        try:
            record.missing
        except AttributeError as error:
            found["missing"] = str(error)
        try:
            js.JSON.parse("{")
        except JsException as error:
            found["error"] = error.name
        calls = []
        once = create_once_callable(lambda value, *_: calls.append(value))
        js.Array.of(1).forEach(once)
        found["once"] = calls
        kept = create_proxy(lambda value, *_: value * 2)
        found["mapped"] = js.Array.new(1, 2).map(kept).to_py()
        kept.destroy()
        found["awaited"] = await js.Promise.resolve("value")
        found["thenable"] = await js.Promise.all([self.coroutine(), js.Promise.resolve(2)]).then(
            create_proxy(lambda values: sum(values))
        )
        return Response.json(found)

    async def coroutine(self):
        return 1
