import time

from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        # A window that ends meanwhile would begin the count anew.
        if time.time() % 60 > 55:
            time.sleep(60 - time.time() % 60)
        env = self.env

        async def uses(count, **options):
            outcomes = [await env.LIMIT.limit(**options) for _ in range(count)]
            return sum(outcome["success"] for outcome in outcomes)

        async def failure(*arguments, **options):
            try:
                return str(await env.LIMIT.limit(*arguments, **options))
            except JsException as error:
                return f"{error.name}: {error.message}"

        return Response.json(
            {
                "five": await uses(5, key="a"),
                "another key": await uses(5, key="b"),
                "a dict": (await env.LIMIT.limit({"key": "c"}))["success"],
                "the same namespace": (await env.SAME.limit(key="a"))["success"],
                "a limit of the call": await uses(5, key="a", limit=5),
                "no key": await uses(4, limit=3),
                "key None": (await env.LIMIT.limit(key=None))["success"],
                "none at all": (await env.OTHER.limit(key="a"))["success"],
                "no options": await failure(),
                "unknown": await failure(key="a", delta=1, x=2),
                "key half a character": (await env.LIMIT.limit(key="a\ud800"))["success"],
                "key": await failure(key=5),
                "limit": await failure(limit="5"),
                "period": await failure(period=11),
                "period text": await failure(period="10"),
            }
        )
