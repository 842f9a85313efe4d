//! `pipeTo` and `pipeThrough`: <https://streams.spec.whatwg.org/#rs-pipe-to>.

mod support;

use serde_json::json;
use support::World;

/// `source(...)` gives its arguments and ends; `sink(overrides)` notes what is asked of it in `seen`.
const ENDS: &str = "globalThis.seen = []; \
    globalThis.sink = (o = {}, s) => new WritableStream({ write(c) { seen.push(c) }, close() { seen.push('close') }, \
        abort(r) { seen.push('abort:' + (r?.message ?? r)) }, ...o }, s); \
    globalThis.source = (...chunks) => new ReadableStream({ pull(c) { if (chunks.length) c.enqueue(chunks.shift()); else c.close(); }, \
        cancel(r) { seen.push('cancel:' + (r?.message ?? r)) } }); \
    globalThis.failing = () => new ReadableStream({ pull() { throw new Error('broken') } });";

fn world() -> World {
    let world = World::new();
    world.script::<()>(ENDS);
    world
}

#[test]
fn everything_arrives_and_the_sink_is_closed() {
    let result = world().eval(
        "const from = source(1, 2, 3), to = sink(); const p = from.pipeTo(to); const locked = [from.locked, to.locked]; \
         return [await p, locked, from.locked, to.locked, seen]",
    );
    assert_eq!(
        result,
        json!([null, [true, true], false, false, [1, 2, 3, "close"]])
    );
}

#[test]
fn options_keep_the_other_end_open() {
    let world = world();
    for (script, expected) in [
        (
            "source(1).pipeTo(sink(), { preventClose: true })",
            json!(["ok", [1]]),
        ),
        ("failing().pipeTo(sink())", json!(["broken", ["abort:broken"]])),
        (
            "failing().pipeTo(sink(), { preventAbort: true })",
            json!(["broken", []]),
        ),
        (
            "source(1, 2).pipeTo(sink({ write() { throw new Error('full') } }))",
            json!(["full", ["cancel:full"]]),
        ),
        (
            "source(1, 2).pipeTo(sink({ write() { throw new Error('full') } }), { preventCancel: true })",
            json!(["full", []]),
        ),
    ] {
        let result = world.eval(&format!(
            "seen.length = 0; const r = await {script}.then(() => 'ok', (e) => e.message); return [r, seen]"
        ));
        assert_eq!(result, expected, "{script}");
    }
}

#[test]
fn a_closed_sink_cancels_the_source() {
    let result = world().eval(
        "const to = sink(); await to.close(); seen.length = 0; \
         const e = await source(1).pipeTo(to).catch((e) => e.constructor.name); return [e, seen.length, seen[0].slice(0, 7)]",
    );
    assert_eq!(result, json!(["TypeError", 1, "cancel:"]));
}

#[test]
fn a_signal_stops_the_pipe_at_both_ends() {
    let world = world();
    let result = world.eval(
        "const c = new AbortController(); const never = new ReadableStream({ cancel(r) { seen.push('cancel:' + r) } }); \
         const p = never.pipeTo(sink(), { signal: c.signal }); await null; c.abort('stop'); \
         return [await p.catch((e) => e), seen.sort()]",
    );
    assert_eq!(result, json!(["stop", ["abort:stop", "cancel:stop"]]));
    let result = world.eval(
        "seen.length = 0; const from = source(1); const to = sink(); \
         const p = from.pipeTo(to, { signal: AbortSignal.abort('early'), preventAbort: true, preventCancel: true }); \
         return [await p.catch((e) => e), seen, from.locked, to.locked]",
    );
    assert_eq!(result, json!(["early", [], false, false]));
}

#[test]
fn what_was_read_is_written_before_the_sink_is_closed() {
    let result = world().eval(
        "let finish; const slow = sink({ write(c) { seen.push(c); return new Promise((r) => finish = r) } }); let over = false; \
         const p = source('a').pipeTo(slow).then(() => over = true); for (let i = 0; i < 20; i++) await null; \
         const before = [over, [...seen]]; finish(); await p; return [before, seen]",
    );
    assert_eq!(result, json!([[false, ["a"]], ["a", "close"]]));
}

