"""The Worker that `run.py` starts: one benchmark case per request, inside an isolate."""

import ffi_bench
import own_cases  # noqa: F401 - adds to ffi_bench.CASES
from workers import Response, WorkerEntrypoint

CASES = {name: (setup, scale) for name, setup, scale in ffi_bench.CASES}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = request.url.rpartition("/")[2]
        if not name:
            return Response.json(list(CASES))
        setup, scale = CASES[name]
        try:
            # `None` if the case found that what it measures is not there.
            result = await ffi_bench.measure(setup, scale, reps=25, target=0.003)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        return Response.json(result)
