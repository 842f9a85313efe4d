"""`fetch()` from a Worker to servers on this machine, in JavaScript and in Python, with peers that misbehave."""

import gzip
import json
import socket
import struct
import subprocess
import threading
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from harness.h2_origin import H2Origin
from harness.origin import Origin
from harness.processes import eventually, resident_bytes
from harness.server import Server

WORKER = '''
    import asyncio
    import json

    import js
    from js import fetch as js_fetch
    from pyodide.code import run_js
    from pyodide.http import pyfetch
    from workers import Response, WorkerEntrypoint, fetch


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path, _, query = request.url.partition("://")[2].partition("/")[2].partition("?")
            return await getattr(self, path)(js.decodeURIComponent(query), request)

        async def javascript(self, origin, request):
            function = run_js("(async (o) => {" + await request.text() + "})")
            return Response(js.JSON.stringify(await function(origin)))

        async def sdk(self, origin, _):
            response = await fetch(origin + "/echo", method="PUT", body="text", headers={"x-a": "1"})
            return Response(await response.text(), status=response.status)

        async def pyfetch(self, origin, _):
            answers = []
            for body in (b"bytes", memoryview(b"view"), bytearray(b"array"), "text"):
                response = await pyfetch(origin + "/echo", method="POST", body=body)
                answers.append((await response.json())["body"])
            return Response(json.dumps(answers))

        async def js(self, origin, _):
            response = await js_fetch(origin + "/echo", method="POST", body=json.dumps({"a": 1}))
            return Response(await response.text())

        async def ticks(self, origin, _):
            response = await js_fetch(origin + "/ticks?count=5")
            text = ""
            async for chunk in response.body:
                text += bytes(chunk).decode()
            return Response(text)

        async def through(self, url, _):
            return await js_fetch(url)

        async def wrapped(self, url, _):
            response = await js_fetch(url)
            return js.Response.new(response.body, response)

        async def bare(self, url, _):
            response = await js_fetch(url)
            return js.Response.new(response.body)

        async def upload(self, url, request):
            return await js_fetch(url, method="POST", body=request.js_object.body, duplex="half")

        async def relay(self, origin, _):
            first = await js_fetch(origin + "/large?length=1000000")
            return await js_fetch(origin + "/count", method="POST", body=first.body)

        async def forward(self, url, request):
            return await js_fetch(url, request.js_object)

        async def itself(self, url, request):
            return await js_fetch(request.url)

        async def abandoned(self, origin, _):
            self.promise = js_fetch(origin + "/silent")
            await asyncio.sleep(0.3)
            return Response("gone")

        async def unread(self, origin, _):
            await js_fetch(origin + "/stalled")
            return Response("unread")
'''


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture
def server(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> Server:
    return serve(make_worker(WORKER), environment={"ISTHMUS_FETCH_TIMEOUT": "2"})


@pytest.fixture
def run(server: Server, origin: Origin) -> Callable[[str], Any]:
    """Runs the body of an async JavaScript function of `o`, the origin's URL."""

    def run(code: str) -> Any:
        response = server.post(f"/javascript?{origin.url}", content=code)
        assert response.status_code == 200, response.text
        return json.loads(response.text)

    return run


def failing(code: str) -> str:
    return f"try {{ {code} }} catch (e) {{ return [e.name, e.message]; }}"


LOST = ["TypeError", "Network connection lost."]


def test_a_request_goes_out_and_its_answer_comes_back(run: Callable[[str], Any], origin: Origin) -> None:
    status, text, url, kind, told = run(
        "const r = await fetch(o + '/echo?q#f', { method: 'post', headers: { 'X-A': '1' }, body: 'é' });"
        "return [r.status, r.statusText, r.url, r.headers.get('content-type'), await r.json()]"
    )
    assert (status, text, url, kind) == (200, "OK", f"{origin.url}/echo?q", "application/json")
    assert told["method"] == "POST"
    assert told["body"].encode("latin-1").decode() == "é"
    headers = dict(told["headers"])
    assert headers["x-a"] == "1"
    assert headers["content-type"] == "text/plain;charset=UTF-8"
    assert headers["content-length"] == "2"
    assert headers["host"] == origin.url.partition("//")[2]


def test_connections_are_used_again(run: Callable[[str], Any], origin: Origin) -> None:
    run("for (let i = 0; i < 30; i++) await (await fetch(o + '/text')).text(); return 0")
    # One that is not back yet when the next request leaves makes another.
    assert origin.connections < 5


def test_redirects(run: Callable[[str], Any], origin: Origin) -> None:
    assert run("const r = await fetch(o + '/redirect?to=/text'); return [r.url, r.redirected, await r.text()]") == [
        f"{origin.url}/text",
        True,
        "text",
    ]
    again = "const r = await fetch(o + '/redirect?status=307&to=/echo', { method: 'POST', body: 'again' }); return (await r.json()).body"
    assert run(again) == "again"
    assert run("return (await fetch(o + '/redirect?to=/x', { redirect: 'manual' })).status") == 302
    loop = "await fetch(o + '/redirect?to=' + encodeURIComponent('/redirect?to=/redirect?to=/redirect?to=/x'))"
    name, _ = run(failing(f"{loop}; await fetch('ftp://x/')"))
    assert name == "TypeError"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("reset", LOST),
        ("garbage", ["TypeError", "The server's answer is not valid HTTP."]),
        ("short", LOST),
        ("silent", LOST),
        ("stalled", LOST),
    ],
)
def test_peers_that_misbehave(run: Callable[[str], Any], origin: Origin, path: str, expected: list[str]) -> None:
    assert run(failing(f"return await (await fetch(o + '/{path}')).text()")) == expected
    eventually(lambda: origin.open == 0, f"{path} holds no connection")


