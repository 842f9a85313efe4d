"""`pyfetch` and its response, over JavaScript's own `fetch`."""

from __future__ import annotations

import builtins
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from ..ffi import JsBuffer, JsException, JsFetchResponse, to_js
from ._exceptions import AbortError, BodyUsedError, HttpStatusError

__all__ = ["FetchResponse", "pyfetch"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _reason(reason: Any) -> Any:
    """What an AbortController takes as reason."""
    return reason if reason is None or isinstance(reason, JsException) else JsException("AbortError", str(reason))


def _cancelled(controller: Any, error: CancelledError) -> None:
    """Aborts a request because the task that waits for it was cancelled."""
    if controller is not None:
        controller.abort(_reason("\n".join(map(str, error.args)) if error.args else None))


def _reads_body(
    method: Callable[Concatenate[FetchResponse, Arguments], Awaitable[Result]],
) -> Callable[Concatenate[FetchResponse, Arguments], Coroutine[Any, Any, Result]]:
    """AbortError for JavaScript's rejections; a cancellation aborts the request."""

    @wraps(method)
    async def reader(self: FetchResponse, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await method(self, *args, **kwargs)
        except JsException as error:
            signal = self.abort_signal
            raise AbortError(signal.reason if signal is not None and signal.aborted else error) from None
        except CancelledError as error:
            _cancelled(self.abort_controller, error)
            raise

    return reader


class FetchResponse:
    """A JavaScript `Response` with Python's types for its contents.

    Every method that reads the body raises BodyUsedError if it was read before, AbortError if the request was aborted or
    the body can't be had; cancelling it aborts the request.
    """

    js_request: Any
    """The JavaScript `Request`; None for an empty URL."""
    js_response: JsFetchResponse
    abort_controller: Any
    abort_signal: Any

    def __init__(
        self,
        request: Any,
        js_response: JsFetchResponse,
        abort_controller: Any = None,
        abort_signal: Any = None,
    ) -> None:
        """`request` is a URL or a `Request`."""
        if isinstance(request, str) and request:
            from js import Request

            request = Request.new(request)
        self.js_request = request or None
        self._url: str = request.url if request else ""
        self.js_response = js_response
        self.abort_controller = abort_controller
        self.abort_signal = abort_signal

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
        request = self.js_request or self._url
        return FetchResponse(request, self.js_response.clone(), self.abort_controller, self.abort_signal)

    @_reads_body
    async def buffer(self) -> JsBuffer:
        """The body as an ArrayBuffer."""
        self._raise_if_failed()
        return await self.js_response.arrayBuffer()

    @_reads_body
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

    async def _create_file(self, path: str) -> None:
        """Writes the body into a new file; FileExistsError if there is one."""
        with open(path, "xb") as file:
            await self._into_file(file)

    async def unpack_archive(self, *, extract_dir: str | None = None, format: str | None = None) -> None:
        """Unpacks the body into `extract_dir` (by default the current directory), which is made if need be.

        `format` as for `shutil.unpack_archive`, or a file name's ending; by default from the URL. ValueError for an unknown
        one, `shutil.ReadError` for an unknown ending of the URL.
        """
        import os
        import shutil
        import tempfile
        from urllib.parse import urlsplit

        data = await self.bytes()
        name = os.path.basename(urlsplit(self._url).path)
        kinds = {".whl": "zip", ".wheel": "zip"}
        kinds |= {ending: kind for kind, endings, _ in shutil.get_unpack_formats() for ending in endings}
        if format is None:
            format = next((kind for ending, kind in kinds.items() if name.endswith(ending)), None)
            if format is None:
                raise shutil.ReadError(f"Unknown archive format {name!r}")
        elif format not in kinds.values():
            known = kinds.get(format) or kinds.get(f".{format}")
            if known is None:
                raise ValueError(f"Unrecognized format {format}")
            format = known
        # Nothing in a tar archive may leave the folder; zip archives are always unpacked so.
        options: dict[str, Any] = {} if format == "zip" else {"filter": "data"}
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, name or "archive")
            with open(path, "wb") as file:
                file.write(data)
            os.makedirs(extract_dir or ".", exist_ok=True)
            shutil.unpack_archive(path, extract_dir, format, **options)

    def abort(self, reason: Any = None) -> None:
        """Aborts the request, with `reason` as the text of the AbortError. ValueError if it has no AbortController."""
        if self.abort_controller is None:
            raise ValueError("abort_controller is not set")
        self.abort_controller.abort(_reason(reason))


async def pyfetch(request: Any, /, *, signal: Any = None, fetcher: Any = None, **kwargs: Any) -> FetchResponse:
    """Calls `fetch` (or `fetcher`) with `request`, a URL or a `Request`, and the options of `fetch` as keywords.

    AbortError if JavaScript rejects. Cancelling aborts the request. RuntimeError where JavaScript has no `fetch`.
    """
    import js

    if fetcher is None:
        fetcher = getattr(js, "fetch", None)
        if fetcher is None:
            raise RuntimeError("JavaScript has no fetch() here: pass a fetcher")
    controller = js.AbortController.new()
    combined = controller.signal if signal is None else js.AbortSignal.any(to_js([signal, controller.signal]))
    options = to_js({**kwargs, "signal": combined}, dict_converter=js.Object.fromEntries)
    if isinstance(request, str):
        request = js.Request.new(request, options)
    try:
        js_response = await fetcher(request, options)
    except CancelledError as error:
        _cancelled(controller, error)
        raise
    except JsException as error:
        raise AbortError(error) from None
    return FetchResponse(request, js_response, controller, combined)
