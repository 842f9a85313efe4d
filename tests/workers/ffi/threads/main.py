import asyncio
import gc
import threading

import js
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        proxy = js.Object.new()
        proxy.x = 1

        def touch():
            try:
                return str(proxy.x)
            except RuntimeError as error:
                return f"RuntimeError: {error}"

        touched = await asyncio.to_thread(touch)

        # The last reference dies on another thread: it is freed at home, later.
        box = [js.Array.new(*range(10))]
        thread = threading.Thread(target=lambda: (box.clear(), gc.collect()))
        thread.start()
        thread.join()
        await asyncio.sleep(0.01)

        computed = await asyncio.to_thread(lambda: threading.current_thread() is threading.main_thread())
        return Response.json({"refused": touched.startswith("RuntimeError"), "main": computed, "still": proxy.x})
