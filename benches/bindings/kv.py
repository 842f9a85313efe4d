"""KV: see `run.py`. `ISTHMUS_BENCH_KEYS` says how many keys the long list has (a million unless it does)."""

import json
import os
import statistics
import time

import httpx
from harness.command import isthmus
from harness.server import Server

from run import Case, Growth

CASES = [
    Case("get", "get of 1 kB", count=1000, goal_us=60),
    Case("get_missing", "get of a missing key", count=1000),
    Case("get_with_metadata", "getWithMetadata of 1 kB", count=1000),
    Case("get_json", "get of 1 kB as json", count=1000),
    Case("get_bulk", "get of 100 keys at once, of 1 kB each", count=20),
    Case("get_large", "get of 10 MiB as arrayBuffer", count=5),
    Case("put", "put of 1 kB, one after the other", count=500, goal_of_sync=1.5),
    Case("put_many", "put of 1 kB, 32 in flight", count=1920, goal_us=150),
    Case("put_large", "put of 10 MiB", count=3),
    Case("list_keys", "list of 1000 keys", count=5),
]
CONFIG = {
    "kv_namespaces": [{"binding": "KV", "id": "bench"}, {"binding": "LONG", "id": "long"}],
}
MINIFLARE = {"kvNamespaces": {"KV": "bench", "LONG": "long"}, "kvPersist": True}
PYTHON = '''
    import asyncio
    import itertools
    import json

    VALUE = "v" * 1024
    numbers = itertools.count()
    JSON = json.dumps({"text": "v" * 1000})
    LARGE = bytes(10 << 20)


    def fresh():
        # A value that is there already is not written again.
        return f"{next(numbers):010}" + VALUE[10:]


    async def prepare(env, count):
        await env.KV.put("value", VALUE, metadata={"a": 1})
        await env.KV.put("json", JSON)
        await env.KV.put("large", LARGE)
        await asyncio.gather(*(env.KV.put(f"list-{n:04}", "") for n in range(1000)))
        await asyncio.gather(*(env.KV.put(f"bulk-{n}", VALUE) for n in range(100)))


    async def get(env, count):
        for _ in range(count):
            await env.KV.get("value")


    async def get_missing(env, count):
        for _ in range(count):
            await env.KV.get("missing")


    async def get_with_metadata(env, count):
        for _ in range(count):
            await env.KV.getWithMetadata("value")


    async def get_json(env, count):
        for _ in range(count):
            await env.KV.get("json", "json")


    async def get_bulk(env, count):
        keys = [f"bulk-{n}" for n in range(100)]
        for _ in range(count):
            await env.KV.get(keys)


    async def get_large(env, count):
        for _ in range(count):
            await env.KV.get("large", "arrayBuffer")


    async def put(env, count):
        for n in range(count):
            await env.KV.put(f"put-{n}", fresh())


    async def put_many(env, count):
        for n in range(count // 32):
            await asyncio.gather(*(env.KV.put(f"put-{m}", fresh()) for m in range(32)))


    async def put_large(env, count):
        for n in range(count):
            await env.KV.put("put-large", LARGE)


    async def list_keys(env, count):
        for _ in range(count):
            await env.KV.list(prefix="list-")


    async def list_all(env, count):
        """The whole long list; the times of its pages are put where the bench reads them."""
        cursor, keys, pages = None, 0, []
        while True:
            begin = time.perf_counter()
            page = await env.LONG.list(cursor=cursor)
            pages.append(time.perf_counter() - begin)
            keys += len(page["keys"])
            if page["list_complete"]:
                break
            cursor = page["cursor"]
        await env.KV.put("pages", json.dumps({"keys": keys, "pages": pages}))


'''
JAVASCRIPT = '''
    const VALUE = "v".repeat(1024);
    let number = 0;
    const fresh = () => String(number++).padStart(10, "0") + VALUE.slice(10);
    const JSON_TEXT = JSON.stringify({ text: "v".repeat(1000) });
    const LARGE = new Uint8Array(10 << 20);
    const CASES = {
      async prepare(env) {
        await env.KV.put("value", VALUE, { metadata: { a: 1 } });
        await env.KV.put("json", JSON_TEXT);
        await env.KV.put("large", LARGE);
        const all = [];
        for (let n = 0; n < 1000; n++) all.push(env.KV.put("list-" + String(n).padStart(4, "0"), ""));
        for (let n = 0; n < 100; n++) all.push(env.KV.put("bulk-" + n, VALUE));
        await Promise.all(all);
      },
      async get(env, count) { for (let n = 0; n < count; n++) await env.KV.get("value"); },
      async get_missing(env, count) { for (let n = 0; n < count; n++) await env.KV.get("missing"); },
      async get_with_metadata(env, count) { for (let n = 0; n < count; n++) await env.KV.getWithMetadata("value"); },
      async get_json(env, count) { for (let n = 0; n < count; n++) await env.KV.get("json", "json"); },
      async get_bulk(env, count) {
        const keys = Array.from({ length: 100 }, (_, n) => "bulk-" + n);
        for (let n = 0; n < count; n++) await env.KV.get(keys);
      },
      async get_large(env, count) { for (let n = 0; n < count; n++) await env.KV.get("large", "arrayBuffer"); },
      async put(env, count) { for (let n = 0; n < count; n++) await env.KV.put("put-" + n, fresh()); },
      async put_many(env, count) {
        for (let n = 0; n < count / 32; n++) {
          await Promise.all(Array.from({ length: 32 }, (_, m) => env.KV.put("put-" + m, fresh())));
        }
      },
      async put_large(env, count) { for (let n = 0; n < count; n++) await env.KV.put("put-large", LARGE); },
      async list_keys(env, count) { for (let n = 0; n < count; n++) await env.KV.list({ prefix: "list-" }); },
    };
'''


def further(server: Server, client: httpx.Client) -> None:
    """The long list: its pages take the same time wherever they are, and nobody's memory grows with it."""
    wanted = int(os.environ.get("ISTHMUS_BENCH_KEYS", "1000000"))
    file = server.folder / "long.json"
    for first in range(0, wanted, 100_000):
        names = range(first, min(first + 100_000, wanted))
        file.write_text(json.dumps([{"key": f"a key that is about as long as keys are {n:09}", "value": ""} for n in names]))
        isthmus(server.folder, "kv", "bulk", "put", str(file), "--binding", "LONG")
    growth = Growth(server)
    begin = time.perf_counter()
    client.get(f"{server.url}/?case=list_all&count=0").raise_for_status()
    spent = time.perf_counter() - begin
    told = isthmus(server.folder, "kv", "key", "get", "pages", "--binding", "KV").json
    pages = told["pages"]
    tenth = max(1, len(pages) // 10)
    first, last = (statistics.median(part) * 1e3 for part in (pages[:tenth], pages[-tenth:]))
    print(
        f"\nlist of {told['keys']:,} keys in {len(pages)} pages: {spent:.1f} s; a page takes {first:.2f} ms in the first tenth, "
        f"{last:.2f} ms in the last; {growth}"
    )
