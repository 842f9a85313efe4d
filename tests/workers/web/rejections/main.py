import asyncio

import js
from pyodide.code import run_js
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

heard = []


@create_proxy
def listener(event):
    heard.append([event.type, event.reason.name, event.reason.message.rstrip().rpartition("\n")[2], event.promise is not None])
    if event.reason.message != "told" and event.type == "unhandledrejection":
        event.preventDefault()


js.addEventListener("unhandledrejection", listener)
js.addEventListener("rejectionhandled", listener)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        heard.clear()
        path = js.URL.new(request.url).pathname
        if path == "/handled-in-time":
            run_js("void Promise.reject(new Error('soon')).catch(() => {})")
            await asyncio.sleep(0.01)
        elif path == "/python":
            # A coroutine that JavaScript starts and nobody waits for.
            async def fails():
                raise ValueError("from Python")

            run_js("(f) => { (async () => { await f(); })(); }")(create_proxy(fails))
            await asyncio.sleep(0.01)
        elif path == "/removed":
            js.removeEventListener("unhandledrejection", listener)
            run_js("void Promise.reject(new Error('nobody hears'))")
            await asyncio.sleep(0.01)
            js.addEventListener("unhandledrejection", listener)
        else:
            promise = run_js("({ promise: Promise.reject(new Error('first')) })")
            run_js("void Promise.reject(new Error('told'))")
            await asyncio.sleep(0.01)
            run_js("({ promise }) => { promise.catch(() => {}); }")(promise)
            await asyncio.sleep(0.01)
        return Response.json(heard)