def test_nobody_is_there(run: Callable[[str], Any]) -> None:
    assert run(failing("await fetch('http://127.0.0.1:1/')")) == LOST
    name, text = run(failing("await fetch('http://nothing.invalid/')"))
    assert name == "TypeError"
    assert text.startswith("DNS lookup failed for nothing.invalid")


@pytest.mark.parametrize("path", ["silent", "stalled"])
def test_an_aborted_fetch_closes_its_connection(run: Callable[[str], Any], origin: Origin, path: str) -> None:
    code = f"const r = await fetch(o + '/{path}', {{ signal: AbortSignal.timeout(100) }}); return await r.text()"
    assert run(failing(code)) == ["TimeoutError", "The operation was aborted due to timeout"]
    eventually(lambda: origin.given_up == 1, "the connection is closed")


def test_what_an_event_leaves_behind_is_given_up(server: Server, origin: Origin) -> None:
    assert server.get(f"/abandoned?{origin.url}").text == "gone"
    assert server.get(f"/unread?{origin.url}").text == "unread"
    eventually(lambda: origin.given_up == 2, "the connections are closed")


def test_python_has_it_in_three_ways(server: Server, origin: Origin) -> None:
    told = server.get(f"/sdk?{origin.url}").json()
    assert (told["method"], told["body"]) == ("PUT", "text")
    assert server.get(f"/pyfetch?{origin.url}").json() == ["bytes", "view", "array", "text"]
    assert server.get(f"/js?{origin.url}").json()["body"] == '{"a": 1}'
    assert server.get(f"/ticks?{origin.url}").text == "".join(f"tick{number}\n" for number in range(5))


def test_bodies_pass_through(server: Server, origin: Origin) -> None:
    length = 3_000_000
    for chunked in ("", "%26chunked=1"):
        body = server.get(f"/through?{origin.url}/large%3Flength={length}{chunked}").content
        assert len(body) == length
        assert body[:300] == bytes(range(256)) + bytes(range(44))
    assert server.post(f"/upload?{origin.url}/count", content=b"x" * length).text == str(length)
    assert server.post(f"/upload?{origin.url}/count", content=iter([b"x" * 1000] * 100)).text == "100000"
    assert server.get(f"/relay?{origin.url}").text == "1000000"
    broken = server.get(f"/through?{origin.url}/text%3Ftext=fine")
    assert broken.text == "fine"


def test_a_forwarded_request_keeps_its_headers_but_the_host(server: Server, origin: Origin) -> None:
    told = server.post(f"/forward?{origin.url}/echo", content=b"body", headers={"x-mine": "1"}).json()
    headers = dict(told["headers"])
    assert (headers["x-mine"], headers["host"]) == ("1", origin.url.partition("//")[2])
    assert told["body"] == "body"


