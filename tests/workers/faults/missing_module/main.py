import no_such_module_anywhere
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(no_such_module_anywhere.text)
