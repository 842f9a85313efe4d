"""Flask behind Isthmus answers as it does behind gunicorn."""

import pytest
from harness.processes import eventually
from harness.twins import Twins

FORM = {"content-type": "multipart/form-data; boundary=----boundary"}
COPIES = {"last-modified": "each server has its own copy of the file", "etag": "as last-modified"}
UNORDERED = {"allow": "Werkzeug writes a set, in the order of its hashes"}
SIGNED = {"set-cookie": "the signature holds the time"}


@pytest.fixture
def app(flask: Twins) -> Twins:
    flask.forget_cookies()
    return flask


def test_it_is_imported_warm(app: Twins) -> None:
    assert app.get("/").text == "index"
    assert "must not be forked" not in app.isthmus.log


# Routes


@pytest.mark.parametrize(
    "path",
    [
        "/hello/jö%20e",
        "/hello/a%2Fb",
        "/int/7",
        "/float/-1.5",
        "/path/a/b//c%20d",
        "/uuid/12345678-1234-5678-1234-567812345678",
        "/any/two",
        "/words/a+b",
        "/defaults/",
        "/defaults/2",
        "/slash/",
    ],
)
def test_paths_are_converted(app: Twins, path: str) -> None:
    assert app.get(path).status_code in (200, 308, 404)


@pytest.mark.parametrize("path", ["/int/x", "/int/-1", "/any/three", "/uuid/1", "/nowhere", "/hello/"])
def test_paths_that_do_not_fit(app: Twins, path: str) -> None:
    answer = app.get(path)
    assert answer.status_code == 404 and answer.json()["missing"] == path


def test_redirects_of_the_router(app: Twins) -> None:
    assert app.get("/slash").headers["location"] == "http://example.test/slash/"
    assert app.get("/defaults/1").headers["location"] == "http://example.test/defaults/"