def test_a_worker_that_calls_itself_is_stopped(server: Server) -> None:
    response = server.get("/itself?x")
    assert response.status_code == 500
    eventually(lambda: "Subrequest depth limit exceeded" in server.log, "the log tells why")


def test_the_global_scope_may_not_fetch(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    server = serve(
        make_worker("""
            from js import fetch as js_fetch
            from workers import Response, WorkerEntrypoint

            failure = "none"
            def failed(error):
                global failure
                failure = str(error)
            js_fetch("http://127.0.0.1/").catch(failed)

            class Default(WorkerEntrypoint):
                async def fetch(self, request):
                    return Response(failure)
        """)
    )
    assert "Disallowed operation called within global scope" in server.get().text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A CA's certificate, and a PEM file with certificate and key of a server on this machine."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl(
        "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "cert.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return str(folder / "ca.pem"), str(both)


def test_tls_is_verified(
    make_worker: Callable[..., Path], serve: Callable[..., Server], certificate: tuple[str, str]
) -> None:
    authority, both = certificate
    folder = make_worker(WORKER)
    with Origin(both) as origin:
        trusting = serve(folder, environment={"SSL_CERT_FILE": authority})
        assert trusting.get(f"/through?{origin.url}/text").text == "text"
        strict = serve(folder)
        code = failing("await fetch(o + '/text')")
        name, text = strict.post(f"/javascript?{origin.url}", content=code).json()
        assert name == "TypeError"
        assert "certificate" in text


def test_http_2(make_worker: Callable[..., Path], serve: Callable[..., Server], certificate: tuple[str, str]) -> None:
    authority, both = certificate
    with H2Origin(both) as origin:
        server = serve(make_worker(WORKER), environment={"SSL_CERT_FILE": authority})

        def run(code: str) -> Any:
            return server.post(f"/javascript?{origin.url}", content=code).raise_for_status().json()

        assert run("""
            const r = await fetch(o + '/a?b', { method: 'POST', body: 'a body', headers: { 'x-mine': 'it' } });
            return [r.status, r.statusText, r.headers.get('x-protocol'), await r.text()];
        """) == [201, "", "h2", "POST /a?b 6 it"]
        # Many at once share what connections there are.
        assert run("""
            const one = async (n) => (await fetch(o + '/' + n, { method: 'PUT', body: new Uint8Array(n * 1000) })).text();
            const all = await Promise.all(Array.from({ length: 100 }, (_, n) => one(n)));
            return all.every((text, n) => text === `PUT /${n} ${n * 1000} null`);
        """)
        assert origin.connections < 50
        assert run("return (await (await fetch(o + '/large?5000000')).arrayBuffer()).byteLength") == 5_000_000
        streamed = """
            let left = 3000000;
            const body = new ReadableStream({ pull(c) {
                if (left) c.enqueue(new Uint8Array(50000)); else c.close();
                left -= 50000;
            } });
            return (await fetch(o + '/up', { method: 'POST', body })).text();
        """
        assert run(streamed.replace("left -= 50000", "left = Math.max(0, left - 50000)")) == "POST /up 3000000 null"
        assert run(failing("await fetch(o + '/reset')")) == ["TypeError", "Network connection lost."]
        before = origin.resets
        aborted = """
            const controller = new AbortController();
            const r = await fetch(o + '/silent', { signal: controller.signal });
            controller.abort();
            await r.text();
        """
        assert run(failing(aborted))[0] == "AbortError"
        eventually(lambda: origin.resets > before, "a stream is reset")
        # The connection outlives the streams that failed.
        assert run("return (await fetch(o + '/after')).text()") == "GET /after 0 null"


def test_outbound_requests_reach_what_the_option_names(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)

    def reached(server: Server, url: str) -> Any:
        code = f"try {{ return await (await fetch({url!r})).text(); }} catch (e) {{ return String(e); }}"
        return server.post("/javascript?x", content=code).raise_for_status().json()

    def refused(answer: str) -> bool:
        return answer.startswith("TypeError: outbound requests may not reach the address of ")

    with Origin() as origin:
        port = origin.port
        public = serve(folder, "--outbound", "public")
        assert refused(reached(public, f"{origin.url}/text"))
        assert refused(reached(public, f"http://localhost:{port}/text"))
        assert refused(reached(public, f"http://[::ffff:127.0.0.1]:{port}/text"))
        assert refused(reached(public, "http://2130706433/"))
        assert origin.connections == 0
        assert refused(reached(serve(folder, "--outbound", "none"), "http://192.0.2.1/"))
        listed = serve(folder, "--outbound", "public,127.0.0.1")
        assert reached(listed, f"{origin.url}/text") == "text"
        # A redirect leads no further than the request itself.
        assert refused(reached(listed, f"{origin.url}/redirect?to=" + quote(f"http://127.0.0.2:{port}/text")))
        assert reached(serve(folder), f"{origin.url}/text") == "text"


def test_sockets_and_websockets_reach_no_more(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    folder = make_worker(WORKER)
    ways = {
        "connect": """
            const { connect } = await import("cloudflare:sockets");
            try { await connect(address).opened; return "opened"; } catch (e) { return String(e.cause); }
        """,
        "new WebSocket": """
            const socket = new WebSocket("ws://" + address);
            return await new Promise((resolve) => {
                socket.onopen = () => resolve("opened");
                socket.onerror = (event) => resolve(event.message || "error");
            });
        """,
        "fetch": """
            try {
                await fetch("http://" + address, { headers: { upgrade: "websocket" } });
                return "opened";
            } catch (e) { return String(e); }
        """,
    }

    def outcome(server: Server, way: str, address: str) -> str:
        code = f"const address = {address!r};{ways[way]}"
        return server.post("/javascript?x", content=code).raise_for_status().json()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        public = serve(folder, "--outbound", "public")
        for address in (f"127.0.0.1:{port}", f"localhost:{port}"):
            for way in ways:
                assert "outbound requests may not reach the address of " in outcome(public, way, address), way
        with pytest.raises(TimeoutError):
            listener.accept()
        assert outcome(serve(folder, "--outbound", "127.0.0.1"), "connect", f"127.0.0.1:{port}") == "opened"


PLAIN = b"hello " * 1000
CODED = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN[:3000]) + gzip.compress(PLAIN[3000:]),
    "deflate": zlib.compress(PLAIN),
    "identity": PLAIN,
    "deflate, gzip": gzip.compress(zlib.compress(PLAIN)),
    # By the tools `brotli` and `zstd`, which Python has none of.
    "br": b64decode("G28X+I2Ubt5EVYaWbCBvcVscgOQBIA4="),
    "zstd": b64decode("KLUv/QRYdQAAMGhlbGxvIAEAZ5e+FAEGA/W7"),
    "br, zstd": b64decode("KLUv/QRYuQAAG28X+I2Ubt5EVYaWbCBvcVscgOQBIA5igPp4"),
}


