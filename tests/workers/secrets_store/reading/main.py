from pyodide.ffi import JsException
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        try:
            return Response(await self.env.TOKEN.get())
        except JsException as error:
            return Response(f"{self.env.TOKEN.constructor.name} {error.name}: {error.message}", status=404)
