//! `ReadableStream` around Rust bodies, and drained into Rust sinks. What scripts alone can see is compared with
//! upstream in `recorded_modules.rs`.

mod support;

use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::{ByteSink, ByteSource, Pulled, WriteDone};
use isthmus_web::streams;
use rquickjs::{CatchResultExt, Ctx, Object};
use serde_json::json;
use support::{ManualSource, ReadySource, TestSink, World};

fn chunk(text: &str) -> Pulled {
    Pulled::Chunk(text.to_owned().into())
}

/// A world whose global `body` is a stream around `source`.
fn world_with(source: &Rc<impl ByteSource>, length: Option<u64>) -> World {
    let world = World::new();
    let source: Rc<dyn ByteSource> = source.clone();
    world.define("body", |ctx| streams::readable(ctx, source, length));
    world
}

/// Drains the stream that `script` evaluates to.
fn drain(world: &World, script: &str, sink: &Rc<TestSink>) {
    let sink: Rc<dyn ByteSink> = sink.clone();
    world.with(|ctx| {
        let stream: Object = ctx.eval(script).catch(ctx).unwrap();
        streams::drain(ctx, stream, sink).catch(ctx).unwrap();
    });
    world.run();
}

fn take(world: &World) -> Option<(Rc<dyn ByteSource>, Option<u64>)> {
    world.global("body", |ctx, body| {
        streams::take_source(ctx, body.as_object().unwrap())
    })
}

#[test]
fn a_source_is_pulled_only_when_somebody_reads() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.run();
    assert_eq!(source.pulls.get(), 0);
    world.start(
        "const r = body.getReader(); const a = await r.read(); const b = await r.read(); \
                 return [a.value.constructor.name, [...a.value], a.done, b.value, b.done]",
    );
    world.run();
    assert_eq!(source.pulls.get(), 1);
    source.answer(&world, chunk("hi"));
    assert_eq!(source.pulls.get(), 2);
    source.answer(&world, Pulled::End);
    // JSON shows `undefined` as null.
    assert_eq!(
        world.result(),
        json!(["Uint8Array", [104, 105], false, null, true])
    );
}

#[test]
fn reads_that_wait_are_served_in_order() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("const r = body.getReader(); \
                 const all = await Promise.all([r.read(), r.read(), r.read()]); return all.map((x) => x.done ? 'end' : [...x.value])");
    world.run();
    source.answer(&world, chunk("a"));
    source.answer(&world, chunk("b"));
    source.answer(&world, Pulled::End);
    assert_eq!(world.result(), json!([[97], [98], "end"]));
}

#[test]
fn a_source_that_breaks_off_fails_the_reader() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("const r = body.getReader(); await r.read(); \
                 try { await r.read() } catch (e) { return [e instanceof Error, e.message, await r.closed.catch((x) => x === e)] }");
    world.run();
    source.answer(&world, chunk("a"));
    source.answer(&world, Pulled::Failed("the line went dead".to_owned()));
    assert_eq!(world.result(), json!([true, "the line went dead", true]));
}

#[test]
fn cancelling_while_a_pull_is_under_way() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("const r = body.getReader(); const read = r.read(); await r.cancel('enough'); return (await read).done");
    world.run();
    assert_eq!(world.result(), json!(true));
    assert!(source.cancelled.get());
    // A late answer changes nothing.
    source.answer(&world, chunk("late"));
    assert_eq!(world.eval("return body.locked"), json!(true));
    assert!(!source.is_waiting());
}

#[test]
fn a_source_is_let_go_at_its_end() {
    for end in [Pulled::End, Pulled::Failed("broken".to_owned())] {
        let source = ReadySource::new([chunk("a"), end]);
        let world = world_with(&source, None);
        world.eval("const r = body.getReader(); await r.read(); await r.read()");
        assert_eq!(Rc::strong_count(&source), 1);
    }
}