@pytest.mark.parametrize("coding", CODED)
def test_codings_are_taken_off_as_a_body_is_read(
    run: Callable[[str], Any], server: Server, origin: Origin, coding: str
) -> None:
    origin.bodies["it"] = CODED[coding]
    path = f"/coded?name=it&coding={quote(coding)}"
    assert run(f"const r = await fetch(o + '{path}'); return [r.headers.get('content-encoding'), await r.text()]") == [
        coding,
        PLAIN.decode(),
    ]
    raw = f"return (await (await fetch(o + '{path}', {{ encodeResponseBody: 'manual' }})).bytes()).length"
    assert run(raw) == len(CODED[coding])
    target = quote(origin.url + path)
    for way in ("through", "wrapped"):
        # It passes as it came.
        with server.client.stream("GET", f"/{way}?{target}", headers={"accept-encoding": "identity"}) as response:
            assert response.headers["content-encoding"] == coding
            assert b"".join(response.iter_raw()) == CODED[coding]
    # The headers promise no coding.
    assert server.get(f"/bare?{target}").content == PLAIN


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("gzip", CODED["gzip"][:-10], "Gzip compressed stream ended prematurely."),
        ("gzip", b"", ""),
        ("gzip", b"no gzip at all", "Gzip decompression failed."),
        ("deflate", CODED["deflate"][:20], "Deflate compressed stream ended prematurely."),
        ("br", b"\xff" * 100, "Brotli decompression failed."),
        ("br", CODED["br"][:-4], "Brotli compressed stream ended prematurely."),
        ("zstd", b"nothing", "Zstandard decompression failed."),
        ("zstd", CODED["zstd"][:-5], "Zstandard compressed stream ended prematurely."),
        ("zstd", CODED["zstd"][:-1] + b"x", "Zstandard decompression failed."),
    ],
)
def test_broken_codings_are_errors(
    run: Callable[[str], Any], origin: Origin, coding: str, body: bytes, message: str
) -> None:
    origin.bodies["it"] = body
    code = f"return await (await fetch(o + '/coded?name=it&coding={coding}')).text()"
    assert run(failing(code)) == (["TypeError", message] if message else "")


