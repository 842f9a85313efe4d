import js
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        raw = self.env.KV._binding
        if request.method == "PUT":
            # The body goes to the store as it comes.
            await raw.put("body", request.js_object.body)
            return Response("stored")
        # And back, without being read here.
        return js.Response.new(await raw.get("body", "stream"))
