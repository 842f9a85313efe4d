// IdentityTransformStream, FixedLengthStream and the streams of bodies, asked of workerd by `record.sh` and of ours by
// `tests/streams_recorded.rs`. Each case returns something JSON can show.
const outcome = async (f) => {
  try {
    const value = await f();
    return value === undefined ? "undefined" : value;
  } catch (e) {
    return `throws ${e?.name}: ${e?.message}`;
  }
};
const say = (p) => Promise.race([
  p.then((v) => (v === undefined ? "ok" : v), (e) => `throws ${e?.name}: ${e?.message ?? e}`),
  new Promise((resolve) => setTimeout(resolve, 20, "waits")),
]);
const attempt = (f) => { try { return f(); } catch (e) { return `throws ${e?.name}: ${e?.message}`; } };
const bytes = (...b) => new Uint8Array(b);
const text = (s) => new TextEncoder().encode(s);
const show = ({ value, done }) => [value === undefined ? "none" : value.constructor.name, value === undefined ? [] : [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)], done];
const all = async (s) => { const got = []; for await (const c of s) got.push([...c]); return got; };
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
const pair = (...arguments_) => {
  const t = new IdentityTransformStream(...arguments_);
  return { t, w: t.writable.getWriter(), r: t.readable.getReader() };
};
const fixed = (n) => {
  const t = new FixedLengthStream(n);
  return { t, w: t.writable.getWriter(), r: t.readable.getReader() };
};

