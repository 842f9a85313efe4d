//! `D1Database` where upstream's recorded answers don't reach.

use isthmus_protocol::{Reply, d1};
use isthmus_web::body::IncomingBody;
use serde_json::json;

use crate::d1_worker::D1Worker;

const PEOPLE: &str = "await db.exec(\"CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)\");";

#[test]
fn results_of_any_length_come_whole() {
    let worker = D1Worker::new();
    let code = format!(
        "{PEOPLE}
         await db.prepare(`INSERT INTO people (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             SELECT printf('%0100d', i) FROM n`).run();
         const {{ results }} = await db.prepare('SELECT * FROM people').all();
         return [results.length, results[4999].id, results[4999].name.length]"
    );
    assert_eq!(worker.resolved(&code), json!([5000, 5000, 100]));
}

#[test]
fn a_read_that_is_not_short_comes_to_its_end() {
    let worker = D1Worker::new();
    let code =
        "return db.prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
                    SELECT count(*) AS c FROM n`).first('c')";
    assert_eq!(worker.resolved(code), 300_000);
}

#[test]
fn an_answer_to_another_question_is_an_error() {
    let worker = D1Worker::new();
    worker
        .broker
        .answer_with(|ctx, done| done(ctx, Reply::Finished, IncomingBody::None));
    assert_eq!(
        worker.rejected("return db.prepare('SELECT 1').run()"),
        "Error: D1_ERROR: The host gave an answer that does not fit the question"
    );
    worker.broker.answer_with(|ctx, done| {
        let body = IncomingBody::Bytes((&[3, 1, 7][..]).into());
        done(
            ctx,
            Reply::D1(d1::Reply {
                bookmark: None,
                failed: None,
            }),
            body,
        );
    });
    assert_eq!(
        worker.rejected("return db.prepare('SELECT 1').run()"),
        "Error: D1_ERROR: statements or results of D1 that can't be read"
    );
}

#[test]
fn what_the_worker_does_to_a_statement_is_seen_when_it_runs() {
    let worker = D1Worker::new();
    for params in ["7", "null", "{}", "[() => 1]", "[{}]", "new Proxy([], {})"] {
        let code = format!("const s = db.prepare('SELECT ?').bind(1); s.params = {params}; return s.run()");
        let message = worker.rejected(&code);
        assert!(message.starts_with("Error: D1_ERROR: "), "{params}: {message}");
    }
    let code = "const s = db.prepare('SELECT ? AS a').bind(1); s.params = [2]; return s.first('a')";
    assert_eq!(worker.resolved(code), 2);
}

#[test]
fn bytes_are_taken_when_they_are_bound() {
    let worker = D1Worker::new();
    let code = "const bytes = new Uint8Array([1, 2]);
                const s = db.prepare('SELECT hex(?) AS a').bind(bytes);
                bytes[0] = 9;
                return s.first('a')";
    assert_eq!(worker.resolved(code), "0102");
}

#[test]
fn patched_intrinsics_do_not_reach_in() {
    let worker = D1Worker::new();
    let code = "const fail = () => { throw new Error('reached') };
                const saved = [];
                const patch = (object, name, descriptor) => {
                    saved.push([object, name, Object.getOwnPropertyDescriptor(object, name)]);
                    Object.defineProperty(object, name, { ...descriptor, configurable: true });
                };
                const value = fail;
                patch(String.prototype, 'split', { value }); patch(String.prototype, 'trim', { value });
                patch(Array.prototype, 'map', { value }); patch(Array, 'isArray', { value });
                patch(globalThis, 'Uint8Array', { value }); patch(Object.prototype, 'a', { set: fail });
                const [result] = await db.batch([db.prepare('SELECT hex(?) AS a').bind([1])]);
                const counted = await db.exec('SELECT 1');
                for (const [object, name, descriptor] of saved) {
                    if (descriptor) Object.defineProperty(object, name, descriptor); else delete object[name];
                }
                return [result.results[0].a, counted.count]";
    assert_eq!(worker.resolved(code), json!(["01", 1]));
}

#[test]
fn methods_of_another_object_are_refused() {
    let worker = D1Worker::new();
    for code in [
        "return db.prepare.call({}, 'SELECT 1')",
        "return db.prepare('SELECT 1').run.call(db)",
        "return new db.constructor()",
        "return new (db.prepare('').constructor)()",
        "return new (db.withSession().constructor)(db)",
    ] {
        assert!(worker.rejected(code).starts_with("TypeError: "), "{code}");
    }
}
