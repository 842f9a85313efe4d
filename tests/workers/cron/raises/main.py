import asyncio

from pyodide.ffi import create_proxy
from workers import WorkerEntrypoint


async def later(failing):
    await asyncio.sleep(0.05)
    print("later")
    if failing:
        raise ValueError("after the handler")


class Default(WorkerEntrypoint):
    async def scheduled(self, controller, env, ctx):
        match controller.cron:
            case "raise":
                raise LookupError("in the handler")
            case "never again":
                controller.noRetry()
                raise LookupError("in the handler")
            case "later" | "rejects":
                self.ctx.waitUntil(create_proxy(later(controller.cron == "rejects")))
