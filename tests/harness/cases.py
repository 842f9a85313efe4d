"""Whole Workers with expectations.

A case is a folder with a Worker and an `expect.toml`:

    flags = ["--env", "staging"]         # further flags of `isthmus dev`
    environment = { NAME = "value" }     # further environment variables
    log = ["text"]                       # what the log contains in the end
    log_excludes = ["text"]              # … and does not contain

    [start_error]                        # `isthmus dev` must end before it is ready
    exit_code = 1
    contains = ["text"]

    [[exchange]]                         # requests, one after the other
    request = { method = "POST", path = "/", headers = { name = "value" }, body = "text" }
    response = { status = 200, headers = { name = "value" }, body = "exact text" }
    log = ["text"]                       # what the log contains soon after the answer

Instead of `body`, a request may have `base64` or `json` (a table); a response may have `base64`, `json`
(JSON text, since TOML has no null), `contains` (a list) or `matches` (a regular expression for the whole
body). Headers that are not mentioned are not compared; an empty expected value means that the header is
absent.
"""

import base64
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import httpx

from .server import Server, StartError, copy_worker

_CASE_KEYS = {"flags", "environment", "log", "log_excludes", "start_error", "exchange"}
_EXCHANGE_KEYS = {"request", "response", "log"}
_REQUEST_KEYS = {"method", "path", "headers", "body", "base64", "json"}
_RESPONSE_KEYS = {"status", "headers", "body", "base64", "json", "contains", "matches"}


def find(*roots: Path) -> list[Path]:
    """The folders of all cases below these folders."""
    return sorted(file.parent for root in roots for file in root.rglob("expect.toml"))


def run(case: Path, folder: Path) -> None:
    """Runs a case in `folder`, which must not exist yet."""
    expected = tomllib.loads((case / "expect.toml").read_text())
    _only(expected, _CASE_KEYS)
    assert expected.get("exchange") or expected.get("start_error"), "the case expects nothing"
    copy_worker(case, folder)
    try:
        server = Server(folder, expected.get("flags", ()), expected.get("environment"))
    except StartError as error:
        _check_start_error(error, expected.get("start_error"))
        return
    with server:
        assert "start_error" not in expected, f"it started, but must not:\n{server.log}"
        for number, exchange in enumerate(expected["exchange"], 1):
            _only(exchange, _EXCHANGE_KEYS)
            response = _send(server, exchange.get("request", {}))
            try:
                _check_response(response, exchange["response"])
            except AssertionError as error:
                raise AssertionError(f"exchange {number}: {error}\nlog:\n{server.log}") from None
            for text in exchange.get("log", ()):
                server.wait_for_log(text)
        for text in expected.get("log", ()):
            server.wait_for_log(text)
        for text in expected.get("log_excludes", ()):
            assert text not in server.log, f"the log contains {text!r}:\n{server.log}"


def _only(table: dict[str, Any], known: set[str]) -> None:
    assert table.keys() <= known, f"unknown in expect.toml: {sorted(table.keys() - known)}"


def _check_start_error(error: StartError, expected: dict[str, Any] | None) -> None:
    if expected is None:
        raise error
    _only(expected, {"exit_code", "contains"})
    assert error.exit_code == expected["exit_code"], error.log
    for text in expected["contains"]:
        assert text in error.log, f"{text!r} is not in:\n{error.log}"


def _send(server: Server, request: dict[str, Any]) -> httpx.Response:
    _only(request, _REQUEST_KEYS)
    body: dict[str, Any] = {}
    if "body" in request:
        body["content"] = request["body"].encode()
    elif "base64" in request:
        body["content"] = base64.b64decode(request["base64"])
    elif "json" in request:
        body["json"] = request["json"]
    return server.client.request(
        request.get("method", "GET"), request.get("path", "/"), headers=request.get("headers"), **body
    )


def _check_response(response: httpx.Response, expected: dict[str, Any]) -> None:
    _only(expected, _RESPONSE_KEYS)
    shown = f"status {response.status_code}, headers {dict(response.headers)}, body:\n{response.text}"
    assert response.status_code == expected.get("status", 200), shown
    for name, value in expected.get("headers", {}).items():
        got = response.headers.get(name, "")
        assert got == value, f"header {name} is {got!r}, not {value!r}; {shown}"
    if "body" in expected:
        assert response.text == expected["body"], f"expected {expected['body']!r}; {shown}"
    if "base64" in expected:
        assert response.content == base64.b64decode(expected["base64"]), shown
    if "json" in expected:
        assert response.headers["content-type"].startswith("application/json"), shown
        _same(response.json(), json.loads(expected["json"]), "$")
    for text in expected.get("contains", ()):
        assert text in response.text, f"{text!r} is not in it; {shown}"
    if "matches" in expected:
        assert re.fullmatch(expected["matches"], response.text, re.DOTALL), shown


def _same(got: Any, expected: Any, path: str) -> None:
    """Compares JSON values, naming the first place where they differ."""
    if isinstance(got, dict) and isinstance(expected, dict):
        assert got.keys() == expected.keys(), f"{path} has the keys {list(got)}, not {list(expected)}"
        for key in expected:
            _same(got[key], expected[key], f"{path}.{key}")
    else:
        assert type(got) is type(expected) and got == expected, f"{path} is {got!r}, not {expected!r}"
