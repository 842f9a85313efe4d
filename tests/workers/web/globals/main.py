import js
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = js.URL.new("../up?x=1&x=2#frag", "https://example.com/a/b/c")
        headers = js.Headers.new([["B", "1"], ["a", "2"], ["b", "3"]])
        fired = []
        controller = js.AbortController.new()
        controller.signal.addEventListener("abort", create_proxy(lambda event: fired.append(event.type)))
        controller.abort()
        timed = js.Promise.withResolvers() if hasattr(js.Promise, "withResolvers") else None
        if timed:
            js.setTimeout(timed.resolve, 5, "late")
        return Response.json(
            {
                "url": url.href,
                "params": url.searchParams.getAll("x").to_py(),
                "headers": [list(pair) for pair in headers],
                "utf-8": js.TextDecoder.new().decode(js.TextEncoder.new().encode("é😀")),
                "base64": [js.btoa("abc"), js.atob("YWJj")],
                "uuid": len(js.crypto.randomUUID()),
                "random": js.crypto.getRandomValues(js.Uint8Array.new(8)).length,
                "agent": js.navigator.userAgent,
                "now": js.performance.now() >= 0,
                "aborted": [controller.signal.aborted, fired],
                "timer": await timed.promise if timed else "late",
                "missing": [hasattr(js, name) for name in ("window", "process_that_is_not")],
            }
        )
