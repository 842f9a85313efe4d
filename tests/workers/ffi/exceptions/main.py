import traceback

import js
from pyodide.ffi import JsException, create_proxy
from workers import Response, WorkerEntrypoint


class Mine(Exception):
    pass


def fail(*_):
    raise Mine("from python")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        found = {}
        try:
            js.Array.of(1).forEach(create_proxy(fail))
        except Mine as error:
            found["through javascript"] = [str(error), "in fail" in "".join(traceback.format_exception(error))]

        async def fail_later():
            raise Mine("later")

        try:
            await js.Promise.resolve().then(create_proxy(lambda _: fail_later()))
        except Mine as error:
            found["through a promise"] = str(error)
        caught = await js.Promise.reject(js.TypeError.new("bad")).catch(
            create_proxy(lambda error: f"{error.name}: {error.message}")
        )
        found["caught by python"] = caught
        try:
            js.decodeURIComponent("%")
        except JsException as error:
            found["class"] = error.name
        return Response.json(found)
