"""Frames that break RFC 6455, and those that look as if they did: what the server makes of them, byte by byte."""

import base64
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from harness.server import CONFIG, Server

WORKER = """
    from js import Response as JsResponse, WebSocketPair
    from pyodide.ffi import create_proxy, to_js
    from workers import Response, WorkerEntrypoint

    log = []


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            if request.url.endswith("/log"):
                return Response.json(log)
            client, server = WebSocketPair.new().object_values()
            server.accept()
            server.binaryType = "arraybuffer"

            def on_message(event):
                data = event.data
                server.send(data if isinstance(data, str) else to_js(data.to_bytes()))

            server.onmessage = on_message
            server.onerror = lambda event: log.append(["error", event.message])
            server.onclose = lambda event: log.append(["close", event.code, event.wasClean])
            return JsResponse.new(None, status=101, webSocket=client)
"""

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(head: int, payload: bytes = b"", *, masked: bool = True, length: int | None = None) -> bytes:
    """A frame as a client sends it. `length` is the announced one, if another."""
    announced = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    if announced < 126:
        out = struct.pack("!BB", head, mask_bit | announced)
    elif announced < 1 << 16:
        out = struct.pack("!BBH", head, mask_bit | 126, announced)
    else:
        out = struct.pack("!BBQ", head, mask_bit | 127, announced)
    if not masked:
        return out + payload
    key = os.urandom(4)
    return out + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


class Client:
    """A socket after the handshake."""

    def __init__(self, connection: socket.socket, begun: bytes) -> None:
        self._connection = connection
        self._buffer = begun

    def send(self, *frames: bytes) -> None:
        self._connection.sendall(b"".join(frames))

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            more = self._connection.recv(65536)
            if not more:
                raise EOFError
            self._buffer += more
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def receive(self) -> tuple[int, bytes]:
        """The first byte of the next frame, and its payload."""
        head, length = self._read(2)
        assert length < 128, "a server masks nothing"
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._read(8))
        return head, self._read(length)

    def close_code(self) -> int | None:
        """Reads up to the close frame and the end of the connection."""
        while True:
            head, payload = self.receive()
            if head == FIN | CLOSE:
                break
        with pytest.raises(EOFError):
            self._read(1)
        return struct.unpack("!H", payload[:2])[0] if payload else None

    def vanish(self) -> None:
        self._connection.close()


@contextmanager
def connected(server: Server, extensions: str = "") -> Iterator[Client]:
    with socket.create_connection(server.address, timeout=10) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET / HTTP/1.1",
            "Host: x",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if extensions:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, begun = answer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head
        assert (b"permessage-deflate" in head) == bool(extensions)
        yield Client(connection, begun)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("frames")
    (folder / "wrangler.jsonc").write_text(CONFIG)
    (folder / "main.py").write_text(dedent(WORKER))
    with Server(folder) as running:
        yield running


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


LONG = b"x" * 126

