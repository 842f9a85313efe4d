"""Django answers behind Isthmus as it does elsewhere: through WSGI as behind gunicorn, through ASGI as behind uvicorn."""

import re
from typing import Any

import httpx
import pytest
from harness.twins import Twins

FORM = {"content-type": "multipart/form-data; boundary=----boundary"}
CONTACT: dict[str, Any] = {"name": "jö", "email": "a@b.test", "age": "30", "agreed": "on", "colours": ["r", "g"]}
SIGNED = {"set-cookie": "signatures hold the time, expired cookies tell it"}
PADDED = {"content-length": "the compressed body holds random bytes, against BREACH"}
SECRET = {"set-cookie": "the token is random", "etag": "of the token"}


@pytest.fixture(params=["wsgi", "asgi"])
def app(request: pytest.FixtureRequest) -> Twins:
    both: Twins = request.getfixturevalue(f"django_{request.param}")
    both.forget_cookies()
    return both


def test_it_is_imported_warm(app: Twins) -> None:
    assert app.get("/").text == "index"
    assert "must not be forked" not in app.isthmus.log


def test_settings_read_the_environment_of_the_worker(app: Twins) -> None:
    assert app.get("/greeting/").text == "hello from env"


# Routes


@pytest.mark.parametrize(
    "path",
    [
        "/int/7/",
        "/str/j%C3%B6%20e/",
        "/uuid/12345678-1234-5678-1234-567812345678/",
        "/path/a/b//c%20d",
        "/words/a+b/",
        "/year/2026/",
        "/nested/inner/a-b/",
    ],
)
def test_paths_are_converted(app: Twins, path: str) -> None:
    assert app.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/int/x/", "/int/-1/", "/year/26/", "/nowhere", "/nested/", "/str/a%2Fb/"])
def test_paths_that_do_not_fit(app: Twins, path: str) -> None:
    assert "missing" in app.get(path).json()


def test_missing_slashes_are_added(app: Twins) -> None:
    assert app.get("/int/7?a=ü").headers["location"] == "/int/7/?a=%C3%BC"


@pytest.mark.parametrize("query", ["", "?", "?a=1&a=2&b=%C3%BC+%20&c", "?é=ü"])
def test_requests(app: Twins, query: str) -> None:
    headers = {"x-own": "own", "user-agent": "me", "accept": "text/html;q=0.5, application/json", "cookie": 'a=1; b="2 3"'}
    assert app.get(f"/request/{query}", headers=headers).json()["preferred"] == "application/json"


def test_reversed_urls(app: Twins) -> None:
    assert app.get("/urls/").json()["words"] == "/words/a+b/"


def test_hosts(app: Twins) -> None:
    assert app.get("/", headers={"host": "evil.test"}).status_code == 400
    assert app.get("/request/", headers={"host": "sub.example.test:81"}).json()["host"] == "sub.example.test:81"


def test_methods(app: Twins) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert app.request(method, "/method/").text == method
    assert app.request("HEAD", "/method/").content == b""
    assert app.post("/only-post/").status_code == 201
    assert app.get("/only-post/").headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["400", "403", "404", "suspicious", "500"])
def test_errors(app: Twins, kind: str) -> None:
    assert app.get(f"/raises/{kind}/").status_code == (400 if kind == "suspicious" else int(kind))


# Views


def test_asynchronous_views(django_asgi: Twins) -> None:
    # Through WSGI they need a thread without an event loop, which Workers do not call applications on.
    app = django_asgi
    assert app.get("/async/").json() == {"loop": True}
    assert app.get("/async-many/").json() == {"squares": [0, 1, 4, 9, 16]}


def test_synchronous_views_are_kept_off_the_loop(django_asgi: Twins) -> None:
    assert django_asgi.get("/thread/").json() == {"loop": False, "main": False}


def test_views_that_are_classes(app: Twins) -> None:
    assert app.get("/class/3/").json() == {"got": 3}
    assert app.request("PUT", "/class/3/", content=b"abc").json() == {"put": 3, "length": 3}
    assert app.request("DELETE", "/class/3/").status_code == 204
    assert app.request("PATCH", "/class/3/").headers["allow"] == "GET, PUT, DELETE, HEAD, OPTIONS"
    assert app.request("OPTIONS", "/class/3/").headers["allow"] == "GET, PUT, DELETE, HEAD, OPTIONS"


def test_asynchronous_views_that_are_classes(django_asgi: Twins) -> None:
    app = django_asgi
    assert app.get("/async-class/").json() == {"async": "get"}
    assert app.post("/async-class/", content=bytes(1000)).json() == {"async": 1000}


def test_generic_views(app: Twins) -> None:
    assert "&lt;a&gt;" in app.get("/template-view/").text
    assert app.get("/redirect-view/?a=1").headers["location"] == "/?a=1"


def test_sessions(app: Twins) -> None:
    assert app.get("/session/one/", differing=SIGNED).json() == {"before": None}
    assert app.get("/session/two/", differing=SIGNED).json() == {"before": "one"}
    assert app.get("/flush/", differing=SIGNED).text == "flushed"
    assert app.get("/session/three/", differing=SIGNED).json() == {"before": None}


def test_messages(app: Twins) -> None:
    assert app.get("/messages/").json() == {"messages": [["info", "one"], ["error", "two <b>"]]}


