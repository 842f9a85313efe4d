//! `TransformStream`: <https://streams.spec.whatwg.org/#ts>.

mod support;

use serde_json::json;
use support::World;

const ALL: &str =
    "globalThis.all = async (s) => { const got = []; for await (const c of s) got.push(c); return got };";

fn world() -> World {
    let world = World::new();
    world.script::<()>(ALL);
    world
}

#[test]
fn without_a_transformer_chunks_pass() {
    let result = world().eval(
        "const t = new TransformStream(); const w = t.writable.getWriter(); w.write('a'); w.write('b'); w.close(); \
         return await all(t.readable)",
    );
    assert_eq!(result, json!(["a", "b"]));
}

#[test]
fn transform_and_flush_may_enqueue_any_number_of_chunks() {
    let result = world().eval(
        "const t = new TransformStream({ start(c) { c.enqueue('s') }, transform(x, c) { for (let i = 0; i < x; i++) c.enqueue(x) }, \
           async flush(c) { c.enqueue('f') } }); \
         const w = t.writable.getWriter(); for (const x of [2, 0, 1]) w.write(x); w.close(); return await all(t.readable)",
    );
    assert_eq!(result, json!(["s", 2, 2, 1, "f"]));
}

#[test]
fn a_write_waits_for_a_reader() {
    let result = world().eval(
        "const t = new TransformStream(); const w = t.writable.getWriter(); let written = false; \
         const write = w.write('a').then(() => written = true); for (let i = 0; i < 20; i++) await null; const before = [written, w.desiredSize]; \
         const r = t.readable.getReader(); const { value } = await r.read(); await write; \
         return [before, value, written, w.desiredSize]",
    );
    assert_eq!(result, json!([[false, 0], "a", true, 1]));
}

#[test]
fn a_transform_that_throws_fails_both_sides() {
    let result = world().eval(
        "const t = new TransformStream({ transform() { throw new RangeError('bad') } }); const w = t.writable.getWriter(); \
         const r = t.readable.getReader(); const say = (p) => p.then(() => 'ok', (e) => e.message); \
         return await Promise.all([w.write(1), r.read(), w.closed, r.closed].map(say))",
    );
    assert_eq!(result, json!(["bad", "bad", "bad", "bad"]));
}

#[test]
fn terminate_closes_one_side_and_fails_the_other() {
    let result = world().eval(
        "const t = new TransformStream({ transform(x, c) { c.enqueue(x); c.terminate() } }); const w = t.writable.getWriter(); \
         w.write(1); const got = await all(t.readable); return [got, await w.closed.catch((e) => e.constructor.name)]",
    );
    assert_eq!(result, json!([[1], "TypeError"]));
}

#[test]
fn cancel_hears_of_abort_and_of_cancel_but_not_of_close() {
    let world = world();
    for (script, expected) in [
        ("await t.readable.cancel('r')", json!([["cancel:r"], "r"])),
        ("await t.writable.abort('w')", json!([["cancel:w"], "w"])),
        (
            "const p = all(t.readable); await t.writable.close(); await p",
            json!([["flush"], "closed"]),
        ),
    ] {
        let result = world.eval(&format!(
            "const seen = []; const t = new TransformStream({{ cancel(r) {{ seen.push('cancel:' + r) }}, flush() {{ seen.push('flush') }} }}); \
             {script}; return [seen, await t.writable.getWriter().closed.then(() => 'closed', (e) => e)]"
        ));
        assert_eq!(result, expected, "{script}");
    }
    let failed = world.eval(
        "const t = new TransformStream({ cancel() { throw new RangeError('no') } }); \
         return [await t.readable.cancel('r').catch((e) => e.message), await t.writable.getWriter().closed.catch((e) => e.message)]",
    );
    assert_eq!(failed, json!(["no", "no"]));
}

#[test]
fn the_end_comes_once_whichever_side_brings_it() {
    let world = world();
    for (transformer, script, expected) in [
        (
            "flush() { seen.push('flush'); other = t.readable.cancel('r') }",
            "await t.writable.close(); await other",
            json!(["flush"]),
        ),
        (
            "cancel() { seen.push('cancel'); other = t.readable.cancel('r') }",
            "await t.writable.abort('w'); await other",
            json!(["cancel"]),
        ),
        (
            "flush() { seen.push('flush') }, cancel() { seen.push('cancel'); other = t.writable.close() }",
            "await t.readable.cancel('r'); await other",
            json!(["cancel"]),
        ),
        (
            "cancel() { seen.push('cancel'); other = t.writable.abort('w') }",
            "seen.push(await t.readable.cancel('r').catch((e) => e), await other.catch((e) => e))",
            json!(["cancel", "w", "w"]),
        ),
    ] {
        let result = world.eval(&format!(
            "const seen = []; let other; const t = new TransformStream({{ {transformer} }}); \
             for (let i = 0; i < 5; i++) await null; {script}; return seen"
        ));
        assert_eq!(result, expected, "{transformer}");
    }
}

#[test]
fn bad_arguments_are_refused_in_the_order_of_web_idl() {
    let world = world();
    for (script, expected) in [
        ("new TransformStream(null)", "TypeError"),
        ("new TransformStream({ readableType: 'bytes' })", "RangeError"),
        ("new TransformStream({ writableType: 'bytes' })", "RangeError"),
        ("new TransformStream({ transform: 1 })", "TypeError"),
        ("new TransformStream({}, { highWaterMark: -1 })", "RangeError"),
        (
            "new TransformStream({}, {}, { highWaterMark: NaN })",
            "RangeError",
        ),
        ("new TransformStreamDefaultController()", "TypeError"),
        (
            "Object.getOwnPropertyDescriptor(TransformStream.prototype, 'readable').get.call({})",
            "TypeError",
        ),
        (
            "new TransformStream({ start() { throw new URIError() } })",
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
         const names = ['writableType', 'transform', 'start', 'readableType', 'flush', 'cancel']; \
         new TransformStream(Object.defineProperties({}, Object.fromEntries(names.map((n) => [n, note(n)])))); return order",
    );
    assert_eq!(
        order,
        json!([
            "cancel",
            "flush",
            "readableType",
            "start",
            "transform",
            "writableType"
        ])
    );
}

#[test]
fn patched_intrinsics_change_nothing() {
    let world = world();
    let result = world.eval(
        "const t = new TransformStream({ transform(x, c) { c.enqueue(x + 1) } }); const from = new ReadableStream({ start(c) { c.enqueue(1); c.close(); } }); \
         const out = []; const to = new WritableStream({ write(c) { out[out.length] = c } }); \
         const { then } = Promise.prototype; const bad = () => { throw new Error('patched') }; \
         const settled = from.pipeThrough(t).pipeTo(to); \
         const done = new Promise((resolve, reject) => Reflect.apply(then, settled, [resolve, reject])); \
         const saved = [Promise.resolve, Promise.reject, Promise.withResolvers, Reflect.apply]; \
         Promise.prototype.then = Promise.resolve = Promise.reject = Promise.withResolvers = Reflect.apply = bad; \
         WritableStream.prototype.getWriter = ReadableStream.prototype.getReader = bad; \
         for (const key of ['highWaterMark', 'size', 'started', 'stream']) \
           Object.defineProperty(Object.prototype, key, { set: bad, configurable: true }); \
         new WritableStream(); new TransformStream(); new ReadableStream().getReader === bad; \
         try { await done; } finally { Promise.prototype.then = then; } return out",
    );
    assert_eq!(result, json!([2]));
}
