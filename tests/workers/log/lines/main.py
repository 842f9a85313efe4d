import logging
import sys

import js
from workers import Response, WorkerEntrypoint

print("at import")
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        print("printed")
        print("to stderr", file=sys.stderr)
        js.console.log("logged", 1, js.Array.new(1, 2))
        js.console.error("an error")
        logging.getLogger("test").info("by logging")
        return Response("ok")
