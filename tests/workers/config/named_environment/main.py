from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        names = ("WHERE", "ONLY_TOP", "EXTRA", "GIVEN")
        return Response(" ".join(f"{name}={getattr(self.env, name, '')}" for name in names))
