"""Bodies of requests that a Worker passes on: they never enter it. Those that it reads, or that break off."""

import hashlib
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness.origin import Origin
from harness.processes import eventually, kill, resident_bytes
from harness.server import CONFIG as KV_CONFIG
from harness.server import Server

WORKER = '''
    import asyncio, hashlib

    import js
    from js import caches, fetch as js_fetch
    from pyodide.code import run_js
    from workers import Response, WorkerEntrypoint

    JAVASCRIPT = {
        "text": "async (r) => (await r.text()).length",
        "array_buffer": "async (r) => (await r.arrayBuffer()).byteLength",
        "blob": "async (r) => (await r.blob()).size",
        "iterated": "async (r) => { let n = 0; for await (const c of r.body) n += c.length; return n }",
        "read": """async (r) => {
            const reader = r.body.getReader(); let n = 0;
            for (;;) { const { done, value } = await reader.read(); if (done) return n; n += value.length }
        }""",
        "byob": """async (r) => {
            const reader = r.body.getReader({ mode: 'byob' }); let n = 0;
            for (;;) { const { done, value } = await reader.read(new Uint8Array(70000)); if (done) return n; n += value.length }
        }""",
        "teed": """async (r) => {
            const [a, b] = r.body.tee();
            const lengths = await Promise.all([a, b].map(async (s) => (await new Response(s).arrayBuffer()).byteLength));
            return lengths[0] === lengths[1] && lengths[0];
        }""",
        "cloned": """async (r) => {
            const copy = r.clone();
            const lengths = [(await r.arrayBuffer()).byteLength, (await copy.arrayBuffer()).byteLength];
            return lengths[0] === lengths[1] && lengths[0];
        }""",
        "piped": """async (r) => {
            const { readable, writable } = new TransformStream(); const done = r.body.pipeTo(writable);
            const length = (await new Response(readable).arrayBuffer()).byteLength; await done; return length;
        }""",
        "partly": """async (r) => {
            const reader = r.body.getReader(); const { value } = await reader.read(); await reader.cancel(); return value.length > 0;
        }""",
        "used": """async (r, env) => {
            const before = r.bodyUsed, put = env.BUCKET.put('used', r.body), during = r.bodyUsed; await put;
            const again = [];
            for (const f of [() => env.BUCKET.put('again', r.body), () => r.text(), () => r.clone(), () => new Request(r)])
                try { await f(); again.push('no error') } catch (e) { again.push(e.constructor.name) }
            return [before, during, r.bodyUsed, ...again].join(' ');
        }""",
        "copied": """async (r, env) => {
            const copy = r.clone(); const put = env.BUCKET.put('copied', r.body);
            const length = (await copy.arrayBuffer()).byteLength; return length === (await put).size && length;
        }""",
        "wrapped": """async (r, env) => {
            const outer = new Request('http://elsewhere/', new Request(r));
            const put = await env.BUCKET.put('wrapped', outer.body); return put.etag + ' ' + r.bodyUsed + ' ' + outer.bodyUsed;
        }""",
        "fixed": """async (r, env) => {
            const length = new URL(r.url).searchParams.get('length');
            const { readable, writable } = new FixedLengthStream(Number(length));
            const pipe = r.body.pipeTo(writable).catch((e) => e.message);
            try { return (await env.BUCKET.put('fixed', readable)).etag } catch (e) { return e.message }
        }""",
        "coded": """async (r, env) => {
            await env.BUCKET.put('coded', r.body); const found = await env.BUCKET.get('coded');
            return new Response(found.body, { headers: { 'content-encoding': 'gzip' } });
        }""",
        "coded_echo": "async (r) => new Response(r.body, { headers: { 'content-encoding': 'gzip' } })",
        "proxied": "async (r) => fetch(new URL(r.url).searchParams.get('to'), r)",
        "proxied_body": "async (r) => fetch(new URL(r.url).searchParams.get('to'), { method: 'PUT', body: r.body })",
        "assets": "async (r, env) => (await env.ASSETS.fetch(r)).status",
        "echo": "async (r) => new Response(r.body)",
        "ignored": "async (r) => 'ignored'",
        "late": """async (r, env, c) => {
            c.waitUntil(env.BUCKET.put('late', r.body).then((put) => console.log('put ' + put.etag), (e) => console.log('failed ' + e))); return 'soon';
        }""",
        "caught": """async (r, env) => {
            try { await env.BUCKET.put('caught', r.body) } catch (e) { console.log('caught ' + e.message) } return 'caught';
        }""",
        "kv": "async (r, env) => { await env.KV.put('key', r.body); return (await env.KV.get('key', 'arrayBuffer')).byteLength }",
        "cached": """async (r) => {
            const key = 'http://cache/' + crypto.randomUUID();
            await caches.default.put(key, new Response(r.body, { headers: { 'cache-control': 'max-age=60' } }));
            return caches.default.match(key);
        }""",
        "twice": """async (r, env) => {
            const puts = [env.BUCKET.put('one', r.body)];
            try { puts.push(env.BUCKET.put('two', r.body)) } catch (e) { puts.push(e.constructor.name) }
            const [one, two] = await Promise.allSettled(puts);
            return one.value.size + ' ' + (two.reason ? two.reason.constructor.name : two.value);
        }""",
        "socket": """async (r) => {
            const [client, server] = Object.values(new WebSocketPair()); server.accept(); server.send('hello');
            return new Response(null, { status: 101, webSocket: client });
        }""",
    }


    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path, _, query = request.url.partition("?")
            name = path.rpartition("/")[2]
            if name in JAVASCRIPT:
                answer = await run_js(JAVASCRIPT[name])(request.js_object, self.env._env, self.ctx)
                return answer if hasattr(answer, "headers") else Response(str(answer))
            try:
                return await getattr(self, name)(request, query)
            except Exception as error:
                return Response(str(error).removeprefix("Error: "), status=500)

        async def put(self, request, key):
            put = await self.env.BUCKET.put(key or "key", request.js_object.body)
            return Response(f"{put.size} {put.etag}")

        async def checked(self, request, query):
            algorithm, _, digest = query.partition("=")
            put = await self.env.BUCKET.put("checked", request.js_object.body, **{algorithm: digest})
            return Response(f"{put.size} {put.etag}")

        async def begin(self, request, key):
            return Response((await self.env.BUCKET.createMultipartUpload(key)).uploadId)

        async def part(self, request, query):
            key, upload, number = query.split("&")
            upload = self.env.BUCKET.resumeMultipartUpload(key, upload)
            return Response((await upload.uploadPart(int(number), request.js_object.body))["etag"])

        async def complete(self, request, query):
            key, upload, *etags = query.split("&")
            parts = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
            done = await self.env.BUCKET.resumeMultipartUpload(key, upload).complete(parts)
            return Response(str(done.size))

        async def get(self, request, key):
            found = await self.env.BUCKET.get(key or "key")
            return Response(found.body) if found else Response("nothing", status=404)

        async def digest(self, request, query):
            return Response(hashlib.md5(await request.bytes()).hexdigest())

        async def refused(self, request, query):
            return Response("no", status=403)

        async def slept(self, request, query):
            print("asleep")
            await asyncio.sleep(float(query))
            return await self.put(request, "slept")
'''

