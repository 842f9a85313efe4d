"""TCP and TLS servers on this machine, each with a habit of its own: `TcpServers`.

Run as a program it says as one line of JSON where they listen, and serves until its standard input ends.
"""

import contextlib
import json
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """Writes `ca.pem`, and `both.pem` with certificate and key of a server called localhost that it vouches for."""
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName = DNS:localhost\n")
    _openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())


class TcpServers:
    """Listens on a port for each habit; `open` counts the connections that are not over."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        make_certificates(self.folder)
        self.certificate = str(self.folder / "ca.pem")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.folder / "both.pem")
        self.lock = threading.Lock()
        self.open = 0
        self.ports: dict[str, int] = {}
        self._listeners: list[socket.socket] = []
        habits: dict[str, Callable[[socket.socket], None]] = {
            "echo": self._echo, "greet": self._greet, "count": self._count, "reset": self._reset, "silent": self._silent,
            "flood": self._flood, "starttls": self._starttls, "tls": self._tls_echo, "last": self._last_words,
        }
        for name, habit in habits.items():
            listener = socket.create_server(("127.0.0.1", 0), backlog=200)
            self._listeners.append(listener)
            self.ports[name] = listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener, habit), daemon=True).start()
        # Nobody listens there: the port was free a moment ago.
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            self.ports["nobody"] = nobody.getsockname()[1]

    @property
    def where(self) -> dict[str, object]:
        """The ports by habit, and the file of the certificate to trust."""
        return {**self.ports, "certificate": self.certificate}

    def _accept(self, listener: socket.socket, habit: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, habit), daemon=True).start()

    def _serve(self, connection: socket.socket, habit: Callable[[socket.socket], None]) -> None:
        with self.lock:
            self.open += 1
        try:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(60)
                habit(connection)
        finally:
            with self.lock:
                self.open -= 1

    @staticmethod
    def _echo(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    @staticmethod
    def _greet(connection: socket.socket) -> None:
        connection.sendall(b"hello\n")

    @staticmethod
    def _count(connection: socket.socket) -> None:
        count = 0
        while data := connection.recv(65536):
            count += len(data)
        connection.sendall(f"{count}".encode())

    @staticmethod
    def _reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @staticmethod
    def _silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    @staticmethod
    def _flood(connection: socket.socket) -> None:
        chunk = bytes(65536)
        while True:
            connection.sendall(chunk)

    @staticmethod
    def _last_words(connection: socket.socket) -> None:
        """Says that it is done, and then still listens."""
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    def stuck(self) -> int:
        """The port of a server that accepts and takes nothing."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=5)
        self._listeners.append(listener)
        return int(listener.getsockname()[1])

    def _starttls(self, connection: socket.socket) -> None:
        connection.sendall(b"220 ready\n")
        if connection.recv(9) != b"STARTTLS\n":
            return
        connection.sendall(b"go\n")
        self._tls_echo(connection)

    def _tls_echo(self, connection: socket.socket) -> None:
        with self.tls.wrap_socket(connection, server_side=True) as secure:
            while data := secure.recv(65536):
                secure.sendall(data)
            with contextlib.suppress(OSError):
                secure.unwrap()

    def close(self) -> None:
        """Stops listening; connections go on until their peers end them."""
        for listener in self._listeners:
            # Closing alone would not wake the thread that accepts.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    with TcpServers() as servers:
        print(json.dumps(servers.where), flush=True)
        sys.stdin.read()
