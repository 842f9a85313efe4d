//! What a small chunk costs on its way through streams.

mod support;

use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::{ByteSink, WriteDone};
use isthmus_web::streams;
use rquickjs::{CatchResultExt, Ctx, Object};
use support::{ReadySource, World};

/// Takes everything at once.
struct Nowhere;

impl ByteSink for Nowhere {
    fn write(&self, ctx: &Ctx<'_>, _: Bytes, done: WriteDone) {
        done(ctx, Ok(()));
    }
    fn take(&self, _: &[u8]) -> bool {
        true
    }
    fn close(&self) {}
    fn abort(&self, reason: &str) {
        panic!("{reason}");
    }
}

/// Processor time of this thread, in nanoseconds.
fn now() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Run with `cargo test --release -p isthmus-web --test streams_cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_chunk() {
    let chunks = 100_000;
    let ready = "new ReadableStream({ pull(c) { if (n-- > 0) c.enqueue(chunk); else c.close(); } })";
    let bytes = "new ReadableStream({ type: 'bytes', pull(c) { if (n-- > 0) c.enqueue(new Uint8Array(10)); else { c.close(); } } })";
    let wanted = std::env::var("STREAMS_COST").unwrap_or_default();
    for (name, script) in [
        ("pull()", ready.to_owned()),
        ("byte stream", bytes.to_owned()),
        (
            "async generator",
            "ReadableStream.from((async function* () { while (n-- > 0) yield chunk; })())".to_owned(),
        ),
        (
            "awaited writes to a TransformStream",
            "const t = new TransformStream(); (async () => { const w = t.writable.getWriter(); while (n-- > 0) await w.write(chunk); w.close(); })(); t.readable".to_owned(),
        ),
        (
            "awaited writes to an IdentityTransformStream",
            "const t = new IdentityTransformStream(); (async () => { const w = t.writable.getWriter(); while (n-- > 0) await w.write(chunk); w.close(); })(); t.readable".to_owned(),
        ),
        ("pipeThrough(new TransformStream())", format!("{ready}.pipeThrough(new TransformStream())")),
        (
            "Rust body through a transformer",
            "body.pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x) } }))".to_owned(),
        ),
        ("Rust body through an IdentityTransformStream", "body.pipeThrough(new IdentityTransformStream())".to_owned()),
    ] {
        if !name.contains(&wanted) {
            continue;
        }
        let world = World::new();
        let source = ReadySource::chunks(chunks, 10);
        world.define("body", |ctx| streams::readable(ctx, source, None));
        let start = now();
        world.with(|ctx| {
            let script = format!("globalThis.n = {chunks}; globalThis.chunk = new Uint8Array(10); {script}");
            let stream: Object = ctx.eval(script).catch(ctx).unwrap();
            streams::drain(ctx, stream, Rc::new(Nowhere)).catch(ctx).unwrap();
        });
        world.run();
        println!("{name}: {:.0} ns", (now() - start) / chunks as f64);
    }
    for (name, script) in [
        (
            "read()",
            "const r = body.getReader(); while (!(await r.read()).done);",
        ),
        ("for await", "for await (const c of body);"),
        (
            "pipeTo(new WritableStream())",
            "await body.pipeTo(new WritableStream({ write() {} }))",
        ),
    ] {
        if !name.contains(&wanted) {
            continue;
        }
        let world = World::new();
        let source = ReadySource::chunks(chunks, 10);
        world.define("body", |ctx| streams::readable(ctx, source, None));
        let start = now();
        world.eval(script);
        println!("{name}: {:.0} ns", (now() - start) / chunks as f64);
    }
}
