"""`sys.stdout` and `sys.stderr` of an isolate: whole lines go to the host's log, in order with `console.log`."""

from __future__ import annotations

import io
import sys
from typing import Any, NamedTuple

__all__ = ["Streams", "install", "installed", "streams"]


class LogStream(io.TextIOBase):
    """A text stream whose lines become log records. What has no newline yet waits for `flush`."""

    def __init__(self, isolate: Any, name: str, descriptor: int) -> None:
        """Writes records of `name` ("stdout" or "stderr"); `fileno()` is the process's own `descriptor`."""
        self._isolate = isolate
        self._name = name
        self._descriptor = descriptor
        self._pending = ""
        self.buffer = _ByteStream(self)

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True
    mode = "w"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"<{self._name}>"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        pending = self._pending + text
        end = pending.rfind("\n")
        self._pending = pending[end + 1 :]
        if end >= 0:
            self._send(pending[:end])
        return len(text)

    def flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, ""
            self._send(pending)

    def _send(self, text: str) -> None:
        self._isolate.write_log(self._name, text.encode("utf-8", "backslashreplace").decode("utf-8"))


class _ByteStream(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, text: LogStream) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._text.write(bytes(view).decode("utf-8", "backslashreplace"))
        return len(view)

    def flush(self) -> None:
        # RawIOBase.close() flushes, also after the text stream is gone.
        if not self.closed:
            self._text.flush()


class Streams(NamedTuple):
    """The two standard streams for output."""

    stdout: Any
    stderr: Any


def streams(isolate: Any) -> Streams:
    """Streams that write to the host's log."""
    return Streams(LogStream(isolate, "stdout", 1), LogStream(isolate, "stderr", 2))


def installed() -> Streams:
    """The streams of this process."""
    return Streams(sys.stdout, sys.stderr)


def install(streams: Streams) -> None:
    """Replaces the standard streams of this process."""
    for name, stream in streams._asdict().items():
        old = getattr(sys, name)
        if old is not None:
            old.flush()
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