export const cases = {
  // --- shape ---
  identity_shape: () => [IdentityTransformStream.name, IdentityTransformStream.length, new IdentityTransformStream() instanceof TransformStream, Object.getPrototypeOf(IdentityTransformStream) === TransformStream, String(new IdentityTransformStream())],
  fixed_shape: () => [FixedLengthStream.name, FixedLengthStream.length, new FixedLengthStream(1) instanceof IdentityTransformStream, new FixedLengthStream(1) instanceof TransformStream, String(new FixedLengthStream(1))],
  identity_sides: () => { const t = new IdentityTransformStream(); return [t.readable.constructor.name, t.writable.constructor.name, t.readable === t.readable, t.writable === t.writable]; },
  identity_no_new: () => attempt(() => IdentityTransformStream()),
  identity_transformer_ignored: () => { const t = new IdentityTransformStream({ transform() { throw new Error("called"); } }); return t.readable.locked; },
  identity_strategy: () => { const { w } = pair({ highWaterMark: 5 }); return w.desiredSize; },
  fixed_arguments: () => [[], [-1], ["5"], [1.5], [NaN], [2n ** 53n], [10n], [{}], [null]].map((a) => attempt(() => { new FixedLengthStream(...a); return "ok"; })),

  // --- passing ---
  identity_passes: async () => { const { w, r } = pair(); const write = w.write(bytes(1, 2)); const read = await r.read(); return [show(read), await say(write)]; },
  identity_copies: async () => { const { w, r } = pair(); const chunk = bytes(1, 2); w.write(chunk); chunk[0] = 9; const read = await r.read(); return [show(read), chunk.byteLength]; },
  identity_write_waits: async () => { const { w, r } = pair(); const write = w.write(bytes(1)); const before = await say(write); await r.read(); return [before, await say(write)]; },
  identity_read_waits: async () => { const { w, r } = pair(); const read = r.read(); const before = await say(read); w.write(bytes(1)); return [before, show(await read)]; },
  identity_views: async () => { const { w, r } = pair(); const got = []; const buffer = bytes(1, 2, 3, 4).buffer; for (const c of [buffer, new Uint16Array(buffer, 2), new DataView(buffer, 1, 2)]) { w.write(c); got.push(show(await r.read())); } return got; },
  identity_string: async () => { const { w, r } = pair(); const read = say(r.read()); return [await say(w.write("text")), await read, await say(w.closed)]; },
  identity_object: async () => { const { w, r } = pair(); const read = say(r.read()); return [await say(w.write({})), await read]; },
  identity_number: async () => { const { w, r } = pair(); const read = say(r.read()); return [await say(w.write(5)), await read]; },
  identity_empty: async () => { const { w, r } = pair(); const write = await say(w.write(bytes())); w.write(bytes(1)); return [write, show(await r.read())]; },
  identity_close: async () => { const { w, r } = pair(); const close = w.close(); const before = await say(close); return [before, show(await r.read()), await say(close), await say(r.closed)]; },
  identity_write_then_close: async () => { const { w, r } = pair(); w.write(bytes(1)); w.close(); return [show(await r.read()), show(await r.read()), await say(w.closed)]; },
  identity_write_after_close: async () => { const { w } = pair(); w.close().catch(() => {}); return await say(w.write(bytes(1))); },
  identity_close_twice: async () => { const { w, r } = pair(); r.read(); await w.close(); return await say(w.close()); },
  identity_abort: async () => { const { w, r } = pair(); const read = say(r.read()); const abort = await say(w.abort(new RangeError("gone"))); return [abort, await read, await say(r.closed), await say(w.write(bytes(1)))]; },
  identity_cancel: async () => { const { w, r } = pair(); const write = say(w.write(bytes(1))); const cancel = await say(r.cancel(new RangeError("enough"))); return [cancel, await write, await say(w.write(bytes(2)))]; },
  identity_byob: async () => { const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const r = t.readable.getReader({ mode: "byob" }); w.write(bytes(1, 2, 3)); return [show(await r.read(new Uint8Array(2))), show(await r.read(new Uint8Array(4)))]; },
  identity_byob_end: async () => { const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const r = t.readable.getReader({ mode: "byob" }); const read = r.read(new Uint8Array(4)); w.close(); return show(await read); },
  identity_byob_min: async () => { const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const r = t.readable.getReader({ mode: "byob" }); const read = r.read(new Uint8Array(4), { min: 3 }); w.write(bytes(1)); w.write(bytes(2)); w.write(bytes(3)); return show(await read); },
  identity_desired_size: async () => { const { w, r } = pair(); const sizes = [w.desiredSize]; w.write(bytes(1)); sizes.push(w.desiredSize); await r.read(); await turn(); sizes.push(w.desiredSize); return sizes; },
  identity_sizes_of_strategy: async () => { const { w, r } = pair({ highWaterMark: 5 }); const sizes = [w.desiredSize]; const ready = []; w.write(bytes(1, 2)); sizes.push(w.desiredSize); w.write(bytes(1, 2, 3, 4)); sizes.push(w.desiredSize); ready.push(await say(w.ready)); await r.read(); await turn(); sizes.push(w.desiredSize); ready.push(await say(w.ready)); await r.read(); await turn(); sizes.push(w.desiredSize); return [sizes, ready]; },
  identity_bad_strategies: () => [5, null, { highWaterMark: -1 }, { highWaterMark: "3" }, { highWaterMark: NaN }, { size() { return 1; } }].map((a) => attempt(() => new IdentityTransformStream(a).writable.getWriter().desiredSize)),
  fixed_strategy: () => new FixedLengthStream(3, { highWaterMark: 7 }).writable.getWriter().desiredSize,
  identity_desired_size_after_close: async () => { const { w, r } = pair(); r.read(); await w.close(); return w.desiredSize; },
  identity_flush: async () => { const { w, r } = pair(); const writes = [say(w.write(bytes(1))), say(w.write(bytes(2)))]; const got = [show(await r.read()), show(await r.read())]; return [got, await Promise.all(writes)]; },
  identity_release: async () => { const { w, r } = pair(); const write = say(w.write(bytes(1))); w.releaseLock(); return [show(await r.read()), await write]; },
  identity_ready: async () => { const { w } = pair(); return await say(w.ready); },
  identity_tee: async () => { const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const [a, b] = t.readable.tee(); w.write(bytes(1, 2)); w.close(); return await Promise.all([all(a), all(b)]); },
  identity_pipe: async () => { const t = new IdentityTransformStream(); const from = new ReadableStream({ start(c) { c.enqueue(bytes(1)); c.enqueue(bytes(2)); c.close(); } }); const pipe = from.pipeTo(t.writable); const got = (await all(t.readable)).flat(); return [got, await say(pipe)]; },
  identity_pipe_strings: async () => { const from = new ReadableStream({ start(c) { c.enqueue("a"); c.close(); } }); return await say(all(from.pipeThrough(new IdentityTransformStream()))); },

  // --- FixedLengthStream ---
  fixed_exact: async () => { const { w, r } = fixed(3); w.write(bytes(1, 2)); const a = await r.read(); w.write(bytes(3)); const b = await r.read(); const close = w.close(); return [show(a), show(b), show(await r.read()), await say(close)]; },
  fixed_zero: async () => { const { w, r } = fixed(0); const close = w.close(); return [show(await r.read()), await say(close)]; },
  fixed_too_many: async () => { const { w, r } = fixed(2); const read = say(r.read().then(show)); return [await say(w.write(bytes(1, 2, 3))), await read]; },
  fixed_too_many_later: async () => { const { w, r } = fixed(2); w.write(bytes(1)); await r.read(); const read = say(r.read().then(show)); return [await say(w.write(bytes(1, 2, 3))), await read]; },
  fixed_too_few: async () => { const { w, r } = fixed(2); w.write(bytes(1)); const first = show(await r.read()); const read = say(r.read().then(show)); return [first, await say(w.close()), await read]; },
  fixed_pipe: async () => { const f = new FixedLengthStream(5); new Response("hello").body.pipeTo(f.writable); return (await all(f.readable)).flat(); },
  fixed_pipe_short: async () => { const f = new FixedLengthStream(9); const pipe = say(new Response("hello").body.pipeTo(f.writable)); return [await say(all(f.readable)), await pipe]; },
  fixed_pipe_long: async () => { const f = new FixedLengthStream(2); const pipe = say(new Response("hello").body.pipeTo(f.writable)); return [await say(all(f.readable)), await pipe]; },
  fixed_after_too_many: async () => { const { w, r } = fixed(2); const read = say(r.read()); await say(w.write(bytes(1, 2, 3))); await read; return [await say(w.write(bytes(1))), await say(w.closed), await say(r.closed), w.desiredSize, await say(w.close())]; },
  fixed_after_too_few: async () => { const { w, r } = fixed(2); const read = say(r.read()); const close = await say(w.close()); await read; return [close, await say(w.closed), await say(r.closed), await say(w.write(bytes(1)))]; },
  fixed_too_few_unread: async () => { const { w, r } = fixed(2); const close = await say(w.close()); return [close, await say(r.read())]; },
  fixed_too_many_unread: async () => { const { w, r } = fixed(2); const write = await say(w.write(bytes(1, 2, 3))); return [write, await say(r.read()), await say(w.closed)]; },
  fixed_pipe_js: async () => { const f = new FixedLengthStream(2); const from = new ReadableStream({ start(c) { c.enqueue(bytes(1)); c.close(); } }); const pipe = say(from.pipeTo(f.writable)); return [await say(all(f.readable)), await pipe]; },
  fixed_abort: async () => { const { w, r } = fixed(2); const read = say(r.read()); return [await say(w.abort("why")), await read]; },

  // --- bodies ---
  body_of_identity: async () => { const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const response = new Response(t.readable); w.write(text("a")); w.write(text("b")); w.close(); return await response.text(); },
  body_of_fixed: async () => { const f = new FixedLengthStream(2); const w = f.writable.getWriter(); const response = new Response(f.readable); w.write(text("ab")); w.close(); return [await response.text(), response.headers.get("content-length")]; },
  body_of_fixed_short: async () => { const f = new FixedLengthStream(3); const w = f.writable.getWriter(); const response = new Response(f.readable); w.write(text("ab")).catch(() => {}); w.close().catch(() => {}); return await say(response.text()); },
  body_of_transform: async () => { const t = new TransformStream(); const w = t.writable.getWriter(); const response = new Response(t.readable); w.write(text("a")); w.close(); return await response.text(); },
  body_of_transform_strings: async () => { const t = new TransformStream(); const w = t.writable.getWriter(); const response = new Response(t.readable); w.write("a").catch(() => {}); w.close().catch(() => {}); return await say(response.text()); },
  body_byob: async () => { const r = new Response("hello").body.getReader({ mode: "byob" }); return [show(await r.read(new Uint8Array(2))), show(await r.read(new Uint8Array(9)))]; },
  body_byob_min: async () => { const r = new Response("hello").body.getReader({ mode: "byob" }); return show(await r.read(new Uint8Array(8), { min: 4 })); },
  body_pipe_to: async () => { const got = []; await new Response("hello").body.pipeTo(new WritableStream({ write(c) { got.push(...c); } })); return got; },
  body_pipe_through: async () => await new Response(new Response("hello").body.pipeThrough(new TransformStream({ transform(c, x) { x.enqueue(text(new TextDecoder().decode(c).toUpperCase())); } }))).text(),
  body_pipe_through_identity: async () => { const t = new IdentityTransformStream(); const out = new Response("hello").body.pipeThrough(t); return [out === t.readable, await new Response(out).text(), t.writable.locked]; },
  body_pipe_locks: async () => { const from = new Response("hello").body; const t = new IdentityTransformStream(); const pipe = from.pipeTo(t.writable); const locked = [from.locked, t.writable.locked, t.readable.locked]; await all(t.readable); await pipe; return [locked, from.locked, t.writable.locked]; },
  body_pipe_used: async () => { const response = new Response("hello"); const pipe = response.body.pipeTo(new WritableStream()); const used = response.bodyUsed; await pipe; return [used, response.bodyUsed, await say(response.text())]; },
  body_pipe_cancel: async () => { const t = new IdentityTransformStream(); const pipe = new Response("hello").body.pipeTo(t.writable); await t.readable.cancel(new RangeError("enough")); return await say(pipe); },
  body_of_byte_stream: async () => await new Response(new ReadableStream({ type: "bytes", pull(c) { c.enqueue(text("ab")); c.close(); } })).text(),
  text_streams: async () => { const out = new Response("héllo").body.pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream()); return await new Response(out).text(); },
};

export const run = async () => {
  const results = {};
  for (const name in cases) results[name] = await outcome(cases[name]);
  return results;
};
