//! What the recordings can't show: hosts that fail, calls that never end, and what stays behind.

use isthmus_protocol::{Failure, FailureKind, Reply};
use serde_json::json;

use crate::worker::{Worker, start};

#[test]
fn an_error_of_the_host_keeps_its_name_and_its_whole_message() {
    let worker = Worker::new();
    let message = format!("KV GET failed: 500 {}", "long ".repeat(200));
    for name in ["Error", "TypeError"] {
        let kind = FailureKind::Internal;
        worker.broker.answer_with(&Reply::Failed(Failure {
            kind,
            name,
            message: &message,
            trace: "",
        }));
        for call in [
            "get('k')",
            "put('k', 'v')",
            "list()",
            "delete('k')",
            "getWithMetadata('k')",
            "get(['k'])",
        ] {
            let code = format!("return kv.{call}.catch((e) => [e.name, e.message, e instanceof Error])");
            let described = json!([name, {"length": message.len(), "start": message[..40]}, true]);
            assert_eq!(worker.resolved(&code), described, "{call}");
        }
    }
}

#[test]
fn an_answer_to_another_question_is_an_error() {
    let worker = Worker::new();
    worker.broker.answer_with(&Reply::Finished);
    for call in [
        "get('k')",
        "put('k', 'v')",
        "list()",
        "delete('k')",
        "get('k', 'stream')",
    ] {
        assert!(
            worker
                .rejected(&format!("return kv.{call}"))
                .starts_with("Error: The host gave"),
            "{call}"
        );
    }
}

#[test]
fn a_value_that_breaks_off_is_an_error() {
    let worker = Worker::new();
    assert_eq!(
        worker.resolved("return kv.put('k', new Uint8Array(200_000))"),
        json!({"undefined": true})
    );
    worker.broker.breaking.set(true);
    for value_type in ["text", "json", "arrayBuffer"] {
        let message = worker.rejected(&format!("return kv.get('k', '{value_type}')"));
        assert_eq!(message, "Error: KV GET failed: the connection broke");
    }
    let message = worker.rejected("return kv.get('k', 'stream').then((s) => new Response(s).text())");
    assert!(message.contains("the connection broke"), "{message}");
}

#[test]
fn a_value_that_nobody_wants_is_cancelled() {
    let worker = Worker::new();
    worker.resolved("return kv.put('k', new Uint8Array(200_000))");
    assert!(
        worker
            .rejected("return kv.get('k', 'blob')")
            .starts_with("TypeError: Unknown response type")
    );
    assert_eq!(worker.broker.cancelled.get(), 1);
    worker.resolved("return kv.get('k', 'stream').then((s) => s.cancel())");
    assert_eq!(worker.broker.cancelled.get(), 2);
}

#[test]
fn bytes_are_taken_when_put_is_called() {
    let worker = Worker::new();
    let code = "const b = new Uint8Array([1, 2]); const p = kv.put('k', b); b[0] = 9;
                return p.then(() => kv.get('k', 'arrayBuffer'))";
    assert_eq!(worker.resolved(code), json!({"ArrayBuffer": [1, 2]}));
}

#[test]
fn a_buffer_can_not_lie_about_itself() {
    let worker = Worker::new();
    let code = "const b = new Uint8Array([1, 2, 3]).subarray(1);
                Object.defineProperty(b, 'byteLength', { value: 1000 });
                Object.defineProperty(b, 'buffer', { value: new ArrayBuffer(8) });
                return kv.put('k', b).then(() => kv.get('k', 'arrayBuffer'))";
    assert_eq!(worker.resolved(code), json!({"ArrayBuffer": [2, 3]}));
    assert_eq!(
        worker.rejected("return kv.put('k', { byteLength: 3, buffer: new ArrayBuffer(3) })"),
        "TypeError: KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values."
    );
}

#[test]
fn patched_intrinsics_do_not_reach_in() {
    let worker = Worker::new();
    let code = "JSON.parse = JSON.stringify = Promise.resolve = ArrayBuffer.isView = () => { throw 1 };
                Uint8Array = undefined; Object.prototype.then = 1;
                return kv.put('k', new Uint16Array([0x5d5b]), { metadata: { a: 1 } })
                    .then(() => kv.getWithMetadata('k', 'json')).then((r) => [r.value, r.metadata])";
    assert_eq!(worker.resolved(code), json!([[], {"a": 1}]));
}

#[test]
fn no_exception_stays_behind_a_failure() {
    let worker = Worker::new();
    for call in [
        "return kv.put('k', new ReadableStream({ pull(c) { c.error(new RangeError('mine')) } }))",
        "return kv.put('k', 'v', { expirationTtl: 1 })",
        "return kv.put('k', new Response('v').body, { expirationTtl: 1 })",
        "return kv.put('k', '{').then(() => kv.get('k', 'json'))",
        "return kv.get('')",
        "return kv.get.call({})",
        "return kv.list({ get limit() { throw new RangeError('mine') } })",
    ] {
        let outcome = worker.outcome(call);
        assert!(outcome.get("resolved").is_none(), "{call}: {outcome}");
        worker
            .engine
            .context
            .with(|ctx| assert!(!ctx.has_exception(), "{call}"));
    }
}

#[test]
fn an_engine_that_is_told_to_stop_stops() {
    let worker = Worker::new();
    worker
        .engine
        .runtime
        .set_interrupt_handler(Some(Box::new(|| true)));
    worker.engine.context.with(|ctx| {
        let code = "kv.list({ get limit() { for (;;); } }); 'went on'";
        let result: rquickjs::Result<String> = ctx.eval(code);
        assert!(result.is_err(), "user code went on: {result:?}");
        assert!(ctx.catch().is_uncatchable_error());
    });
    worker.engine.runtime.set_interrupt_handler(None);
}

#[test]
fn a_call_under_way_does_not_keep_the_engine_from_ending() {
    let worker = Worker::new();
    worker.engine.context.with(|ctx| {
        for call in [
            "return kv.get('k')",
            "return kv.put('k', 'v')",
            "return kv.put('k', new ReadableStream({ pull() { return new Promise(() => {}) } }))",
            "return kv.list()",
        ] {
            start(&ctx, call);
        }
        while ctx.execute_pending_job() {}
    });
    assert!(worker.broker.pending() >= 3);
    // The engine aborts the process if a value outlives it.
    drop(worker);
}

#[test]
fn nothing_stays_behind_a_call() {
    let worker = Worker::new();
    let round = "let p = Promise.resolve(); for (let i = 0; i < 200; i++) p = p
        .then(() => kv.put('k' + i % 5, new Uint8Array(i % 3 ? 10 : 70_000), { metadata: { i } }))
        .then(() => kv.put('s', new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close() } })))
        .then(() => kv.getWithMetadata('k' + i % 5, i % 2 ? 'text' : 'arrayBuffer'))
        .then(() => kv.get('k0', 'stream')).then((s) => s.cancel())
        .then(() => kv.get('none')).then(() => kv.list()).then(() => kv.get('')).catch(() => kv.delete('k1'));
        return p";
    let objects = || {
        worker.resolved(round);
        worker.engine.runtime.run_gc();
        worker.engine.runtime.memory_usage().obj_count
    };
    let first = objects();
    for _ in 0..3 {
        assert_eq!(objects(), first);
    }
}
