from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        await self.env.Q.send("a")
        return Response("sent")

    async def queue(self, batch):
        pass
