import os

import left_socket
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        left_socket.near.sendall(b"through")
        return Response(f"{left_socket.far.recv(16).decode()} {left_socket.pid == os.getpid()}")
