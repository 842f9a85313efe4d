"""`pyodide.setStdin`, `setStdout`, `setStderr`: Python's standard streams, read and written by JavaScript functions.

The streams of `sys` are replaced, not the descriptors 0 to 2: what is not written through `sys` (`os.write`, C libraries,
child processes) goes where it always went. So does what other threads write, since JavaScript belongs to one.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from isthmus._native.ffi import JsException, global_this

from .values import JsBigInt, jsnull

__all__ = ["set_stderr", "set_stdin", "set_stdout"]

_ERRORS = {"stdin": "strict", "stdout": "strict", "stderr": "backslashreplace"}
_RETRY_AFTER = 0.1
"""Seconds until a function that threw EAGAIN is called again."""
_NEWLINE = 10


def _option(options: Any, name: str) -> Any:
    value = getattr(options, name, None)
    if value is None and isinstance(options, dict):
        value = options.get(name)
    return value


def _type_error(message: str) -> JsException:
    return JsException("TypeError", message)


def _io_error(number: int = errno.EIO) -> OSError:
    return OSError(number, os.strerror(number))


def _warn(message: str) -> None:
    global_this().console.warn(message)


def _number_of(error: Any) -> int | None:
    """The error number that a JavaScript error names, by `code` or `errno`."""
    code, number = getattr(error, "code", None), getattr(error, "errno", None)
    if isinstance(code, str) and isinstance(getattr(errno, code, None), int):
        return int(getattr(errno, code))
    return number if isinstance(number, int) else None


def _attempt(name: str, call: Callable[..., Any], *args: Any) -> int:
    """What the function `name` returned, a count of bytes; what it throws becomes an OSError."""
    while True:
        try:
            count = call(*args)
        except JsException as error:
            number = _number_of(error)
            if number == errno.EAGAIN:
                time.sleep(_RETRY_AFTER)
                continue
            if number is None:
                console = global_this().console
                console.error(f"Error thrown in {name}:")
                console.error(error)
            raise _io_error(errno.EIO if number is None else number) from error
        except OSError:
            raise
        except Exception as error:
            raise _io_error() from error
        if count is None:
            _warn(f"{name} returned undefined; a correct implementation must return a number")
            raise _io_error()
        if isinstance(count, bool) or not isinstance(count, (int, float)):
            raise _io_error()
        return int(count)


class _Source:
    """Reads by `read(array)`, which fills a Uint8Array and returns how much."""

    def __init__(self, options: Any) -> None:
        self._options = options
        self.isatty = bool(_option(options, "isatty"))

    def read(self, size: int) -> bytes:
        array = global_this().Uint8Array.new(size)
        count = _attempt("read", self._options.read, array)
        return array.subarray(0, count).to_bytes()  # type: ignore[no-any-return]


class _Failing:
    """Every read fails."""

    isatty = False

    def read(self, _size: int) -> bytes:
        raise _io_error()


class _Lines:
    """Reads by `stdin()`, which returns a line, bytes, a single byte, or nothing at the end of the input."""

    def __init__(self, options: Any, ends: bool) -> None:
        """With `ends`, the input ends after each answer, so that a reader gets what there is."""
        self._call = _option(options, "stdin")
        self._ends = ends
        self._left = b""
        self._at_end = False
        self.isatty = bool(_option(options, "isatty"))

    def read(self, size: int) -> bytes:
        if self._at_end:
            self._at_end = False
            return b""
        data = bytearray()
        while True:
            answer = self._left or self._ask()
            if isinstance(answer, int):
                data.append(answer)
                if len(data) < size:
                    continue
                return bytes(data)
            room = size - len(data)
            data += answer[:room]
            self._left = answer[room:]
            if not answer or self._ends or len(data) == size:
                newline = bool(answer) and data[-1] == _NEWLINE
                self._at_end = bool(data) and self._ends and not newline
                return bytes(data)

    def _ask(self) -> bytes | int:
        """Bytes, empty at the end of the input, or one byte as a number."""
        outcome: list[bytes | int] = []

        def ask() -> int:
            outcome.append(_answer(self._call()))
            return 0

        _attempt("read", ask)
        return outcome[0]


def _answer(value: Any) -> bytes | int:
    from pyodide.ffi import JsBuffer, JsTypedArray

    if value is None or value is jsnull:
        return b""
    if isinstance(value, str):
        text = value if value.endswith("\n") else value + "\n"
        # What is half a pair of surrogates is no text: JavaScript's encoder replaces it.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    if isinstance(value, (int, float)) and not isinstance(value, (bool, JsBigInt)):
        return int(value) & 0xFF
    if isinstance(value, JsBuffer):
        view = global_this().ArrayBuffer.isView(value)
        if not view or (isinstance(value, JsTypedArray) and value.BYTES_PER_ELEMENT == 1):
            return value.to_bytes()  # type: ignore[no-any-return]
        _warn(f"Expected BYTES_PER_ELEMENT to be 1, infunc gave {value.constructor}")
        raise _io_error()
    _warn("Expected result to be undefined, null, string, array buffer, or array buffer view")
    raise _io_error()


class _Sink:
    """Writes by `write(array)`, which takes a Uint8Array and returns how much of it was written."""

    def __init__(self, options: Any) -> None:
        self._options = options
        self.isatty = bool(_option(options, "isatty"))

    def write(self, data: bytes) -> int:
        from isthmus._native.ffi import to_js

        return _attempt("write", self._options.write, to_js(data))

    def sync(self) -> None:
        if _option(self._options, "fsync"):
            self._options.fsync()


class _Bytes:
    """Writes by `raw(byte)`."""

    def __init__(self, options: Any) -> None:
        self._call = options if callable(options) else _option(options, "raw")
        self.isatty = bool(_option(options, "isatty"))

    def write(self, data: bytes) -> int:
        def each() -> int:
            for byte in data:
                self._call(byte)
            return len(data)

        return _attempt("write", each)

    def sync(self) -> None:
        """Nothing waits."""


class _Batches:
    """Writes by `batched(line)`, without the newline."""

    isatty = False

    def __init__(self, options: Any) -> None:
        self._call = _option(options, "batched")
        self._waiting = b""

    def write(self, data: bytes) -> int:
        def each() -> int:
            lines = (self._waiting + data).split(b"\n")
            for line in lines[:-1]:
                self._call(_text(line))
            self._waiting = lines[-1]
            return len(data)

        return _attempt("write", each)

    def sync(self) -> None:
        if self._waiting:
            line, self._waiting = self._waiting, b""
            self._call(_text(line))


def _text(line: bytes) -> str:
    return line.replace(b"\0", b"").decode("utf-8", "replace")


class _Device(io.RawIOBase):
    """The raw stream below `sys.stdin`, `sys.stdout` or `sys.stderr`; what is behind it can change."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._home = threading.get_ident()
        self.original = original
        """The stream of `sys` that this one stands in for; may be None."""
        self.behind: Any = None

    @property
    def name(self) -> str:
        return f"<{self._name}>"

    @property
    def mode(self) -> str:
        return "rb" if self._name == "stdin" else "wb"

    def readable(self) -> bool:
        return self._name == "stdin"

    def writable(self) -> bool:
        return self._name != "stdin"

    def isatty(self) -> bool:
        return bool(self.behind.isatty)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.behind.read(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        data = bytes(data)
        if threading.get_ident() != self._home:
            if self.original is not None:
                self.original.buffer.write(data)
                self.original.flush()
            return len(data)
        return int(self.behind.write(data))


class _Nothing:
    """Behind a device that is no longer in use."""

    isatty = False

    def read(self, _size: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        return len(data)

    def sync(self) -> None:
        """Nothing waits."""


_streams: dict[str, tuple[io.TextIOWrapper, _Device]] = {}
"""What stands in for streams of `sys`, with the devices below."""


def _install(name: str, behind: Any) -> None:
    """Has the stream of `sys` read from, or write to, `behind`."""
    if name not in _streams:
        if not _streams:
            atexit.register(_restore_all)
        device = _Device(name, getattr(sys, name))
        device.behind = behind
        if device.original is not None and name != "stdin":
            device.original.flush()
        buffered: Any = io.BufferedReader(device) if name == "stdin" else io.BufferedWriter(device)
        stream = io.TextIOWrapper(buffered, encoding="utf-8", errors=_ERRORS[name], line_buffering=name != "stdin")
        stream.mode = "r" if name == "stdin" else "w"  # type: ignore[misc]
        _streams[name] = stream, device
        setattr(sys, name, stream)
        return
    stream, device = _streams[name]
    _finish(name, stream, device)
    device.behind = behind
    setattr(sys, name, stream)


def _finish(name: str, stream: io.TextIOWrapper, device: _Device) -> None:
    """What waits to be written goes where it was written to; what can't be written is lost."""
    if name == "stdin":
        return
    try:
        stream.flush()
    except OSError:
        device.behind = _Nothing()
        stream.flush()
    try:
        device.behind.sync()
    except JsException:
        pass


def _restore(name: str) -> None:
    """Has `sys` the stream again that it had at first."""
    if name not in _streams:
        return
    stream, device = _streams.pop(name)
    _finish(name, stream, device)
    device.behind = _Nothing()
    if getattr(sys, name) is stream:
        setattr(sys, name, device.original)


def _restore_all() -> None:
    for name in list(_streams):
        _restore(name)


def set_stdin(options: Any = None) -> None:
    """`setStdin({stdin, read, error, isatty, autoEOF})`; without any of the first three, the stream that was there at first."""
    if options is jsnull:
        raise _type_error("the options must be an object, not null")
    call, read, error = (_option(options, name) for name in ("stdin", "read", "error"))
    ends = _option(options, "autoEOF")
    given = bool(call) + bool(read) + bool(error)
    if given > 1:
        raise _type_error("At most one of stdin, read, and error must be provided.")
    if not call and ends is not None:
        raise _type_error("The 'autoEOF' option can only be used with the 'stdin' option")
    if given == 0:
        _restore("stdin")
    elif call:
        _install("stdin", _Lines(options, True if ends is None else bool(ends)))
    else:
        _install("stdin", _Source(options) if read else _Failing())


def _set_output(name: str, options: Any) -> None:
    raw, batched, write = (_option(options, name) for name in ("raw", "batched", "write"))
    if not raw and not write and _option(options, "isatty"):
        raise _type_error("Cannot set 'isatty' to true unless 'raw' or 'write' is provided")
    if bool(raw) + bool(batched) + bool(write) > 1:
        raise _type_error("At most one of 'raw', 'batched', and 'write' must be passed")
    if raw:
        _install(name, _Bytes(options))
    elif batched:
        _install(name, _Batches(options))
    elif write:
        _install(name, _Sink(options))
    else:
        _restore(name)


def set_stdout(options: Any = None) -> None:
    """`setStdout({batched, raw, write, isatty})`; without any of the first three, the stream that was there at first."""
    _set_output("stdout", options)


def set_stderr(options: Any = None) -> None:
    """The same for `sys.stderr`."""
    _set_output("stderr", options)
