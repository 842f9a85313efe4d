"""JSON both ways to a server on this machine, and a proxy that passes bodies on as they come."""

import json

from js import fetch as js_fetch
from workers import Response, WorkerEntrypoint, fetch


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.partition("://")[2].partition("/")[2]
        if path.startswith("proxy/"):
            return await self.proxy(request, path.removeprefix("proxy/"))
        return await self.ask()

    async def ask(self):
        """Sends JSON, and answers with what the server made of it."""
        question = {"numbers": [1, 2, 3], "text": "é"}
        try:
            response = await fetch(
                self.env.UPSTREAM + "/json",
                method="POST",
                headers={"content-type": "application/json"},
                body=json.dumps(question),
            )
        except OSError as error:
            return Response(f"upstream can't be reached: {error}", status=502)
        if not response.ok:
            return Response(f"upstream says {response.status}", status=502)
        return Response.json({"asked": question, "answered": await response.json()})

    async def proxy(self, request, path):
        """Passes request and answer on. The bodies are never here as a whole; the answer's is not here at all."""
        has_body = request.method not in ("GET", "HEAD")
        return await js_fetch(
            f"{self.env.UPSTREAM}/{path}",
            method=request.method,
            headers=request.js_object.headers,
            body=request.js_object.body if has_body else None,
            redirect="manual",
        )