#[test]
fn a_sink_may_refuse_at_once() {
    struct Refusing;
    impl ByteSink for Refusing {
        fn write(&self, ctx: &Ctx<'_>, _: Bytes, done: WriteDone) {
            done(ctx, Err("full".to_owned()));
        }
        fn close(&self) {
            panic!("closed");
        }
        fn abort(&self, reason: &str) {
            panic!("aborted: {reason}");
        }
    }
    let world = World::new();
    world.with(|ctx| {
        let script = "globalThis.reason = null; new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1)) }, cancel(r) { reason = String(r) } })";
        let stream: Object = ctx.eval(script).unwrap();
        streams::drain(ctx, stream, Rc::new(Refusing)).catch(ctx).unwrap();
    });
    world.run();
    assert_eq!(world.eval("return reason"), json!("Error: full"));
}

#[test]
fn a_pull_that_is_never_answered_does_not_outlive_the_engine() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("return await body.getReader().read()");
    world.run();
    assert!(source.is_waiting());
    // Dropping the runtime aborts the process if an object is left.
    drop(world);
    drop(source.take());
}

#[test]
fn an_abandoned_pull_leaves_the_reader_waiting() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("return await body.getReader().read()");
    world.run();
    drop(source.take());
    world.collect_garbage();
    assert_eq!(world.result(), json!("never settles"));
}

#[test]
fn an_untouched_stream_gives_its_source_back() {
    let source = ReadySource::chunks(1, 1);
    let world = world_with(&source, Some(5));
    let (taken, length) = take(&world).expect("nobody touched it");
    let source: Rc<dyn ByteSource> = source;
    assert!(Rc::ptr_eq(&taken, &source));
    assert_eq!(length, Some(5));
    assert_eq!(world.eval("return body.locked"), json!(true));
    assert!(take(&world).is_none());
}

#[test]
fn a_touched_stream_keeps_its_source() {
    for touch in [
        "globalThis.reader = body.getReader()",
        "const r = body.getReader(); await r.read(); r.releaseLock()",
        "await body.cancel()",
        "globalThis.branches = body.tee()",
    ] {
        let world = world_with(&ReadySource::chunks(3, 1), None);
        world.eval(touch);
        assert!(take(&world).is_none(), "{touch}");
    }
    // Taking and giving back the lock reads nothing.
    let world = world_with(&ReadySource::chunks(3, 1), None);
    world.eval("body.getReader().releaseLock()");
    assert!(take(&world).is_some());
}

#[test]
fn streams_are_told_from_lookalikes() {
    let world = World::new();
    for (script, expected) in [
        ("new ReadableStream()", true),
        ("new (class extends ReadableStream {})()", true),
        ("Object.create(ReadableStream.prototype)", false),
        ("({ getReader() {} })", false),
        ("1", false),
        ("null", false),
    ] {
        let is = world.with(|ctx| streams::is_readable_stream(&ctx.eval(script).unwrap()));
        assert_eq!(is, expected, "{script}");
    }
}

#[test]
fn draining_takes_every_kind_of_buffer() {
    let world = World::new();
    let sink = Rc::new(TestSink::default());
    drain(
        &world,
        "const b = new Uint8Array([1, 2, 3, 4, 5, 6]); ReadableStream.from([b, b.buffer, b.subarray(1, 3), \
         new Uint16Array(b.buffer, 2, 1), new DataView(b.buffer, 5), new Uint8ClampedArray([7]), new Uint8Array(0)])",
        &sink,
    );
    assert_eq!(
        *sink.bytes.borrow(),
        [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 2, 3, 3, 4, 6, 7]
    );
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
    // An empty chunk is no write.
    assert_eq!(sink.writes.get(), 6);
}

#[test]
fn draining_goes_at_the_pace_of_the_sink() {
    let world = World::new();
    let sink = TestSink::slow();
    world.eval("globalThis.pulls = 0");
    drain(
        &world,
        "new ReadableStream({ pull(c) { pulls++; c.enqueue(new Uint8Array([pulls])); if (pulls === 3) c.close(); } }, \
         { highWaterMark: 0 })",
        &sink,
    );
    for write in 1..=3 {
        assert_eq!(sink.writes.get(), write);
        assert_eq!(world.eval("return pulls"), json!(write));
        sink.accept(&world, Ok(()));
    }
    assert_eq!(*sink.bytes.borrow(), [1, 2, 3]);
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
}

