"""A server on this machine that Workers under test fetch from and send to. It is part of the measuring process."""

import socket
import threading
from collections.abc import Callable
from typing import BinaryIO

Answer = Callable[[socket.socket, BinaryIO, str, dict[bytes, bytes]], None]
"""Reads the body of a request from the stream and writes all of the answer, given path and headers in lower case."""


class Origin:
    """Has `answer` answer each request, on a thread for each connection."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while line := stream.readline():
                headers = {}
                while (header := stream.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip()
                self._answer(connection, stream, line.split()[1].decode().partition("?")[0], headers)
        except OSError:
            pass
