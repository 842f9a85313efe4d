// WebSockets between two ends in one isolate, and event streams; asked of workerd by `record.sh` and of ours by
// `tests/recorded_modules.rs`. Each case returns something JSON can show.
const attempt = (f) => { try { const value = f(); return value === undefined ? "undefined" : value; } catch (e) { return `throws ${e?.name}: ${e?.message}`; } };
const turn = (n = 5) => new Promise((resolve) => setTimeout(resolve, n));
const pair = (accepted = true) => { const [a, b] = Object.values(new WebSocketPair()); if (accepted) { a.accept(); b.accept(); a.binaryType = b.binaryType = "arraybuffer"; } return [a, b]; };
const show = (data) => (typeof data === "string" ? data : data instanceof ArrayBuffer ? [...new Uint8Array(data)] : Object.prototype.toString.call(data));
// All events of a socket, in order.
const watch = (socket, log = []) => {
  socket.addEventListener("open", (e) => log.push(["open"]));
  socket.addEventListener("message", (e) => log.push(["message", show(e.data)]));
  socket.addEventListener("close", (e) => log.push(["close", e.code, e.reason, e.wasClean]));
  socket.addEventListener("error", (e) => log.push(["error", e.message]));
  return log;
};
const closing = (...args) => { const [a] = pair(); return attempt(() => a.close(...args)); };
const sending = async (...messages) => { const [a, b] = pair(); const log = watch(b); for (const message of messages) a.send(message); await turn(); return log.map(([, data]) => data); };
const stream = (...pieces) => { const encoder = new TextEncoder(); return new ReadableStream({ type: "bytes", start(c) { for (const piece of pieces) c.enqueue(typeof piece === "string" ? encoder.encode(piece) : new Uint8Array(piece)); c.close(); } }); };
const events = async (pieces, ...types) => {
  const source = EventSource.from(stream(...pieces)), log = [];
  for (const type of ["message", ...types]) source.addEventListener(type, (e) => log.push([e.type, e.data, e.lastEventId]));
  await new Promise((resolve) => { source.onerror = resolve; });
  return log;
};

