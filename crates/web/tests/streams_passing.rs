//! Small chunks that a sink takes on the spot leave out most of the streams' machinery. Nobody may see that: the same
//! programs are run with sinks that take them so and with others that don't, and everything they note in every turn of
//! the microtask queue is compared.

mod support;

use std::rc::Rc;

use isthmus_web::body::ByteSink;
use isthmus_web::streams;
use rquickjs::{CatchResultExt, Object};
use serde_json::Value;
use support::{TestSink, World};

/// What programs use: `note(what)` says in which turn, `noted(name, promise)` when and how a promise settles, `turns(n)`
/// waits so long.
const PRELUDE: &str = "
    const log = globalThis.log = [];
    let turn = 0;
    (async () => { for (; turn < 300; turn++) await undefined; })();
    const note = (...what) => log.push(turn + ' ' + what.join(' '));
    const noted = (name, promise) => {
        promise.then((v) => note(name, 'fulfilled', JSON.stringify(v)), (e) => note(name, 'rejected', e?.name ?? e));
        return promise;
    };
    const turns = async (n) => { while (n-- > 0) await undefined; };
    const attempt = (name, f) => { try { note(name, f()); } catch (e) { note(name, 'throws', e.name); } };
    const bytes = (...b) => new Uint8Array(b);
    let n = 0;
";

/// What is left of a program: its notes, the bytes of its stream, and how that ended.
type Outcome = (Value, Vec<u8>, Option<Result<(), String>>);

/// `script` ends with the stream to be drained; what it started goes on meanwhile.
fn run(script: &str, takes: bool) -> Outcome {
    let world = World::new();
    let sink = Rc::new(TestSink::default());
    sink.takes.set(takes);
    let target: Rc<dyn ByteSink> = sink.clone();
    world.with(|ctx| {
        let source = format!("{{ {PRELUDE} {script} }}");
        let stream: Object = ctx.eval(source).catch(ctx).unwrap();
        streams::drain(ctx, stream, target).catch(ctx).unwrap();
    });
    world.run();
    let log = world.eval("return log");
    // Only a chunk that was not to be taken may have been written.
    assert!(takes || sink.writes.get() > 0, "nothing was drained: {script}");
    (log, sink.bytes.take(), sink.outcome.take())
}

#[track_caller]
fn assert_unnoticed(script: &str) {
    let (taken, written) = (run(script, true), run(script, false));
    assert_eq!(taken, written, "{script}");
}

#[test]
fn pulls_come_in_the_same_turns() {
    for strategy in [
        "undefined",
        "{ highWaterMark: 0 }",
        "{ highWaterMark: 3 }",
        "{ size: () => 2, highWaterMark: 5 }",
    ] {
        for pull in [
            "c.enqueue(bytes(n));",
            "c.enqueue(bytes(n)); c.enqueue(bytes(n, n)); note('wants', c.desiredSize);",
            "if (n % 2) c.enqueue(bytes(n)); else queueMicrotask(() => { c.enqueue(bytes(n)); note('late'); });",
            "await undefined; c.enqueue(bytes(n)); await undefined;",
            "c.enqueue(bytes(n)); await turns(3);",
            "if (n % 3) c.enqueue(bytes(n));",
            "c.enqueue(bytes()); c.enqueue(bytes(n)); c.enqueue(new Uint16Array([n]));",
            "c.enqueue(new Uint8Array(n * 3000));",
        ] {
            for kind in ["", "async "] {
                if kind.is_empty() && pull.contains("await") {
                    continue;
                }
                assert_unnoticed(&format!(
                    "new ReadableStream({{ {kind}pull(c) {{ note('pull', c.desiredSize); if (n++ < 5) {{ {pull} }} \
                     else c.close(); }} }}, {strategy})"
                ));
            }
        }
    }
}

#[test]
fn chunks_that_come_without_a_pull_do_so_too() {
    for mark in 0..3 {
        assert_unnoticed(&format!(
            "new ReadableStream({{ start(c) {{ (async () => {{ for (; n < 6; n++) {{ \
               await turns(n); note('enqueue', c.desiredSize); c.enqueue(bytes(n)); note('wants', c.desiredSize); \
               if (n === 3) {{ c.enqueue(bytes(7)); c.enqueue(bytes(8)); }} }} c.close(); note('closed'); }})(); }}, \
               pull() {{ note('pull'); if (n === 4) return turns(2); }} }}, {{ highWaterMark: {mark} }})"
        ));
    }
}

#[test]
fn failures_are_the_same() {
    for end in [
        "c.error(new RangeError('x'))",
        "c.enqueue('text')",
        "throw new RangeError('x')",
        "c.enqueue(new Uint8Array(new SharedArrayBuffer(2)))",
        "{ const b = bytes(1); b.buffer.transfer(); c.enqueue(b); c.close(); }",
    ] {
        for r#type in ["", "type: 'bytes', "] {
            assert_unnoticed(&format!(
                "new ReadableStream({{ {type}pull(c) {{ note('pull'); if (n++ < 2) c.enqueue(bytes(n)); \
                 else attempt('end', () => {{ {end} }}); if (n === 5) c.error(1); }}, cancel(e) {{ note('cancel', e?.name); }} }})"
            ));
        }
    }
    assert_unnoticed(
        "ReadableStream.from((async function* () { yield bytes(1); note('one'); yield bytes(2); throw new RangeError('x'); })())",
    );
}

