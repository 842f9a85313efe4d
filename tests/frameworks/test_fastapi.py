"""FastAPI behind Isthmus answers as it does behind uvicorn: parameters, bodies, responses, dependencies, security."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness.twins import Twins

BOUNDARY = "----boundary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
ITEM: dict[str, Any] = {"name": "thing", "price": 2.5}


@pytest.fixture
def app(fastapi: Twins) -> Twins:
    fastapi.forget_cookies()
    return fastapi


def errors(response: httpx.Response) -> list[tuple[str, list[Any]]]:
    """The type and place of each validation error."""
    assert response.status_code == 422, response.text
    return [(error["type"], error["loc"]) for error in response.json()["detail"]]


# Path, query, header and cookie parameters


def test_it_is_imported_warm(app: Twins) -> None:
    assert app.get("/state").status_code == 200
    assert "must not be forked" not in app.isthmus.log


def test_path_and_query_are_converted(app: Twins) -> None:
    answer = app.get("/items/7", params={"q": "a b&c=ü", "short": "yes"})
    assert answer.json() == {"item": 7, "q": "a b&c=ü", "short": True}


def test_a_path_that_is_no_number(app: Twins) -> None:
    assert errors(app.get("/items/x")) == [("int_parsing", ["path", "item"])]


def test_enumerations(app: Twins) -> None:
    assert app.get("/colours/red").json() == {"colour": "red", "first": True}
    assert errors(app.get("/colours/blue")) == [("enum", ["path", "colour"])]


@pytest.mark.parametrize("path", ["a/b.txt", "%2Fetc%2Fpasswd", "a%20b%C3%BC", "a//b", "a;b=c,d", "%25"])
def test_path_with_slashes_and_escapes(app: Twins, path: str) -> None:
    assert app.get(f"/files/{path}").status_code == 200


def test_bounds(app: Twins) -> None:
    assert app.get("/bounded/9.5").json() == {"number": 9.5}
    assert errors(app.get("/bounded/10")) == [("less_than", ["path", "number"])]
    assert errors(app.get("/bounded/-1")) == [("greater_than_equal", ["path", "number"])]


def test_rich_types(app: Twins) -> None:
    query = {"day": "2026-02-28", "amount": "1.10", "wait": "PT3M"}
    answer = app.get("/typed/12345678-1234-5678-1234-567812345678", params=query)
    assert answer.json()["wait"] == 180 and answer.json()["day"] == "2026-02-28"
    query["day"] = "2026-02-30"
    assert len(errors(app.get("/typed/1", params=query))) == 2


def test_constrained_strings(app: Twins) -> None:
    assert app.get("/search", params={"q": "café"}).status_code == 200
    for q in ("ab", "a" * 11, "ABC"):
        assert errors(app.get("/search", params={"q": q}))[0][1] == ["query", "q"]
    assert errors(app.get("/search")) == [("missing", ["query", "q"])]


def test_repeated_query_parameters(app: Twins) -> None:
    assert app.get("/many?v=1&v=2&v=3").json() == {"values": [1, 2, 3]}
    assert errors(app.get("/many?v=1&v=x")) == [("int_parsing", ["query", "v", 1])]


def test_query_models(app: Twins) -> None:
    assert app.get("/filter?limit=5&tags=a&tags=b").json()["tags"] == ["a", "b"]
    assert {kind for kind, _ in errors(app.get("/filter?limit=0&other=1"))} == {"greater_than", "extra_forbidden"}


def test_headers(app: Twins) -> None:
    answer = app.get("/headers", headers={"user-agent": "me", "x_under": "u"})
    assert answer.json() == {"agent": "me", "tokens": None, "strange": "u"}


def test_cookies(app: Twins) -> None:
    assert app.get("/cookies", headers={"cookie": 'one="a b"; two=2'}).json() == {"one": "a b", "two": 2}
    assert errors(app.get("/cookies", headers={"cookie": "two=x"})) == [("int_parsing", ["cookie", "two"])]


def test_own_error_handlers(app: Twins) -> None:
    assert app.get("/teapot/mine").headers["x-handled"] == "yes"
    assert app.get("/items/x?plain").text == "invalid: ('path', 'item')"


# Bodies


def test_models_are_validated_and_dumped(app: Twins) -> None:
    body = {**ITEM, "tags": ["b", "a", "a"], "image": {"url": "http://x.test/é", "name": "i"}}
    answer = app.post("/items", json=body)
    assert answer.status_code == 201 and answer.json()["tags"] == ["a", "b"]


def test_a_model_of_wrong_fields(app: Twins) -> None:
    body = {"name": "n" * 21, "price": 0, "image": {"url": "no url"}}
    assert len(errors(app.post("/items", json=body))) == 4
    assert "dear things have images" in app.post("/items", json={"name": "a", "price": 2000}).text


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"\xff"', b"{} trailing"])
def test_bodies_that_are_no_model(app: Twins, body: bytes) -> None:
    answer = app.post("/items", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)


def test_a_body_of_another_type(app: Twins) -> None:
    answer = app.post("/items", content=json.dumps(ITEM).encode(), headers={"content-type": "text/plain"})
    assert answer.status_code == 422


def test_several_body_parameters(app: Twins) -> None:
    answer = app.request("PUT", "/items/3?q=x", json={"item": ITEM, "importance": 5})
    assert answer.json() == {"number": 3, "name": "thing", "importance": 5, "q": "x"}


def test_embedded_and_partial_models(app: Twins) -> None:
    assert app.request("PATCH", "/embedded", json={"item": ITEM}).json() == ITEM


def test_no_content(app: Twins) -> None:
    answer = app.request("DELETE", "/items/3")
    assert (answer.status_code, answer.content) == (204, b"")


def test_unions_told_apart_by_a_field(app: Twins) -> None:
    assert app.post("/pets", json={"kind": "dog", "tricks": ["sit"]}).json()["type"] == "Dog"
    assert errors(app.post("/pets", json={"kind": "cow"}))[0][0] == "union_tag_invalid"


def test_dictionaries_with_numbers_as_keys(app: Twins) -> None:
    assert app.post("/weights", json={"1": 1.5, "2": 2}).json() == {"1": 1.5, "2": 2.0}


def test_forms(app: Twins) -> None:
    answer = app.post("/login", data={"username": "jö & co", "password": "secret"})
    assert answer.json() == {"username": "jö & co", "length": 6}
    assert errors(app.post("/login", data={"username": "x"})) == [("missing", ["body", "password"])]
    assert errors(app.post("/login-model", data={"username": "x", "password": "y", "z": "1"}))[0][0] == "extra_forbidden"


def test_files(app: Twins) -> None:
    assert app.post("/file", files={"file": b"x" * 1000}, headers=FORM).json() == {"size": 1000}
    files = [("files", ("ä.bin", bytes(range(256)), "image/png")), ("files", ("empty.txt", b"", "text/plain"))]
    answer = app.post("/upload", files=files, data={"note": "two"}, headers=FORM)
    assert [entry[:3] for entry in answer.json()["files"]] == [["ä.bin", "image/png", 256], ["empty.txt", "text/plain", 0]]


def test_a_form_that_breaks_off(app: Twins) -> None:
    broken = b'------boundary\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhalf'
    assert app.post("/upload", content=broken, headers=FORM).status_code in (400, 422)
    assert app.post("/upload", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


@pytest.mark.parametrize("path", ["/raw", "/raw-stream", "/ignored"])
@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies_as_they_are(app: Twins, path: str, size: int) -> None:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    answer = app.post(path, content=body, headers={"content-type": "application/x-own"})
    assert answer.status_code == 200


def test_a_chunked_body(app: Twins) -> None:
    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"one ", b"two ", b"three")

    answer = app.post("/raw", content=Pieces())
    assert answer.json()["length"] == 13


# Responses


@pytest.mark.parametrize("path", ["model", "unset", "annotated", "html", "text", "csv", "json", "bytes", "file", "inline"])
def test_kinds_of_responses(app: Twins, path: str) -> None:
    assert app.get(f"/responses/{path}").status_code in (200, 202)


def test_fields_that_the_response_model_hides(app: Twins) -> None:
    assert app.get("/responses/model").json() == {"name": "a", "note": None, "count": 7}
    assert app.get("/responses/unset").json() == {"name": "a"}


def test_redirects(app: Twins) -> None:
    answer = app.get("/responses/redirect?to=/responses/text%3Fa=é")
    assert (answer.status_code, answer.headers["location"]) == (303, "/responses/text?a=%C3%A9")
    assert app.get("/responses/text/").headers["location"] == "http://example.test/responses/text"


def test_cookies_that_are_set(app: Twins) -> None:
    answer = app.get(
        "/responses/cookies",
        # The third one's `expires` is the time of the answer.
        differing={"set-cookie": "an expired cookie tells the time of the answer"},
    )
    cookies = answer.headers.get_list("set-cookie")
    assert cookies[:2] == [
        "a=1; HttpOnly; Max-Age=60; Path=/; SameSite=strict",
        'b="two words"; Path=/responses; SameSite=lax; Secure',
    ]
    assert len(cookies) == 3 and 'c=""; expires=' in cookies[2]


@pytest.mark.parametrize("code", [400, 401, 404, 409, 418, 451, 499, 500, 503, 599])
def test_http_errors(app: Twins, code: int) -> None:
    assert app.get(f"/responses/error/{code}").json() == {"detail": {"code": code}}


@pytest.mark.parametrize("code", [200, 201, 204, 205, 304, 404])
def test_empty_responses(app: Twins, code: int) -> None:
    assert app.get(f"/responses/empty/{code}").headers["x-empty"] == "1"


@pytest.mark.parametrize("value", ["bytes=0-2", "bytes=4-", "bytes=-3", "bytes=0-1,4-5", "bytes=100-", "lines=1-2"])
def test_ranges_of_files(app: Twins, value: str) -> None:
    different = {"content-type": "the boundary of several ranges is random"} if "," in value else None
    answer = app.get(
        "/responses/file",
        headers={"range": value},
        differing=different,
        same=lambda response: response.content if different is None else len(response.content),
    )
    assert answer.status_code in (200, 206, 400, 416)


def test_compression(app: Twins) -> None:
    answer = app.get("/responses/long", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and answer.json()["text"].startswith("compressible")
    assert "content-encoding" not in app.get("/responses/long").headers


def test_methods(app: Twins) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert app.request(method, "/responses/method").json() == method
    assert app.request("TRACE", "/responses/html").status_code == 405
    assert app.request("HEAD", "/responses/head").headers["x-head"] == "yes"
    assert app.request("POST", "/responses/html").headers["allow"] == "GET"


def test_not_found(app: Twins) -> None:
    assert app.get("/nowhere").json() == {"detail": "Not Found"}


@pytest.mark.parametrize("path", ["numbers.txt", "", "missing.txt", "..%2fmain.py"])
def test_static_files(app: Twins, path: str) -> None:
    answer = app.get(f"/static/{path}", differing={"last-modified": "each server has its own copy", "etag": "as that"})
    assert answer.status_code == (200 if path in ("numbers.txt", "") else 404)


def test_static_files_that_have_not_changed(app: Twins) -> None:
    for client in app.clients:
        tag = client.get("/static/numbers.txt").headers["etag"]
        assert client.get("/static/numbers.txt", headers={"if-none-match": tag}).status_code == 304


def test_documentation(app: Twins) -> None:
    assert app.get("/openapi.json").json()["info"]["title"] == "cases"
    assert "swagger-ui" in app.get("/docs").text


# Middleware, scope, lifespan


def test_cors(app: Twins) -> None:
    preflight = {"origin": "https://app.test", "access-control-request-method": "PUT"}
    answer = app.request("OPTIONS", "/items/1", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == "https://app.test"
    assert app.request("OPTIONS", "/items/1", headers={**preflight, "origin": "https://other"}).status_code == 400
    assert app.get("/items/1", headers={"origin": "https://app.test"}).headers["vary"] == "Origin"


def test_trusted_hosts(app: Twins) -> None:
    assert app.get("/state", headers={"host": "sub.example.test"}).status_code == 200
    assert app.get("/state", headers={"host": "evil.test"}).status_code == 400


def test_sessions(app: Twins) -> None:
    signed = {"set-cookie": "the signature holds the time"}
    assert app.get("/session/one", differing=signed).json() == {"before": None}
    assert app.get("/session/two", differing=signed).json() == {"before": "one"}


def test_own_middleware(app: Twins) -> None:
    assert app.request("DELETE", "/items/1").headers["x-stamp"] == "DELETE"


def test_lifespan_state(app: Twins) -> None:
    assert app.get("/state").json() == {"started": "yes"}


@pytest.mark.parametrize("target", ["/scope?a=1&b=%20+&c", "/scope?", "/%73cope?é=ü"])
def test_scope(app: Twins, target: str) -> None:
    answer = app.get(target).json()
    assert answer["for"] == "http://example.test/teapot/a b"


def test_mounted_applications(app: Twins) -> None:
    assert app.get("/mounted/inner").json() == {"root_path": "/mounted", "path": "/mounted/inner"}


# Dependencies and security


@pytest.mark.parametrize("path", ["common?q=x&skip=2", "class?page=3", "callable?q=foobar", "yield", "synchronous", "cached"])
def test_dependencies(app: Twins, path: str) -> None:
    assert app.get(f"/dependencies/{path}").status_code == 200


def test_dependencies_that_yield_are_closed(app: Twins) -> None:
    assert app.get("/dependencies/yield").json() == ["open"]
    assert app.get("/dependencies/yield-fails").status_code == 409
    assert app.get("/dependencies/closed").json() == ["closed yield", "closed yield-fails"]


def test_a_dependency_of_a_router_refuses(app: Twins) -> None:
    assert app.get("/dependencies/common", headers={"x-token": "wrong"}).status_code == 400


def test_basic_authentication(app: Twins) -> None:
    assert app.get("/security/basic").headers["www-authenticate"] == 'Basic realm="cases"'
    assert app.get("/security/basic", auth=("jo", "pass")).json() == {"user": "jo"}
    assert app.get("/security/basic", auth=("jo", "wrong")).status_code == 401
    assert app.get("/security/basic", headers={"authorization": "Basic !"}).status_code == 401


def test_bearer_tokens_with_scopes(app: Twins) -> None:
    form = {"username": "jo", "password": "x", "scope": "read write", "grant_type": "password"}
    token = app.post("/security/token", data=form).json()["access_token"]
    assert app.get("/security/me", headers={"authorization": f"Bearer {token}"}).json() == {"user": "jo"}
    assert app.get("/security/me", headers={"authorization": "Bearer jo:write"}).status_code == 403
    assert app.get("/security/me").status_code == 401


def test_api_keys(app: Twins) -> None:
    assert app.get("/security/key", headers={"x-key": "k"}).json() == {"key": "k"}
    assert app.get("/security/key").status_code in (401, 403)
