"""The Worker that `run.py` starts: one benchmark case per request, inside an isolate."""

import ffi_bench
import own_cases  # noqa: F401 - adds to ffi_bench.CASES
from workers import Response, WorkerEntrypoint

CASES = {name: (setup, scale) for name, setup, scale in ffi_bench.CASES}
LOOP = "pure_loop_empty"


async def loop_ns():
    """How long an iteration of an empty loop takes just now: what the machine's clock and its neighbours leave us."""
    result = await ffi_bench.measure(*CASES[LOOP], reps=5, target=0.002)
    return result["cpu_median"]


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = request.url.rpartition("/")[2]
        if not name:
            return Response.json(list(CASES))
        setup, scale = CASES[name]
        try:
            before = await loop_ns()
            # `None` if the case found that what it measures is not there.
            result = await ffi_bench.measure(setup, scale, reps=25, target=0.003)
            if result is not None:
                result["loop"] = (before + await loop_ns()) / 2
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        return Response.json(result)
