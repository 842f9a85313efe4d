"""Cases that issue 3 sets a limit for and `ffi_bench.py` does not have; importing this adds them to its `CASES`."""

import asyncio

from ffi_bench import can_run_sync, case, run_js, run_sync


@case("run_sync_done_future")
def _():
    if run_sync is None or not can_run_sync():
        return None

    async def run(n):
        future = asyncio.get_running_loop().create_future()
        future.set_result(1)
        for _ in range(n):
            run_sync(future)

    return run


@case("bytes_to_js_1MiB_no_copy")  # JavaScript reads the memory of the `bytes` itself
def _():
    data = bytes(range(256)) * 4096
    read = run_js("(b) => { const view = b.getBuffer(); const x = view.data[65535]; view.release(); return x; }")
    assert read(data) == 255

    def run(n):
        for _ in range(n):
            read(data)

    return run
