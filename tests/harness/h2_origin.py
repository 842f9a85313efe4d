"""A server on this machine that speaks HTTP/2 over TLS: `H2Origin`."""

import socket
import ssl
import threading
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated


class _Connection:
    """One connection: every request is answered with what it was, `/reset` with a reset stream, `/large?N` with N bytes."""

    def __init__(self, connection: ssl.SSLSocket, origin: "H2Origin") -> None:
        self.socket, self.origin = connection, origin
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, dict[str, str]] = {}
        self.received: dict[int, int] = {}
        self.left: dict[int, int] = {}

    def serve(self) -> None:
        self.h2.initiate_connection()
        self.flush()
        while data := self.socket.recv(65536):
            for event in self.h2.receive_data(data):
                self.handle(event)
            self.send_left()
            self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def handle(self, event: Any) -> None:
        match event:
            case RequestReceived():
                self.requests[event.stream_id] = dict(event.headers)
                self.received[event.stream_id] = 0
            case DataReceived():
                self.received[event.stream_id] += len(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.answer(event.stream_id)
            case StreamReset():
                with self.origin.lock:
                    self.origin.resets += 1
                self.left.pop(event.stream_id, None)
            case WindowUpdated():
                pass

    def answer(self, stream: int) -> None:
        request = self.requests.pop(stream)
        path = request[":path"]
        if path == "/reset":
            self.h2.reset_stream(stream, 2)
        elif path == "/silent":
            self.h2.send_headers(stream, [(":status", "200")])
        elif path.startswith("/large?"):
            self.h2.send_headers(stream, [(":status", "200")])
            self.left[stream] = int(path.partition("?")[2])
        else:
            told = f"{request[':method']} {path} {self.received[stream]} {request.get('x-mine', 'null')}".encode()
            self.h2.send_headers(stream, [(":status", "201"), ("x-protocol", "h2"), ("content-length", str(len(told)))])
            self.h2.send_data(stream, told, end_stream=True)

    def send_left(self) -> None:
        for stream, left in list(self.left.items()):
            while left and (room := self.h2.local_flow_control_window(stream)):
                size = min(left, room, self.h2.max_outbound_frame_size)
                left -= size
                self.h2.send_data(stream, bytes(size), end_stream=left == 0)
                self.flush()
            self.left[stream] = left
            if not left:
                del self.left[stream]


class H2Origin:
    """The server; `with H2Origin(certificate) as origin: … origin.url …`."""

    def __init__(self, certificate: str) -> None:
        """`certificate`: a PEM file with certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2"])
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.connections = 0
        """How many connections were made."""
        self.resets = 0
        """How many streams the clients gave up."""

    def __enter__(self) -> "H2Origin":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                with self.lock:
                    self.connections += 1
                _Connection(connection, self).serve()
        except OSError:
            pass  # it hung up