MALFORMED = {
    "rsv1": (1002, frame(FIN | RSV1 | TEXT, b"x")),
    "rsv2": (1002, frame(FIN | RSV2 | TEXT, b"x")),
    "rsv3": (1002, frame(FIN | RSV3 | BINARY, b"x")),
    "rsv1 on a ping": (1002, frame(FIN | RSV1 | PING)),
    "rsv2 on a close": (1002, frame(FIN | RSV2 | CLOSE)),
    **{f"opcode {opcode}": (1002, frame(FIN | opcode, b"x")) for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]},
    "unmasked text": (1002, frame(FIN | TEXT, b"x", masked=False)),
    "unmasked ping": (1002, frame(FIN | PING, masked=False)),
    "unmasked close": (1002, frame(FIN | CLOSE, masked=False)),
    "fragmented ping": (1002, frame(PING, b"x")),
    "fragmented pong": (1002, frame(PONG, b"x")),
    "fragmented close": (1002, frame(CLOSE)),
    "long ping": (1002, frame(FIN | PING, LONG)),
    "long pong": (1002, frame(FIN | PONG, LONG)),
    "long close": (1002, frame(FIN | CLOSE, b"\x03\xe8" + LONG)),
    "continuation of nothing": (1002, frame(FIN | CONTINUATION, b"x")),
    "unfinished continuation of nothing": (1002, frame(CONTINUATION, b"x")),
    "continuation after the end": (1002, frame(FIN | TEXT, b"x") + frame(FIN | CONTINUATION, b"y")),
    "text within a text": (1002, frame(TEXT, b"x") + frame(FIN | TEXT, b"y")),
    "bytes within a text": (1002, frame(TEXT, b"x") + frame(FIN | BINARY, b"y")),
    "length in too many bytes": (1002, struct.pack("!BBHI", FIN | TEXT, 0xFE, 5, 0) + b"hello"),
    "length in far too many bytes": (1002, struct.pack("!BBQI", FIN | TEXT, 0xFF, 300, 0) + b"x" * 300),
    "length with its highest bit": (1002, struct.pack("!BBQI", FIN | TEXT, 0xFF, 1 << 63, 0)),
    "half a close code": (1002, frame(FIN | CLOSE, b"\x03")),
    **{
        f"close code {code}": (1002, frame(FIN | CLOSE, struct.pack("!H", code)))
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
    },
    "close reason that is no text": (1007, frame(FIN | CLOSE, b"\x03\xe8\xff")),
    "invalid byte": (1007, frame(FIN | TEXT, b"a\xffb")),
    "surrogate": (1007, frame(FIN | TEXT, b"\xed\xa0\x80")),
    "overlong": (1007, frame(FIN | TEXT, b"\xc0\xaf")),
    "beyond Unicode": (1007, frame(FIN | TEXT, b"\xf4\x90\x80\x80")),
    "cut character": (1007, frame(FIN | TEXT, "ü".encode()[:1])),
    "cut character at the end of fragments": (1007, frame(TEXT, b"\xf0\x9f") + frame(FIN | CONTINUATION, b"\xa6")),
    "invalid in a first fragment": (1007, frame(TEXT, b"\xff")),
    "too long": (1009, frame(FIN | BINARY, b"", length=32 * 1024 * 1024 + 1)),
    "beyond all bounds": (1009, frame(FIN | BINARY, b"", length=(1 << 63) - 1)),
    "too long in two": (1009, frame(BINARY, b"x") + frame(FIN | CONTINUATION, b"", length=32 * 1024 * 1024)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_breaks_the_protocol_is_answered_with_the_right_code(server: Server, name: str) -> None:
    code, frames = MALFORMED[name]
    with connected(server) as client:
        client.send(frames)
        assert client.close_code() == code


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1010, 1011, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_come_back(server: Server, code: int) -> None:
    with connected(server) as client:
        client.send(frame(FIN | CLOSE, struct.pack("!H", code) + b"why"))
        assert client.close_code() == code


def test_a_close_without_code_comes_back_without(server: Server) -> None:
    with connected(server) as client:
        client.send(frame(FIN | CLOSE))
        assert client.close_code() is None


def test_what_comes_after_a_close_is_ignored(server: Server) -> None:
    with connected(server) as client:
        client.send(frame(FIN | CLOSE, b"\x03\xe8"), frame(FIN | TEXT, b"\xff"), frame(FIN | PING))
        assert client.close_code() == 1000


WELL_FORMED = {
    "cut between characters' bytes": (
        "ü🦄",
        frame(TEXT, "ü".encode()[:1]) + frame(CONTINUATION, "ü".encode()[1:] + "🦄".encode()[:2]),
        frame(FIN | CONTINUATION, "🦄".encode()[2:]),
    ),
    "empty fragments": ("x", frame(TEXT), frame(CONTINUATION) + frame(CONTINUATION, b"x"), frame(FIN | CONTINUATION)),
    "a ping between fragments": ("ab", frame(TEXT, b"a") + frame(FIN | PING, b"p"), frame(FIN | CONTINUATION, b"b")),
    "a pong nobody asked for": ("x", frame(FIN | PONG, b"p"), frame(FIN | TEXT, b"x")),
    "an empty message": ("", frame(FIN | TEXT)),
    "one byte at a time": ("slow", *(bytes([byte]) for byte in frame(FIN | TEXT, b"slow"))),
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_what_only_looks_broken_is_taken(server: Server, name: str) -> None:
    text, *pieces = WELL_FORMED[name]
    with connected(server) as client:
        for piece in pieces:
            client.send(piece)
        head, payload = client.receive()
        if head == FIN | PONG:
            assert payload == b"p"
            head, payload = client.receive()
        assert (head, payload.decode()) == (FIN | TEXT, text)


@pytest.mark.parametrize("size", [0, 1, 125])
def test_pings_are_answered(server: Server, size: int) -> None:
    with connected(server) as client:
        client.send(frame(FIN | PING, b"p" * size))
        assert client.receive() == (FIN | PONG, b"p" * size)


def test_compressed_messages_may_be_fragmented_and_refer_back(server: Server) -> None:
    text = b"hello hello hello hello " * 10
    packed = raw_deflate(text)
    with connected(server, "permessage-deflate; server_no_context_takeover") as client:
        for _ in range(2):
            client.send(frame(RSV1 | TEXT, packed[:5]), frame(FIN | PING), frame(FIN | CONTINUATION, packed[5:]))
            assert client.receive() == (FIN | PONG, b"")
            head, payload = client.receive()
            assert head == FIN | RSV1 | TEXT
            assert zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff") == text


COMPRESSED = {
    "nonsense": (1007, frame(FIN | RSV1 | TEXT, b"\xff" * 8)),
    "text that is none": (1007, frame(FIN | RSV1 | TEXT, raw_deflate(b"\xff\xfe"))),
    "rsv1 on a continuation": (1002, frame(RSV1 | TEXT, b"\xf2") + frame(FIN | RSV1 | CONTINUATION, b"\x48")),
    "rsv2": (1002, frame(FIN | RSV1 | RSV2 | TEXT, b"x")),
    "a bomb": (1009, frame(FIN | RSV1 | BINARY, raw_deflate(bytes(33 * 1024 * 1024)))),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_what_is_badly_compressed_is_answered_with_the_right_code(server: Server, name: str) -> None:
    code, frames = COMPRESSED[name]
    with connected(server, "permessage-deflate") as client:
        client.send(frames)
        assert client.close_code() == code


def test_a_worker_hears_of_errors_and_of_who_vanishes(server: Server) -> None:
    before = len(server.get("/log").json())
    with connected(server) as client:
        client.send(frame(FIN | TEXT, b"\xff"))
        client.close_code()
    with connected(server) as client:
        client.vanish()

    def heard() -> list[object]:
        return server.get("/log").json()[before:]

    from harness.processes import eventually

    eventually(lambda: len(heard()) >= 3, "three events")
    assert heard() == [
        ["error", "Uncaught Error: Text is not valid UTF-8."],
        ["close", 1006, False],
        ["close", 1006, False],
    ]
