from workers import Response, WorkerEntrypoint

seen = []


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(",".join(seen))

    async def scheduled(self, controller, env, ctx):
        seen.append(controller.cron)
