"""Clients that people use, against a framework behind Isthmus: `httpx` with HTTP/2, and `requests`."""

import hashlib
import io
from collections.abc import Iterator

import httpx
import pytest
import requests
from harness.twins import HOST, Twins

BODY = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def h2(fastapi: Twins) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fastapi.isthmus.url, headers={"host": HOST}, http1=False, http2=True, timeout=20) as client:
        yield client


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["host"] = HOST
        yield session


def test_httpx_speaks_http_2(h2: httpx.Client) -> None:
    answer = h2.get("/items/7", params={"q": "ü"})
    assert answer.http_version == "HTTP/2" and answer.json()["q"] == "ü"


def test_httpx_reads_streams_over_http_2(h2: httpx.Client) -> None:
    with h2.stream("GET", "/streams/large?megabytes=3") as answer:
        assert sum(map(len, answer.iter_bytes())) == 3 << 20
    with h2.stream("GET", "/streams/events?count=3") as answer:
        assert sum(line.startswith("data:") for line in answer.iter_lines()) == 3


def test_httpx_sends_streams_over_http_2(h2: httpx.Client) -> None:
    pieces = (BODY[start : start + 10_000] for start in range(0, len(BODY), 10_000))
    assert h2.post("/raw-stream", content=pieces).json() == {"size": len(BODY), "sha256": DIGEST}


def test_httpx_uploads_over_http_2(h2: httpx.Client) -> None:
    files = [("files", ("a.bin", io.BytesIO(BODY), "image/png")), ("files", ("b.txt", b"b"))]
    told = h2.post("/upload", files=files, data={"note": "n"}).json()
    assert told["files"][0] == ["a.bin", "image/png", len(BODY), DIGEST] and told["note"] == "n"


def test_httpx_asks_many_things_of_one_connection(fastapi: Twins) -> None:
    import asyncio

    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=fastapi.isthmus.url, headers={"host": HOST}, http1=False, http2=True) as client:
            answers = await asyncio.gather(*(client.get(f"/items/{number}") for number in range(100)))
        return [answer.json()["item"] for answer in answers]

    assert asyncio.run(ask()) == list(range(100))


def test_requests_keeps_cookies_and_follows_redirects(flask: Twins, session: requests.Session) -> None:
    url = flask.isthmus.url
    assert session.get(f"{url}/session/one").json() == {"before": None}
    assert session.get(f"{url}/session/two").json() == {"before": "one"}
    answer = session.get(f"{url}/logout")
    assert answer.text == "index" and [one.status_code for one in answer.history] == [302]


def test_requests_uploads(flask: Twins, session: requests.Session) -> None:
    answer = session.post(f"{flask.isthmus.url}/upload", files={"file": ("ä.bin", BODY, "image/png")}, data={"note": "n"})
    assert answer.json()["files"] == [["file", "ä.bin", "image/png", {"length": len(BODY), "sha256": DIGEST}]]


def test_requests_reads_streams(flask: Twins, session: requests.Session) -> None:
    with session.get(f"{flask.isthmus.url}/responses/stream?count=1000", stream=True) as answer:
        assert sum(1 for _ in answer.iter_lines()) == 1000


def test_requests_sends_streams(fastapi: Twins, session: requests.Session) -> None:
    answer = session.post(f"{fastapi.isthmus.url}/raw", data=iter([b"one ", b"two"]))
    assert answer.json()["length"] == 7