def test_a_bomb_is_read_piece_by_piece(run: Callable[[str], Any], server: Server, origin: Origin) -> None:
    squeezer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    origin.bodies["it"] = b"".join(squeezer.compress(zeros) for _ in range(400)) + squeezer.flush()
    code = """
        let length = 0;
        for await (const chunk of (await fetch(o + '/coded?name=it&coding=deflate')).body) length += chunk.length;
        return length;
    """
    before = resident_bytes(server.pids().isolates[0])
    assert run(code) == 400 << 20
    assert resident_bytes(server.pids().isolates[0]) - before < 64 << 20


def test_what_headers_promise_is_put_on(make_worker: Callable[..., Path], serve: Callable[..., Server]) -> None:
    server = serve(
        make_worker("""
            import js
            from pyodide.code import run_js
            from workers import WorkerEntrypoint

            make = run_js('''(coding, mode, kind) => {
                const headers = { "content-encoding": coding };
                const text = new TextEncoder().encode("hello ".repeat(50000));
                const stream = () => new ReadableStream({
                    start(c) { for (let i = 0; i < 300000; i += 1000) c.enqueue(text.slice(i, i + 1000)); c.close(); },
                });
                return new Response(kind === "stream" ? stream() : text, { headers, encodeBody: mode });
            }''')

            class Default(WorkerEntrypoint):
                async def fetch(self, request):
                    return make(*js.decodeURIComponent(request.url.partition("?")[2]).split("/"))
        """)
    )
    expected = b"hello " * 50000
    for coding, decode in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
        for kind in ("bytes", "stream"):
            with server.client.stream("GET", f"/?{coding}/automatic/{kind}") as response:
                coded = b"".join(response.iter_raw())
            assert len(coded) < len(expected) / 2
            assert decode(coded) == expected
    for target in ("gzip/manual/bytes", "unknown/automatic/stream"):
        with server.client.stream("GET", f"/?{target}") as response:
            assert b"".join(response.iter_raw()) == expected


class _Forgetful:
    """A server that answers the first request of a connection, and ends it at the second one."""

    def __init__(self, then: bytes, *, reset: bool, forgives: bool) -> None:
        self._then, self._reset, self._forgives = then, reset, forgives
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.requests: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        number = 0
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()
            number += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            for turn in range(3):
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (piece := connection.recv(65536)):
                        return
                    head += piece
                self.requests.append(number)
                if turn > 0 or (number > 0 and not self._forgives):
                    connection.sendall(self._then)
                    if self._reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


AGAIN = """
    const first = await (await fetch(o)).text();
    return fetch(o, OPTIONS).then((answer) => answer.text(), (error) => `${error.name}: ${error.message}`);
"""


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("options", "then", "forgives", "outcome", "requests"),
    [
        ("{}", b"", True, "ok", [0, 0, 1]),
        ('{ method: "OPTIONS" }', b"", True, "ok", [0, 0, 1]),
        ("{}", b"", False, "TypeError: Network connection lost.", [0, 0, 1]),
        ("{}", b"HTTP/1.1 2", True, "TypeError: Network connection lost.", [0, 0]),
        ('{ method: "DELETE" }', b"", True, "TypeError: Network connection lost.", [0, 0]),
        ('{ method: "POST", body: "x" }', b"", True, "TypeError: Network connection lost.", [0, 0]),
    ],
)
def test_a_kept_connection_that_ends_is_tried_anew(
    server: Server, options: str, then: bytes, forgives: bool, outcome: str, requests: list[int], reset: bool
) -> None:
    peer = _Forgetful(then, reset=reset, forgives=forgives)
    body = AGAIN.replace("OPTIONS", options)
    assert server.post(f"/javascript?{quote(peer.url)}", content=body).json() == outcome
    assert peer.requests == requests