CONFIG = KV_CONFIG.replace(
    '"kv_namespaces"',
    '"assets": { "directory": "assets", "binding": "ASSETS", "run_worker_first": true },\n'
    '  "r2_buckets": [{ "binding": "BUCKET", "bucket_name": "test" }],\n  "kv_namespaces"',
)

MIB = 1 << 20

# Short ones go with the head, the next right after it; longer ones wait to be asked for.
SIZES = [0, 1000, 100_000, 300_000, 5 * MIB + 7]
LARGE = 5 * MIB + 7


def body(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def in_pieces(content: bytes) -> Iterator[bytes]:
    """A body whose length isn't told."""
    for begin in range(0, len(content), 100_000):
        yield content[begin : begin + 100_000]


@pytest.fixture
def worker(make_worker: Callable[..., Path]) -> Path:
    folder = make_worker(WORKER, config=CONFIG)
    (folder / "assets").mkdir()
    (folder / "assets/file.txt").write_text("an asset")
    return folder


@pytest.fixture
def server(worker: Path, serve: Callable[..., Server]) -> Server:
    return serve(worker)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


def files(server: Server) -> list[Path]:
    """The files of values, complete or not."""
    # The folder is made when the first one is.
    return list((server.folder / ".wrangler/state/r2/test").glob("bodies/*"))


def read_by_isolates(server: Server) -> int:
    """How many bytes the isolates have read, from wherever."""
    total = 0
    for pid in server.wait_for_isolates().isolates:
        try:
            told = Path(f"/proc/{pid}/io").read_text()
        except PermissionError:
            pytest.skip("only root sees what an isolate reads")
        total += int(told.partition("rchar: ")[2].split()[0])
    return total


@pytest.mark.parametrize("size", SIZES)
def test_what_is_passed_on_arrives_whole(server: Server, origin: Origin, size: int) -> None:
    content = body(size)
    assert server.post("/put", content=content).text == f"{size} {md5(content)}"
    assert server.get("/get").content == content
    assert server.post("/cached", content=content).content == content
    assert server.post("/echo", content=content).content == content
    if size:
        # An absent body is the text "null" there, as upstream.
        assert server.post("/kv", content=content).text == str(size)
    for way in ("proxied", "proxied_body"):
        assert server.post(f"/{way}?to={origin.url}/back", content=content).content == content


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_is_read_arrives_whole(server: Server, size: int, is_chunked: bool) -> None:
    content = body(size).translate(bytes(byte % 128 for byte in range(256)))
    ways = ["text", "array_buffer", "blob", "teed", "cloned", "piped", "iterated", "read", "byob"]
    if size == 0 and not is_chunked:
        # Such a request has no body.
        ways = ways[:3]
    for way in ways:
        sent = in_pieces(content) if is_chunked else content
        assert server.post(f"/{way}", content=sent).text == str(size), way
    assert server.post("/digest", content=in_pieces(content) if is_chunked else content).text == md5(content)


def test_what_is_passed_on_never_enters_the_isolate(server: Server, origin: Origin) -> None:
    content = body(LARGE)
    upload = server.post("/begin?parts").text
    server.post("/put", content=content)
    before = read_by_isolates(server)
    assert server.post("/put", content=content).text == f"{LARGE} {md5(content)}"
    assert server.post("/wrapped", content=content).text == f"{md5(content)} true true"
    assert len(server.post(f"/part?parts&{upload}&1", content=content).text) > 100
    assert server.post("/cached", content=content).content == content
    assert server.post("/echo", content=content).content == content
    for way in ("proxied", "proxied_body"):
        assert server.post(f"/{way}?to={origin.url}/back", content=content).content == content
        assert server.post(f"/{way}?to={origin.url}/back", content=in_pieces(content)).content == content
    entered = read_by_isolates(server) - before
    assert entered < MIB, f"{entered} bytes were read, of bodies of {LARGE}"


def test_a_body_comes_back_while_it_is_still_being_sent(server: Server, origin: Origin) -> None:
    sent, length = 0, 40 * MIB

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(40):
            sent += MIB
            yield bytes(MIB)

    for path in (f"/proxied?to={origin.url}/mirror", "/echo"):
        sent = 0
        with socket.create_connection(server.address) as client:
            client.settimeout(20)
            client.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n".encode())
            got = b""
            for piece in pieces():
                client.sendall(piece)
                # Nobody holds more than the sockets do: without this it would stand still.
                while len(got) < sent - 4 * MIB:
                    got += client.recv(1 << 20)
            while more := client.recv(1 << 20):
                got += more
        head, _, content = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and len(content) == length, path


def test_a_body_is_passed_on_once(server: Server) -> None:
    content = body(LARGE)
    assert server.post("/used", content=content).text == "false true true TypeError TypeError TypeError TypeError"
    assert server.post("/twice", content=content).text == f"{LARGE} TypeError"
    assert server.post("/copied", content=content).text == str(LARGE)
    assert server.get("/get?copied").content == content
    assert server.get("/get?again").status_code == server.get("/get?two").status_code == 404


def test_a_body_through_a_stream_of_fixed_length_has_to_have_that(server: Server) -> None:
    content = body(LARGE)
    assert server.post(f"/fixed?length={LARGE}", content=content).text == md5(content)
    assert server.post(f"/fixed?length={LARGE}", content=in_pieces(content)).text == md5(content)
    assert server.post(f"/fixed?length={LARGE - 1}", content=content).text != md5(content)
    assert server.post(f"/fixed?length={LARGE + 1}", content=content).text != md5(content)
    assert server.get("/get?fixed").content == content
    eventually(lambda: len(files(server)) == 1, "what was overwritten is deleted")


def test_a_bucket_wants_to_know_the_length(server: Server) -> None:
    for size in SIZES:
        answer = server.post("/put", content=in_pieces(body(size)))
        assert (answer.status_code, answer.text) == (
            500,
            "TypeError: Provided readable stream must have a known length (request/response body or readable half of "
            "FixedLengthStream)",
        )
    assert server.get("/get").status_code == 404


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_a_digest_is_checked_as_the_body_comes(server: Server, size: int, algorithm: str) -> None:
    content = body(size)
    digest = hashlib.new(algorithm, content).hexdigest()
    wrong = hashlib.new(algorithm, content[1:]).hexdigest()
    answer = server.post(f"/checked?{algorithm}={wrong}", content=content)
    assert answer.status_code == 500 and "checksum you specified did not match" in answer.text, answer.text
    assert server.get("/get?checked").status_code == 404
    eventually(lambda: not files(server), "nothing is left")
    assert server.post(f"/checked?{algorithm}={digest}", content=content).text == f"{size} {md5(content)}"


def test_a_coding_that_is_promised_is_put_on(server: Server) -> None:
    content = b"again and again " * 100_000
    for path in ("/coded", "/coded_echo"):
        answer = server.post(path, content=content)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.content == content
        assert answer.num_bytes_downloaded < 100_000


def test_an_asset_takes_no_body(server: Server) -> None:
    assert server.post("/assets", content=body(LARGE)).text == "404"


def test_a_body_that_is_ignored_ends_with_its_request(server: Server) -> None:
    for size in SIZES:
        assert server.post("/ignored", content=body(size)).text == "ignored"
        if size:
            assert server.post("/partly", content=body(size)).text in ("true", "True")
    assert server.post("/put", content=body(LARGE)).text == f"{LARGE} {md5(body(LARGE))}"


def test_a_put_that_is_waited_for_goes_on_after_the_answer(server: Server) -> None:
    content = body(LARGE)
    with socket.create_connection(server.address) as client:
        client.settimeout(20)
        client.sendall(f"POST /late HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGE}\r\n\r\n".encode())
        answer = b""
        while b"soon" not in answer:
            answer += client.recv(4096)
        client.sendall(content)
        server.wait_for_log(f"put {md5(content)}")
    assert server.get("/get?late").content == content


@pytest.mark.parametrize("length", ["content-length: 5000000", "transfer-encoding: chunked"])
def test_a_client_that_breaks_off_leaves_nothing(server: Server, origin: Origin, length: str) -> None:
    upload = server.post("/begin?parts").text
    ways = ["put", f"part?parts&{upload}&1", "cached", "echo", f"proxied?to={origin.url}/back", "fixed?length=5000000", "text"]
    piece = b"x" * 600_000
    if "chunked" in length:
        piece = b"%x\r\n" % len(piece) + piece + b"\r\n"

    def break_off(way: str) -> None:
        with socket.create_connection(server.address) as client:
            client.sendall(f"POST /{way} HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n".encode() + piece)

    def try_all(times: int) -> None:
        for way in ways * times:
            break_off(way)
            # Not faster than the server notices: what piles up meanwhile is given back late.
            server.get("/get")
        eventually(lambda: not files(server), "nothing half-written is left")

    try_all(20)
    host = server.pids().host
    before = resident_bytes(host)
    try_all(100)
    # A way that kept what it got would keep 60 MB.
    eventually(lambda: resident_bytes(host) < before + 40 * MIB, "the memory is given back", timeout=30)
    assert server.get("/get").status_code == 404
    assert server.get(f"/complete?parts&{upload}&etag").status_code == 500
    content = body(LARGE)
    etag = server.post(f"/part?parts&{upload}&1", content=content).text
    assert server.get(f"/complete?parts&{upload}&{etag}").text == str(LARGE)
    assert server.get("/get?parts").content == content
    eventually(lambda: origin.open == 0, "the origin's connections are let go of")


def test_many_bodies_cost_no_memory(server: Server) -> None:
    content = body(20 * MIB)

    def put(times: int) -> int:
        for _ in range(times):
            assert server.post("/put", content=content).status_code == 200
        return resident_bytes(server.pids().host)

    before = put(5)
    assert put(15) < before + 10 * MIB
    assert before < 150 * MIB, "no body is gathered"
    eventually(lambda: len(files(server)) == 1, "what was overwritten is deleted")


def test_the_worker_learns_that_its_client_broke_off(server: Server) -> None:
    with socket.create_connection(server.address) as client:
        client.sendall(b"POST /caught HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 600_000)
        client.shutdown(socket.SHUT_WR)
        server.wait_for_log("caught ")
    assert "the value to put broke off: the client broke off the request's body" in server.log


def test_a_client_that_asks_first_is_asked_when_the_body_is_wanted(server: Server) -> None:
    content = body(LARGE)
    head = "POST /{} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n"
    for way, size, answer in (
        ("put", LARGE, f"{LARGE} {md5(content)}"),
        ("digest", LARGE, md5(content)),
        ("put", 10, f"10 {md5(content[:10])}"),
        ("digest", 10, md5(content[:10])),
    ):
        with socket.create_connection(server.address) as client:
            client.settimeout(20)
            client.sendall(head.format(way, size).encode())
            assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(content[:size])
            assert client.recv(4096).endswith(answer.encode())
    with socket.create_connection(server.address) as client:
        client.settimeout(20)
        client.sendall(head.format("refused", LARGE).encode())
        answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 403") and answer.endswith(b"no")
        assert client.recv(4096) == b"", "the client would not know whether the next bytes are the body"


def test_a_body_beyond_the_limit_is_stored_nowhere(worker: Path, serve: Callable[..., Server], origin: Origin) -> None:
    server = serve(worker, environment={"ISTHMUS_REQUEST_BODY_MAX": "1"})
    content = body(2 * MIB)
    fits = content[:MIB]
    assert server.post("/put", content=fits).text == f"{MIB} {md5(fits)}"
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/put?too-long", content=content).status_code == 413
    for way in (f"fixed?length={2 * MIB}", f"proxied?to={origin.url}/back", "text", "echo"):
        # Where it is told late, the answer may have begun, or the connection be closed before the client has sent it all.
        try:
            answer = server.post(f"/{way}", content=in_pieces(content))
            assert answer.status_code == 413, way
        except httpx.TransportError:
            assert way == "echo", way
    assert server.post(f"/proxied?to={origin.url}/back", content=in_pieces(fits)).content == fits
    assert server.get("/get?fixed").status_code == server.get("/get?too-long").status_code == 404
    eventually(lambda: len(files(server)) == 1, "nothing half-written is left")


def test_a_body_that_waits_for_long_is_still_there(server: Server) -> None:
    content = body(LARGE)
    assert server.post("/slept?0.5", content=content).text == f"{LARGE} {md5(content)}"


def test_an_isolate_that_dies_takes_its_bodies_along(server: Server) -> None:
    before = server.wait_for_isolates().isolates
    with socket.create_connection(server.address) as client:
        client.settimeout(20)
        client.sendall(b"POST /slept?10 HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 600_000)
        server.wait_for_log("asleep")
        kill(before[0])
        assert client.recv(4096).startswith(b"HTTP/1.1 50")
    assert server.post("/put", content=body(LARGE)).text == f"{LARGE} {md5(body(LARGE))}"
    eventually(lambda: len(files(server)) == 1, "nothing half-written is left")


def test_an_upgraded_connection_has_no_body(server: Server) -> None:
    with socket.create_connection(server.address) as client:
        client.settimeout(20)
        client.sendall(
            b"GET /socket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300_000
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 ")
    assert server.post("/put", content=body(1000)).status_code == 200
