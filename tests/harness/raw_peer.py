"""A server that says exactly the bytes it is given, valid HTTP or not: `RawPeer`."""

import contextlib
import socket
import struct
import threading
from collections.abc import Sequence
from enum import Enum


class Then(Enum):
    """What the peer does instead of sending bytes."""

    CLOSE = "close"
    RESET = "reset"
    WAIT = "wait"


Script = Sequence[bytes | Then]


class RawPeer:
    """The server; `with RawPeer() as peer: peer.scripts["name"] = (b"HTTP/1.1 …", Then.CLOSE); … peer.url + "/name"`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.scripts: dict[str, Script] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = False

    @property
    def open(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._open)

    def __enter__(self) -> "RawPeer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            self._play(connection)
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _play(self, connection: socket.socket) -> None:
        """One request per connection; one that stays open after the script waits for the other side to close it."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        name = head.split(b" ", 2)[1].lstrip(b"/").partition(b"?")[0].decode()
        for step in self.scripts.get(name, ()):
            match step:
                case Then.CLOSE:
                    connection.shutdown(socket.SHUT_WR)
                    return
                case Then.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                case Then.WAIT:
                    while connection.recv(65536):
                        pass
                    return
                case bytes():
                    connection.sendall(step)
