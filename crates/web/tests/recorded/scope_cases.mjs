// The global scope: events, timers, scheduler.wait, compression; asked of workerd by `record.sh` and of ours by
// `tests/recorded_modules.rs`. Each case returns something JSON can show.
const outcome = async (f) => {
  try {
    const value = await f();
    return value === undefined ? "undefined" : value;
  } catch (e) {
    return `throws ${e?.name}: ${e?.message}`;
  }
};
const attempt = (f) => { try { const value = f(); return value === undefined ? "undefined" : value; } catch (e) { return `throws ${e?.name}: ${e?.message}`; } };
const turn = (n = 5) => new Promise((resolve) => setTimeout(resolve, n));
const tag = (v) => (v === null ? "null" : typeof v === "object" ? Object.prototype.toString.call(v) : v === undefined ? "undefined" : v);
// The attributes of an event, but for those that say when and where it was made.
const shown = (e) => { const out = {}; for (const k in e) if (typeof e[k] !== "function" && !/^[A-Z_]+$/.test(k) && k !== "timeStamp") out[k] = tag(e[k]); return Object.fromEntries(Object.entries(out).sort()); };
const heard = async (type, work) => {
  const events = [];
  const listener = (e) => { events.push(e); e.preventDefault(); };
  addEventListener(type, listener);
  try { await work(); await turn(); } finally { removeEventListener(type, listener); }
  return events;
};
const descriptor = (object, name) => { const d = Object.getOwnPropertyDescriptor(object, name); return d && ["value" in d ? typeof d.value : "accessor", d.writable, d.enumerable, d.configurable]; };
const through = async (stream, ...chunks) => {
  const log = [];
  const writer = stream.writable.getWriter(), reader = stream.readable.getReader();
  const reading = (async () => { const got = []; try { for (;;) { const { value, done } = await reader.read(); if (done) break; got.push(...value); } log.push(`read ${got.length} bytes: ${new TextDecoder().decode(new Uint8Array(got)).slice(0, 20)}`); } catch (e) { log.push(`read ${e?.name}`); } })();
  for (const chunk of chunks) await writer.write(chunk).then(() => log.push("written"), (e) => log.push(`write ${e?.name}`));
  await writer.close().then(() => log.push("closed"), (e) => log.push(`close ${e?.name}`));
  await reading;
  return log.sort();
};
const compress = async (format, data) => new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream(format))).arrayBuffer());
const decompress = async (format, data) => new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream(format))).text();
const concat = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
const HELLO = new TextEncoder().encode("hello hello hello");