#[test]
fn byte_streams_take_the_buffers_of_their_chunks() {
    for chunk in [
        "bytes(1, 2, 3)",
        "bytes(1, 2, 3).subarray(1)",
        "new Uint16Array([1, 2])",
        "new DataView(new ArrayBuffer(3), 1)",
        "new Uint8Array(new ArrayBuffer(3, { maxByteLength: 5 }))",
        "new Uint8Array(new ArrayBuffer(2).transferToImmutable())",
        "bytes()",
        "bytes(1).buffer",
        "7",
        "new Uint8Array(5000)",
    ] {
        for options in ["", ", autoAllocateChunkSize: 10"] {
            assert_unnoticed(&format!(
                "new ReadableStream({{ type: 'bytes'{options}, pull(c) {{ note('pull', c.desiredSize, c.byobRequest); \
                 const chunk = {chunk}; \
                 if (n++ < 3) {{ attempt('enqueue', () => c.enqueue(chunk)); attempt('length', () => chunk.byteLength); \
                 attempt('buffer', () => chunk.buffer.byteLength); c.enqueue(bytes(n)); }} \
                 else {{ c.close(); c.byobRequest?.respond(0); }} }} }}, {{ highWaterMark: n }})"
            ));
        }
    }
    assert_unnoticed(
        "new ReadableStream({ type: 'bytes', start(c) { (async () => { for (; n < 6; n++) { await turns(n); \
           c.enqueue(bytes(n)); note('wants', c.desiredSize); } c.close(); })(); }, pull() { note('pull'); } })",
    );
}

#[test]
fn iterators_are_asked_in_the_same_turns() {
    for iterable in [
        "(async function* () { for (; n < 5; n++) { note('next'); yield bytes(n); } })()",
        "(async function* () { for (; n < 5; n++) { await turns(n); note('next'); yield bytes(n); } })()",
        "(function* () { for (; n < 5; n++) { note('next'); yield n % 2 ? bytes(n) : turns(2).then(() => bytes(n)); } })()",
        "[bytes(1), bytes(), bytes(2)].values().map((b) => { note('next'); return b; })",
        "{ [Symbol.asyncIterator]: () => ({ next() { note('next'); return { done: n++ === 3, value: bytes(n) }; } }) }",
        "{ [Symbol.asyncIterator]: () => ({ next() { note('next'); return n++ === 3 ? 5 : Promise.resolve({ value: bytes(n) }); } }) }",
        "{ [Symbol.asyncIterator]: () => ({ next() { note('next'); if (n++ === 3) throw new RangeError('x'); return { value: bytes(n) }; } }) }",
        "{ [Symbol.asyncIterator]: () => ({ next() { note('next'); \
           return { get done() { note('done'); return n++ === 3; }, get value() { note('value'); return bytes(n); } }; } }) }",
    ] {
        assert_unnoticed(&format!("ReadableStream.from({iterable})"));
    }
}

/// Programs of a `writer`, and of the `controller` of a TransformStream's readable side if there is one.
const WRITERS: &[&str] = &[
    "for (; n < 5; n++) { note('write', writer.desiredSize); await noted('written', writer.write(bytes(n))); }",
    "for (; n < 5; n++) { noted('written', writer.write(bytes(n))); note('wants', writer.desiredSize); \
       noted('ready', writer.ready); } await writer.ready; note('on');",
    "for (; n < 5; n++) { await noted('ready', writer.ready); noted('written', writer.write(bytes(n))); }",
    "for (; n < 6; n++) { const ready = writer.ready; const written = writer.write(bytes(n)); \
       note(ready === writer.ready); noted('written', written); noted('ready', writer.ready); await turns(n); }",
    "noted('written', writer.write(bytes(1))); noted('closed', writer.close()); \
       noted('late', writer.write(bytes(2))).catch(() => 0); noted('end', writer.closed);",
    "await writer.write(bytes(1)); noted('written', writer.write(bytes(2))); \
       noted('aborted', writer.abort(new RangeError('x'))); noted('end', writer.closed).catch(() => 0);",
    "await noted('written', writer.write(bytes(1))); noted('empty', writer.write(bytes())); \
       noted('wide', writer.write(new Uint16Array([5]))); await noted('last', writer.write(bytes(6)));",
    "await writer.write(bytes(1)); noted('large', writer.write(new Uint8Array(9000))); \
       await noted('last', writer.write(bytes(6)));",
    "await writer.write(bytes(1)); await noted('bad', writer.write(7)).catch(() => 0); \
       await noted('after', writer.write(bytes(6))).catch(() => 0); return;",
    "const chunk = bytes(1, 2); const written = writer.write(chunk); chunk[0] = 9; await written; \
       noted('same', writer.write(chunk)); chunk.buffer.transfer(); await noted('detached', writer.write(chunk));",
    "await writer.write(bytes(1)); writer.releaseLock(); await noted('released', writer.write(bytes(2))).catch(() => 0); \
       writer = stream.writable.getWriter(); await noted('again', writer.write(bytes(3)));",
    "await writer.write(bytes(1)); noted('written', writer.write(bytes(2))); writer.releaseLock(); \
       writer = stream.writable.getWriter(); noted('ready', writer.ready); await noted('again', writer.write(bytes(3)));",
];

