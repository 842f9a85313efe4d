// Cases of the Cache API, run by `record.mjs` on workerd with miniflare and by `tests/test_cache.py` here.

const cache = caches.default;
const fresh = { "cache-control": "max-age=3600" };
let last = 0;
// Every case has a URL of its own: they share one cache.
const url = (path = "") => `http://case${++last}.test/${path}`;

const text = async (response) => (response === undefined ? "miss" : `${response.status} ${await response.text()}`);
const stored = async (headers, init = {}, request = {}) => {
  const key = new Request(url(), request);
  await cache.put(key, new Response("body", { ...init, headers }));
  return text(await cache.match(key.url));
};
// What is asked of a stored body of ten bytes, and the headers that matter.
const ask = async (headers, extra = {}, init = {}) => {
  const key = url();
  await cache.put(key, new Response("0123456789", { headers: { ...fresh, ...extra }, ...init }));
  const response = await cache.match(new Request(key, { headers }));
  if (response === undefined) return "miss";
  const names = ["content-range", "content-length", "content-type", "etag", "cf-cache-status"];
  return [response.status, await response.text(), names.map((name) => response.headers.get(name))];
};
const fails = async (call) => {
  try {
    const value = await call();
    return ["returned", value === undefined ? "undefined" : String(value)];
  } catch (error) {
    return [error.name, error.message];
  }
};
const stream = (...chunks) => new ReadableStream({
  pull(controller) {
    const chunk = chunks.shift();
    if (chunk === undefined) controller.close();
    else if (chunk instanceof Error) controller.error(chunk);
    else controller.enqueue(new TextEncoder().encode(chunk));
  },
});

