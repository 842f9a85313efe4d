"""Blocking requests by JavaScript's `XMLHttpRequest`, in the manner of the library `requests` (spec/ffi.md §6).

Isthmus has no XMLHttpRequest of its own: a program may supply one as `globalThis.XMLHttpRequest`.
"""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Any, TypedDict

from ..ffi import JsBuffer, JsException
from ._exceptions import HttpStatusError, XHRError, XHRNetworkError

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "XHRError",
    "XHRNetworkError",
    "XHRRequestParams",
    "XHRResponse",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
]


class XHRRequestParams(TypedDict, total=False):
    """What requests take by keyword."""

    headers: dict[str, str]
    params: dict[str, Any]
    """Added to the URL's query."""
    data: str | bytes
    json: dict[str, Any] | list[Any]
    """The body as JSON, in place of `data`."""
    auth: tuple[str, str] | list[str]
    """Name and password."""


class XHRResponse:
    """What an XMLHttpRequest received."""

    def __init__(self, xhr: Any) -> None:
        self._xhr = xhr
        self._headers_dict: dict[str, str] | None = None

    @property
    def status_code(self) -> int:
        """The status code."""
        return self._xhr.status

    @property
    def content(self) -> bytes:
        """The body."""
        body = getattr(self._xhr, "response", None)
        if isinstance(body, JsBuffer):
            return body.to_bytes()
        return self._xhr.responseText.encode()

    @property
    def text(self) -> str:
        """The body, decoded from UTF-8."""
        return self.content.decode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        if self._headers_dict is None:
            lines = (self._xhr.getAllResponseHeaders() or "").strip().split("\r\n")
            pairs = (line.partition(":") for line in lines if ":" in line)
            self._headers_dict = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return self._headers_dict

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 399."""
        return 200 <= self.status_code < 400

    @property
    def url(self) -> str:
        """The URL that answered."""
        return getattr(self._xhr, "responseURL", "")

    def json(self, **kwargs: Any) -> Any:
        """The body parsed by `json.loads`, with its keyword arguments."""
        return json_module.loads(self.text, **kwargs)

    def raise_for_status(self) -> None:
        """HttpStatusError if the status is 400 to 599."""
        if 400 <= self.status_code < 600:
            raise HttpStatusError(self.status_code, self._xhr.statusText, self.url)


def _request(method: str, url: str, given: XHRRequestParams) -> XHRResponse:
    import js

    constructor = getattr(js, "XMLHttpRequest", None)
    if constructor is None:
        raise RuntimeError(
            "JavaScript has no XMLHttpRequest here: use pyodide.http.pyfetch, or supply one as globalThis.XMLHttpRequest"
        )
    request = constructor.new()
    if params := given.get("params"):
        from urllib.parse import urlencode

        url = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
    request.open(method, url, False)
    headers = dict(given.get("headers") or {})
    if (auth := given.get("auth")) and len(auth) == 2:
        from base64 import b64encode

        headers["Authorization"] = f"Basic {b64encode(':'.join(auth).encode()).decode()}"
    data = given.get("data")
    if (value := given.get("json")) is not None:
        data = json_module.dumps(value)
        headers["Content-Type"] = "application/json"
    for name, text in headers.items():
        request.setRequestHeader(name, str(text))
    try:
        request.send(data)
    except JsException as error:
        if error.name == "NetworkError":
            raise XHRNetworkError(f"Network error for {method} {url}") from error
        raise XHRError(f"XMLHttpRequest failed: {error}") from error
    return XHRResponse(request)


def get(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A GET request. XHRError if it fails, RuntimeError without an XMLHttpRequest; so do the others."""
    return _request("GET", url, kwargs)


def post(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A POST request."""
    return _request("POST", url, kwargs)


def put(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A PUT request."""
    return _request("PUT", url, kwargs)


def delete(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A DELETE request."""
    return _request("DELETE", url, kwargs)


def head(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A HEAD request."""
    return _request("HEAD", url, kwargs)


def patch(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """A PATCH request."""
    return _request("PATCH", url, kwargs)


def options(url: str, **kwargs: Unpack[XHRRequestParams]) -> XHRResponse:
    """An OPTIONS request."""
    return _request("OPTIONS", url, kwargs)
