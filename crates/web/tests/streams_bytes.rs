//! Byte streams and BYOB readers: <https://streams.spec.whatwg.org/#rbs-controller-class>.

mod support;

use isthmus_web::body::Pulled;
use isthmus_web::streams;
use serde_json::json;
use support::{ReadySource, World};

const BYTES: &str = "globalThis.bytes = (...b) => new Uint8Array(b); \
    globalThis.show = ({ value, done }) => [value && value.constructor.name, value && [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)], done];";

fn world() -> World {
    let world = World::new();
    world.script::<()>(BYTES);
    world
}

#[test]
fn a_byob_reader_fills_the_view_it_is_given() {
    let result = world().eval(
        "const s = new ReadableStream({ type: 'bytes', pull(c) { const v = c.byobRequest.view; v[0] = 7; v[1] = 8; c.byobRequest.respond(2); } }); \
         const r = s.getReader({ mode: 'byob' }); const view = new Uint8Array(new ArrayBuffer(10), 3, 4); const read = r.read(view); \
         const got = await read; return [show(got), got.value.byteOffset, got.value.buffer.byteLength, view.byteLength]",
    );
    assert_eq!(result, json!([["Uint8Array", [7, 8], false], 3, 10, 0]));
}

#[test]
fn enqueued_bytes_are_transferred_and_split_over_views() {
    let result = world().eval(
        "let c; const s = new ReadableStream({ type: 'bytes', start(x) { c = x; } }); const chunk = bytes(1, 2, 3, 4, 5); c.enqueue(chunk); \
         const r = s.getReader({ mode: 'byob' }); const first = await r.read(new Uint8Array(2)); \
         const second = await r.read(new Uint16Array(1)); const size = c.desiredSize; c.close(); const third = await r.read(new Uint8Array(9)); \
         return [chunk.byteLength, show(first), show(second), size, show(third), show(await r.read(new Uint8Array(1)))]",
    );
    assert_eq!(
        result,
        json!([
            0,
            ["Uint8Array", [1, 2], false],
            ["Uint16Array", [3, 4], false],
            -1,
            ["Uint8Array", [5], false],
            ["Uint8Array", [], true]
        ])
    );
}

#[test]
fn min_waits_for_as_many_elements() {
    let result = world().eval(
        "let n = 0; const s = new ReadableStream({ type: 'bytes', pull(c) { c.enqueue(bytes(++n)); if (n === 5) { c.close(); c.byobRequest.respond(0); } } }); \
         const r = s.getReader({ mode: 'byob' }); const a = await r.read(new Uint8Array(8), { min: 3 }); \
         const b = r.read(new Uint8Array(8), { min: 4 }); return [show(a), show(await b)]",
    );
    assert_eq!(
        result,
        json!([["Uint8Array", [1, 2, 3], false], ["Uint8Array", [4, 5], true]])
    );
}

#[test]
fn a_default_reader_gets_allocated_chunks() {
    let result = world().eval(
        "const s = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 4, pull(c) { c.byobRequest.view.fill(9); c.byobRequest.respond(3); } }); \
         return show(await s.getReader().read())",
    );
    assert_eq!(result, json!(["Uint8Array", [9, 9, 9], false]));
}

#[test]
fn a_new_view_may_answer_the_request() {
    let result = world().eval(
        "const s = new ReadableStream({ type: 'bytes', pull(c) { const { view } = c.byobRequest; const moved = view.buffer.transfer(); \
           new Uint8Array(moved)[0] = 5; c.byobRequest.respondWithNewView(new Uint8Array(moved, view.byteOffset, 1)); } }); \
         return show(await s.getReader({ mode: 'byob' }).read(new Uint8Array(4)))",
    );
    assert_eq!(result, json!(["Uint8Array", [5], false]));
}

