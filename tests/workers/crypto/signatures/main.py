import asyncio

from js import Object, Response, Uint8Array, crypto
from pyodide.ffi import to_js
from workers import WorkerEntrypoint

# At import there is no event loop yet: the key is generated once the isolate serves.
EARLY = crypto.subtle.generateKey(
    to_js(
        {"name": "RSA-PSS", "hash": "SHA-256", "modulusLength": 2048, "publicExponent": b"\x01\x00\x01"},
        dict_converter=Object.fromEntries,
    ),
    False,
    to_js(["sign", "verify"]),
)


def algorithm(**members):
    return to_js(members, dict_converter=Object.fromEntries)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        subtle = crypto.subtle
        key = await subtle.importKey(
            "raw", to_js(b"Jefe"), algorithm(name="HMAC", hash="SHA-256"), False, to_js(["sign", "verify"])
        )
        data = b"what do ya want for nothing?"
        signature = (await subtle.sign("HMAC", key, to_js(data))).to_bytes()
        verified = await subtle.verify("HMAC", key, to_js(signature), to_js(memoryview(data)))
        forged = await subtle.verify("HMAC", key, to_js(signature[::-1]), to_js(data))

        pair = await EARLY
        pss = algorithm(name="RSA-PSS", saltLength=32)
        long_signature = await subtle.sign(pss, pair.privateKey, to_js(data))
        long_verified = await subtle.verify(pss, pair.publicKey, long_signature, to_js(data))

        # 64 MiB are hashed on another thread: the loop goes on meanwhile.
        turns = 0
        digest = asyncio.ensure_future(subtle.digest("SHA-512", Uint8Array.new(64 << 20)))
        while not digest.done():
            turns += 1
            await asyncio.sleep(0.001)

        stream = crypto.DigestStream.new("MD5")
        await Response.new("abc").body.pipeTo(stream)
        return Response.new(
            "\n".join(
                str(line)
                for line in [
                    signature.hex(),
                    verified,
                    forged,
                    long_verified,
                    turns > 1,
                    digest.result().to_bytes().hex()[:16],
                    (await stream.digest).to_bytes().hex(),
                    stream.bytesWritten,
                ]
            )
        )
