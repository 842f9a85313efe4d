import js
from workers import Response, WorkerEntrypoint

CLEAR = "\x1b[2J\x1b]0;title\x07\x9b31m\r"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        print(f"print {CLEAR} done")
        js.console.log(f"console {CLEAR} done")
        raise ValueError(f"raised {CLEAR} done")
