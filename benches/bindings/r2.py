"""R2: see `run.py`. `ISTHMUS_BENCH_GIB` says how large the object is that is streamed (1 unless it does)."""

import filecmp
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
from harness.server import Server

from run import Case, Growth

CASES = [
    Case("get", "get of 10 kB as text", count=1000, goal_us=150),
    Case("get_bytes", "get of 10 kB as bytes", count=1000),
    Case("get_range", "get of 1 kB of 10 MiB", count=1000),
    Case("get_large", "get of 10 MiB as arrayBuffer", count=3),
    Case("head", "head", count=1000),
    Case("put", "put of 10 kB, one after the other", count=200),
    Case("put_many", "put of 10 kB, 32 in flight", count=960),
    Case("put_large", "put of 10 MiB", count=3),
    Case("list_objects", "list of 1000 objects", count=3),
]
CONFIG = {"r2_buckets": [{"binding": "BUCKET", "bucket_name": "bench"}]}
MINIFLARE = {"r2Buckets": {"BUCKET": "bench"}, "r2Persist": True}
PYTHON = '''
    import asyncio

    VALUE = "v" * 10_000
    LARGE = bytes(10 << 20)


    async def prepare(env, count):
        await env.BUCKET.put("value", VALUE)
        await env.BUCKET.put("large", LARGE)
        for first in range(0, 1000, 100):
            await asyncio.gather(*(env.BUCKET.put(f"list-{n:04}", "") for n in range(first, first + 100)))


    async def get(env, count):
        for _ in range(count):
            await (await env.BUCKET.get("value")).text()


    async def get_bytes(env, count):
        for _ in range(count):
            await (await env.BUCKET.get("value")).bytes()


    async def get_range(env, count):
        for _ in range(count):
            await (await env.BUCKET.get("large", range={"offset": 5_000_000, "length": 1000})).bytes()


    async def get_large(env, count):
        for _ in range(count):
            await (await env.BUCKET.get("large")).arrayBuffer()


    async def head(env, count):
        for _ in range(count):
            await env.BUCKET.head("value")


    async def put(env, count):
        for n in range(count):
            await env.BUCKET.put(f"put-{n}", VALUE)


    async def put_many(env, count):
        for _ in range(count // 32):
            await asyncio.gather(*(env.BUCKET.put(f"put-{m}", VALUE) for m in range(32)))


    async def put_large(env, count):
        for _ in range(count):
            await env.BUCKET.put("put-large", LARGE)


    async def list_objects(env, count):
        for _ in range(count):
            await env.BUCKET.list(prefix="list-")


    class Default(Default):
        async def fetch(self, request):
            if request.method == "PUT":
                await self.env.BUCKET.put("stream", request.js_object.body)
                return Response("stored")
            if request.url.endswith("/stream"):
                return Response((await self.env.BUCKET.get("stream")).body)
            return await super().fetch(request)
'''
JAVASCRIPT = '''
    const VALUE = "v".repeat(10_000);
    const LARGE = new Uint8Array(10 << 20);
    const CASES = {
      async prepare(env) {
        await env.BUCKET.put("value", VALUE);
        await env.BUCKET.put("large", LARGE);
        for (let first = 0; first < 1000; first += 100) {
          await Promise.all(Array.from({ length: 100 }, (_, n) => env.BUCKET.put("list-" + String(first + n).padStart(4, "0"), "")));
        }
      },
      async get(env, count) { for (let n = 0; n < count; n++) await (await env.BUCKET.get("value")).text(); },
      async get_bytes(env, count) { for (let n = 0; n < count; n++) await (await env.BUCKET.get("value")).bytes(); },
      async get_range(env, count) {
        for (let n = 0; n < count; n++) await (await env.BUCKET.get("large", { range: { offset: 5_000_000, length: 1000 } })).bytes();
      },
      async get_large(env, count) { for (let n = 0; n < count; n++) await (await env.BUCKET.get("large")).arrayBuffer(); },
      async head(env, count) { for (let n = 0; n < count; n++) await env.BUCKET.head("value"); },
      async put(env, count) { for (let n = 0; n < count; n++) await env.BUCKET.put("put-" + n, VALUE); },
      async put_many(env, count) {
        for (let n = 0; n < count / 32; n++) {
          await Promise.all(Array.from({ length: 32 }, (_, m) => env.BUCKET.put("put-" + m, VALUE)));
        }
      },
      async put_large(env, count) { for (let n = 0; n < count; n++) await env.BUCKET.put("put-large", LARGE); },
      async list_objects(env, count) { for (let n = 0; n < count; n++) await env.BUCKET.list({ prefix: "list-" }); },
    };
'''


def copied(source: Path, target: Path) -> float:
    """Seconds of a copy that is on disk in the end, as an object is."""
    begin = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - begin


def transferred(*arguments: str) -> float:
    """Seconds of a transfer by curl, which takes less of the processors than a client in Python."""
    # What is still to be written of earlier files would hold up this one.
    os.sync()
    begin = time.perf_counter()
    subprocess.run(["curl", "--silent", "--show-error", "--fail", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def further(server: Server, client: httpx.Client) -> None:
    """A large object through the Worker, both ways, beside a copy of a file; nobody's memory grows with it."""
    size = int(float(os.environ.get("ISTHMUS_BENCH_GIB", "1")) * 2**30)
    source, target = server.folder / "source", server.folder / "target"
    block = os.urandom(1 << 20)
    with source.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    growth = Growth(server)
    copy = copied(source, target)
    target.unlink()
    url = f"{server.url}/stream"
    put = transferred("--upload-file", str(source), "--header", "expect:", url)
    # Not into a file: how fast curl writes one is not the question.
    get = transferred("--output", os.devnull, url)
    transferred("--output", str(target), url)
    assert filecmp.cmp(source, target, shallow=False)
    print(
        f"\n{size / 2**30:g} GiB: copied in {copy:.2f} s; put in {put:.2f} s ({put / copy:.2f} copies), got in {get:.2f} s "
        f"({get / copy:.2f} copies); {growth}"
    )
