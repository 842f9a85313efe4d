import os

import left_thread
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        left_thread.questions.put("ping")
        return Response(f"{left_thread.answers.get(timeout=5)} {left_thread.pid == os.getpid()}")
