"""One application behind two servers: what it answers through Isthmus is compared with what it answers elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from .processes import eventually
from .server import Server

HOST = "example.test"
"""What clients call both servers, so that URLs in answers are the same."""

DIFFERENT = {
    "server": "names the server's software",
    "date": "the time; sent by both",
    "connection": "is the connection's, not the answer's; gunicorn states what HTTP/1.1 implies",
    "keep-alive": "is the connection's",
    "transfer-encoding": "how a body's end is told is the server's choice; the body itself is compared",
    "content-length": "as transfer-encoding; where both send it, it is compared",
}
"""Headers that may differ, with the reason."""


class Peer:
    """A server for the same application from PyPI, as a process of its own."""

    def __init__(self, command: Callable[[int], Sequence[str]], folder: Path, **environment: str) -> None:
        """`command` makes the arguments of `python` from the port; `folder` is where it runs."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "peer.log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, *command(port)],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._process.pid
        try:
            eventually(lambda: self._listens(port), "the peer listens", 30)
        except AssertionError:
            self.stop()
            raise AssertionError(f"the peer does not listen:\n{self.log}") from None

    def _listens(self, port: int) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the peer ended:\n{self.log}")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    @property
    def log(self) -> str:
        """All that was printed so far."""
        self._log.flush()
        return Path(self._log.name).read_text(errors="backslashreplace")

    def stop(self) -> None:
        """Ends the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Twins:
    """Sends each request to both servers and fails if the answers differ; cookies are kept for each apart."""

    def __init__(self, isthmus: Server, peer: Peer) -> None:
        self.isthmus, self.peer = isthmus, peer
        headers = {"host": HOST, "accept-encoding": "identity"}
        # Peers end idle connections after seconds, just when a request may be on its way.
        kept = {isthmus.url: httpx.Limits(), peer.url: httpx.Limits(max_keepalive_connections=0)}
        self.clients = [
            httpx.Client(base_url=url, timeout=20.0, headers=headers, limits=limits) for url, limits in kept.items()
        ]

    def request(
        self,
        method: str,
        path: str,
        *,
        differing: Mapping[str, str] | None = None,
        same: Callable[[httpx.Response], object] = lambda response: response.content,
        **options: Any,
    ) -> httpx.Response:
        """Isthmus' answer. `differing` names headers that may have other values here, with the reason; `same` is what
        of the bodies must be equal."""
        ours, theirs = (client.request(method, path, **options) for client in self.clients)
        assert ours.status_code == theirs.status_code, self._shown(ours, theirs)
        assert same(ours) == same(theirs), self._shown(ours, theirs)
        unlike = set(differing or ()) | (DIFFERENT.keys() - {"content-length"})
        if not all("content-length" in answer.headers for answer in (ours, theirs)):
            unlike.add("content-length")
        assert _headers(ours, unlike) == _headers(theirs, unlike), self._shown(ours, theirs)
        for name in differing or ():
            assert (name in ours.headers) == (name in theirs.headers), name
        return ours

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A GET request to both."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """A POST request to both."""
        return self.request("POST", path, **options)

    def forget_cookies(self) -> None:
        """Empties both clients' cookie jars."""
        for client in self.clients:
            client.cookies.clear()

    def close(self) -> None:
        """Closes the clients; the servers go on."""
        for client in self.clients:
            client.close()

    def _shown(self, *answers: httpx.Response) -> str:
        told = [
            f"{name}: {answer.status_code} {sorted(_headers(answer, set()))}\n{answer.content[:2000]!r}"
            for name, answer in zip(("isthmus", "peer"), answers, strict=True)
        ]
        return "\n".join(["the answers differ", *told, "log:", self.isthmus.log[-3000:], self.peer.log[-3000:]])


def _headers(answer: httpx.Response, without: set[str]) -> list[tuple[str, str]]:
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    return sorted(pair for pair in pairs if pair[0] not in without)
