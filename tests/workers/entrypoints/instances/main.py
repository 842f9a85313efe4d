from workers import Response, WorkerEntrypoint

imports = 0
imports += 1
requests = 0


class Default(WorkerEntrypoint):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.mine = 0

    async def fetch(self, request):
        global requests
        requests += 1
        self.mine += 1
        return Response(f"{imports} {self.mine}")