def test_urls(app: Twins) -> None:
    told = app.get("/urls?x=1&é=%20", headers={"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}).json()
    assert told["external"] == "https://example.test/" and told["admin"] == "/admin/5#x"


def test_query(app: Twins) -> None:
    assert app.get("/query?a=1&a=%C3%BC+&n=x").json() == {"a": ["1", "ü "], "n": 7, "raw": "a=1&a=%C3%BC+&n=x"}


def test_headers(app: Twins) -> None:
    sent = {
        "user-agent": "me",
        "accept": "text/html;q=0.5, application/json",
        "accept-language": "de-AT, en;q=0.4",
        "if-none-match": 'W/"a", "b"',
        "cookie": "one=1; two=%20",
        "x-own": "own",
    }
    told = app.get("/headers", headers=sent, auth=("jo", "päss")).json()
    assert told["authorization"] == {"username": "jo", "password": "päss"} and told["if_none_match"] == ["a", "b"]


def test_methods(app: Twins) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert app.request(method, "/responses/method").text == method
    assert app.request("OPTIONS", "/responses/options").headers["x-options"] == "own"
    assert app.request("POST", "/hello/x", differing=UNORDERED).status_code == 405
    assert app.request("HEAD", "/hello/x").content == b""


def test_automatic_options(app: Twins) -> None:
    answer = app.request("OPTIONS", "/hello/x", differing=UNORDERED)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# Hooks, errors, blueprints


def test_hooks(app: Twins) -> None:
    assert app.get("/").headers["x-seen"] == "before,after"
    assert app.get("/?stop=yes").status_code == 423
    assert app.get("/").headers["x-stamp"] == "GET"


def test_error_handlers(app: Twins) -> None:
    assert app.get("/refuse/me").headers["x-refused"] == "yes"
    assert app.get("/crash").status_code == 500


@pytest.mark.parametrize("code", [400, 401, 403, 410, 413, 418, 429, 500, 503])
def test_aborts(app: Twins, code: int) -> None:
    assert app.get(f"/abort/{code}").status_code == code


def test_blueprints(app: Twins) -> None:
    answer = app.get("/admin/5")
    assert answer.json() == {"admin": 5, "blueprint": "admin"} and answer.headers["x-seen"] == "before,admin,after"
    assert app.get("/admin/fails").json() == {"invalid": "not so"}


def test_views_that_are_classes(app: Twins) -> None:
    assert app.get("/admin/things/3").json() == {"got": 3}
    assert app.request("PUT", "/admin/things/3", json=[1]).json() == {"put": 3, "body": [1]}
    assert app.request("DELETE", "/admin/things/3").status_code == 204
    assert app.post("/admin/told").text == "told POST"


def test_context(app: Twins) -> None:
    assert app.get("/context").json()["app"] == "application"


def test_sessions(app: Twins) -> None:
    assert app.get("/session/one", differing=SIGNED).json() == {"before": None}
    assert app.get("/session/two", differing=SIGNED).json() == {"before": "one"}
    assert app.get("/logout").headers["location"] == "/"
    assert app.get("/session/three", differing=SIGNED).json() == {"before": None}


def test_flashed_messages(app: Twins) -> None:
    assert app.get("/responses/flash").json() == {"messages": [["error", "one"], ["message", "two"]]}


# Bodies


def test_forms(app: Twins) -> None:
    told = app.post("/form?name=query", data={"name": ["ü & =", "b"], "other": ""}).json()
    assert told["all"] == {"name": ["ü & =", "b"], "other": [""]}


def test_json(app: Twins) -> None:
    assert app.post("/json", json={"a": [1, "é"]}).json()["json"] == {"a": [1, "é"]}
    assert app.post("/json", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert app.post("/json", content=b"{}").status_code == 415
    assert app.post("/json-silent", content=b"{").json() == {"json": None}


@pytest.mark.parametrize("path", ["/data", "/ignored"])
@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies(app: Twins, path: str, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert app.post(path, content=body, headers={"content-type": "application/x-own"}).status_code == 200


def test_a_body_that_is_read_in_pieces(app: Twins) -> None:
    told = app.post("/pieces", content=bytes(100_000)).json()
    assert (told["length"], told["reads"]) == (100_000, 10)
    assert app.post("/lines", content=b"a\nb\r\n\nc").json() == {"lines": ["a\n", "b\r\n", "\n", "c"]}


def test_files(app: Twins) -> None:
    files = [("f", ("ä.bin", bytes(range(256)), "image/png")), ("f", ("e.txt", b"", "text/plain")), ("g", ("x", b"x" * 700_000))]
    told = app.post("/upload", files=files, data={"note": "n"}, headers=FORM).json()
    assert [entry[:3] for entry in told["files"]][0] == ["f", "ä.bin", "image/png"] and told["form"] == {"note": "n"}


def test_a_form_of_too_many_parts(app: Twins) -> None:
    assert app.post("/upload", files=[("f", (str(n), b"x")) for n in range(60)], headers=FORM).status_code == 413


def test_a_body_that_is_too_long(app: Twins) -> None:
    assert app.post("/limited", content=bytes(1000)).status_code == 200
    assert app.post("/limited", content=bytes(1001)).status_code == 413


# Responses


@pytest.mark.parametrize(
    "path", ["tuple", "list", "json", "made", "template?name=<x>", "template-string", "template-stream", "gzip", "attachment", "write"]
)
def test_kinds_of_responses(app: Twins, path: str) -> None:
    assert app.get(f"/responses/{path}").status_code in (200, 201, 203)


def test_repeated_headers(app: Twins) -> None:
    assert app.get("/responses/made").headers.get_list("x-many") == ["1", "2"]


def test_cookies(app: Twins) -> None:
    assert len(app.get("/responses/cookies").headers.get_list("set-cookie")) == 3


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects(app: Twins, code: int) -> None:
    assert app.get(f"/responses/redirect?code={code}").headers["location"] == "/?%C3%A9=1"


@pytest.mark.parametrize("path", ["stream?count=5", "stream?count=0", "large", "stream-late"])
def test_streams(app: Twins, path: str) -> None:
    assert app.get(f"/responses/{path}").status_code in (200, 202)


def test_streams_are_closed(app: Twins) -> None:
    assert app.get("/responses/stream?name=whole").text.startswith("0:")
    assert app.get("/responses/on-close").text == "closing"
    for client in app.clients:
        eventually(
            lambda client=client: {"whole", "called"} <= set(client.get("/responses/closed").json()["closed"]),
            "the response is closed",
        )


@pytest.mark.parametrize("code", [200, 204, 205, 304, 404])
def test_empty_responses(app: Twins, code: int) -> None:
    assert app.get(f"/responses/empty/{code}").content == b""


@pytest.mark.parametrize("value", ["bytes=0-3", "bytes=5-", "bytes=-4", "bytes=100-", "nothing"])
def test_ranges_of_files(app: Twins, value: str) -> None:
    assert app.get("/responses/file", headers={"range": value}).status_code in (200, 206, 416)


def test_files_that_have_not_changed(app: Twins) -> None:
    assert app.get("/responses/file", headers={"if-none-match": '"own"'}).status_code == 304
    assert app.get("/responses/cached", headers={"if-none-match": app.get("/responses/cached").headers["etag"]}).status_code == 304


def test_static_files(app: Twins) -> None:
    assert app.get("/static/style.css", differing=COPIES).headers["content-type"] == "text/css; charset=utf-8"
    assert app.get("/static/missing.css").status_code == 404
    assert app.get("/static/..%2fmain.py").status_code == 404