#[test]
fn the_source_is_read_as_fast_as_the_sink_takes() {
    let result = world().eval(
        "let pulled = 0; const from = new ReadableStream({ pull(c) { c.enqueue(pulled++) } }, { highWaterMark: 0 }); \
         const to = sink({ write(c) { seen.push(c); return new Promise(() => {}) } }, { highWaterMark: 2 }); \
         from.pipeTo(to); for (let i = 0; i < 50; i++) await null; return [pulled, seen]",
    );
    assert_eq!(result, json!([2, [0]]));
}

#[test]
fn enqueueing_does_not_call_the_sink() {
    let result = world().eval(
        "let c; const from = new ReadableStream({ start(x) { c = x } }, { highWaterMark: 0 }); from.pipeTo(sink()); \
         for (let i = 0; i < 10; i++) await null; c.enqueue('a'); const during = seen.length; \
         for (let i = 0; i < 10; i++) await null; return [during, seen]",
    );
    assert_eq!(result, json!([0, ["a"]]));
}

#[test]
fn piping_through_a_pair() {
    let result = world().eval(
        "const pair = new TransformStream({ transform(c, x) { x.enqueue(c * 2) } }); \
         const out = source(1, 2).pipeThrough(pair); const got = []; for await (const c of out) got.push(c); \
         return [out === pair.readable, got]",
    );
    assert_eq!(result, json!([true, [2, 4]]));
}

#[test]
fn bad_arguments_are_refused_without_locking() {
    let world = world();
    for (script, expected) in [
        ("s.pipeTo()", "TypeError"),
        ("s.pipeTo({})", "TypeError"),
        ("s.pipeTo(new WritableStream(), { signal: {} })", "TypeError"),
        ("s.pipeTo(new WritableStream(), { signal: null })", "TypeError"),
        ("s.pipeTo(new WritableStream(), 1)", "TypeError"),
        (
            "ReadableStream.prototype.pipeTo.call({}, new WritableStream())",
            "TypeError",
        ),
    ] {
        let result = world.eval(&format!(
            "const s = source(1); const e = await {script}.catch((e) => e.constructor.name); return [e, s.locked]"
        ));
        assert_eq!(result, json!([expected, false]), "{script}");
    }
    for script in [
        "s.pipeThrough()",
        "s.pipeThrough({ readable: new ReadableStream() })",
        "s.pipeThrough({ writable: new WritableStream() })",
        "s.pipeThrough({ readable: 1, writable: new WritableStream() })",
        "const w = new WritableStream(); w.getWriter(); s.pipeThrough({ readable: new ReadableStream(), writable: w })",
    ] {
        let result = world.eval(&format!(
            "const s = source(1); try {{ {script}; return 'no error' }} catch (e) {{ return [e.constructor.name, s.locked] }}"
        ));
        assert_eq!(result, json!(["TypeError", false]), "{script}");
    }
}

#[test]
fn many_chunks_that_are_there_already_do_not_deepen_the_stack() {
    let result = world().eval(
        "let n = 0, sum = 0; const from = new ReadableStream({ start(c) { for (let i = 0; i < 20000; i++) c.enqueue(i); c.close(); } }, \
           { highWaterMark: Infinity }); \
         await from.pipeTo(new WritableStream({ write(c) { n++; sum += c } }, { highWaterMark: Infinity })); return [n, sum]",
    );
    assert_eq!(result, json!([20000, 199_990_000]));
}

#[test]
fn pipes_are_collected() {
    let world = world();
    let round = "for (let i = 0; i < 100; i++) { await source(1, 2).pipeThrough(new TransformStream()).pipeTo(new WritableStream()); \
        new ReadableStream().pipeTo(new WritableStream()); }";
    world.eval(round);
    let before = world.objects();
    for _ in 0..5 {
        world.eval(round);
    }
    let after = world.objects();
    assert!(after <= before + 20, "{before} objects grew to {after}");
}