#[test]
fn a_sink_that_wants_no_more_cancels_the_stream() {
    let world = World::new();
    let sink = TestSink::slow();
    world.eval("globalThis.reason = null");
    drain(
        &world,
        "new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1)) }, cancel(r) { reason = String(r) } })",
        &sink,
    );
    sink.accept(&world, Err("the client went away".to_owned()));
    assert_eq!(world.eval("return reason"), json!("Error: the client went away"));
    assert_eq!(sink.writes.get(), 1);
    // It knows already.
    assert_eq!(*sink.outcome.borrow(), None);
}

#[test]
fn what_goes_wrong_in_the_stream_aborts_the_sink() {
    for (script, reason) in [
        (
            "ReadableStream.from([new Uint8Array(1), 'text'])",
            "TypeError: This ReadableStream did not return bytes.",
        ),
        (
            "ReadableStream.from([new Uint8Array(1), 5])",
            "TypeError: This ReadableStream did not return bytes.",
        ),
        (
            "new ReadableStream({ pull() { throw new RangeError('boom') } })",
            "RangeError: boom",
        ),
        (
            "new ReadableStream({ start() { return Promise.reject('plain') } })",
            "plain",
        ),
        (
            "new ReadableStream({ pull() { throw { toString() { throw 1 } } } })",
            "The stream failed with a value that cannot be converted to a string",
        ),
    ] {
        let world = World::new();
        let sink = Rc::new(TestSink::default());
        drain(&world, script, &sink);
        assert_eq!(*sink.outcome.borrow(), Some(Err(reason.to_owned())), "{script}");
    }
}

#[test]
fn a_locked_stream_is_not_drained() {
    let world = World::new();
    let sink = Rc::new(TestSink::default());
    let target: Rc<dyn ByteSink> = sink.clone();
    world.with(|ctx| {
        let stream: Object = ctx
            .eval("const s = new ReadableStream(); s.getReader(); s")
            .unwrap();
        let error = streams::drain(ctx, stream, target).catch(ctx).unwrap_err();
        assert!(
            error.to_string().contains("currently locked to a reader"),
            "{error}"
        );
    });
    assert_eq!(*sink.outcome.borrow(), None);
}

#[test]
fn a_source_that_answers_at_once_does_not_deepen_the_stack() {
    let world = world_with(&ReadySource::chunks(100_000, 1), None);
    let sink = Rc::new(TestSink::default());
    drain(&world, "body", &sink);
    assert_eq!(sink.bytes.borrow().len(), 100_000);
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
}

#[test]
fn large_bodies_arrive_whole() {
    let world = world_with(&ReadySource::chunks(160, 65_536), None);
    let sink = Rc::new(TestSink::default());
    drain(&world, "body", &sink);
    let bytes = sink.bytes.borrow();
    assert_eq!(bytes.len(), 160 * 65_536);
    assert!(
        bytes
            .chunks(65_536)
            .enumerate()
            .all(|(index, piece)| piece.iter().all(|&byte| byte == index as u8))
    );
}

#[test]
fn chunks_are_copied_when_they_are_drained() {
    let world = World::new();
    let sink = TestSink::slow();
    drain(
        &world,
        "globalThis.shared = new Uint8Array([1]); ReadableStream.from([shared])",
        &sink,
    );
    world.eval("shared[0] = 9");
    sink.accept(&world, Ok(()));
    assert_eq!(*sink.bytes.borrow(), [1]);
}

