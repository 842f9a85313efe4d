"""`bytes`, `memoryview` and whatever has Python's buffer protocol, where Web APIs take a BufferSource."""

from __future__ import annotations

import pytest

from harness.interpreter import RAISES

PRELUDE = """
import array, asyncio, hashlib, hmac, sys
import isthmus
isthmus.install()
import js
from pyodide.code import run_js
from pyodide.ffi import JsException, to_js

SIZES = [0, 1, 1000, 4096, 4097, 100_000, 3_000_000]

def data(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]
"""


@pytest.fixture
def lending(program):
    return lambda source: program(PRELUDE + RAISES + source)


KINDS = {
    "bytes": "made",
    "bytearray": "bytearray(made)",
    "memoryview": "memoryview(made)",
    "a part": "memoryview(b'x' + made)[1:]",
    "array": "array.array('B', made)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_and_sizes(lending, kind: str) -> None:
    lending(f"""
async def main():
    for size in SIZES:
        made = data(size)
        given = {KINDS[kind]}
        references = sys.getrefcount(given)
        for name in ["SHA-1", "SHA-512"]:
            digest = await js.crypto.subtle.digest(name, given)
            assert digest.to_bytes() == hashlib.new(name.replace("-", ""), made).digest(), (name, size)
        assert js.TextDecoder.new("latin1").decode(given) == js.TextDecoder.new("latin1").decode(to_js(made))
        for body in [js.Response.new(given), js.Request.new("http://a.test", method="POST", body=given), js.Blob.new([given, given])]:
            assert (await body.arrayBuffer()).to_bytes() == made * (2 if body.constructor.name == "Blob" else 1)
        await asyncio.sleep(0)
        del body, digest
        assert sys.getrefcount(given) == references
asyncio.run(main())
""")


def test_wider_items_are_their_bytes(lending) -> None:
    lending("""
numbers = array.array("d", [1.5, -2.0] * 1000)
assert js.TextDecoder.new("latin1").decode(numbers).encode("cp1252", "replace")[:1] == b"\\0"
async def main():
    assert (await js.Response.new(numbers).arrayBuffer()).to_bytes() == numbers.tobytes()
    grid = memoryview(numbers).cast("B").cast("d", (40, 50))
    assert (await js.Response.new(grid).arrayBuffer()).to_bytes() == numbers.tobytes()
asyncio.run(main())
""")


def test_the_memory_is_given_back_when_the_call_returns(lending) -> None:
    lending("""
async def main():
    for size in SIZES[1:]:
        made = bytearray(data(size))
        wanted = hashlib.sha512(made).digest()
        # Long work is done on another thread.
        pending = js.crypto.subtle.digest("SHA-512", made)
        made[0] ^= 1
        made.clear()
        made.extend(b"other")
        assert (await pending).to_bytes() == wanted
        view = memoryview(data(size))
        response = js.Response.new(view)
        pending = js.crypto.subtle.digest("SHA-512", view)
        view.release()
        assert (await pending).to_bytes() == hashlib.sha512(data(size)).digest()
        assert (await response.arrayBuffer()).to_bytes() == data(size)
        made = bytearray(data(size))
        blob, request = js.Blob.new([made]), js.Request.new("http://a.test", method="PUT", body=made)
        js.TextDecoder.new().decode(made)
        made.clear()
        assert (await blob.arrayBuffer()).to_bytes() == (await request.arrayBuffer()).to_bytes() == data(size)
asyncio.run(main())
""")


def test_keys_signatures_and_parameters(lending) -> None:
    lending("""
async def main():
    subtle = js.crypto.subtle
    algorithm = to_js({"name": "HMAC", "hash": "SHA-256"})
    key = await subtle.importKey("raw", b"a secret", algorithm, False, ["sign", "verify"])
    message = bytearray(data(10_000))
    signature = (await subtle.sign("HMAC", key, message)).to_bytes()
    assert signature == hmac.digest(b"a secret", message, "sha256")
    assert await subtle.verify("HMAC", key, signature, message)
    assert not await subtle.verify("HMAC", key, bytes(32), message)
    aes = await subtle.importKey("raw", bytes(16), "AES-GCM", False, ["encrypt", "decrypt"])
    parameters = run_js("(iv, additionalData) => ({ name: 'AES-GCM', iv, additionalData })")(to_js(bytes(12)), to_js(b"more"))
    sealed = await subtle.encrypt(parameters, aes, memoryview(b"plain text"))
    assert (await subtle.decrypt(parameters, aes, sealed.to_bytes())).to_bytes() == b"plain text"
    assert await run_js('''async (iv, key, data) => {
        const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: iv }, key, data);
        return sealed.byteLength; }''')(bytes(12), aes, b"1234") == 20
    assert subtle.timingSafeEqual(b"same", bytearray(b"same")) and not subtle.timingSafeEqual(b"same", b"some")
asyncio.run(main())
""")


def test_streams(lending) -> None:
    lending("""
async def through(pair, *chunks):
    writer = pair.writable.getWriter()
    async def write():
        for chunk in chunks:
            await writer.write(chunk)
        await writer.close()
    writing = asyncio.ensure_future(write())
    read = await js.Response.new(pair.readable).arrayBuffer()
    await writing
    return read.to_bytes()

async def main():
    for size in SIZES[1:]:
        made = data(size)
        chunks = made[: size // 2], bytearray(made[size // 2 :])
        assert await through(js.IdentityTransformStream.new(), *chunks) == made
        packed = await through(js.CompressionStream.new("gzip"), *chunks)
        assert await through(js.DecompressionStream.new("gzip"), packed) == made
        digests = js.crypto.DigestStream.new("SHA-256")
        writer = digests.getWriter()
        for chunk in chunks:
            await writer.write(memoryview(chunk))
        await writer.close()
        assert (await digests.digest).to_bytes() == hashlib.sha256(made).digest()
    text = js.TextDecoderStream.new()
    writer, reader = text.writable.getWriter(), text.readable.getReader()
    writing = writer.write("grün".encode())
    assert (await reader.read()).value == "grün"
    await writing
asyncio.run(main())
""")


def test_what_has_no_bytes_is_still_refused(lending) -> None:
    lending("""
from pyodide.ffi import create_proxy

async def refused(part, awaitable):
    try:
        await awaitable
    except JsException as error:
        assert error.name == "TypeError" and part in error.message, repr(error)
    else:
        raise AssertionError("accepted")

async def main():
    decoder = js.TextDecoder.new()
    for wrong in ["text", 5, [1, 2], {"a": 1}, object(), (b"a",)]:
        raises(JsException, "not of type", decoder.decode, wrong)
        await refused("not of type", js.crypto.subtle.digest("SHA-256", wrong))
    striped = memoryview(bytes(10_000))[::2]
    raises(BufferError, "not C-contiguous", decoder.decode, striped)
    released = memoryview(b"abc")
    proxy = create_proxy(released)
    released.release()
    raises(ValueError, "released", decoder.decode, proxy)
    # Where JavaScript would write, an array of its own is needed.
    raises(JsException, "", js.crypto.getRandomValues, bytearray(8))
    raises(JsException, "", js.TextEncoder.new().encodeInto, "text", bytearray(8))
    # A stream of values passes them on as they are.
    stream = js.TransformStream.new()
    value = create_proxy(b"value")
    writing = stream.writable.getWriter().write(value)
    assert (await stream.readable.getReader().read()).value.unwrap() == b"value"
    await writing
asyncio.run(main())
""")
