from workers import Response, WorkerEntrypoint

seen = []


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("; ".join(seen))

    async def scheduled(self, controller, env, ctx):
        assert (env, ctx) == (None, None)
        assert self.env.TOKEN == "secret"
        seen.append(
            f"{controller.constructor.name} {controller.type} {controller.cron!r} {controller.scheduledTime}"
            f" {type(controller.scheduledTime).__name__} {controller.noRetry()}"
        )
