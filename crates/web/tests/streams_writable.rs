//! `WritableStream`: <https://streams.spec.whatwg.org/#ws>.

mod support;

use serde_json::json;
use support::World;

/// A sink that notes what is asked of it, as the global function `sink(overrides)` with the list `seen`.
const SINK: &str = "globalThis.seen = []; globalThis.sink = (o = {}) => ({ start() { seen.push('start') }, \
    write(c) { seen.push('write', c) }, close() { seen.push('close') }, abort(r) { seen.push('abort', r) }, ...o });";

fn world() -> World {
    let world = World::new();
    world.script::<()>(SINK);
    world
}

#[test]
fn chunks_reach_the_sink_in_order_and_then_the_close() {
    let result = world().eval(
        "const w = new WritableStream(sink()).getWriter(); const a = w.write(1), b = w.write(2); await w.close(); \
         await Promise.all([a, b, w.closed, w.ready]); return seen",
    );
    assert_eq!(result, json!(["start", "write", 1, "write", 2, "close"]));
}

#[test]
fn the_sink_is_given_one_chunk_at_a_time() {
    let result = world().eval(
        "let release; const w = new WritableStream(sink({ write(c) { seen.push(c); return new Promise((r) => release = r) } })).getWriter(); \
         await w.ready; w.write('a'); w.write('b'); await null; const before = [...seen]; release(); await null; await null; \
         await null; return [before, seen]",
    );
    assert_eq!(result, json!([["start", "a"], ["start", "a", "b"]]));
}

#[test]
fn back_pressure_follows_the_strategy() {
    let result = world().eval(
        "let release; const w = new WritableStream({ write() { return new Promise((r) => release = r) } }, \
           { highWaterMark: 3, size: (c) => c.length }).getWriter(); \
         const sizes = [w.desiredSize]; const first = w.ready; w.write('ab'); sizes.push(w.desiredSize); w.write('cd'); \
         sizes.push(w.desiredSize); const second = w.ready; let waited = true; second.then(() => waited = false); \
         await null; const still = waited; release(); await second; sizes.push(w.desiredSize); \
         return [sizes, first === second, still]",
    );
    assert_eq!(result, json!([[3, 1, -1, 1], false, true]));
}

#[test]
fn a_failing_write_fails_the_stream() {
    let result = world().eval(
        "const w = new WritableStream(sink({ write() { throw new RangeError('full') } })).getWriter(); \
         const say = (p) => p.then(() => 'ok', (e) => e.message); \
         return await Promise.all([w.write(1), w.ready, w.write(2), w.close(), w.closed].map(say))",
    );
    assert_eq!(result, json!(["full", "ok", "full", "full", "full"]));
}

#[test]
fn aborting_tells_the_sink_the_signal_and_all_that_waits() {
    let result = world().eval(
        "let controller; const w = new WritableStream(sink({ start(c) { controller = c; } })).getWriter(); await w.ready; \
         controller.signal.addEventListener('abort', () => seen.push('signal', controller.signal.reason)); \
         const write = w.write(1).then(() => 'ok'); const late = w.write(2).catch((e) => e); \
         await w.abort('why'); return [seen, await write, await late, await w.closed.catch((e) => e), w.desiredSize]",
    );
    assert_eq!(
        result,
        json!([
            ["write", 1, "signal", "why", "abort", "why"],
            "ok",
            "why",
            "why",
            null
        ])
    );
}

#[test]
fn the_controller_can_fail_the_stream() {
    let result = world().eval(
        "let controller; const s = new WritableStream({ start(c) { controller = c; } }); const w = s.getWriter(); \
         controller.error('gone'); controller.error('again'); \
         return [await w.closed.catch((e) => e), await w.write(1).catch((e) => e), await s.close().catch((e) => e.constructor.name)]",
    );
    assert_eq!(result, json!(["gone", "gone", "TypeError"]));
}

#[test]
fn a_stream_is_locked_to_one_writer() {
    let result = world().eval(
        "const s = new WritableStream(); const w = s.getWriter(); const held = [s.locked]; \
         try { s.getWriter() } catch (e) { held.push(e.constructor.name) } \
         const aborted = await s.abort().catch((e) => e.constructor.name); w.releaseLock(); held.push(s.locked); \
         const after = await Promise.all([w.write(1), w.close(), w.abort(), w.closed, w.ready].map((p) => p.catch((e) => e.constructor.name))); \
         try { w.desiredSize } catch (e) { held.push(e.constructor.name) } \
         return [held, aborted, after]",
    );
    let type_errors = ["TypeError"; 5];
    assert_eq!(
        result,
        json!([[true, "TypeError", false, "TypeError"], "TypeError", type_errors])
    );
}

#[test]
fn bad_arguments_are_refused_in_the_order_of_web_idl() {
    let world = world();
    for (script, expected) in [
        ("new WritableStream(null)", "TypeError"),
        ("new WritableStream({ type: 'bytes' })", "RangeError"),
        ("new WritableStream({ write: 1 })", "TypeError"),
        ("new WritableStream({}, { highWaterMark: -1 })", "RangeError"),
        ("new WritableStream({}, { highWaterMark: NaN })", "RangeError"),
        ("new WritableStream({}, { size: 1 })", "TypeError"),
        ("new WritableStreamDefaultWriter({})", "TypeError"),
        ("new WritableStreamDefaultController()", "TypeError"),
        ("WritableStream()", "TypeError"),
        ("WritableStream.prototype.getWriter.call({})", "TypeError"),
        (
            "new WritableStream({ start() { throw new URIError() } })",
            "URIError",
        ),
    ] {
        let result = world.eval(&format!(
            "try {{ {script}; return 'no error' }} catch (e) {{ return e.constructor.name }}"
        ));
        assert_eq!(result, json!(expected), "{script}");
    }
    let order = world.eval(
        "const order = []; const note = (name) => ({ get() { order.push(name) } }); \
         const strategy = Object.defineProperties({}, { size: note('size'), highWaterMark: note('highWaterMark') }); \
         const sink = Object.defineProperties({}, Object.fromEntries(['write', 'type', 'start', 'close', 'abort'].map((n) => [n, note(n)]))); \
         new WritableStream(sink, strategy); return order",
    );
    assert_eq!(
        order,
        json!([
            "highWaterMark",
            "size",
            "abort",
            "close",
            "start",
            "type",
            "write"
        ])
    );
}

#[test]
fn a_size_that_is_no_size_fails_the_stream() {
    for size in [
        "() => -1",
        "() => NaN",
        "() => Infinity",
        "() => { throw new RangeError() }",
    ] {
        let result = world().eval(&format!(
            "const w = new WritableStream({{}}, {{ size: {size} }}).getWriter(); \
             return [await w.write(1).catch((e) => e.constructor.name), await w.closed.catch((e) => e.constructor.name)]"
        ));
        assert_eq!(result, json!(["RangeError", "RangeError"]), "{size}");
    }
}
