"""A server on this machine for Workers to fetch from: `Origin`."""

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHUNK = bytes(range(256)) * 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.server.open += 1

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().finish()
        with self.server.lock:
            self.server.open -= 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self.server.lock:
            self.server.paths.append(self.path)
        getattr(self, "at_" + url.path.strip("/").replace("-", "_"))(query)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_echo(self, _: dict[str, str]) -> None:
        body = self._body()
        told = {"method": self.command, "headers": [list(pair) for pair in self.headers.items()], "length": len(body)}
        told["body"] = body[:1000].decode("latin-1")
        self._answer(json.dumps(told).encode(), content_type="application/json")

    def at_back(self, _: dict[str, str]) -> None:
        self._answer(self._body())

    def at_mirror(self, _: dict[str, str]) -> None:
        """Answers with the body while it comes."""
        left = int(self.headers["content-length"])
        self.send_response(200)
        self.send_header("content-length", str(left))
        self.end_headers()
        while left and (piece := self.rfile.read1(1 << 16)):
            self.wfile.write(piece)
            left -= len(piece)

    def at_redirect(self, query: dict[str, str]) -> None:
        self._body()
        self._answer(b"moved", int(query.get("status", "302")), location=query["to"])

    def at_status(self, query: dict[str, str]) -> None:
        self._answer(b"", int(query["status"]))

    def at_coded(self, query: dict[str, str]) -> None:
        self._answer(self.server.bodies[query["name"]], content_encoding=query["coding"])

    def at_text(self, query: dict[str, str]) -> None:
        self._answer(query.get("text", "text").encode(), content_type="text/plain")

    def at_reset(self, _: dict[str, str]) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()
        self.close_connection = True

    def at_garbage(self, _: dict[str, str]) -> None:
        self.wfile.write(b"this is no HTTP\r\n\r\n")
        self.close_connection = True

    def at_short(self, _: dict[str, str]) -> None:
        """Promises more than it gives."""
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def at_silent(self, _: dict[str, str]) -> None:
        self._until_closed()

    def at_stalled(self, _: dict[str, str]) -> None:
        """Begins a body and says no more."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self._until_closed()

    def at_large(self, query: dict[str, str]) -> None:
        length = int(query["length"])
        self.send_response(200)
        if "chunked" not in query:
            self.send_header("content-length", str(length))
        else:
            self.close_connection = True
        self.end_headers()
        while length:
            self.wfile.write(CHUNK[:length])
            length -= min(length, len(CHUNK))

    def at_ticks(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(int(query["count"])):
            self.wfile.write(b"6\r\ntick%d\n\r\n" % (number % 10))
            time.sleep(0.02)
        self.wfile.write(b"0\r\n\r\n")

    def at_count(self, _: dict[str, str]) -> None:
        length = 0
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                left = size
                while left:
                    left -= len(self.rfile.read(min(left, 1 << 20)))
                length += size
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers["content-length"])
            while left:
                read = len(self.rfile.read(min(left, 1 << 20)))
                length, left = length + read, left - read
        self._answer(str(length).encode())

    def _until_closed(self) -> None:
        self.close_connection = True
        self.connection.settimeout(60)
        while self.connection.recv(65536):
            pass
        with self.server.lock:
            self.server.given_up += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.connections = self.open = self.given_up = 0
        self.paths: list[str] = []
        self.bodies: dict[str, bytes] = {"gzip": gzip.compress(b"hello " * 1000)}

    def handle_error(self, *_: object) -> None:
        pass


class Origin:
    """The server; `with Origin() as origin: … origin.url …`."""

    def __init__(self, certificate: str | None = None) -> None:
        """`certificate`: a PEM file with certificate and key, for HTTPS."""
        self._server = _Server()
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.port: int = self._server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._server.connections

    @property
    def open(self) -> int:
        """How many connections are open."""
        return self._server.open

    @property
    def given_up(self) -> int:
        """How many clients gave up an answer that never came."""
        return self._server.given_up

    @property
    def paths(self) -> list[str]:
        """The targets of all requests."""
        return self._server.paths

    @property
    def bodies(self) -> dict[str, bytes]:
        """What `/coded?name=…` answers with."""
        return self._server.bodies

    def __enter__(self) -> "Origin":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
