"""What requests fail with."""

from __future__ import annotations

from typing import Any

__all__ = ["AbortError", "BodyUsedError", "HttpStatusError", "XHRError", "XHRNetworkError", "XHRTimeoutError"]


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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.status_text, self.url), self.__dict__


class BodyUsedError(OSError):
    """The body of the response was read before."""

    def __init__(self, *_args: Any) -> None:
        super().__init__("Response body is already used")


class AbortError(OSError):
    """The request did not come to its end."""

    def __init__(self, reason: Any) -> None:
        """`reason` is what the request was aborted with: an error, or any value of JavaScript."""
        message = getattr(reason, "message", None)
        super().__init__(message if isinstance(message, str) else str(reason))


class XHRError(OSError):
    """A request of `pyodide.http.pyxhr` failed."""


class XHRNetworkError(XHRError):
    """The network failed."""

    def __init__(self, message: str = "Network error occurred") -> None:
        super().__init__(message)


class XHRTimeoutError(XHRError):
    """There was no answer within `timeout` milliseconds."""

    def __init__(self, timeout: int) -> None:
        super().__init__(f"Request timed out after {timeout}ms")