#[test]
fn branches_of_a_rust_body_do_not_share_bytes() {
    let world = world_with(&ReadySource::new([chunk("ab"), chunk("cd")]), None);
    let result = world.eval(
        "const [a, b] = body.tee(); const r = a.getReader(); const first = (await r.read()).value; first.fill(0); \
         const out = []; for await (const c of b) out.push(...c); \
         return [out, [...(await r.read()).value], (await r.read()).done]",
    );
    assert_eq!(result, json!([[97, 98, 99, 100], [99, 100], true]));
}

#[test]
fn cancelling_both_branches_cancels_the_source() {
    let source = Rc::new(ManualSource::default());
    let world = world_with(&source, None);
    world.start("const [a, b] = body.tee(); const one = a.cancel(1); const two = b.cancel(2); await one; await two; return 'ok'");
    world.run();
    assert_eq!(world.result(), json!("ok"));
    assert!(source.cancelled.get());
}

#[test]
fn patched_intrinsics_change_nothing() {
    let world = world_with(&ReadySource::new([chunk("ab"), chunk("cd")]), None);
    let sink = Rc::new(TestSink::default());
    world.with(|ctx| {
        ctx.eval::<(), _>(
            "const bad = () => { throw new Error('patched') }; \
             Promise.prototype.then = bad; Promise.resolve = bad; Promise.reject = bad; Array.prototype.push = bad; \
             Array.prototype[Symbol.iterator] = bad; Function.prototype.call = bad; Function.prototype.apply = bad; \
             Reflect.apply = bad; Uint8Array.prototype.set = bad; WeakMap.prototype.get = bad; \
             Object.getPrototypeOf(Uint8Array.prototype).slice = bad; ArrayBuffer.isView = bad; \
             ReadableStream.prototype.getReader = bad; ReadableStreamDefaultReader.prototype.read = bad; \
             globalThis.Promise = globalThis.Uint8Array = globalThis.ReadableStream = globalThis.TypeError = undefined;",
        )
        .catch(ctx)
        .unwrap();
    });
    drain(&world, "body", &sink);
    assert_eq!(*sink.bytes.borrow(), *b"abcd");
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
}

#[test]
fn streams_are_collected_with_their_cycles() {
    let world = World::new();
    let round = "for (let i = 0; i < 100; i++) { \
        const s = new ReadableStream({ pull(c) { c.enqueue(s) } }); s.self = s; const r = s.getReader(); await r.read(); \
        const [a, b] = ReadableStream.from([1, 2]).tee(); a.other = b; b.other = a; await a.getReader().read(); \
        for await (const x of ReadableStream.from([1])) break; }";
    world.assert_collected(round);
}

#[test]
fn members_have_the_shape_of_web_idl() {
    let world = World::new();
    let result = world.eval(
        "const d = (o, k) => { const p = Object.getOwnPropertyDescriptor(o, k); return [p.enumerable, p.configurable, p.writable ?? null] }; \
         return [d(globalThis, 'ReadableStream'), d(ReadableStream.prototype, 'locked'), d(ReadableStream.prototype, 'cancel'), \
         d(ReadableStream, 'from'), ReadableStream.prototype.values === ReadableStream.prototype[Symbol.asyncIterator], \
         ReadableStream.prototype.cancel.length, ReadableStream.from.length]",
    );
    assert_eq!(
        result,
        json!([
            [false, true, true],
            [true, true, null],
            [true, true, true],
            [true, true, true],
            true,
            0,
            1
        ])
    );
}

#[test]
fn a_wrong_receiver_is_refused() {
    let world = World::new();
    let result = world.eval(
        "const out = []; const reader = new ReadableStream().getReader(); \
         for (const self of [undefined, 1, {}, Object.create(ReadableStream.prototype)]) { \
           for (const f of [ReadableStream.prototype.cancel, reader.read, reader.cancel]) \
             out.push(await f.call(self).then(() => 'no', (e) => e.message)); \
           for (const f of [ReadableStream.prototype.tee, ReadableStream.prototype.getReader, reader.releaseLock]) \
             try { f.call(self); out.push('no') } catch (e) { out.push(e.message) } \
         } \
         return [...new Set(out)]",
    );
    assert_eq!(result, json!(["Illegal invocation"]));
}