const cases = {
  "interfaces": () => [
    typeof Cache, typeof CacheStorage, Object.prototype.toString.call(caches), Object.prototype.toString.call(cache),
    caches.constructor.name, cache.constructor.name, caches.default === caches.default, caches instanceof CacheStorage,
    cache instanceof Cache,
  ],
  "members": () => [Object.getOwnPropertyNames(Cache.prototype).sort(), Object.getOwnPropertyNames(CacheStorage.prototype).sort()],
  "lengths": () => ["put", "match", "delete"].map((name) => cache[name].length).concat(caches.open.length),
  "new Cache": () => fails(() => new Cache()),
  "new CacheStorage": () => fails(() => new CacheStorage()),
  "add": () => fails(() => cache.add(url())),
  "addAll": () => fails(() => cache.addAll([url()])),
  "matchAll": () => fails(() => cache.matchAll(url())),
  "keys": () => fails(() => cache.keys()),
  "caches.match": () => fails(() => caches.match(url())),
  "caches.has": () => fails(() => caches.has("a")),
  "caches.delete": () => fails(() => caches.delete("a")),
  "caches.keys": () => fails(() => caches.keys()),
  "foreign receiver": () => fails(() => Cache.prototype.match.call({}, url())),

  "nothing there": async () => String(await cache.match(url())),
  "put and match": () => stored(fresh),
  "put answers": async () => String(await cache.put(url(), new Response("a", { headers: fresh }))),
  "a string, a URL and a Request are one key": async () => {
    const key = url("a?b=c");
    await cache.put(new URL(key), new Response("same", { headers: fresh }));
    return [await text(await cache.match(key)), await text(await cache.match(new Request(key)))];
  },
  "the query is part of the key": async () => {
    const key = url();
    await cache.put(`${key}?a`, new Response("a", { headers: fresh }));
    return [await text(await cache.match(key)), await text(await cache.match(`${key}?a`)), await text(await cache.match(`${key}?b`))];
  },
  "the fragment": async () => {
    const key = url();
    const put = await fails(() => cache.put(`${key}#a`, new Response("a", { headers: fresh })));
    return [put[0], await text(await cache.match(key)), (await fails(() => cache.match(`${key}#b`)))[0]];
  },
  "put replaces": async () => {
    const key = url();
    await cache.put(key, new Response("one", { headers: fresh }));
    await cache.put(key, new Response("two", { headers: fresh, status: 404 }));
    return text(await cache.match(key));
  },
  "delete": async () => {
    const key = url();
    await cache.put(key, new Response("a", { headers: fresh }));
    return [await cache.delete(key), await cache.delete(key), String(await cache.match(key))];
  },
  "named caches": async () => {
    const key = url();
    const [one, two] = [await caches.open("one"), await caches.open("two")];
    await one.put(key, new Response("one", { headers: fresh }));
    return [
      await text(await one.match(key)), await text(await two.match(key)), await text(await cache.match(key)),
      await text(await (await caches.open("one")).match(key)), one === (await caches.open("one")),
    ];
  },
  "a cache called default": async () => {
    const key = url();
    await (await caches.open("default")).put(key, new Response("named", { headers: fresh }));
    return [await text(await cache.match(key)), await text(await (await caches.open("default")).match(key))];
  },
  "a name that is no string": async () => {
    const key = url();
    await (await caches.open(1)).put(key, new Response("1", { headers: fresh }));
    return text(await (await caches.open("1")).match(key));
  },
  "a name that is too long": () => fails(() => caches.open("x".repeat(1024))),
  "the longest name": async () => (await caches.open("x".repeat(1023))).constructor.name,
  "no name": () => fails(() => caches.open()),
  "cf.cacheKey": async () => {
    const key = url();
    await cache.put(new Request(url(), { cf: { cacheKey: key } }), new Response("keyed", { headers: fresh }));
    return text(await cache.match(key));
  },

  "put: a POST": () => fails(() => cache.put(new Request(url(), { method: "POST" }), new Response("a"))),
  "put: a HEAD": () => fails(() => cache.put(new Request(url(), { method: "HEAD" }), new Response("a"))),
  "put: 206": () => fails(() => cache.put(url(), new Response("a", { status: 206 }))),
  "put: Vary: *": () => fails(() => cache.put(url(), new Response("a", { headers: { vary: "*" } }))),
  "put: a star in Vary": () => fails(() => cache.put(url(), new Response("a", { headers: { vary: "accept, *" } }))),
  "put: 304": async () => {
    const key = url();
    return [await fails(() => cache.put(key, new Response(null, { status: 304, headers: fresh }))), await text(await cache.match(key))];
  },
  "put: Response.error()": () => fails(() => cache.put(url(), Response.error())),
  "put: no response": async () => (await fails(() => cache.put(url()))).slice(0, 1),
  "put: something else": async () => (await fails(() => cache.put(url(), "text"))).slice(0, 1),
  "put: a body that was read": async () => {
    const response = new Response("a", { headers: fresh });
    await response.text();
    return (await fails(() => cache.put(url(), response))).slice(0, 1);
  },
  "put: the body is used from then on": async () => {
    const response = new Response("a", { headers: fresh });
    const promise = cache.put(url(), response);
    const used = response.bodyUsed;
    await promise;
    return [used, response.bodyUsed];
  },
  "put: a relative URL": () => fails(() => cache.put("/a", new Response("a"))),
  "match: a relative URL": () => fails(() => cache.match("/a")),
  "delete: a relative URL": () => fails(() => cache.delete("/a")),
  "match: no request": async () => (await fails(() => cache.match())).slice(0, 1),

  "match: other methods": async () => {
    const key = url();
    await cache.put(key, new Response("a", { headers: fresh }));
    const post = () => new Request(key, { method: "POST", body: "x" });
    const head = () => new Request(key, { method: "HEAD" });
    return [
      await text(await cache.match(post())), await text(await cache.match(head())),
      await text(await cache.match(post(), { ignoreMethod: true })), await text(await cache.match(head(), { ignoreMethod: 1 })),
      await text(await cache.match(post(), { ignoreMethod: false })),
    ];
  },
  "delete: other methods": async () => {
    const key = url();
    await cache.put(key, new Response("a", { headers: fresh }));
    const post = new Request(key, { method: "POST" });
    return [await cache.delete(post), await cache.delete(post, { ignoreMethod: true }), await text(await cache.match(key))];
  },
  "match: the request's body stays": async () => {
    const request = new Request(url(), { method: "POST", body: "x" });
    await cache.match(request, { ignoreMethod: true });
    return [request.bodyUsed, await request.text()];
  },
  "match: options": async () => [
    await fails(() => cache.match(url(), null)), await fails(() => cache.match(url(), {})),
    (await fails(() => cache.match(url(), { ignoreSearch: true }))).slice(0, 1),
    (await fails(() => cache.match(url(), { ignoreVary: true }))).slice(0, 1),
  ],

  "freshness: nothing said": () => stored({}),
  "freshness: max-age": () => stored({ "cache-control": "max-age=60" }),
  "freshness: max-age=0": () => stored({ "cache-control": "max-age=0" }),
  "freshness: s-maxage before max-age": () => stored({ "cache-control": "max-age=0, s-maxage=60" }),
  "freshness: s-maxage=0": () => stored({ "cache-control": "max-age=60, s-maxage=0" }),
  "freshness: quoted": () => stored({ "cache-control": 'max-age="60"' }),
  "freshness: nonsense": () => stored({ "cache-control": "max-age=abc" }),
  "freshness: negative": () => stored({ "cache-control": "max-age=-5" }),
  "freshness: huge": () => stored({ "cache-control": "max-age=99999999999999" }),
  "freshness: public": () => stored({ "cache-control": "public" }),
  "freshness: public, max-age": () => stored({ "cache-control": "public, max-age=60" }),
  "freshness: no-store": () => stored({ "cache-control": "no-store, max-age=60" }),
  "freshness: no-cache": () => stored({ "cache-control": "no-cache, max-age=60" }),
  "freshness: private": () => stored({ "cache-control": "private, max-age=60" }),
  "freshness: proxy-revalidate": () => stored({ "cache-control": "proxy-revalidate, max-age=60" }),
  "freshness: must-revalidate": () => stored({ "cache-control": "must-revalidate, max-age=60" }),
  "freshness: immutable": () => stored({ "cache-control": "immutable" }),
  "freshness: Expires": () => stored({ expires: new Date(Date.now() + 60_000).toUTCString() }),
  "freshness: Expires in the past": () => stored({ expires: new Date(Date.now() - 60_000).toUTCString() }),
  "freshness: Expires: 0": () => stored({ expires: "0" }),
  "freshness: Expires and max-age": () => stored({ expires: new Date(Date.now() - 60_000).toUTCString(), "cache-control": "max-age=60" }),
  "freshness: Pragma": () => stored({ pragma: "no-cache", expires: new Date(Date.now() + 60_000).toUTCString() }),
  "freshness: Last-Modified": () => stored({ "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "freshness: Age": () => stored({ "cache-control": "max-age=60", age: "59" }),
  "freshness: too old": () => stored({ "cache-control": "max-age=60", age: "60" }),
  "freshness: the request's Cache-Control": () => stored(fresh, {}, { headers: { "cache-control": "no-store" } }),
  "freshness: ends": async () => {
    const key = url();
    await cache.put(key, new Response("short", { headers: { "cache-control": "max-age=1" } }));
    const before = await text(await cache.match(key));
    await new Promise((resolve) => setTimeout(resolve, 1600));
    return [before, await text(await cache.match(key)), await cache.delete(key)];
  },
  "freshness: authorization": async () => [
    await stored(fresh, {}, { headers: { authorization: "Basic eA==" } }),
    await stored({ "cache-control": "public, max-age=60" }, {}, { headers: { authorization: "Basic eA==" } }),
    await stored({ "cache-control": "s-maxage=60" }, {}, { headers: { authorization: "Basic eA==" } }),
    await stored({ "cache-control": "must-revalidate, max-age=60" }, {}, { headers: { authorization: "Basic eA==" } }),
  ],
  "statuses": async () => {
    const answers = {};
    for (const status of [200, 201, 202, 203, 204, 205, 226, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 451, 500, 501, 502, 503]) {
      const key = url();
      const body = status === 204 || status === 205 ? null : "b";
      await cache.put(key, new Response(body, { status, headers: fresh }));
      answers[status] = (await cache.match(key))?.status ?? "miss";
    }
    return answers;
  },
  "statuses without freshness": async () => {
    const key = url();
    await cache.put(key, new Response("b", { status: 302, headers: { location: "http://a.test/" } }));
    return text(await cache.match(key));
  },

  "Set-Cookie": () => stored({ ...fresh, "set-cookie": "a=b" }),
  "Set-Cookie and private=Set-Cookie": async () => {
    const key = url();
    await cache.put(key, new Response("b", { headers: { "cache-control": "private=Set-Cookie, max-age=60", "set-cookie": "a=b" } }));
    const response = await cache.match(key);
    return [await text(response), response?.headers.get("set-cookie") ?? null];
  },
  "Vary": async () => {
    const key = url();
    const german = { headers: { "accept-language": "de" } }, english = { headers: { "accept-language": "en" } };
    await cache.put(new Request(key, german), new Response("de", { headers: { ...fresh, vary: "accept-language" } }));
    return [await text(await cache.match(new Request(key, german))), await text(await cache.match(new Request(key, english)))];
  },
  "headers": async () => {
    const key = url();
    const headers = new Headers({ ...fresh, "x-a": "1", etag: '"e"', "content-type": "text/x", connection: "keep-alive", "keep-alive": "5", te: "x" });
    headers.append("x-b", "1");
    headers.append("x-b", "2");
    await cache.put(key, new Response("b", { headers, statusText: "Fine" }));
    const response = await cache.match(key);
    const found = [...response.headers].filter(([name]) => name !== "date" && name !== "transfer-encoding");
    return [found, response.statusText, response.ok, response.url, response.type, response.redirected, response.headers.has("date")];
  },
  "headers are immutable": async () => {
    const key = url();
    await cache.put(key, new Response("b", { headers: fresh }));
    const response = await cache.match(key);
    return (await fails(() => response.headers.set("a", "b"))).slice(0, 1);
  },
  "latin-1 in a header": async () => {
    const key = url();
    await cache.put(key, new Response("b", { headers: { ...fresh, "x-a": "\xe9" } }));
    return (await cache.match(key)).headers.get("x-a");
  },

  "range: first bytes": () => ask({ range: "bytes=0-3" }),
  "range: one byte": () => ask({ range: "bytes=9-9" }),
  "range: open": () => ask({ range: "bytes=7-" }),
  "range: the last": () => ask({ range: "bytes=-3" }),
  "range: more than there is": () => ask({ range: "bytes=5-100" }),
  "range: suffix of everything": () => ask({ range: "bytes=-10" }),
  "range: suffix of more": () => ask({ range: "bytes=-11" }),
  "range: none of it": () => ask({ range: "bytes=-0" }),
  "range: behind the end": () => ask({ range: "bytes=10-" }),
  "range: backwards": () => ask({ range: "bytes=5-3" }),
  "range: nonsense": () => ask({ range: "bytes=a-b" }),
  "range: another unit": () => ask({ range: "lines=0-3" }),
  "range: nothing": () => ask({ range: "bytes=" }),
  "range: several": async () => {
    const [status, body, headers] = await ask({ range: "bytes=0-1,5-6" }, { "content-type": "text/x" });
    const boundary = /boundary=(.*)$/.exec(headers[2])?.[1];
    return [status, body.replaceAll(boundary, "BOUNDARY"), headers[2].replace(boundary, "BOUNDARY")];
  },
  "if-none-match: the same": () => ask({ "if-none-match": '"e"' }, { etag: '"e"' }),
  "if-none-match: weak": () => ask({ "if-none-match": 'W/"e"' }, { etag: '"e"' }),
  "if-none-match: stored weak": () => ask({ "if-none-match": '"e"' }, { etag: 'W/"e"' }),
  "if-none-match: in a list": () => ask({ "if-none-match": '"a", "e"' }, { etag: '"e"' }),
  "if-none-match: another": () => ask({ "if-none-match": '"a"' }, { etag: '"e"' }),
  "if-none-match: star": () => ask({ "if-none-match": "*" }, { etag: '"e"' }),
  "if-none-match: star without an etag": () => ask({ "if-none-match": "*" }),
  "if-none-match: unquoted": () => ask({ "if-none-match": "e" }, { etag: '"e"' }),
  "if-modified-since: the same": () => ask({ "if-modified-since": "Wed, 21 Oct 2015 07:28:00 GMT" }, { "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "if-modified-since: later": () => ask({ "if-modified-since": "Wed, 21 Oct 2020 07:28:00 GMT" }, { "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "if-modified-since: before": () => ask({ "if-modified-since": "Wed, 21 Oct 2010 07:28:00 GMT" }, { "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "if-modified-since: nonsense": () => ask({ "if-modified-since": "yesterday" }, { "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "if-none-match fails, if-modified-since holds": () => ask(
    { "if-none-match": '"a"', "if-modified-since": "Wed, 21 Oct 2020 07:28:00 GMT" }, { etag: '"e"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  "if-none-match and range": () => ask({ "if-none-match": '"e"', range: "bytes=0-1" }, { etag: '"e"' }),
  "range of a 404": () => ask({ range: "bytes=0-1" }, {}, { status: 404 }),
  "range of an empty body": async () => {
    const key = url();
    await cache.put(key, new Response("", { headers: fresh }));
    return (await cache.match(new Request(key, { headers: { range: "bytes=0-" } }))).status;
  },

  "no body": async () => {
    const key = url();
    await cache.put(key, new Response(null, { headers: fresh }));
    const response = await cache.match(key);
    return [response.status, await response.text()];
  },
  "a stream": async () => {
    const key = url();
    await cache.put(key, new Response(stream("one ", "two ", "three"), { headers: fresh }));
    return text(await cache.match(key));
  },
  "a long stream": async () => {
    const key = url();
    const chunk = new Uint8Array(65536).map((_, i) => i % 251);
    let left = 40;
    await cache.put(key, new Response(new ReadableStream({
      pull(controller) { if (left-- > 0) controller.enqueue(chunk.slice()); else controller.close(); },
    }), { headers: fresh }));
    const bytes = new Uint8Array(await (await cache.match(key)).arrayBuffer());
    let wrong = 0;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== (i % 65536) % 251) wrong++;
    const part = await (await cache.match(new Request(key, { headers: { range: "bytes=1000000-1000003" } }))).arrayBuffer();
    return [bytes.length, wrong, [...new Uint8Array(part)]];
  },
  "a stream that fails": async () => {
    const key = url();
    const put = await fails(() => cache.put(key, new Response(stream("half", new Error("broken")), { headers: fresh })));
    return [put, await text(await cache.match(key))];
  },
  "a stream that fails leaves what was there": async () => {
    const key = url();
    await cache.put(key, new Response("before", { headers: fresh }));
    await fails(() => cache.put(key, new Response(stream("half", new Error("broken")), { headers: fresh })));
    return text(await cache.match(key));
  },
  "a stream that fails and may not be stored": async () => (await fails(
    () => cache.put(url(), new Response(stream("half", new Error("broken")), { headers: { "cache-control": "no-store" } }))))[0],
  "what may not be stored is read all the same": async () => {
    let read = 0;
    await cache.put(url(), new Response(new ReadableStream({
      pull(controller) { if (read++ < 3) controller.enqueue(new Uint8Array(10)); else controller.close(); },
    }), { headers: { "cache-control": "no-store" } }));
    return read > 3;
  },
  "gzip": async () => {
    const key = url();
    await cache.put(key, new Response("squeezed", { headers: { ...fresh, "content-encoding": "gzip" } }));
    const response = await cache.match(key);
    return [response.headers.get("content-encoding"), await response.text()];
  },
  "a match that is put again": async () => {
    const [one, two] = [url(), url()];
    await cache.put(one, new Response("again", { headers: fresh }));
    await cache.put(two, await cache.match(one));
    return [await text(await cache.match(one)), await text(await cache.match(two))];
  },
  "a match that is cloned": async () => {
    const key = url();
    await cache.put(key, new Response("clone", { headers: fresh }));
    const response = await cache.match(key);
    return [await text(response.clone()), await text(response)];
  },
  "many at once": async () => {
    const keys = Array.from({ length: 50 }, () => url());
    await Promise.all(keys.map((key, i) => cache.put(key, new Response(String(i), { headers: fresh }))));
    const answers = await Promise.all(keys.map(async (key) => (await cache.match(key)).text()));
    return answers.every((answer, i) => answer === String(i));
  },
  "a long URL": async () => {
    const key = url("x".repeat(8000));
    await cache.put(key, new Response("long", { headers: fresh }));
    return text(await cache.match(key));
  },
};

export const run = async () => {
  const answers = {};
  for (const [name, body] of Object.entries(cases)) {
    try {
      answers[name] = await body();
    } catch (error) {
      answers[name] = `throws ${error?.name}: ${error?.message}`;
    }
  }
  return answers;
};