#[test]
fn bad_views_and_answers_are_refused() {
    let world = world();
    for (script, expected) in [
        ("r.read()", "TypeError"),
        ("r.read({})", "TypeError"),
        ("r.read(new Uint8Array(0))", "TypeError"),
        ("r.read(new Uint8Array(4), { min: 0 })", "TypeError"),
        ("r.read(new Uint8Array(4), { min: 5 })", "RangeError"),
        ("r.read(new Uint16Array(4), { min: 5 })", "RangeError"),
        (
            "r.read(new DataView(new ArrayBuffer(4)), { min: 5 })",
            "RangeError",
        ),
        ("r.read(new Uint8Array(4), { min: -1 })", "TypeError"),
        ("r.read(new Uint8Array(4), 1)", "TypeError"),
        (
            "(() => { const v = new Uint8Array(4); v.buffer.transfer(); return r.read(v) })()",
            "TypeError",
        ),
        ("r.read(new Uint8Array(new SharedArrayBuffer(4)))", "TypeError"),
        (
            "r.read(new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 })))",
            "TypeError",
        ),
        (
            "(() => { const v = new Uint8Array(4); return r.read(v, { get min() { v.buffer.transfer(); return 1 } }) })()",
            "TypeError",
        ),
    ] {
        let result = world.eval(&format!(
            "const s = new ReadableStream({{ type: 'bytes' }}); const r = s.getReader({{ mode: 'byob' }}); \
             return await {script}.then(() => 'ok', (e) => e.constructor.name)"
        ));
        assert_eq!(result, json!(expected), "{script}");
    }
    for (script, expected) in [
        ("c.byobRequest.respond(5)", "RangeError"),
        ("c.byobRequest.respond(0)", "TypeError"),
        ("c.byobRequest.respond()", "TypeError"),
        ("c.byobRequest.respond(-1)", "TypeError"),
        ("c.byobRequest.respondWithNewView({})", "TypeError"),
        ("c.byobRequest.respondWithNewView(new Uint8Array(4))", "no error"),
        (
            "c.byobRequest.respondWithNewView(new Uint8Array(3))",
            "RangeError",
        ),
        (
            "c.byobRequest.respondWithNewView(new Uint8Array(c.byobRequest.view.buffer, 1))",
            "RangeError",
        ),
        ("const q = c.byobRequest; q.respond(1); q.respond(1)", "TypeError"),
        ("c.enqueue(new Uint8Array(0))", "TypeError"),
        ("c.enqueue('text')", "TypeError"),
        (
            "c.enqueue(new Uint8Array(c.byobRequest.view.buffer.transfer())); c.enqueue(bytes(1))",
            "TypeError",
        ),
        (
            "c.byobRequest.view.buffer.transfer(); c.byobRequest.respond(1)",
            "TypeError",
        ),
    ] {
        let result = world.eval(&format!(
            "let c; const s = new ReadableStream({{ type: 'bytes', start(x) {{ c = x; }} }}); const r = s.getReader({{ mode: 'byob' }}); \
             r.read(new Uint8Array(4)).catch(() => {{}}); \
             try {{ {script}; return 'no error' }} catch (e) {{ return e.constructor.name }}"
        ));
        assert_eq!(result, json!(expected), "{script}");
    }
    for script in [
        "new ReadableStream({ type: 'bytes' }, { size() {} })",
        "new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 0 })",
        "new ReadableStream({ type: 'bits' })",
        "new ReadableStream().getReader({ mode: 'byob' })",
        "new ReadableStreamBYOBReader(new ReadableStream())",
        "new ReadableByteStreamController()",
        "new ReadableStreamBYOBRequest()",
    ] {
        let result = world.eval(&format!("try {{ {script}; return 'no error' }} catch (e) {{ return e instanceof TypeError || e instanceof RangeError }}"));
        assert_eq!(result, json!(true), "{script}");
    }
}

#[test]
fn a_close_in_the_middle_of_an_element_fails() {
    let result = world().eval(
        "let c; const s = new ReadableStream({ type: 'bytes', start(x) { c = x; } }); const r = s.getReader({ mode: 'byob' }); \
         const read = r.read(new Uint16Array(2)).catch((e) => e.constructor.name); c.enqueue(bytes(1)); let thrown; \
         try { c.close() } catch (e) { thrown = e.constructor.name } return [thrown, await read, await r.closed.catch((e) => e.constructor.name)]",
    );
    assert_eq!(result, json!(["TypeError", "TypeError", "TypeError"]));
}