def test_languages(app: Twins) -> None:
    assert app.get("/language/", headers={"accept-language": "de"}).json() == {"language": "de", "text": "Ja"}
    assert app.get("/language/").headers["content-language"] == "en"


def test_middleware(app: Twins) -> None:
    answer = app.get("/")
    assert answer.headers["x-stamp"] == "GET" and answer.headers["x-frame-options"] == "DENY"


# Bodies


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies(app: Twins, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert app.post("/body/", content=body, headers={"content-type": "application/x-own"}).json()["length"] == size


def test_a_body_that_is_read_in_pieces(app: Twins) -> None:
    assert app.post("/pieces/", content=bytes(100_000)).json()["length"] == 100_000


def test_a_body_that_is_too_long(app: Twins) -> None:
    assert app.post("/body/", content=bytes(5_000_001)).status_code == 400


def test_json(app: Twins) -> None:
    assert app.post("/json/", json={"a": [1, "é"]}).json() == {"json": {"a": [1, "é"]}}
    assert app.post("/json/", content=b"{").status_code == 400


def test_forms(app: Twins) -> None:
    assert app.post("/post/", data={"a": ["1", "ü & ="], "b": ""}).json()["post"] == {"a": ["1", "ü & ="], "b": [""]}


def test_files(app: Twins) -> None:
    files = [("f", ("ä.bin", bytes(range(256)), "image/png")), ("f", ("e.txt", b"", "text/plain"))]
    told = app.post("/upload/", files=files, data={"note": "n"}, headers=FORM).json()
    assert [entry[4] for entry in told["files"]] == ["InMemoryUploadedFile"] * 2


def test_files_too_large_for_memory(app: Twins) -> None:
    told = app.post("/upload/", files={"f": ("x", b"x" * 3_000_000)}, headers=FORM).json()
    assert told["files"][0][3:5] == [3_000_000, "TemporaryUploadedFile"]


def test_a_form_that_breaks_off(app: Twins) -> None:
    broken = b'------boundary\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhalf'
    assert app.post("/upload/", content=broken, headers=FORM).status_code in (200, 400)
    assert app.post("/upload/", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_valid_forms(app: Twins) -> None:
    assert app.post("/contact/", data=CONTACT).headers["location"] == "/int/30/"


def test_invalid_forms(app: Twins) -> None:
    bad = {"name": "admin", "email": "x", "age": "3", "colours": "b"}
    errors = app.post("/contact/", data=bad, headers={"accept": "application/json"}).json()
    assert sorted(errors) == ["age", "agreed", "colours", "email", "name"]
    assert app.post("/contact/", data=bad).text.count("errorlist") == 5
    assert "required" in app.get("/contact/").text


def test_forged_requests_are_refused(app: Twins) -> None:
    assert app.post("/guarded/").status_code == 403
    for client in app.clients:
        token = client.get("/token/").text
        headers = {"x-csrftoken": token}
        assert client.post("/guarded/", headers=headers).text == "let in"
        assert client.post("/guarded/", data={"csrfmiddlewaretoken": token}).text == "let in"
        assert client.post("/guarded/", headers={**headers, "origin": "https://evil.test"}).status_code == 403


def without_mask(response: httpx.Response) -> str:
    """Tokens are masked anew each time."""
    return re.sub(r"[A-Za-z0-9]{64}", "token", response.text)


def test_tokens(app: Twins) -> None:
    assert without_mask(app.get("/token/", differing=SECRET, same=without_mask)) == "token"


# Responses


@pytest.mark.parametrize(
    "name", ["text", "bytes", "iterator", "json", "list", "several", "template", "file", "inline", "moved", "redirect", "gone", "not-allowed", "not-modified"]
)
def test_kinds_of_responses(app: Twins, name: str) -> None:
    assert app.get(f"/responses/{name}/").status_code in range(200, 500)


def test_cookies(app: Twins) -> None:
    cookies = app.get("/responses/cookies/", differing=SIGNED).headers.get_list("set-cookie")
    assert cookies[0] == "a=1; HttpOnly; Path=/; SameSite=Strict" and len(cookies) == 4


def test_own_status_lines(app: Twins) -> None:
    answer = app.get("/responses/several/")
    assert (answer.status_code, answer.headers["vary"]) == (299, "Accept, Cookie, Accept-Language")


def test_compression(app: Twins) -> None:
    answer = app.get("/responses/long/", headers={"accept-encoding": "gzip"}, differing=PADDED)
    assert answer.headers["content-encoding"] == "gzip" and answer.text == "compressible " * 200


def test_answers_that_have_not_changed(app: Twins) -> None:
    tag = app.get("/responses/text/").headers["etag"]
    assert app.get("/responses/text/", headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize("code", [200, 201, 204, 304, 404, 503])
def test_empty_responses(app: Twins, code: int) -> None:
    assert app.get(f"/empty/{code}/").content == b""


@pytest.mark.parametrize("name", ["sync", "large", "none"])
def test_streams(app: Twins, name: str) -> None:
    assert app.get(f"/streams/{name}/").status_code in (200, 202)


def test_asynchronous_streams(django_asgi: Twins) -> None:
    assert django_asgi.get("/streams/async/").text.endswith("async 4\n")


def test_compressed_streams(app: Twins) -> None:
    assert app.get("/streams/large/", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"
