//! Rust bodies, transforms and sinks piped into each other, which JavaScript should not see.

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::{ByteSource, ByteTransform, Pulled};
use isthmus_web::streams;
use rquickjs::Object;
use serde_json::json;
use support::{ManualSource, ReadySource, TestSink, World};

fn chunk(text: &str) -> Pulled {
    Pulled::Chunk(text.to_owned().into())
}

/// Says every byte as often as it is told to, in pieces of at most four bytes; notes its calls.
struct Repeat {
    times: usize,
    pending: Vec<u8>,
    calls: Rc<RefCell<Vec<&'static str>>>,
}

impl ByteTransform for Repeat {
    fn transform(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, String> {
        self.calls.borrow_mut().push("transform");
        if input.contains(&b'!') {
            return Err("no shouting".to_owned());
        }
        for byte in std::mem::take(input) {
            self.pending.extend(std::iter::repeat_n(byte, self.times));
        }
        let rest = self.pending.split_off(self.pending.len().min(4));
        let piece = std::mem::replace(&mut self.pending, rest);
        Ok((!piece.is_empty()).then(|| piece.into()))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, String> {
        let first = !self.calls.borrow().contains(&"finish");
        self.calls.borrow_mut().push("finish");
        Ok(first.then(|| Bytes::from_static(b".")))
    }
}

type Calls = Rc<RefCell<Vec<&'static str>>>;

/// Defines the global pair `name`.
fn define_pair(world: &World, name: &str, times: usize) -> Calls {
    let calls = Calls::default();
    let transform = Repeat {
        times,
        pending: Vec::new(),
        calls: Rc::clone(&calls),
    };
    world.define(name, |ctx| {
        let (readable, writable) = streams::transform_pair(ctx, Box::new(transform))?;
        let pair = Object::new(ctx.clone())?;
        pair.set("readable", readable)?;
        pair.set("writable", writable)?;
        Ok(pair)
    });
    calls
}

fn define_source(world: &World, name: &str, source: Rc<dyn ByteSource>) {
    world.define(name, |ctx| streams::readable(ctx, source, Some(3)));
}

fn define_sink(world: &World, name: &str, sink: &Rc<TestSink>) {
    let sink = Rc::clone(sink);
    world.define(name, |ctx| streams::writable(ctx, sink));
}

fn take(world: &World, name: &str) -> Option<(Rc<dyn ByteSource>, Option<u64>)> {
    world.global(name, |ctx, stream| {
        streams::take_source(ctx, stream.as_object().unwrap())
    })
}

const TEXT: &str = "globalThis.textOf = async (s) => { let t = ''; for await (const c of s) t += String.fromCharCode(...c) + '|'; return t };";

#[test]
fn scripts_may_use_the_pair() {
    let world = World::new();
    world.script::<()>(TEXT);
    define_pair(&world, "pair", 3);
    let result = world.eval(
        "const w = pair.writable.getWriter(); const got = textOf(pair.readable); await w.write(new Uint8Array([97, 98])); \
         await w.write(new Uint8Array([99]).buffer); await w.close(); return await got",
    );
    assert_eq!(result, json!("aaab|bb|ccc|.|"));
}

#[test]
fn output_is_made_at_the_pace_of_the_reader() {
    let world = World::new();
    let calls = define_pair(&world, "pair", 12);
    world.eval("globalThis.w = pair.writable.getWriter(); w.write(new Uint8Array([97])); w.write(new Uint8Array([98]))");
    assert_eq!(calls.borrow().len(), 0, "nobody reads yet");
    world.eval("globalThis.r = pair.readable.getReader(); await r.read()");
    // The piece that was asked for, and one that waits.
    assert_eq!(calls.borrow().len(), 2);
    world.eval("await r.read(); await r.read()");
    assert_eq!(calls.borrow().len(), 4);
}

#[test]
fn a_failing_transform_fails_both_sides() {
    let world = World::new();
    define_pair(&world, "pair", 1);
    let result = world.eval(
        "const w = pair.writable.getWriter(), r = pair.readable.getReader(); const say = (p) => p.then(() => 'ok', (e) => `${e.name}: ${e.message}`); \
         return await Promise.all([w.write(new Uint8Array([33])), r.read(), w.closed, r.closed].map(say))",
    );
    let failures = ["TypeError: no shouting"; 4];
    assert_eq!(result, json!(failures));
}

#[test]
fn what_is_no_buffer_is_refused() {
    let world = World::new();
    for chunk in ["'text'", "5", "{}", "null", "undefined"] {
        define_pair(&world, "pair", 1);
        let result = world.eval(&format!(
            "const w = pair.writable.getWriter(), r = pair.readable.getReader(); \
             return [await w.write({chunk}).catch((e) => e.name), await r.read().catch((e) => e.name)]"
        ));
        assert_eq!(result, json!(["TypeError", "TypeError"]), "{chunk}");
    }
}

#[test]
fn a_piped_body_becomes_a_rust_body_again() {
    let world = World::new();
    world.script::<()>(TEXT);
    define_source(&world, "body", ReadySource::new([chunk("ab"), chunk("c")]));
    define_pair(&world, "one", 2);
    define_pair(&world, "two", 1);
    world.eval("globalThis.out = body.pipeThrough(one).pipeThrough(two)");
    assert_eq!(
        world.eval("return [body.locked, one.writable.locked, out === two.readable, out.locked]"),
        json!([true, true, true, false])
    );
    assert!(take(&world, "out").is_some());

    define_source(&world, "body", ReadySource::new([chunk("ab"), chunk("c")]));
    define_pair(&world, "one", 2);
    define_pair(&world, "two", 1);
    assert_eq!(
        world.eval("return await textOf(body.pipeThrough(one).pipeThrough(two))"),
        json!("aabb|cc|.|.|")
    );
    assert_eq!(
        world.eval("return [body.locked, one.writable.locked, await one.writable.getWriter().closed]"),
        json!([false, false, null])
    );
}

#[test]
fn the_pipe_ends_with_the_body() {
    let world = World::new();
    let source = Rc::new(ManualSource::default());
    define_source(&world, "body", source.clone());
    define_pair(&world, "pair", 1);
    world.start("globalThis.over = 'no'; body.pipeTo(pair.writable).then(() => over = 'yes', (e) => over = e.message); \
                 return await new Response(pair.readable).text()");
    world.run();
    source.answer(&world, chunk("ab"));
    assert_eq!(world.eval("return over"), json!("no"));
    world.start("return 1");
    source.answer(&world, Pulled::End);
    assert_eq!(world.eval("return over"), json!("yes"));
}

#[test]
fn failures_on_the_way_reach_everybody() {
    for (pieces, message) in [
        (vec![chunk("a"), Pulled::Failed("broken".to_owned())], "broken"),
        (vec![chunk("a"), chunk("!")], "no shouting"),
    ] {
        let world = World::new();
        define_source(&world, "body", ReadySource::new(pieces));
        define_pair(&world, "pair", 1);
        let result = world.eval(
            "const say = (p) => p.then(() => 'ok', (e) => e.message); const pipe = say(body.pipeTo(pair.writable)); \
             return [await say(new Response(pair.readable).text()), await pipe, await say(pair.writable.getWriter().closed)]",
        );
        assert_eq!(result, json!([message, message, message]));
    }
}

#[test]
fn cancelling_the_end_cancels_the_body() {
    let world = World::new();
    let source = Rc::new(ManualSource::default());
    define_source(&world, "body", source.clone());
    define_pair(&world, "pair", 1);
    let result = world.eval(
        "const pipe = body.pipeTo(pair.writable).catch((e) => e); await pair.readable.cancel('enough'); \
         return [await pipe, body.locked, await pair.writable.getWriter().closed.catch((e) => e)]",
    );
    assert_eq!(result, json!(["enough", false, "enough"]));
    assert!(source.cancelled.get());
}

#[test]
fn a_pipe_ends_when_the_process_cancels_the_body() {
    let world = World::new();
    let source = Rc::new(ManualSource::default());
    define_source(&world, "body", source.clone());
    define_pair(&world, "pair", 1);
    world.start(
        "const pipe = body.pipeTo(pair.writable).catch((e) => `${e.name}: ${e.message}`); globalThis.out = pair.readable; \
         return [await pipe, body.locked, await pair.writable.getWriter().closed.catch((e) => e.name)]",
    );
    world.run();
    let (taken, _) = take(&world, "out").expect("the body never left Rust");
    taken.cancel();
    world.run();
    let error = "TypeError: the receiver of this body is gone";
    assert_eq!(world.result(), json!([error, false, "TypeError"]));
    assert!(source.cancelled.get());
}

#[test]
fn a_transform_that_swallows_much_does_not_deepen_the_stack() {
    let world = World::new();
    define_source(&world, "body", ReadySource::new((0..50_000).map(|_| chunk("a"))));
    let calls = define_pair(&world, "pair", 0);
    assert_eq!(
        world.eval("return await new Response(body.pipeThrough(pair)).text()"),
        json!(".")
    );
    assert!(calls.borrow().len() > 50_000);
}

#[test]
fn bodies_go_into_sinks_without_javascript() {
    let world = World::new();
    define_source(&world, "body", ReadySource::chunks(10_000, 3));
    let sink = Rc::new(TestSink::default());
    define_sink(&world, "sink", &sink);
    // Were a chunk to visit JavaScript, it would be a `Uint8Array` and a promise.
    let result = world.eval("await body.pipeTo(sink); return [body.locked, sink.locked]");
    assert_eq!(result, json!([false, false]));
    assert_eq!(sink.bytes.borrow().len(), 30_000);
    assert_eq!(sink.writes.get(), 10_000);
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
}

#[test]
fn pipes_into_sinks_keep_their_options() {
    for (options, failing, outcome, left) in [
        ("{}", false, Some(Ok(())), true),
        ("{ preventClose: true }", false, None, false),
        ("{}", true, Some(Err("TypeError: broken".to_owned())), true),
        ("{ preventAbort: true }", true, None, false),
    ] {
        let world = World::new();
        let end = if failing {
            Pulled::Failed("broken".to_owned())
        } else {
            Pulled::End
        };
        define_source(&world, "body", ReadySource::new([chunk("ab"), end]));
        let sink = Rc::new(TestSink::default());
        define_sink(&world, "sink", &sink);
        let result = world.eval(&format!(
            "const r = await body.pipeTo(sink, {options}).then(() => 'ok', (e) => e.message); \
             const w = sink.getWriter(); let over = false; w.closed.then(() => over = true, () => over = true); await null; await null; \
             return [r, over]"
        ));
        assert_eq!(
            result,
            json!([if failing { "broken" } else { "ok" }, left]),
            "{options}"
        );
        assert_eq!(*sink.outcome.borrow(), outcome, "{options}");
        assert_eq!(*sink.bytes.borrow(), *b"ab");
    }
}

#[test]
fn a_sink_that_wants_no_more_cancels_the_body() {
    let world = World::new();
    let source = Rc::new(ManualSource::default());
    define_source(&world, "body", source.clone());
    let sink = TestSink::slow();
    define_sink(&world, "sink", &sink);
    world.start("return await body.pipeTo(sink).catch((e) => `${e.name}: ${e.message}`)");
    world.run();
    source.answer(&world, chunk("ab"));
    sink.accept(&world, Err("full".to_owned()));
    assert_eq!(world.result(), json!("Error: full"));
    assert!(source.cancelled.get());
}

#[test]
fn a_signal_stops_a_pipe_between_rust_ends() {
    let world = World::new();
    let source = Rc::new(ManualSource::default());
    define_source(&world, "body", source.clone());
    let sink = TestSink::slow();
    define_sink(&world, "sink", &sink);
    world.start("globalThis.c = new AbortController(); return await body.pipeTo(sink, { signal: c.signal }).catch((e) => e)");
    world.run();
    source.answer(&world, chunk("ab"));
    world.script::<()>("c.abort('stop')");
    world.run();
    assert_eq!(world.result(), json!("never settles"), "a write is under way");
    sink.accept(&world, Ok(()));
    assert_eq!(world.result(), json!("stop"));
    assert!(source.cancelled.get());
    assert_eq!(*sink.outcome.borrow(), Some(Err("stop".to_owned())));
}

#[test]
fn scripts_may_write_into_a_sink() {
    let world = World::new();
    let sink = TestSink::slow();
    define_sink(&world, "sink", &sink);
    world.start("const w = sink.getWriter(); w.write(new Uint8Array([97])); w.write(new Uint16Array([98]).subarray(0, 1)); await w.close(); return 'over'");
    world.run();
    assert_eq!(sink.writes.get(), 1);
    sink.accept(&world, Ok(()));
    sink.accept(&world, Ok(()));
    assert_eq!(world.result(), json!("over"));
    assert_eq!(*sink.bytes.borrow(), *b"ab\0");
    assert_eq!(*sink.outcome.borrow(), Some(Ok(())));

    let refused = Rc::new(TestSink::default());
    define_sink(&world, "sink", &refused);
    let result = world.eval("const w = sink.getWriter(); return [await w.write('x').catch((e) => e.name), await w.closed.catch((e) => e.name)]");
    assert_eq!(result, json!(["TypeError", "TypeError"]));
    assert!(refused.outcome.borrow().as_ref().unwrap().is_err());
}

#[test]
fn identity_and_fixed_length_keep_bodies_in_rust() {
    for (script, length) in [
        ("new IdentityTransformStream()", Some(3)),
        ("new FixedLengthStream(3)", Some(3)),
    ] {
        let world = World::new();
        define_source(&world, "body", ReadySource::new([chunk("abc")]));
        world.eval(&format!("globalThis.out = body.pipeThrough({script})"));
        let (_, known) = take(&world, "out").expect("the body never left Rust");
        assert_eq!(known, length, "{script}");
    }
    // Options that JavaScript has to see to, and pairs that somebody has touched, take the long way.
    for script in [
        "body.pipeThrough(t, { preventClose: true })",
        "body.pipeThrough(t, { signal: new AbortController().signal })",
        "(t.writable.getWriter().write(new Uint8Array([1])), t.writable.getWriter)",
        "t.readable.getReader().closed && body.pipeThrough(t)",
    ] {
        let world = World::new();
        define_source(&world, "body", ReadySource::new([chunk("abc")]));
        world.eval(&format!("globalThis.t = new IdentityTransformStream(); {script}"));
        world.eval("globalThis.out = t.readable");
        assert!(take(&world, "out").is_none(), "{script}");
    }
}

#[test]
fn transforms_between_rust_ends_are_collected() {
    let world = World::new();
    let round = |world: &World| {
        for _ in 0..50 {
            define_source(world, "body", ReadySource::chunks(3, 3));
            define_pair(world, "pair", 1);
            let sink = Rc::new(TestSink::default());
            define_sink(world, "sink", &sink);
            world.eval("await body.pipeThrough(pair).pipeTo(sink)");
            assert_eq!(*sink.outcome.borrow(), Some(Ok(())));
            define_source(world, "body", Rc::new(ManualSource::default()));
            define_pair(world, "pair", 1);
            world.eval("globalThis.out = body.pipeThrough(pair)");
            drop(take(world, "out"));
        }
    };
    round(&world);
    let before = world.objects();
    round(&world);
    round(&world);
    let after = world.objects();
    assert!(after <= before + 50, "{before} objects grew to {after}");
}
