import asyncio
import contextvars

import js
from pyodide.ffi import JsException, run_sync
from workers import Response, WorkerEntrypoint

variable = contextvars.ContextVar("variable", default="unset")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        async def fail():
            await asyncio.sleep(0)
            raise KeyError("lost")

        found = {}
        try:
            run_sync(fail())
        except KeyError as error:
            found["python"] = repr(error)
        try:
            run_sync(js.Promise.reject(js.Error.new("no")))
        except JsException as error:
            found["javascript"] = error.message
        found["promise"] = run_sync(js.Promise.resolve(7))

        # A context of its own per task, seen on both sides of the switch.
        async def own(value):
            variable.set(value)
            run_sync(asyncio.sleep(0.01))
            return variable.get()

        found["contexts"] = await asyncio.gather(own("a"), own("b"), own("c"))
        found["outside"] = variable.get()

        async def blocked():
            run_sync(asyncio.sleep(60))

        task = asyncio.create_task(blocked())
        await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            found["cancelled"] = task.cancelled()
        return Response.json(found)
