import js
from pyodide.ffi import JsException
from workers import Request, Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.partition("?")[2]
        if path == "kinds":
            return Response.json(await self.kinds())
        if path == "passed":
            return await self.env.ASSETS.fetch(request)
        answer = await self.env.ASSETS.fetch("https://assets.local/" + path)
        return Response(await answer.text(), status=answer.status, headers={"type": answer.headers["content-type"]})

    async def kinds(self):
        assets = self.env.ASSETS
        found = {
            "request": (await assets.fetch(Request("http://x/page"))).status,
            "redirect": (await assets.fetch("http://x/page.html")).url,
            "manual": (await assets.fetch("http://x/page.html", redirect="manual")).status,
            "head": (await assets.fetch("http://x/page", method="HEAD")).headers["content-type"],
            "post": (await assets.fetch("http://x/page", method="POST", body="x" * 200_000)).status,
            "missing": (await assets.fetch("http://x/missing/deep")).status,
            "length": len(await (await assets.fetch("http://x/large.txt")).text()),
            "range": await (await assets.fetch("http://x/large.txt", headers={"range": "bytes=1-3"})).text(),
        }
        unread = [await assets.fetch("http://x/large.txt") for _ in range(5)]
        found["unread"] = [answer.status for answer in unread]
        for wrong in ("/page", "ftp://x/page", ""):
            try:
                await assets.fetch(wrong)
            except (JsException, OSError, ValueError, TypeError) as error:
                found[wrong] = type(error).__name__
        return found