export const cases = {
  // --- shape ---
  pair_keys: () => Object.keys(new WebSocketPair()),
  pair_iterates: () => [...new WebSocketPair()].map((s) => s.constructor.name),
  pair_same: () => { const p = new WebSocketPair(); const [a, b] = p; return [p[0] === a, p[1] === b, a === b]; },
  pair_readonly: () => { const p = new WebSocketPair(); return [attempt(() => { "use strict"; p[0] = 1; }), typeof p[0]]; },
  pair_no_new: () => attempt(() => WebSocketPair()).slice(0, 70),
  socket_fresh: () => { const [a] = pair(false); return [a.readyState, a.url, a.protocol, a.extensions, a.binaryType]; },
  socket_constants: () => [WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED, WebSocket.READY_STATE_OPEN, WebSocket.prototype.CLOSED, WebSocket.prototype.READY_STATE_CLOSED],
  socket_is_target: () => { const [a] = pair(false); return [a instanceof EventTarget, a instanceof WebSocket, String(a), Object.getPrototypeOf(WebSocket) === EventTarget]; },
  socket_handlers: () => { const [a] = pair(false); return [a.onmessage, a.onclose, a.onopen, a.onerror].map((h) => h ?? "none"); },
  socket_binary_type: () => { const [a] = pair(false); const out = [a.binaryType]; for (const type of ["arraybuffer", "nonsense", "blob"]) { a.binaryType = type; out.push(a.binaryType); } return out; },

  // --- accept ---
  accept_twice: () => { const [a] = pair(false); return [attempt(() => a.accept()), attempt(() => a.accept())]; },
  accept_options: () => { const [a, b] = pair(false); return [attempt(() => a.accept({})), attempt(() => b.accept({ allowHalfOpen: true }))]; },
  accept_null: () => { const [a] = pair(false); return attempt(() => a.accept(null)); },
  accept_needed_to_send: () => { const [a] = pair(false); return attempt(() => a.send("x")); },
  accept_needed_to_close: () => { const [a] = pair(false); return [attempt(() => a.close()), attempt(() => a.close(1))]; },
  accept_late: async () => { const [a, b] = pair(false); a.accept(); const log = watch(b); a.send("1"); a.send("2"); await turn(); const before = log.length; b.accept(); const during = log.length; await turn(); return [before, during, log]; },
  accept_after_response: () => { const [a] = pair(false); new Response(null, { status: 101, webSocket: a }); return attempt(() => a.accept()); },

  // --- messages ---
  message_text: () => sending("", "x", "ünï🦄"),
  message_bytes: () => sending(new Uint8Array([1, 2]), new Uint8Array([3]).buffer, new Uint8Array([4, 5, 6, 7]).subarray(1, 3), new DataView(new ArrayBuffer(2)), new Uint16Array([258]), new Uint8Array()),
  message_others: () => sending(1, null, undefined, true, {}, [1, 2], 1n, new Date(NaN), () => {}),
  message_surrogate: () => sending("a\ud800b"),
  message_blob: () => sending(new Blob(["xy"])),
  message_symbol: () => { const [a] = pair(); return attempt(() => a.send(Symbol())).slice(0, 16); },
  message_missing: () => { const [a] = pair(); return attempt(() => a.send()).slice(0, 50); },
  message_copied: async () => { const [a, b] = pair(); const log = watch(b); const bytes = new Uint8Array([1]); a.send(bytes); bytes[0] = 9; await turn(); return log; },
  message_as_blob: async () => { const [a, b] = pair(); b.binaryType = "blob"; const got = new Promise((resolve) => { b.addEventListener("message", (e) => resolve(e.data)); }); a.send(new Uint8Array([104, 105])); const blob = await got; return [blob.constructor.name, blob.type, blob.size, await blob.text()]; },
  message_type_at_arrival: async () => { const [a, b] = pair(); const log = watch(b); b.binaryType = "blob"; a.send(new Uint8Array([1])); b.binaryType = "arraybuffer"; await turn(); return log; },
  message_both_ways: async () => { const [a, b] = pair(); const log = watch(a); b.addEventListener("message", (e) => b.send(`${e.data}!`)); a.send("x"); a.send("y"); await turn(); return log; },
  message_not_during: async () => { const [a, b] = pair(); const log = watch(b); a.send("x"); const during = log.length; await null; const micro = log.length; await turn(); return [during, micro, log.length]; },
  message_handler: async () => { const [a, b] = pair(); const log = []; b.onmessage = function (e) { log.push(e.data, this === b, typeof b.onmessage); }; a.send("x"); await turn(); b.onmessage = null; a.send("y"); await turn(); return log; },
  message_event: async () => { const [a, b] = pair(); const got = new Promise((resolve) => { b.addEventListener("message", (e) => resolve([e.constructor.name, e.type, e.data, e.lastEventId, e.source, e.ports, e.isTrusted, e.target === b, e.currentTarget === b, e.bubbles, e.cancelable])); }); a.send("x"); return got; },
  message_origin: async () => { const [a, b] = pair(); const got = new Promise((resolve) => { b.addEventListener("message", (e) => resolve(e.origin)); }); a.send("x"); return got; },
  message_micro: async () => { const [a, b] = pair(); const log = []; b.addEventListener("message", (e) => { log.push(e.data); Promise.resolve().then(() => log.push("micro")); }); a.send("1"); a.send("2"); await turn(); return log; },
  message_many: async () => { const [a, b] = pair(); const log = watch(b); for (let i = 0; i < 100; i++) a.send(String(i)); await turn(20); return log.map(([, data]) => +data).every((n, i) => n === i) && log.length; },
  message_once: async () => { const [a, b] = pair(); const log = []; b.addEventListener("message", (e) => log.push(e.data), { once: true }); a.send("1"); a.send("2"); await turn(); return log; },

  // --- closing ---
  close_codes: () => [1000, 1001, 1003, 1007, 1011, 1014, 1016, 2999, 3000, 4999].map((code) => closing(code)),
  close_codes_bad: () => [0, 1, 999, 1004, 1005, 1006, 1015, 5000, 65535, 66536, -1].map((code) => closing(code)),
  close_converted: () => [closing("3000"), closing(1000.9), closing(NaN), closing("x"), closing(null), closing({}), closing([1000])],
  close_out_of_range: () => [closing(2 ** 31), closing(1e20), closing(-1e10)],
  close_reason_only: () => [closing(undefined, "x"), closing(undefined, "")],
  close_reason_length: () => [closing(1000, "x".repeat(123)), closing(1000, "x".repeat(124)), closing(1000, "ü".repeat(62))],
  close_plain: async () => { const [a, b] = pair(); const log = watch(b); a.close(); await turn(); return log; },
  close_code: async () => { const [a, b] = pair(); const log = watch(b); a.close(3001); await turn(); return log; },
  close_reason: async () => { const [a, b] = pair(); const log = watch(b); a.close(4000, "bye ü"); await turn(); return log; },
  close_answered: async () => { const [a, b] = pair(); const log = watch(a); a.close(4000, "bye"); await turn(); return log; },
  close_states: async () => { const [a, b] = pair(); const log = []; b.addEventListener("close", () => log.push(["b", a.readyState, b.readyState])); a.addEventListener("close", () => log.push(["a", a.readyState, b.readyState])); a.close(); log.push(["now", a.readyState, b.readyState]); await turn(); log.push(["end", a.readyState, b.readyState]); return log; },
  close_twice: async () => { const [a, b] = pair(); const log = watch(b); a.close(4000); a.close(4001); await turn(); return log; },
  close_both: async () => { const [a, b] = pair(); const log = [watch(a), watch(b)]; a.close(4000); b.close(4001); await turn(); return log; },
  close_then_send: async () => { const [a, b] = pair(); a.close(); const at_once = attempt(() => a.send("x")); await turn(); return [at_once, attempt(() => a.send("x")), attempt(() => b.send("x"))]; },
  close_after_messages: async () => { const [a, b] = pair(); const log = watch(b); a.send("1"); a.send("2"); a.close(4000); await turn(); return log; },
  close_before_accept: async () => { const [a, b] = pair(false); a.accept(); const log = watch(b); a.send("1"); a.close(4000, "r"); await turn(); b.accept(); await turn(); return log; },
  close_half_open: async () => { const [a, b] = pair(false); a.accept(); b.accept({ allowHalfOpen: true }); const log = watch(a); let state; b.addEventListener("close", () => { state = b.readyState; b.send("still"); b.close(4001, "now"); }); a.close(4000); await turn(); return [log, state, a.readyState, b.readyState]; },
  close_event: async () => { const [a, b] = pair(); const got = new Promise((resolve) => { b.addEventListener("close", (e) => resolve([e.constructor.name, e.type, e.isTrusted, e.target === b, e.bubbles, e.cancelable])); }); a.close(); return got; },
  close_handler: async () => { const [a, b] = pair(); const log = []; b.onclose = (e) => log.push(e.code); a.close(3000); await turn(); return log; },
  close_accept_after: async () => { const [a, b] = pair(); a.close(); await turn(); return attempt(() => b.accept()); },

  // --- attachments ---
  attachment_none: () => { const [a] = pair(false); return a.deserializeAttachment(); },
  attachment_cloned: () => { const [a] = pair(false); const value = { x: [1, new Map([[1, 2]])] }; a.serializeAttachment(value); value.x[0] = 9; const one = a.deserializeAttachment(), two = a.deserializeAttachment(); return [one.x[0], one.x[1].get(1), one === two]; },
  attachment_too_long: () => { const [a] = pair(false); return attempt(() => a.serializeAttachment("x".repeat(20000))).slice(0, 70); },
  attachment_function: () => { const [a] = pair(false); return attempt(() => a.serializeAttachment(() => {})).slice(0, 21); },

  // --- responses ---
  response_101: () => attempt(() => new Response(null, { status: 101 })),
  response_200: () => { const [a] = pair(false); return attempt(() => new Response(null, { status: 200, webSocket: a })); },
  response_default: () => { const [a] = pair(false); return attempt(() => new Response(null, { webSocket: a })); },
  response_not_one: () => [1, "x", {}, new WebSocketPair()].map((webSocket) => attempt(() => new Response(null, { status: 101, webSocket }))),
  response_null: () => attempt(() => new Response(null, { status: 101, webSocket: null })),
  response_body: () => { const [a] = pair(false); return attempt(() => new Response("x", { status: 101, webSocket: a })); },
  response_fields: () => { const [a] = pair(false); const r = new Response(null, { status: 101, webSocket: a, headers: { "sec-websocket-protocol": "x" } }); return [r.status, r.ok, r.webSocket === a, r.body, r.headers.get("sec-websocket-protocol")]; },
  response_clone: () => { const [a] = pair(false); return attempt(() => new Response(null, { status: 101, webSocket: a }).clone()); },
  response_from_response: () => { const [a] = pair(false); const r = new Response(null, { status: 101, webSocket: a }); return attempt(() => new Response(null, r).webSocket === a); },
  response_plain: () => new Response("x").webSocket,

  // --- the constructor ---
  new_missing: () => attempt(() => new WebSocket()),
  new_bad_url: () => ["", "x", "ws://", "ws://a b/"].map((url) => attempt(() => new WebSocket(url))),
  new_bad_scheme: () => attempt(() => new WebSocket("ftp://a.invalid/")),
  new_fragment: () => [attempt(() => new WebSocket("ws://a.invalid/#x")), attempt(() => new WebSocket("ws://a.invalid/#"))],
  new_bad_protocol: () => ["", "a b", "a,b", "ü", "a\n"].map((protocol) => attempt(() => new WebSocket("ws://a.invalid/", protocol))),
  new_bad_protocols: () => [["a", ""], ["a", "a"], ["a", "b/c"]].map((protocols) => attempt(() => new WebSocket("ws://a.invalid/", protocols))),

  // --- event streams ---
  events_plain: () => events(["data: one\n\ndata: two\n\n"]),
  events_lines: () => events(["data: a\ndata: b\ndata:c\ndata\n\n"]),
  events_endings: () => events(["data: a\r\n\r\ndata: b\r\rdata: c\n\n"]),
  events_types: () => events(["event: x\ndata: 1\n\ndata: 2\n\nevent: y\ndata: 3\n\n"], "x"),
  events_ids: () => events(["id: 7\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n"]),
  events_comments: () => events([": hello\ndata: 1\n: there\n\n:\n\n"]),
  events_spaces: () => events(["data:  two\n\ndata:\ttab\n\ndata : no\n\n"]),
  events_unfinished: () => events(["data: 1\n\ndata: 2\n"]),
  events_bom: () => events([[0xef, 0xbb, 0xbf], "data: 1\n\n"]),
  events_unknown: () => events(["foo: 1\nDATA: 2\ndata: 3\n\n"]),
  events_no_data: () => events(["event: x\n\nid: 1\n\ndata: 2\n\n"], "x"),
  events_empty_data: () => events(["data:\n\ndata\n\ndata: 1\n\n"]),
  events_cut: () => events(["da", "ta: o", "ne", "\n", "\nda", "ta: two\n\n"]),
  events_unicode: () => events([new TextEncoder().encode("data: ü🦄\n\n")]),
  source_shape: async () => { const s = EventSource.from(stream("data: 1\n\n")); const out = [s.url, s.withCredentials, s.readyState, s.constructor.name, EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED]; s.close(); return [...out.slice(1), s.readyState]; },
  source_open: async () => { const s = EventSource.from(stream("data: 1\n\n")); const log = []; s.onopen = (e) => log.push(["open", e.type, s.readyState]); s.onmessage = (e) => log.push(["message", e.data, s.readyState]); await new Promise((resolve) => { s.onerror = (e) => { log.push(["error", e.type, s.readyState]); resolve(); }; }); return log; },
  source_closed: async () => { const s = EventSource.from(stream("data: 1\n\n")); const log = []; s.onmessage = (e) => log.push(e.data); s.onerror = () => log.push("error"); s.close(); await turn(); return [log, s.readyState]; },
  source_from_bad: () => [undefined, null, 1, "x", {}].map((value) => attempt(() => EventSource.from(value)).slice(0, 16)),
  source_from_used: async () => { const used = stream("x"); const reader = used.getReader(); const locked = attempt(() => EventSource.from(used)); await reader.read(); reader.releaseLock(); return [locked, attempt(() => EventSource.from(used))]; },
  source_bad_url: () => attempt(() => new EventSource("x")),
  source_fetcher: () => [null, undefined, 1, {}, { fetch() {} }].map((fetcher) => attempt(() => { const s = new EventSource("http://a.invalid/", { fetcher, withCredentials: fetcher !== undefined }); s.close(); return "made"; })),
  source_credentials: () => attempt(() => new EventSource("http://a.invalid/", { withCredentials: true })),
  source_missing: () => attempt(() => new EventSource()),
};

export const run = async () => {
  const results = {};
  for (const [name, body] of Object.entries(cases)) {
    try {
      const value = await Promise.race([body(), turn(2000).then(() => "never settles")]);
      results[name] = value === undefined ? "undefined" : value;
    } catch (e) {
      results[name] = `throws ${e?.name}: ${e?.message}`;
    }
  }
  return results;
};
