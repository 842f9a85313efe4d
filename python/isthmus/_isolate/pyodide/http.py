"""`pyodide.http`: `pyfetch` and its response over JavaScript's own `fetch` (spec/ffi.md §6)."""

from __future__ import annotations

import builtins
from typing import IO, TYPE_CHECKING, Any

from .ffi import JsBuffer, JsException, JsFetchResponse, run_sync, to_js

if TYPE_CHECKING:
    from io import StringIO

__all__ = ["AbortError", "BodyUsedError", "FetchResponse", "HttpStatusError", "open_url", "pyfetch"]


class HttpStatusError(OSError):
    """A response whose status says that the request failed."""

    status: int
    status_text: str
    url: str

    def __init__(self, status: int, status_text: str, url: str) -> None:
        self.status = status
        self.status_text = status_text
        self.url = url
        if 400 <= status < 500:
            kind = "Client Error"
        elif 500 <= status < 600:
            kind = "Server Error"
        else:
            kind = "Invalid error code not between 400 and 599"
        super().__init__(f"{status} {kind}: {status_text} for url: {url}")

    def __reduce__(self) -> tuple[type[HttpStatusError], tuple[int, str, str]]:
        return HttpStatusError, (self.status, self.status_text, self.url)


class BodyUsedError(OSError):
    """The body of the response was read before."""

    def __init__(self, *_args: Any) -> None:
        super().__init__("Response body is already used")


class AbortError(OSError):
    """The request did not come to its end."""

    def __init__(self, reason: JsException) -> None:
        super().__init__(reason.message)


class FetchResponse:
    """A JavaScript `Response` with Python's types for its contents.

    Every method that reads the body raises BodyUsedError if it was read before, AbortError if the request was aborted.
    """

    def __init__(
        self,
        request: Any,
        js_response: JsFetchResponse,
        abort_controller: Any = None,
        abort_signal: Any = None,
    ) -> None:
        self._url = request
        self.js_response = js_response
        self.abort_controller = abort_controller
        self.abort_signal = abort_signal

    @property
    def js_request(self) -> Any:
        """The JavaScript `Request`."""
        if isinstance(self._url, str):
            from js import Request

            return Request.new(self._url)
        return self._url

    @property
    def body_used(self) -> bool:
        """Whether the body has been read."""
        return self.js_response.bodyUsed

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; of several with one name the last."""
        return {key: value for key, value in self.js_response.headers.entries()}

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 299."""
        return self.js_response.ok

    @property
    def redirected(self) -> bool:
        """Whether this answers another URL than the one asked for."""
        return self.js_response.redirected

    @property
    def status(self) -> int:
        """The status code."""
        return self.js_response.status

    @property
    def status_text(self) -> str:
        """The text beside the status code."""
        return self.js_response.statusText

    @property
    def type(self) -> str:
        """The type of the response: "basic", "default", "error" …"""
        return self.js_response.type

    @property
    def url(self) -> str:
        """The URL that answered; empty for a response made by hand."""
        return self.js_response.url

    def _raise_if_failed(self) -> None:
        signal = self.abort_signal
        if signal is not None and signal.aborted:
            raise AbortError(signal.reason)
        if self.js_response.bodyUsed:
            raise BodyUsedError

    def raise_for_status(self) -> None:
        """HttpStatusError if the status is 400 to 599."""
        status = self.js_response.status
        if 400 <= status < 600:
            raise HttpStatusError(status, self.status_text, self.url)

    def clone(self) -> FetchResponse:
        """A second response with the same body; BodyUsedError if it was read."""
        if self.js_response.bodyUsed:
            raise BodyUsedError
        return FetchResponse(self._url, self.js_response.clone(), self.abort_controller, self.abort_signal)

    async def buffer(self) -> JsBuffer:
        """The body as an ArrayBuffer."""
        self._raise_if_failed()
        return await self.js_response.arrayBuffer()

    async def text(self) -> str:
        """The body as text."""
        self._raise_if_failed()
        return await self.js_response.text()

    async def string(self) -> str:
        """The same as `text()`."""
        return await self.text()

    async def json(self, **kwargs: Any) -> Any:
        """The body parsed by `json.loads`, with its keyword arguments."""
        import json

        return json.loads(await self.text(), **kwargs)

    async def memoryview(self) -> builtins.memoryview:
        """A copy of the body as a memoryview."""
        return (await self.buffer()).to_memoryview()

    async def bytes(self) -> builtins.bytes:
        """The body as bytes."""
        return (await self.buffer()).to_bytes()

    async def _into_file(self, f: IO[builtins.bytes] | IO[str]) -> None:
        """Writes the body into an open file."""
        (await self.buffer())._into_file(f)

    async def unpack_archive(self, *, extract_dir: str | None = None, format: str | None = None) -> None:
        """Unpacks the body into `extract_dir` (by default the current directory).

        `format` as for `shutil.unpack_archive`, or "whl"; by default from the URL. ValueError for an unknown one.
        """
        import os
        import shutil
        import tempfile
        from urllib.parse import urlsplit

        data = await self.bytes()
        url = self.url or (self._url if isinstance(self._url, str) else self._url.url)
        name = os.path.basename(urlsplit(url).path)
        if format is None:
            endings = {".whl": "zip"} | {
                ending: kind for kind, known, _ in shutil.get_unpack_formats() for ending in known
            }
            format = next((kind for ending, kind in endings.items() if name.endswith(ending)), None)
            if format is None:
                raise ValueError(f"Unknown archive format {name!r}")
        elif format in ("whl", "wheel"):
            format = "zip"
        # Nothing in a tar archive may leave the folder; zip archives are always unpacked so.
        options: dict[str, Any] = {} if format == "zip" else {"filter": "data"}
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, name or "archive")
            with open(path, "wb") as file:
                file.write(data)
            shutil.unpack_archive(path, extract_dir, format, **options)

    def abort(self, reason: Any = None) -> None:
        """Aborts the request, with `reason` as the text of the AbortError. ValueError if it has no AbortController."""
        if self.abort_controller is None:
            raise ValueError("abort_controller is not set")
        if reason is None:
            self.abort_controller.abort()
        else:
            self.abort_controller.abort(
                reason if isinstance(reason, JsException) else JsException("AbortError", str(reason))
            )


async def pyfetch(request: Any, /, *, signal: Any = None, fetcher: Any = None, **kwargs: Any) -> FetchResponse:
    """Calls `fetch` (or `fetcher`) with `request`, a URL or a `Request`, and the options of `fetch` as keywords.

    AbortError if JavaScript rejects. Cancelling aborts the request.
    """
    from asyncio import CancelledError

    from js import AbortController, AbortSignal, Object, Request

    if fetcher is None:
        import js

        fetcher = js.fetch
    controller = AbortController.new()
    combined = controller.signal if signal is None else AbortSignal.any(to_js([signal, controller.signal]))
    js_request = Request.new(request) if isinstance(request, str) else request
    options = to_js({**kwargs, "signal": combined}, dict_converter=Object.fromEntries)
    try:
        js_response = await fetcher(js_request, options)
    except CancelledError:
        controller.abort()
        raise
    except JsException as exception:
        raise AbortError(exception) from exception
    return FetchResponse(request, js_response, controller, combined)


def open_url(url: str) -> StringIO:
    """The text behind a URL as a file; blocks the current task alone (see `run_sync`)."""
    from io import StringIO

    async def text() -> str:
        return await (await pyfetch(url)).text()

    return StringIO(run_sync(text()))
