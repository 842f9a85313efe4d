import asyncio

import js
from pyodide.ffi import can_run_sync, create_proxy, run_sync
from workers import Response, WorkerEntrypoint


def in_javascript(function):
    """Calls back from JavaScript: a JS frame lies between us and the loop."""
    try:
        return js.Array.new(1, 2).map(create_proxy(lambda *_: function())).to_py()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        async def sleep(seconds):
            await asyncio.sleep(seconds)
            return seconds

        # Two tasks that would each leave a JavaScript frame behind while the other runs.
        async def park(seconds):
            return in_javascript(lambda: run_sync(sleep(seconds)))

        refused = await asyncio.gather(park(0.02), park(0.01))
        return Response.json(
            {
                "refused": [text.partition(":")[0] for text in refused],
                "can": in_javascript(can_run_sync),
                "before and after": [can_run_sync(), run_sync(sleep(0))],
            }
        )