fn assert_writers_unnoticed(stream: &str, programs: &[&str]) {
    for program in programs {
        for wait in [0, 4] {
            assert_unnoticed(&format!(
                "const stream = {stream}; let writer = stream.writable.getWriter(); \
                 (async () => {{ await turns({wait}); await writer.write(bytes(0)); {program} \
                   noted('close', writer.close()).catch(() => 0); }})(); stream.readable"
            ));
        }
    }
}

#[test]
fn writers_of_an_identity_transform_stream_notice_nothing() {
    assert_writers_unnoticed("new IdentityTransformStream()", WRITERS);
    assert_writers_unnoticed("new IdentityTransformStream({ highWaterMark: 3 })", WRITERS);
    assert_writers_unnoticed(
        "new IdentityTransformStream()",
        &["await noted('text', writer.write('text')); await noted('bytes', writer.write(bytes(1)));"],
    );
    assert_writers_unnoticed("new FixedLengthStream(3)", &WRITERS[..3]);
}

#[test]
fn writers_of_a_transform_stream_notice_nothing() {
    for arguments in [
        "",
        "{}",
        "{ flush() { note('flush'); } }",
        "{}, { highWaterMark: 3 }",
        "{}, { highWaterMark: 0 }",
        "{}, { size(c) { note('size', c.length); return 2; }, highWaterMark: 3 }",
        "{}, undefined, { highWaterMark: 2 }",
        "{}, undefined, { size(c) { note('size', c.length); return 2; }, highWaterMark: 3 }",
        "{ transform(c, t) { note('transform', t.desiredSize); t.enqueue(c); } }",
        "{ async transform(c, t) { await undefined; t.enqueue(c); await undefined; } }",
        "{ transform(c, t) { t.enqueue(c); t.enqueue(c); if (c[0] === 3) throw new RangeError('x'); } }",
        "{ transform(c, t) { t.enqueue(c); if (c[0] === 3) t.terminate(); } }",
        "{ async transform(c, t) { t.enqueue(c); await undefined; if (c[0] === 3) throw new RangeError('x'); } }",
    ] {
        assert_writers_unnoticed(&format!("new TransformStream({arguments})"), WRITERS);
    }
}

#[test]
fn the_controller_of_a_transform_stream_notices_nothing() {
    for act in [
        "note(controller.desiredSize);",
        "controller.enqueue(bytes(9)); note(controller.desiredSize);",
        "controller.enqueue(bytes(9)); controller.enqueue(bytes(8));",
        "controller.terminate();",
        "controller.error(new RangeError('x'));",
    ] {
        let program = format!(
            "for (; n < 5; n++) {{ const written = writer.write(bytes(n)); if (n === 2) {{ {act} }} \
             try {{ await noted('written', written); }} catch {{ return; }} if (n === 3) attempt('later', () => {{ {act} }}); }}"
        );
        for (first, second) in [
            ("", ""),
            ("", ", { highWaterMark: 2 }"),
            (", { highWaterMark: 2 }", ""),
        ] {
            let mark = if first.is_empty() && !second.is_empty() {
                ", undefined"
            } else {
                first
            };
            assert_writers_unnoticed(
                &format!(
                    "(() => {{ let c; const s = new TransformStream({{ start(x) {{ c = x; }} }}{mark}{second}); globalThis.controller = c; return s; }})()"
                ),
                &[&program],
            );
        }
    }
}

#[test]
fn pipes_and_decoders_notice_nothing() {
    for through in [
        "new TransformStream()",
        "new IdentityTransformStream()",
        "new TransformStream({ transform(c, t) { note('transform'); t.enqueue(c); } })",
        "new TransformStream(undefined, undefined, { highWaterMark: 2 })",
    ] {
        assert_unnoticed(&format!(
            "new ReadableStream({{ pull(c) {{ note('pull'); if (n++ < 5) c.enqueue(bytes(n)); else c.close(); }} }})\
             .pipeThrough({through})"
        ));
    }
    assert_unnoticed(
        "new ReadableStream({ pull(c) { note('pull'); if (n++ < 5) c.enqueue('\\u{1f600}x'); else c.close(); } })\
         .pipeThrough(new TextEncoderStream())",
    );
}