export const cases = {
  // --- the global object ---
  scope_chain: () => { const names = []; for (let o = globalThis; o; o = Object.getPrototypeOf(o)) names.push(o.constructor.name); return names; },
  scope_tag: () => [String(globalThis), self === globalThis, typeof window, typeof global, typeof document],
  scope_own: () => ["self", "navigator", "performance", "scheduler", "crypto", "origin", "console"].map((name) => Object.hasOwn(globalThis, name)),
  scope_origin: () => origin,
  scope_listener_names: () => ["addEventListener", "removeEventListener", "dispatchEvent"].map((name) => [typeof globalThis[name], Object.hasOwn(globalThis, name)]),
  scope_handlers: () => ["onerror", "onunhandledrejection", "onrejectionhandled", "onmessage"].map((name) => name in globalThis),
  scope_no_constructors: () => ["ServiceWorkerGlobalScope", "WorkerGlobalScope", "Navigator", "AbortSignal"].map((name) => attempt(() => new globalThis[name]())),
  scope_dispatch: async () => { const log = []; const f = function (e) { log.push(this === globalThis, e.target === globalThis, e.currentTarget === globalThis, e.composedPath().length, e.composedPath()[0] === globalThis, e.eventPhase, e.isTrusted); }; addEventListener("scope-x", f); log.push(dispatchEvent(new Event("scope-x")), globalThis.dispatchEvent(new Event("scope-x"))); removeEventListener("scope-x", f); dispatchEvent(new Event("scope-x")); return log; },
  scope_dispatch_canceled: () => { const f = (e) => e.preventDefault(); addEventListener("scope-y", f); const out = [dispatchEvent(new Event("scope-y", { cancelable: true })), dispatchEvent(new Event("scope-y"))]; removeEventListener("scope-y", f); return out; },
  scope_once: () => { let n = 0; addEventListener("scope-z", () => n++, { once: true }); dispatchEvent(new Event("scope-z")); dispatchEvent(new Event("scope-z")); return n; },
  scope_signal: () => { let n = 0; const c = new AbortController(); addEventListener("scope-z", () => n++, { signal: c.signal }); dispatchEvent(new Event("scope-z")); c.abort(); dispatchEvent(new Event("scope-z")); return n; },
  scope_self_listens: () => { let n = 0; self.addEventListener("scope-w", () => n++, { once: true }); EventTarget.prototype.dispatchEvent.call(globalThis, new Event("scope-w")); return n; },
  scope_object_listener: () => { let tagged; addEventListener("scope-v", { mark: 7, handleEvent(e) { tagged = [this.mark, e.type]; } }, { once: true }); dispatchEvent(new Event("scope-v")); return tagged; },
  navigator_fields: () => [navigator.userAgent, navigator.language, navigator.languages, navigator.platform, navigator.hardwareConcurrency, typeof navigator.storage, typeof navigator.onLine],
  navigator_tag: () => [String(navigator), Object.getPrototypeOf(navigator) === Navigator.prototype],
  performance_shape: () => [String(performance), typeof performance.now(), typeof performance.timeOrigin, typeof performance.mark, typeof performance.measure, typeof performance.getEntries, typeof performance.eventCounts],
  descriptors_functions: () => ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "queueMicrotask", "structuredClone", "atob", "btoa", "fetch", "reportError"].map((name) => typeof globalThis[name]),
  descriptors_objects: () => ["navigator", "performance", "scheduler", "self", "crypto", "console"].map((name) => descriptor(globalThis, name)),

  // --- exceptions that nobody catches ---
  report_event: async () => { const [e] = await heard("error", () => reportError(new TypeError("boo"))); const out = shown(e); delete out.filename; delete out.lineno; delete out.colno; delete out.cancelable; delete out.defaultPrevented; delete out.returnValue; return [out, e instanceof ErrorEvent, e.error.message]; },
  report_place: async () => { const [e] = await heard("error", () => reportError(new TypeError("boo"))); return [typeof e.filename, e.filename.includes("cases"), e.lineno > 0, e.colno > 0]; },
  report_values: async () => (await heard("error", () => { reportError(1); reportError("text"); reportError(null); reportError(undefined); reportError({ a: 1 }); reportError(Symbol.iterator); })).map((e) => [e.message, tag(typeof e.error === "symbol" ? "symbol" : e.error)]),
  report_nothing: () => attempt(() => reportError()),
  report_returns: () => heard("error", () => {}).then(() => { const f = (e) => e.preventDefault(); addEventListener("error", f, { once: true }); return tag(reportError(1)); }),
  microtask_error: async () => (await heard("error", async () => { queueMicrotask(() => { throw new RangeError("m"); }); await turn(); })).map((e) => [e.message, e.error.name]),
  timer_error: async () => (await heard("error", async () => { setTimeout(() => { throw new RangeError("t"); }); await turn(); })).map((e) => [e.message, e.error.name]),
  listener_error: async () => { let thrown = "nothing"; const events = await heard("error", () => { const t = new EventTarget(); t.addEventListener("x", () => { throw new Error("l"); }); try { t.dispatchEvent(new Event("x")); } catch (e) { thrown = e.message; } }); return [thrown, events.map((e) => e.message)]; },
  unhandled_event: async () => { const reason = new Error("u"); let promise; const [e] = await heard("unhandledrejection", () => { promise = Promise.reject(reason); return turn(); }); promise.catch(() => {}); await turn(); const out = shown(e); delete out.cancelable; delete out.defaultPrevented; delete out.returnValue; return [out, e instanceof PromiseRejectionEvent, e.promise === promise, e.reason === reason]; },
  unhandled_late: async () => { const log = []; const late = (e) => log.push([e.type, tag(e.promise), e.isTrusted]); addEventListener("rejectionhandled", late); try { await heard("unhandledrejection", async () => { const p = Promise.reject(1); await turn(); p.catch(() => log.push("caught")); await turn(); }); } finally { removeEventListener("rejectionhandled", late); } return log.map(String).sort(); },
  unhandled_in_time: async () => (await heard("unhandledrejection", async () => { const p = Promise.reject(1); p.catch(() => {}); const q = Promise.reject(2); await q.catch(() => {}); })).length,
  unhandled_microtask_later: async () => (await heard("unhandledrejection", async () => { const p = Promise.reject(1); await null; await null; p.catch(() => {}); await turn(); })).length,
  unhandled_async_function: async () => (await heard("unhandledrejection", async () => { (async () => { throw new Error("a"); })(); await turn(); })).map((e) => e.reason.message),
  unhandled_order: async () => (await heard("unhandledrejection", async () => { Promise.reject(1); Promise.reject(2); new Promise((_, reject) => reject(3)); await turn(); })).map((e) => e.reason),

  // --- events of their own ---
  error_event: () => shown(new ErrorEvent("x")),
  error_event_init: () => shown(new ErrorEvent("x", { message: 1, filename: "f", lineno: "2", colno: 3.7, error: null, bubbles: true, cancelable: 1 })),
  error_event_no_type: () => attempt(() => new ErrorEvent()),
  error_event_parent: () => [ErrorEvent.prototype instanceof Event, String(new ErrorEvent("x"))],
  rejection_event_init: () => attempt(() => { const p = Promise.resolve(); const e = new PromiseRejectionEvent("x", { promise: p, reason: 3 }); return [e.promise === p, e.reason]; }),
  close_event: () => shown(new CloseEvent("x")),
  close_event_init: () => shown(new CloseEvent("x", { code: 1001, reason: "r", wasClean: 1 })),
  close_event_no_type: () => attempt(() => new CloseEvent()),
  custom_event: () => [shown(new CustomEvent("x", { detail: 3 })), tag(new CustomEvent("x").detail), tag(new CustomEvent("x", { detail: undefined }).detail)],
  event_trusted_descriptor: () => descriptor(Event.prototype, "isTrusted") ?? "own",
  event_defaults: () => { const out = shown(new Event("x")); for (const key of ["target", "currentTarget", "srcElement"]) delete out[key]; return out; },
  event_signal_aborted: () => { let n = 0; const t = new EventTarget(); t.addEventListener("x", () => n++, { signal: AbortSignal.abort() }); t.dispatchEvent(new Event("x")); return n; },
  event_signal_wrong: () => attempt(() => new EventTarget().addEventListener("x", () => {}, { signal: 1 })),
  event_passive: () => { const t = new EventTarget(); let prevented; t.addEventListener("x", (e) => { e.preventDefault(); prevented = e.defaultPrevented; }, { passive: true }); return [t.dispatchEvent(new Event("x", { cancelable: true })), prevented]; },
  event_remove_while: () => { const log = []; const t = new EventTarget(); const b = () => log.push("b"); t.addEventListener("x", () => { log.push("a"); t.removeEventListener("x", b); }); t.addEventListener("x", b); t.dispatchEvent(new Event("x")); return log; },
  event_stop: () => { const log = []; const t = new EventTarget(); t.addEventListener("x", (e) => { log.push(1); e.stopImmediatePropagation(); }); t.addEventListener("x", () => log.push(2)); t.dispatchEvent(new Event("x")); return log; },
  event_twice: () => { const t = new EventTarget(); const e = new Event("x"); let again; t.addEventListener("x", () => { again = attempt(() => t.dispatchEvent(e)).slice(0, 40); }); t.dispatchEvent(e); return [again === "undefined", t.dispatchEvent(new Event("y"))]; },
  abort_any: () => { const c = new AbortController(); const s = AbortSignal.any([c.signal, AbortSignal.timeout(100000)]); c.abort(7); return [s.aborted, s.reason]; },
  abort_any_empty: () => AbortSignal.any([]).aborted,
  abort_any_wrong: () => [attempt(() => AbortSignal.any()), attempt(() => AbortSignal.any([1]))],
  abort_timeout: async () => { const s = AbortSignal.timeout(1); let type; s.onabort = (e) => { type = [e.type, e.isTrusted, e.target === s]; }; await turn(20); return [s.aborted, s.reason.name, s.reason.message, type]; },
  abort_reason: () => { const c = new AbortController(); c.abort(); return [c.signal.reason.name, c.signal.reason.message, attempt(() => c.signal.throwIfAborted())]; },

  // --- timers ---
  timer_arguments: async () => { const log = []; setTimeout(function (...args) { log.push(this === globalThis, args); }, 0, 1, "two", null); setTimeout((...args) => log.push(args.length), 0, undefined); setTimeout((...args) => log.push(args.length)); await turn(20); return log; },
  timer_delays: async () => { const log = []; for (const delay of [undefined, null, NaN, -5, "1", true, {}, []]) setTimeout(() => log.push(String(delay)), delay); await turn(20); return log.sort(); },
  timer_not_a_function: () => [undefined, null, 1, "code", {}].map((f) => attempt(() => setTimeout(f))),
  timer_symbol: () => [attempt(() => setTimeout(() => {}, Symbol())), attempt(() => clearTimeout(Symbol()))],
  timer_clear_nothing: () => [attempt(() => clearTimeout(-1)), attempt(() => clearTimeout(0)), attempt(() => clearInterval(123456))],
  timer_clear_other: async () => { let n = 0; const t = setTimeout(() => n++); clearInterval(t); const i = setInterval(() => n++, 1); clearTimeout(i); await turn(20); return n; },
  timer_clear_itself: async () => { let n = 0; const i = setInterval(() => { if (++n === 3) clearInterval(i); }, 1); await turn(50); return n; },
  timer_id: () => { const a = setTimeout(() => {}), b = setTimeout(() => {}); return [typeof a, b - a]; },
  timer_order: async () => { const log = []; setTimeout(() => log.push("timer")); queueMicrotask(() => log.push("micro")); Promise.resolve().then(() => log.push("then")); log.push("sync"); await turn(); return log; },
  timer_micro_between: async () => { const log = []; setTimeout(() => { log.push("a"); queueMicrotask(() => log.push("micro")); }); setTimeout(() => log.push("b")); await turn(20); return log; },
  microtask_not_a_function: () => [undefined, null, 1, {}].map((f) => attempt(() => queueMicrotask(f))),

  // --- scheduler.wait ---
  wait: async () => tag(await scheduler.wait(1)),
  wait_shape: () => [String(scheduler), scheduler.constructor.name, typeof Scheduler, scheduler.wait.name, typeof scheduler.postTask, Object.keys(Object.getPrototypeOf(scheduler))],
  wait_promise: () => scheduler.wait(0) instanceof Promise,
  wait_delays: async () => { const out = []; for (const delay of ["1", -1, NaN, null, {}]) out.push(tag(await scheduler.wait(delay))); return out; },
  wait_no_delay: () => scheduler.wait(),
  wait_rejects: async () => { let p; const thrown = attempt(() => { p = scheduler.wait(); return "no"; }); return [thrown, await p?.catch((e) => e.name)]; },
  wait_aborted: () => scheduler.wait(1, { signal: AbortSignal.abort(new Error("gone")) }),
  wait_abort: () => { const c = new AbortController(); setTimeout(() => c.abort(), 1); return scheduler.wait(100000, { signal: c.signal }); },
  wait_abort_later: async () => { const c = new AbortController(); await scheduler.wait(1, { signal: c.signal }); c.abort(); return "ok"; },
  wait_signal_null: () => attempt(() => scheduler.wait(1, { signal: undefined }) instanceof Promise),
  wait_wrong_signal: () => scheduler.wait(1, { signal: 1 }),
  wait_wrong_options: () => scheduler.wait(1, 1),
  wait_null_options: async () => tag(await scheduler.wait(1, null)),
  wait_order: async () => { const log = []; scheduler.wait(2).then(() => log.push(2)); scheduler.wait(0).then(() => log.push(0)); setTimeout(() => log.push("t"), 1); await turn(30); return log; },

  // --- compression ---
  compression_formats: async () => { const out = {}; for (const format of ["gzip", "deflate", "deflate-raw", "brotli", "br", "zstd", "GZIP", "", "zlib"]) out[format] = attempt(() => new CompressionStream(format).constructor.name); return out; },
  decompression_formats: () => ["gzip", "deflate", "deflate-raw", "brotli", undefined, null].map((format) => attempt(() => new DecompressionStream(format).constructor.name)),
  compression_no_format: () => [attempt(() => new CompressionStream()), attempt(() => new DecompressionStream())],
  compression_shape: () => { const c = new CompressionStream("gzip"); return [String(c), c.readable instanceof ReadableStream, c.writable instanceof WritableStream, c.readable === c.readable, c.readable.locked, c.writable.locked, Object.keys(c)]; },
  compression_bytes: async () => [[...await compress("deflate", HELLO)], [...await compress("deflate-raw", HELLO)], [...await compress("gzip", HELLO)]],
  compression_empty: async () => [[...await compress("deflate", "")], [...await compress("deflate-raw", "")], [...await compress("gzip", "")]],
  compression_round_trip: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) out.push(await decompress(format, await compress(format, HELLO))); return out; },
  compression_large: async () => { const out = []; const data = new Uint8Array(1 << 20).map((_, i) => (i * i) >> 7); for (const format of ["gzip", "deflate", "deflate-raw"]) { const packed = await compress(format, data); const back = new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream(format))).arrayBuffer()); out.push(packed.length < data.length / 2, back.length, back.every((byte, i) => byte === data[i])); } return out; },
  compression_byob: async () => { const c = new CompressionStream("deflate"); const w = c.writable.getWriter(); w.write(HELLO); w.close(); const r = c.readable.getReader({ mode: "byob" }); const first = await r.read(new Uint8Array(4)); return [first.done, first.value.byteLength <= 4]; },
  decompression_truncated: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) { const c = await compress(format, HELLO); out.push(await through(new DecompressionStream(format), c.slice(0, -1))); out.push(await through(new DecompressionStream(format), c.slice(0, 5))); } return out; },
  decompression_nothing: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) out.push(await through(new DecompressionStream(format))); return out; },
  decompression_trailing: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) { const c = await compress(format, HELLO); out.push(await through(new DecompressionStream(format), concat(c, [1]))); } return out; },
  decompression_trailing_chunk: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) { const c = await compress(format, HELLO); out.push(await through(new DecompressionStream(format), c, new Uint8Array([0]))); } return out; },
  decompression_two_members: async () => { const c = await compress("gzip", HELLO); return through(new DecompressionStream("gzip"), concat(c, c)); },
  decompression_empty_chunks: async () => { const c = await compress("gzip", HELLO); return through(new DecompressionStream("gzip"), new Uint8Array(0), c, new Uint8Array(0)); },
  decompression_byte_by_byte: async () => { const c = await compress("gzip", HELLO); return (await through(new DecompressionStream("gzip"), ...[...c].map((byte) => new Uint8Array([byte])))).filter((line) => line !== "written"); },
  decompression_bad: async () => { const out = []; for (const format of ["gzip", "deflate", "deflate-raw"]) out.push(await through(new DecompressionStream(format), new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))); return out; },
  decompression_bad_checksum: async () => { const out = []; for (const [format, at] of [["gzip", -8], ["gzip", -1], ["deflate", -1]]) { const c = await compress(format, HELLO); c[c.length + at] ^= 1; out.push(await through(new DecompressionStream(format), c)); } return out; },
  decompression_dictionary: () => through(new DecompressionStream("deflate"), new Uint8Array([0x78, 0xbb, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1])),
  decompression_text: async () => { const c = await compress("gzip", HELLO); return outcome(() => decompress("gzip", c.slice(0, -3))); },
  decompression_message: async () => { const d = new DecompressionStream("gzip"); const w = d.writable.getWriter(); d.readable.getReader().read().catch(() => {}); const written = await outcome(() => w.write(new Uint8Array([1, 2, 3]))); w.closed.catch(() => {}); return written; },
  compression_not_bytes: async () => { const out = []; for (const chunk of [null, 1, {}, [1]]) { const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); w.closed.catch(() => {}); c.readable.getReader().read().catch(() => {}); out.push((await outcome(() => w.write(chunk))).slice(0, 16)); } return out; },
  compression_buffers: async () => { const out = []; for (const chunk of [HELLO.slice().buffer, new DataView(HELLO.slice().buffer, 6, 5), new Uint16Array([0x6161, 0x6262]), HELLO.subarray(6, 11)]) { const c = new CompressionStream("deflate"); const w = c.writable.getWriter(); w.write(chunk); w.close(); out.push(await new Response(c.readable.pipeThrough(new DecompressionStream("deflate"))).text()); } return out; },
  compression_cancel: async () => { const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); await c.readable.cancel("enough"); return (await outcome(() => w.write(HELLO))).slice(0, 6); },
  compression_abort: async () => { const c = new CompressionStream("gzip"); const r = c.readable.getReader(); await c.writable.abort(new RangeError("off")); return outcome(() => r.read()); },
};

export async function run() {
  const results = {};
  for (const [name, f] of Object.entries(cases)) {
    results[name] = await Promise.race([outcome(f), new Promise((resolve) => setTimeout(resolve, 2000, "never settles"))]);
  }
  return results;
}