#[test]
fn a_released_reader_leaves_its_bytes_to_the_next() {
    let result = world().eval(
        "let c; const s = new ReadableStream({ type: 'bytes', start(x) { c = x; } }); const one = s.getReader({ mode: 'byob' }); \
         const lost = one.read(new Uint8Array(4)).catch((e) => e.constructor.name); const request = c.byobRequest; one.releaseLock(); \
         const two = s.getReader({ mode: 'byob' }); const read = two.read(new Uint8Array(3)); request.view[0] = 6; request.respond(1); return [await lost, show(await read)]",
    );
    assert_eq!(result, json!(["TypeError", ["Uint8Array", [6], false]]));
}

#[test]
fn both_branches_of_a_tee_are_byte_streams_with_bytes_of_their_own() {
    let result = world().eval(
        "const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytes(1, 2, 3)); c.close(); } }); const [a, b] = s.tee(); \
         const ra = a.getReader({ mode: 'byob' }), rb = b.getReader({ mode: 'byob' }); \
         const x = await ra.read(new Uint8Array(2)); x.value.fill(0); const y = await rb.read(new Uint8Array(8)); \
         return [show(x), show(y), show(await ra.read(new Uint8Array(8))), show(await rb.read(new Uint8Array(1))), show(await ra.read(new Uint8Array(1)))]",
    );
    assert_eq!(
        result,
        json!([
            ["Uint8Array", [0, 0], false],
            ["Uint8Array", [1, 2], false],
            ["Uint8Array", [3], false],
            ["Uint8Array", [3], false],
            ["Uint8Array", [], true]
        ])
    );
}

#[test]
fn rust_bodies_are_byte_streams() {
    let world = world();
    let source = ReadySource::new([
        Pulled::Chunk(b"abcde".to_vec().into()),
        Pulled::Chunk(b"fg".to_vec().into()),
    ]);
    world.define("body", |ctx| streams::readable(ctx, source, None));
    let result = world.eval(
        "const r = body.getReader({ mode: 'byob' }); const got = []; \
         for (const read of [() => r.read(new Uint8Array(2)), () => r.read(new Uint8Array(4), { min: 4 }), () => r.read(new Uint8Array(4)), () => r.read(new Uint8Array(1))]) \
           got.push(show(await read())); return got",
    );
    assert_eq!(
        result,
        json!([
            ["Uint8Array", [97, 98], false],
            ["Uint8Array", [99, 100, 101, 102], false],
            ["Uint8Array", [103], false],
            ["Uint8Array", [], true]
        ])
    );
}

#[test]
fn a_rust_body_that_ends_within_a_view() {
    let world = world();
    let source = ReadySource::new([Pulled::Chunk(b"abc".to_vec().into())]);
    world.define("body", |ctx| streams::readable(ctx, source, None));
    let result = world.eval(
        "const r = body.getReader({ mode: 'byob' }); const a = await r.read(new Uint8Array(8), { min: 5 }); \
         return [show(a), show(await r.read(new Uint8Array(1)))]",
    );
    assert_eq!(
        result,
        json!([["Uint8Array", [97, 98, 99], true], ["Uint8Array", [], true]])
    );
    let source = ReadySource::new([Pulled::Chunk(b"abc".to_vec().into())]);
    world.define("odd", |ctx| streams::readable(ctx, source, None));
    let result = world.eval(
        "const r = odd.getReader({ mode: 'byob' }); const a = await r.read(new Uint16Array(4)); \
         return [show(a), await r.read(new Uint16Array(4)).catch((e) => e.constructor.name)]",
    );
    assert_eq!(result, json!([["Uint16Array", [97, 98], false], "TypeError"]));
}

#[test]
fn many_reads_of_a_ready_body_do_not_deepen_the_stack() {
    let world = world();
    let source = ReadySource::chunks(20_000, 1);
    world.define("body", |ctx| streams::readable(ctx, source, None));
    let result = world.eval(
        "const r = body.getReader(); const reads = []; for (let i = 0; i < 20000; i++) reads.push(r.read()); \
         const all = await Promise.all(reads); return all.every((x) => x.value.length === 1)",
    );
    assert_eq!(result, json!(true));
}
