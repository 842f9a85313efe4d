//! `fetch()`: what leaves, and what comes of the answers. Network failures are the host's to word.

mod support;

use std::rc::Rc;

use bytes::Bytes;
use isthmus_web::body::{ByteSource, IncomingBody, Pulled};
use isthmus_web::{FetchAnswer, UploadBody};
use serde_json::json;
use support::{ManualSource, ReadySource, World};

fn answer(status: u16, headers: &[(&str, &str)], body: IncomingBody) -> FetchAnswer {
    FetchAnswer {
        status,
        status_text: "Text".to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        body,
    }
}

fn text(text: &str) -> IncomingBody {
    IncomingBody::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

fn source(source: &Rc<impl ByteSource>) -> IncomingBody {
    IncomingBody::Source {
        source: source.clone(),
        length: None,
    }
}

/// Begins `await fetch(…)` and what follows.
fn started(body: &str) -> World {
    let world = World::new();
    world.start(body);
    world.run();
    world
}

/// The last request that left, in one line: method, URL, headers, body.
fn sent(world: &World) -> String {
    let sent = world.host.sent.borrow();
    let request = &sent.last().expect("a request left").request;
    let mut line = format!("{} {}", request.method, request.url);
    for (name, value) in &request.headers {
        line += &format!(" {name}={}", String::from_utf8_lossy(value));
    }
    match &request.body {
        UploadBody::None => {}
        UploadBody::Bytes(bytes) => line += &format!(" | {}", String::from_utf8_lossy(bytes)),
        other => line += &format!(" | {other:?}"),
    }
    line
}

fn redirect(world: &World, status: u16, to: &str) {
    world.answer_fetch(Ok(answer(status, &[("Location", to)], text("moved"))));
}

#[test]
fn a_request_leaves_and_its_answer_becomes_a_response() {
    let world = started(
        "const r = await fetch('http://a.test/x?y#z', { method: 'post', headers: { 'X-A': '1' }, body: 'hi', cf: { n: 1 } });
         return [r.status, r.statusText, r.ok, r.url, r.redirected, [...r.headers], await r.text(), r.bodyUsed];",
    );
    assert_eq!(
        sent(&world),
        "POST http://a.test/x?y#z x-a=1 content-type=text/plain;charset=UTF-8 | hi"
    );
    assert_eq!(
        world.host.sent.borrow()[0].request.cf.as_deref(),
        Some(r#"{"n":1}"#)
    );
    world.answer_fetch(Ok(answer(201, &[("X-B", "2")], text("there"))));
    assert_eq!(
        world.result(),
        json!([
            201,
            "Text",
            true,
            "http://a.test/x?y",
            false,
            [["x-b", "2"]],
            "there",
            true
        ])
    );
}

#[test]
fn the_function_has_the_shape_of_an_operation() {
    let world = World::new();
    let shape =
        "return [fetch.name, fetch.length, Object.keys(globalThis).includes('fetch'), 'prototype' in fetch,
                  (() => { try { new fetch('x'); } catch (e) { return e.name; } })()]";
    assert_eq!(world.eval(shape), json!(["fetch", 1, true, false, "TypeError"]));
}

#[test]
fn what_cannot_be_sent_rejects() {
    let cases = [
        (
            "fetch()",
            "Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Request or string'.",
        ),
        ("fetch('/x')", "Invalid URL: /x"),
        ("fetch('ftp://a/b')", "Fetch API cannot load: ftp://a/b"),
        ("fetch('about:blank')", "Fetch API cannot load: about:blank"),
        ("fetch('data:nocomma')", "Fetch API cannot load: data:nocomma"),
        (
            "fetch('http://a/', { body: 'x' })",
            "Request with a GET or HEAD method cannot have a body.",
        ),
        (
            "fetch('http://a/', 5)",
            "Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': parameter 2 is not of type 'RequestInitializerDict or Request'.",
        ),
        (
            "fetch('http://a/', { redirect: 'never' })",
            "Invalid redirect value, must be one of \"follow\", \"manual\" or \"error\".",
        ),
        (
            "fetch('http://a/', { cf: (() => { const o = {}; o.o = o; return o; })() })",
            "circular reference",
        ),
    ];
    for (call, message) in cases {
        let world = World::new();
        assert_eq!(
            world.eval(&format!("return await {call}")),
            json!(format!("throws TypeError: {message}")),
            "{call}"
        );
        assert!(world.host.sent.borrow().is_empty());
    }
}

#[test]
fn a_network_failure_is_a_type_error() {
    let world = started("return await fetch('http://a.test/')");
    world.answer_fetch(Err("Network connection lost.".to_owned()));
    assert_eq!(
        world.result(),
        json!("throws TypeError: Network connection lost.")
    );
}

#[test]
fn a_body_that_breaks_off_is_a_type_error() {
    let world = started("return await (await fetch('http://a.test/')).text()");
    let body = ReadySource::new([
        Pulled::Chunk("a".into()),
        Pulled::Failed("Network connection lost.".to_owned()),
    ]);
    world.answer_fetch(Ok(answer(200, &[], source(&body))));
    assert_eq!(
        world.result(),
        json!("throws TypeError: Network connection lost.")
    );
}

#[test]
fn data_urls_are_answered_here() {
    let world = World::new();
    let result = world.eval(
        "const r = await fetch('data:text/plain;charset=x;base64,aGk#f'); const h = await fetch('data:,x', { method: 'HEAD' });
         return [r.status, r.statusText, r.headers.get('content-type'), await r.text(), h.body]",
    );
    assert_eq!(result, json!([200, "OK", "text/plain;charset=x", "hi", null]));
    assert!(world.host.sent.borrow().is_empty());
}

#[test]
fn null_bodies_are_null_and_empty_ones_are_not() {
    for (method, status, is_null) in [
        ("GET", 200, false),
        ("GET", 204, true),
        ("HEAD", 200, true),
        ("GET", 304, true),
    ] {
        let world = started(&format!(
            "return (await fetch('http://a.test/', {{ method: '{method}' }})).body === null"
        ));
        world.answer_fetch(Ok(answer(status, &[], IncomingBody::None)));
        assert_eq!(world.result(), json!(is_null), "{method} {status}");
    }
}

#[test]
fn redirects_are_followed_as_the_standard_says() {
    // Status, method, what is sent next.
    let cases = [
        (301, "POST", "GET http://a.test/next x=1"),
        (302, "POST", "GET http://a.test/next x=1"),
        (303, "POST", "GET http://a.test/next x=1"),
        (303, "PUT", "GET http://a.test/next x=1"),
        (302, "PUT", "PUT http://a.test/next x=1 content-type=a/b | body"),
        (307, "POST", "POST http://a.test/next x=1 content-type=a/b | body"),
        (308, "POST", "POST http://a.test/next x=1 content-type=a/b | body"),
    ];
    for (status, method, next) in cases {
        let world = started(&format!(
            "const r = await fetch('http://a.test/first', {{ method: '{method}', headers: {{ x: '1', 'content-type': 'a/b' }}, body: 'body' }});
             return [r.url, r.redirected, await r.text()]"
        ));
        redirect(&world, status, "next");
        assert_eq!(sent(&world), next, "{status} {method}");
        world.answer_fetch(Ok(answer(200, &[], text("end"))));
        assert_eq!(world.result(), json!(["http://a.test/next", true, "end"]));
    }
}

#[test]
fn a_redirect_to_another_origin_loses_the_authorization() {
    let headers = "{ headers: { authorization: 's', cookie: 'c' } }";
    for (to, kept) in [
        ("http://b.test/", false),
        ("https://a.test/", false),
        ("http://a.test:81/", false),
        ("/", true),
    ] {
        let world = started(&format!("await fetch('http://a.test/', {headers})"));
        redirect(&world, 302, to);
        assert_eq!(sent(&world).contains("authorization"), kept, "{to}");
        assert!(sent(&world).contains("cookie"), "{to}");
    }
}

#[test]
fn redirects_that_lead_nowhere_fail() {
    for (to, message) in [
        (
            "http://[bad",
            "Invalid Location header; unable to follow redirect.",
        ),
        ("data:,x", "Invalid Location header; unable to follow redirect."),
        ("ftp://a/", "Fetch API cannot load: ftp://a/"),
    ] {
        let world = started("return await fetch('http://a.test/')");
        redirect(&world, 302, to);
        assert_eq!(world.result(), json!(format!("throws TypeError: {message}")));
    }
    let world = started("return await fetch('http://a.test/')");
    for count in 0..=20 {
        redirect(&world, 302, &format!("/{count}"));
    }
    assert_eq!(world.result(), json!("throws TypeError: Too many redirects."));
    assert_eq!(world.host.sent.borrow().len(), 21);
}

#[test]
fn the_redirect_mode_is_kept() {
    let call = |mode: &str| {
        format!(
            "const r = await fetch('http://a.test/', {{ redirect: '{mode}' }}); return [r.status, r.redirected, r.url]"
        )
    };
    let world = started(&call("manual"));
    redirect(&world, 302, "/next");
    assert_eq!(world.result(), json!([302, false, "http://a.test/"]));
    let world = started(&call("error"));
    redirect(&world, 302, "/next");
    assert_eq!(
        world.result(),
        json!("throws TypeError: The response is a redirect, and the request's redirect mode is \"error\".")
    );
    // Without a place to go the redirect itself is the answer.
    let world = started(&call("follow"));
    world.answer_fetch(Ok(answer(302, &[], text(""))));
    assert_eq!(world.result(), json!([302, false, "http://a.test/"]));
}

#[test]
fn a_streamed_body_is_sent_once() {
    let call = "const s = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([97, 98])); c.close(); } });
                const q = { method: 'POST', body: s, duplex: 'half' }; const r = await fetch('http://a.test/', q);
                return [s.locked, r.status]";
    let world = started(call);
    assert_eq!(
        *world.host.sent.borrow()[0]
            .upload
            .as_ref()
            .unwrap()
            .bytes
            .borrow(),
        b"ab"
    );
    redirect(&world, 303, "/next");
    assert_eq!(sent(&world), "GET http://a.test/next");
    world.answer_fetch(Ok(answer(200, &[], text(""))));
    assert_eq!(world.result(), json!([true, 200]));
    let world = started(call);
    redirect(&world, 307, "/next");
    assert!(
        world
            .result()
            .as_str()
            .unwrap()
            .starts_with("throws TypeError: A request with a one-time-use body")
    );
}

#[test]
fn a_body_that_fails_fails_the_fetch() {
    let world = started(
        "const s = new ReadableStream({ pull(c) { c.error(new RangeError('mine')); } });
         try { await fetch('http://a.test/', { method: 'POST', body: s }); } catch (e) { return [e.name, e.cause.name, e.cause.message]; }",
    );
    assert_eq!(world.result(), json!(["TypeError", "RangeError", "mine"]));
    assert!(world.host.sent.borrow()[0].cancelled.get());
}

#[test]
fn a_failed_fetch_cancels_the_body_it_was_sending() {
    let world = started(
        "let why; const s = new ReadableStream({ cancel(reason) { why = reason; } });
         try { await fetch('http://a.test/', { method: 'POST', body: s }); } catch (e) { return [e.message, why === e]; }",
    );
    world.answer_fetch(Err("Network connection lost.".to_owned()));
    assert_eq!(world.result(), json!(["Network connection lost.", true]));
}

#[test]
fn an_aborted_signal_sends_nothing() {
    let world = World::new();
    let result = world.eval(
        "const q = new Request('http://a.test/', { method: 'POST', body: 'x', signal: AbortSignal.abort() });
         try { await fetch(q); } catch (e) { return [e.name, q.bodyUsed]; }",
    );
    assert_eq!(result, json!(["AbortError", true]));
    let result = world.eval(
        "try { await fetch('http://a.test/', { signal: AbortSignal.abort('why') }) } catch (e) { return e }",
    );
    assert_eq!(result, json!("why"));
    assert!(world.host.sent.borrow().is_empty());
}

#[test]
fn abort_gives_the_exchange_up() {
    let world = started(
        "globalThis.c = new AbortController(); let why; const body = new ReadableStream({ cancel(r) { why = r; } });
         try { await fetch('http://a.test/', { method: 'POST', body, signal: c.signal }); } catch (e) { return [e.message, why === e]; }",
    );
    world.script::<()>("c.abort(new RangeError('enough'))");
    world.run();
    assert_eq!(world.result(), json!(["enough", true]));
    assert!(world.host.sent.borrow()[0].cancelled.get());
}

#[test]
fn abort_after_a_redirect_gives_the_last_exchange_up() {
    let world = started(
        "globalThis.c = new AbortController(); return await fetch('http://a.test/', { signal: c.signal })",
    );
    redirect(&world, 302, "/next");
    world.script::<()>("c.abort()");
    world.run();
    assert_eq!(
        world.result(),
        json!("throws AbortError: The operation was aborted")
    );
    let sent = world.host.sent.borrow();
    assert!(!sent[0].cancelled.get() && sent[1].cancelled.get());
}

#[test]
fn abort_fails_a_body_that_is_still_coming() {
    for read_first in [false, true] {
        let world = started(&format!(
            "globalThis.c = new AbortController(); const r = await fetch('http://a.test/', {{ signal: c.signal }});
             if ({read_first}) globalThis.p = r.text(); await new Promise((done) => {{ globalThis.go = done; }});
             return await (globalThis.p ?? r.text());"
        ));
        let body = Rc::new(ManualSource::default());
        world.answer_fetch(Ok(answer(200, &[], source(&body))));
        world.script::<()>("c.abort(new RangeError('late')); go()");
        world.run();
        assert_eq!(world.result(), json!("throws RangeError: late"));
        assert!(body.cancelled.get());
    }
}

#[test]
fn abort_breaks_off_a_body_that_is_sent_after_the_answer() {
    for (way, chunks) in [
        ("a read", ""),
        (
            "a write",
            "k.enqueue(new Uint8Array([97])); return new Promise(() => {});",
        ),
    ] {
        let world = started(&format!(
            "globalThis.c = new AbortController(); let why; globalThis.why = () => String(why);
             const body = new ReadableStream({{ pull(k) {{ {chunks} }}, cancel(r) {{ why = r; }} }}, {{ highWaterMark: 0 }});
             return await (await fetch('http://a.test/', {{ method: 'POST', body, signal: c.signal }})).text()"
        ));
        world.answer_fetch(Ok(answer(413, &[], text("too much"))));
        assert_eq!(world.result(), json!("too much"), "{way}");
        let upload = Rc::clone(world.host.sent.borrow()[0].upload.as_ref().expect("a stream"));
        assert_eq!(*upload.outcome.borrow(), None);
        world.script::<()>("c.abort(new RangeError('enough'))");
        world.run();
        assert_eq!(
            *upload.outcome.borrow(),
            Some(Err("RangeError: enough".to_owned()))
        );
        assert_eq!(world.eval("return why()"), json!("RangeError: enough"));
    }
}

#[test]
fn abort_leaves_a_body_alone_that_was_sent() {
    let world = started(
        "globalThis.c = new AbortController();
         const body = new ReadableStream({ start(k) { k.enqueue(new Uint8Array([97])); k.close(); } });
         const r = await fetch('http://a.test/', { method: 'POST', body, signal: c.signal }); c.abort(); return r.status",
    );
    world.answer_fetch(Ok(answer(200, &[], text(""))));
    assert_eq!(world.result(), json!(200));
    let sent = world.host.sent.borrow();
    assert_eq!(
        *sent[0].upload.as_ref().expect("a stream").outcome.borrow(),
        Some(Ok(()))
    );
}

#[test]
fn abort_fails_a_body_that_is_here_but_unread() {
    let world = started(
        "globalThis.c = new AbortController(); const r = await fetch('http://a.test/', { signal: c.signal }); c.abort();
         return [await r.text().catch((error) => error.name), r.bodyUsed]",
    );
    world.answer_fetch(Ok(answer(200, &[], text("here"))));
    assert_eq!(world.result(), json!(["AbortError", true]));
}

#[test]
fn abort_leaves_what_has_been_read_alone() {
    let world = started(
        "globalThis.c = new AbortController(); const r = await fetch('http://a.test/', { signal: c.signal }); const read = r.text(); c.abort();
         return await read",
    );
    world.answer_fetch(Ok(answer(200, &[], text("here"))));
    assert_eq!(world.result(), json!("here"));
}

#[test]
fn a_body_that_cannot_be_sent_at_all_is_a_type_error() {
    let world = World::new();
    for chunk in ["'text'", "null", "33", "{}"] {
        world.start(&format!(
            "await fetch('http://a.test/', {{ method: 'POST', body: new ReadableStream({{ start(c) {{ c.enqueue({chunk}); c.close(); }} }}) }})"
        ));
        world.run();
        let outcome = world.result();
        assert!(
            outcome.as_str().unwrap().starts_with("throws TypeError"),
            "{chunk}: {outcome}"
        );
    }
}

#[test]
fn a_long_lived_signal_keeps_no_bodies() {
    let world = World::new();
    world.script::<()>("globalThis.c = new AbortController(); globalThis.one = async () => { await fetch('http://a.test/', { signal: c.signal }); }");
    let fetch = || {
        world.start("await one()");
        world.run();
        let body = Rc::new(ManualSource::default());
        world.answer_fetch(Ok(answer(200, &[], source(&body))));
        world.result();
        world.host.sent.borrow_mut().clear();
    };
    for _ in 0..3 {
        fetch();
    }
    // What is found dead is forgotten in a job.
    let settle = || {
        world.collect_garbage();
        world.run();
        world.objects()
    };
    let before = settle();
    for _ in 0..20 {
        fetch();
    }
    let after = settle();
    assert!(after <= before + 5, "{after} objects, {before} before");
}

#[test]
fn user_code_cannot_reach_in() {
    let world = World::new();
    world.script::<()>(
        "Promise = null; WeakRef.prototype.deref = null; FinalizationRegistry = null; TypeError = null;",
    );
    world.start("const r = await fetch('http://a.test/'); return r.status");
    world.run();
    world.answer_fetch(Ok(answer(200, &[], text(""))));
    assert_eq!(world.result(), json!(200));
}
