import asyncio

import isthmus

# What a module does that also works in plain CPython: here everything is there already.
isthmus.install()

import js
from pyodide.ffi import run_sync
from workers import Response, WorkerEntrypoint, import_from_javascript


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        isthmus.install()
        module = import_from_javascript("./inner/module.mjs")

        async def three():
            await asyncio.sleep(0)
            return run_sync(js.Promise.resolve(3))

        return Response(f"{js.Math.max(1, 2)} {module.twice(4)} {isthmus.run(three())}")
