"""What a Worker, or a program in plain CPython, may be given that is wrong, and what must come of it."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from harness.raw_peer import RawPeer, Script, Then

_OK = b"HTTP/1.1 200 OK\r\n"
_SIZED = _OK + b"content-length: 10\r\n\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"
# Without the first header the next request might come along the connection that is about to end.
_TWO = b"connection: close\r\ncontent-length: 2\r\n\r\nok"
_CODED = gzip.compress(bytes(range(256)) * 100)

LOST = "TypeError: Network connection lost."
INVALID = "TypeError: The server's answer is not valid HTTP."
TOO_LARGE = "TypeError: The head of the server's answer is too large."


class Answer(NamedTuple):
    """What a server says, and what `await (await fetch(url)).text()` comes to: an error, or `status text`."""

    script: Script
    outcome: str


# Servers that end, or say something that is no HTTP.
ANSWERS: dict[str, Answer] = {
    "closes-at-once": Answer([Then.CLOSE], LOST),
    "resets-at-once": Answer([Then.RESET], LOST),
    "closes-in-head": Answer([_OK, Then.CLOSE], LOST),
    "resets-in-head": Answer([_OK, Then.RESET], LOST),
    "closes-in-body": Answer([_SIZED + b"123", Then.CLOSE], LOST),
    "resets-in-body": Answer([_SIZED + b"123", Then.RESET], LOST),
    "closes-between-chunks": Answer([_CHUNKED + b"3\r\n123\r\n", Then.CLOSE], LOST),
    "closes-in-chunk": Answer([_CHUNKED + b"5\r\n12", Then.CLOSE], LOST),
    "resets-between-chunks": Answer([_CHUNKED + b"3\r\n123\r\n", Then.RESET], LOST),
    "status-letters": Answer([b"HTTP/1.1 abc OK\r\n\r\n", Then.CLOSE], INVALID),
    "status-of-two-digits": Answer([b"HTTP/1.1 99 OK\r\n\r\n", Then.CLOSE], INVALID),
    "status-below-100": Answer([b"HTTP/1.1 099 OK\r\n\r\n", Then.CLOSE], INVALID),
    "status-of-four-digits": Answer([b"HTTP/1.1 1000 OK\r\n\r\n", Then.CLOSE], INVALID),
    "no-status": Answer([b"HTTP/1.1\r\n\r\n", Then.CLOSE], INVALID),
    "no-reason": Answer([b"HTTP/1.1 200\r\n" + _TWO, Then.CLOSE], "200 ok"),
    "reason-with-nul": Answer([b"HTTP/1.1 200 a\0b\r\n" + _TWO, Then.CLOSE], INVALID),
    "other-version": Answer([b"HTTP/3.0 200 OK\r\n" + _TWO, Then.CLOSE], INVALID),
    "no-head": Answer([b"<html>hello</html>", Then.CLOSE], INVALID),
    "only-interim": Answer([b"HTTP/1.1 100 Continue\r\n\r\n", Then.CLOSE], LOST),
    "interim-first": Answer([b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3 + _OK + _TWO, Then.CLOSE], "200 ok"),
    "switches": Answer(
        [b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", Then.CLOSE],
        "TypeError: The server answered with the status 101, which fetch() can't make use of.",
    ),
    "chunk-size-letters": Answer([_CHUNKED + b"zz\r\n123\r\n0\r\n\r\n", Then.CLOSE], LOST),
    "chunk-size-negative": Answer([_CHUNKED + b"-3\r\n123\r\n0\r\n\r\n", Then.CLOSE], LOST),
    "chunk-size-empty": Answer([_CHUNKED + b"\r\n123\r\n0\r\n\r\n", Then.CLOSE], LOST),
    "chunk-size-too-large": Answer([_CHUNKED + b"ffffffffffffffffff\r\n123", Then.CLOSE], LOST),
    "chunk-size-of-64-bits": Answer([_CHUNKED + b"ffffffffffffffff\r\n123", Then.CLOSE], LOST),
    "chunk-too-long": Answer([_CHUNKED + b"3\r\n123456\r\n0\r\n\r\n", Then.CLOSE], LOST),
    "chunk-extension-endless": Answer([_CHUNKED + b"3;" + b"x" * 1_000_000, Then.WAIT], LOST),
    "trailers-too-large": Answer([_CHUNKED + b"0\r\nx: " + b"a" * 1_000_000 + b"\r\n\r\n", Then.WAIT], LOST),
    "length-negative": Answer([_OK + b"content-length: -1\r\n\r\nabc", Then.CLOSE], INVALID),
    "length-letters": Answer([_OK + b"content-length: abc\r\n\r\nabc", Then.CLOSE], INVALID),
    "length-with-sign": Answer([_OK + b"content-length: +3\r\n\r\nabc", Then.CLOSE], INVALID),
    "length-too-large": Answer([_OK + b"content-length: 99999999999999999999999\r\n\r\nabc", Then.CLOSE], INVALID),
    "length-of-63-bits": Answer([_OK + b"content-length: 9223372036854775807\r\n\r\nabc", Then.CLOSE], LOST),
    "lengths-that-differ": Answer([_OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", Then.CLOSE], INVALID),
    "length-and-chunks": Answer(
        [_OK + b"connection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Then.CLOSE],
        "200 hello",
    ),
    "more-than-its-length": Answer([_OK + _TWO + b"and more", Then.CLOSE], "200 ok"),
    "header-too-large": Answer([_OK + b"x: " + b"a" * 1_000_000 + b"\r\n" + _TWO, Then.CLOSE], TOO_LARGE),
    "header-endless": Answer([_OK + b"x: " + b"a" * 1_000_000, Then.WAIT], TOO_LARGE),
    "header-large": Answer([_OK + b"x: " + b"a" * 100_000 + b"\r\n" + _TWO, Then.CLOSE], "200 ok"),
    "headers-too-many": Answer([_OK + b"x: a\r\n" * 5000 + _TWO, Then.CLOSE], TOO_LARGE),
    "headers-many": Answer([_OK + b"x: a\r\n" * 500 + _TWO, Then.CLOSE], "200 ok"),
    "header-without-colon": Answer([_OK + b"nonsense\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-without-name": Answer([_OK + b": a\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-name-with-space": Answer([_OK + b"x y: a\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-with-nul": Answer([_OK + b"x: a\0b\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-with-return": Answer([_OK + b"x: a\rb\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-folded": Answer([_OK + b"x: a\r\n b\r\n" + _TWO, Then.CLOSE], INVALID),
    "header-of-any-bytes": Answer([_OK + b"set-cookie: \x80\xff=1\r\n" + _TWO, Then.CLOSE], "200 ok"),
    "redirect-nowhere": Answer([b"HTTP/1.1 302 Found\r\n" + _TWO, Then.CLOSE], "302 ok"),
    "redirect-malformed": Answer(
        [b"HTTP/1.1 302 Found\r\nlocation: http://[\r\n" + _TWO, Then.CLOSE],
        "TypeError: Invalid Location header; unable to follow redirect.",
    ),
    "redirect-to-file": Answer(
        [b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\n" + _TWO, Then.CLOSE],
        "TypeError: Fetch API cannot load: file:///etc/passwd",
    ),
    "redirect-to-itself": Answer(
        [b"HTTP/1.1 302 Found\r\nlocation: /redirect-to-itself\r\n" + _TWO, Then.CLOSE], "TypeError: Too many redirects."
    ),
    "gzip-cut": Answer(
        [_OK + b"content-encoding: gzip\r\n\r\n" + _CODED[:-9], Then.CLOSE],
        "TypeError: Gzip compressed stream ended prematurely.",
    ),
    "deflate-cut": Answer(
        [_OK + b"content-encoding: deflate\r\n\r\n" + zlib.compress(b"hello")[:-1], Then.CLOSE],
        "TypeError: Deflate compressed stream ended prematurely.",
    ),
    "gzip-and-lost": Answer([_OK + b"content-encoding: gzip\r\ncontent-length: 999\r\n\r\n" + _CODED[:-9], Then.RESET], LOST),
    "coding-unknown": Answer([_OK + b"content-encoding: nonsense\r\n" + _TWO, Then.CLOSE], "200 ok"),
    # Each would cost memory, and there is room for thousands in a head.
    "codings-too-many": Answer([_OK + b"content-encoding: " + b"gzip," * 50_000 + b"gzip\r\n" + _TWO, Then.CLOSE], "200 ok"),
}

# Servers that say no more, but keep their connection.
STALLS: dict[str, Script] = {
    "silent": [Then.WAIT],
    "silent-in-head": [_OK + b"x-a: b\r\n", Then.WAIT],
    "silent-after-blank-lines": [b"\r\n" * 100_000, Then.WAIT],
    "silent-after-interim": [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, Then.WAIT],
    "silent-in-body": [_SIZED + b"123", Then.WAIT],
    "silent-in-chunk": [_CHUNKED + b"5\r\n12", Then.WAIT],
    "silent-between-chunks": [_CHUNKED + b"3\r\n123\r\n", Then.WAIT],
    "silent-in-gzip": [_OK + b"content-encoding: gzip\r\n\r\n" + _CODED[:-9], Then.WAIT],
}


def _response(body: str) -> str:
    return f"(async () => {{ const r = new Response('x'); {body} }})()"


def _request(body: str) -> str:
    return f"(async () => {{ const r = new Request('http://x/', {{ method: 'POST', body: 'x' }}); {body} }})()"


def _form(kind: str, text: str = "") -> str:
    return f"new Response('{text}', {{ headers: {{ 'content-type': '{kind}' }} }}).formData()"


_FAILS = "c.error(new RangeError('own'))"
_NAMES = ("{'a b': 'c'}", "{'': 'c'}", "{'a\\n': 'c'}", "{'a:': 'b'}", "{'\\u00e9': 'c'}")
_VALUES = ("{a: 'b\\nc'}", "{a: 'b\\r\\nc: d'}", "{a: 'b\\0'}", "{a: '\\u2603'}")
_LONG = "new Response(new Blob(['hello '.repeat(1000)]).stream().pipeThrough(new CompressionStream('{0}'))).bytes()"

# JavaScript expressions, awaited, and the name of what they throw.
EXPRESSIONS: dict[str, str] = {
    **{
        f"fetch({url!r})": "TypeError"
        for url in (
            "", "relative", "//x/", "http:", "http://", "http://[", "http://a b/", "http://host:99999/", "http://1.2.3.999/", "http://%00/",
            "ftp://x/", "file:///etc/passwd", "about:blank", "blob:null/x", "javascript:alert(1)", "data:", "data:text/plain",
        )
    },
    **{f"new URL({url!r})": "TypeError" for url in ("", "relative", "http://[", "http://a b/", "http://host:99999/", "http://%00/")},
    **{f"new Request({url!r})": "TypeError" for url in ("", "relative", "http://[")},
    "new URL('http://x/').href = 'http://['": "TypeError",
    "Response.redirect('http://[')": "TypeError",
    "Response.redirect('http://x/', 200)": "RangeError",
    "new URLPattern({ pathname: '/:(' })": "TypeError",
    "new WebSocket('http://[')": "SyntaxError",
    "new WebSocket('ftp://x/')": "SyntaxError",
    "new EventSource('http://[')": "SyntaxError",
    **{f"new Headers({init})": "TypeError" for init in (*_NAMES, *_VALUES, "[['a']]", "[['a', 'b', 'c']]", "1")},
    **{f"new Headers().{call}": "TypeError" for call in ("append('a', 'b\\nc')", "set('a\\n', 'b')", "get('a b')", "has('')", "append('a')")},
    **{f"new Response('', {{ headers: {init} }})": "TypeError" for init in (*_NAMES, *_VALUES)},
    **{f"fetch('http://127.0.0.1:1/', {{ headers: {init} }})": "TypeError" for init in (*_NAMES, *_VALUES)},
    **{f"new Response('', {{ statusText: {text} }})": "TypeError" for text in ("'a\\nb'", "'\\u2603'")},
    **{f"new Response('', {{ status: {status} }})": "RangeError" for status in ("0", "99", "600", "NaN")},
    **{f"new Response('x', {{ status: {status} }})": "TypeError" for status in ("204", "304")},
    **{
        f"fetch('http://127.0.0.1:1/', {init})": "TypeError"
        for init in ("{ method: '' }", "{ method: 'A B' }", "{ method: 'CONNECT' }", "{ body: 'x' }", "{ redirect: 'no' }", "{ signal: 1 }")
    },
    # Bodies, read twice or no bodies.
    _response("await r.text(); await r.text();"): "TypeError",
    _response("await r.text(); r.clone();"): "TypeError",
    _response("r.body.getReader(); await r.text();"): "TypeError",
    _response("await r.text(); new Response(r.body);"): "TypeError",
    _request("await r.text(); await r.arrayBuffer();"): "TypeError",
    _request("await r.text(); new Request(r);"): "TypeError",
    _request("await r.text(); await fetch(r);"): "TypeError",
    "new Response('{').json()": "SyntaxError",
    "new Response('').json()": "SyntaxError",
    "new Response('x').formData()": "TypeError",
    _form("multipart/form-data"): "TypeError",
    _form("multipart/form-data; boundary=b"): "TypeError",
    _form("multipart/form-data; boundary=b", "--b\\r\\ncontent-disposition: form-data; name=a\\r\\n\\r\\ncut"): "TypeError",
    "new Response(new ReadableStream({ pull(c) { c.enqueue(1); } })).text()": "TypeError",
    "new Response(new ReadableStream({ pull(c) { c.enqueue('text'); } })).text()": "TypeError",
    f"new Response(new ReadableStream({{ pull(c) {{ {_FAILS}; }} }})).text()": "RangeError",
    # Streams that fail, and such as are given up.
    "fetch('http://127.0.0.1:1/', { signal: AbortSignal.abort() })": "AbortError",
    "fetch('http://127.0.0.1:1/', { signal: AbortSignal.abort(new RangeError('own')) })": "RangeError",
    "new ReadableStream().pipeTo(new WritableStream(), { signal: AbortSignal.abort() })": "AbortError",
    f"new ReadableStream({{ start(c) {{ {_FAILS}; }} }}).pipeTo(new WritableStream())": "RangeError",
    f"new ReadableStream().pipeTo(new WritableStream({{ start(c) {{ {_FAILS}; }} }}))": "RangeError",
    "new WritableStream({ write() { throw new RangeError('own'); } }).getWriter().write(1)": "RangeError",
    "(async () => { const w = new WritableStream().getWriter(); w.abort(new RangeError('own')); await w.write(1); })()": "RangeError",
    "(async () => { const w = new WritableStream().getWriter(); await w.close(); await w.write(1); })()": "TypeError",
    "(async () => { const s = new ReadableStream(); s.getReader(); await s.cancel(); })()": "TypeError",
    "new ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' }).read(new Uint8Array(0))": "TypeError",
    "new ReadableStream({ start(c) { c.close(); c.close(); } })": "TypeError",
    **{
        f"(async () => {{ const s = new FixedLengthStream(3), w = s.writable.getWriter(); w.write(new Uint8Array({length})).catch(() => {{}}); "
        "w.close().catch(() => {}); await new Response(s.readable).text(); })()": "TypeError"
        for length in (2, 5)
    },
    "scheduler.wait(100000, { signal: AbortSignal.timeout(1) })": "TimeoutError",
    "AbortSignal.abort().throwIfAborted()": "AbortError",
    # Codings.
    **{
        f"new Response(new Blob([{data}]).stream().pipeThrough(new DecompressionStream('{coding}'))).text()": "TypeError"
        for coding in ("gzip", "deflate", "deflate-raw")
        for data in ("new Uint8Array()", "'no such thing'", "new Uint8Array(100).fill(255)", f"(await {_LONG.format(coding)}).slice(0, -1)")
    },
    "new DecompressionStream('nonsense')": "TypeError",
    "new CompressionStream('gzip').writable.getWriter().write('text')": "TypeError",
    "new TextDecoder('nonsense')": "RangeError",
    "new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))": "TypeError",
    "atob('*')": "InvalidCharacterError",
    "structuredClone(() => {})": "DataCloneError",
    # Keys; `crates/web/tests/crypto_keys.rs` has those of the asymmetric algorithms.
    **{
        f"crypto.subtle.importKey('raw', new Uint8Array({length}), '{name}', false, ['{usage}'])": "DataError"
        for name, usage in (("AES-CBC", "encrypt"), ("AES-CTR", "encrypt"), ("AES-GCM", "encrypt"), ("AES-KW", "wrapKey"))
        for length in (0, 15, 17, 33)
    },
    "crypto.subtle.importKey('raw', new Uint8Array(), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])": "DataError",
    **{
        f"crypto.subtle.importKey('jwk', {jwk}, 'AES-GCM', true, ['encrypt'])": "DataError"
        for jwk in (
            "{}", "{ kty: 'oct' }", "{ kty: 'oct', k: '*' }", "{ kty: 'oct', k: 'AAAA' }", "{ kty: 'RSA', k: 'AAAAAAAAAAAAAAAAAAAAAA' }",
            "{ kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA', alg: 'X' }", "{ kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA', ext: false }",
        )
    },
    "crypto.subtle.importKey('raw', 'text', 'AES-GCM', false, ['encrypt'])": "TypeError",
    "crypto.subtle.importKey('pkcs8', new Uint8Array(16), 'AES-GCM', false, ['encrypt'])": "NotSupportedError",
    "crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['sign'])": "SyntaxError",
    "crypto.subtle.importKey('raw', new Uint8Array(16), 'nonsense', false, [])": "NotSupportedError",
    "crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']).then((k) => crypto.subtle.exportKey('raw', k))": "InvalidAccessError",
    "crypto.getRandomValues(new Uint8Array(65537))": "QuotaExceededError",
}  # fmt: skip


@contextlib.contextmanager
def bad_peer() -> Iterator[RawPeer]:
    """A server that says all of `ANSWERS` and `STALLS`, each under its name."""
    with RawPeer() as peer:
        peer.scripts.update({name: answer.script for name, answer in ANSWERS.items()})
        peer.scripts.update(STALLS)
        yield peer
