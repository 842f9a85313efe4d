//! `Request` and `Response` as the process outside makes them and takes them apart. What scripts alone can see is
//! compared with upstream in `recorded_modules.rs`.

mod support;

use std::rc::Rc;

use isthmus_web::body::{ByteSink, ByteSource, IncomingBody, OutgoingBody, Pulled};
use isthmus_web::fetch::{
    RequestParts, ResponseParts, abort_request, new_request, new_response, response_parts,
};
use isthmus_web::streams;
use rquickjs::{CatchResultExt, Object, Value};
use serde_json::json;
use support::{ManualSource, ReadySource, TestSink, World};

fn parts() -> RequestParts {
    RequestParts {
        method: "POST".to_owned(),
        url: "http://example.com/path?q=1".to_owned(),
        headers: vec![
            ("Host".to_owned(), b"example.com".to_vec()),
            ("x-name".to_owned(), b"caf\xe9".to_vec()),
            ("accept".to_owned(), b"a".to_vec()),
            ("accept".to_owned(), b"b".to_vec()),
        ],
        cf: Some(r#"{"country":"DE","nested":{"n":1}}"#.to_owned()),
    }
}

/// A world whose global `request` has `body`.
fn world_with(body: IncomingBody) -> World {
    let world = World::new();
    world.define("request", |ctx| new_request(ctx, parts(), body));
    world
}

fn bytes(text: &str) -> IncomingBody {
    IncomingBody::Bytes(text.to_owned().into())
}

fn source(source: &Rc<impl ByteSource>, length: Option<u64>) -> IncomingBody {
    IncomingBody::Source {
        source: source.clone(),
        length,
    }
}

/// What a response body came out as.
#[derive(Debug, PartialEq)]
enum Sent {
    None,
    Bytes(Vec<u8>),
    Source(Option<u64>),
    Stream(Option<u64>, Vec<u8>),
}

/// Takes the response apart that `script` evaluates to.
fn send(world: &World, script: &str) -> Result<Option<(ResponseParts, Sent)>, String> {
    let sink = Rc::new(TestSink::default());
    let target: Rc<dyn ByteSink> = sink.clone();
    let sent = world.with(|ctx| {
        let value: Value = ctx.eval(script).catch(ctx).map_err(|error| error.to_string())?;
        let sent = response_parts(ctx, &value)
            .catch(ctx)
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(sent.map(|(parts, body)| {
            let sent = match body {
                OutgoingBody::None => Sent::None,
                OutgoingBody::Bytes(bytes) => Sent::Bytes(bytes.to_vec()),
                OutgoingBody::Source { length, .. } => Sent::Source(length),
                OutgoingBody::Stream { stream, length } => {
                    streams::drain(ctx, stream, target).catch(ctx).unwrap();
                    Sent::Stream(length, Vec::new())
                }
            };
            (parts, sent)
        }))
    })?;
    world.run();
    Ok(sent.map(|(parts, sent)| match sent {
        Sent::Stream(length, _) => (parts, Sent::Stream(length, sink.bytes.take())),
        other => (parts, other),
    }))
}

#[test]
fn a_request_from_outside() {
    let world = world_with(bytes("body"));
    let result = world.eval(
        "const r = request; return [r.method, r.url, [...r.headers], r.headers === r.headers, r.cf, r.cf === r.cf, \
         r.redirect, r.bodyUsed, await r.text(), r.bodyUsed, r instanceof Request, r.constructor.name]",
    );
    assert_eq!(
        result,
        json!([
            "POST",
            "http://example.com/path?q=1",
            [["accept", "a, b"], ["host", "example.com"], ["x-name", "café"]],
            true,
            { "country": "DE", "nested": { "n": 1 } },
            true,
            "manual",
            false,
            "body",
            true,
            true,
            "Request"
        ])
    );
}

#[test]
fn headers_from_outside_are_immutable() {
    let world = world_with(IncomingBody::None);
    for change in ["set('a', 'b')", "append('a', 'b')", "delete('host')"] {
        for target in ["request", "request.clone()"] {
            let result = world.eval(&format!("{target}.headers.{change}"));
            assert_eq!(
                result,
                json!("throws TypeError: Can't modify immutable headers."),
                "{target} {change}"
            );
        }
    }
    let result = world.eval(
        "const r = new Request(request, { method: 'GET' }); r.headers.set('host', 'b'); \
         return [r.headers.get('host'), request.headers.get('host'), r.method, r.cf.country, r.redirect]",
    );
    assert_eq!(result, json!(["b", "example.com", "GET", "DE", "manual"]));
}

#[test]
fn a_request_without_a_body() {
    let world = world_with(IncomingBody::None);
    assert_eq!(
        world.eval("return [request.body, request.bodyUsed, await request.text(), request.bodyUsed]"),
        json!([null, false, "", false])
    );
}

#[test]
fn a_request_without_cf() {
    let world = World::new();
    world.define("request", |ctx| {
        new_request(ctx, RequestParts { cf: None, ..parts() }, IncomingBody::None)
    });
    assert_eq!(world.eval("return String(request.cf)"), json!("undefined"));
}

#[test]
fn the_signal_of_a_request_is_aborted_from_outside() {
    for look in ["request.signal; ", ""] {
        let world = world_with(IncomingBody::None);
        world.eval(&format!("globalThis.seen = []; {look}"));
        if !look.is_empty() {
            world.eval(
                "request.signal.addEventListener('abort', () => seen.push(request.signal.reason.name))",
            );
        }
        world.global("request", |ctx, request| {
            let request: Object = request.into_object().unwrap();
            abort_request(ctx, &request, "The client has disconnected")
                .catch(ctx)
                .unwrap();
            abort_request(ctx, &request, "again").catch(ctx).unwrap();
        });
        let result = world.eval(
            "const s = request.signal; return [s.aborted, s.reason.name, s.reason.message, s === request.signal, seen, \
             request.clone().signal.aborted, new Request(request).signal.aborted]",
        );
        let seen = if look.is_empty() {
            json!([])
        } else {
            json!(["AbortError"])
        };
        assert_eq!(
            result,
            json!([
                true,
                "AbortError",
                "The client has disconnected",
                true,
                seen,
                true,
                true
            ])
        );
    }
}

#[test]
fn a_copied_request_is_aborted_with_the_original() {
    let world = world_with(IncomingBody::None);
    world.eval("globalThis.copy = new Request(request); globalThis.clone = request.clone()");
    world.global("request", |ctx, request| {
        abort_request(ctx, request.as_object().unwrap(), "gone")
            .catch(ctx)
            .unwrap();
    });
    assert_eq!(
        world.eval("return [copy.signal.aborted, clone.signal.aborted]"),
        json!([true, true])
    );
}

#[test]
fn a_streamed_request_body() {
    let manual = Rc::new(ManualSource::default());
    let world = world_with(source(&manual, None));
    world.start("const text = request.text(); const used = request.bodyUsed; return [used, await text, request.bodyUsed, request.body.locked]");
    world.run();
    manual.answer(&world, Pulled::Chunk("h\u{e9}l".into()));
    manual.answer(&world, Pulled::Chunk("lo".into()));
    manual.answer(&world, Pulled::End);
    assert_eq!(
        world.result(),
        json!([true, "hello".replace("e", "é"), true, true])
    );
}

#[test]
fn a_character_may_be_cut_by_chunks() {
    let ready = ReadySource::new("é日".bytes().map(|byte| Pulled::Chunk(vec![byte].into())));
    let world = world_with(source(&ready, None));
    assert_eq!(world.eval("return await request.text()"), json!("é日"));
}

#[test]
fn a_body_that_breaks_off_rejects_every_way_of_reading() {
    for read in ["text", "json", "arrayBuffer", "bytes"] {
        let ready = ReadySource::new([Pulled::Chunk("ab".into()), Pulled::Failed("cut off".to_owned())]);
        let world = world_with(source(&ready, None));
        assert_eq!(
            world.eval(&format!("await request.{read}()")),
            json!("throws TypeError: cut off"),
            "{read}"
        );
        assert_eq!(world.eval("return request.bodyUsed"), json!(true));
    }
}

#[test]
fn bad_json_from_outside() {
    for body in ["{", "", "[1,]", "\u{0}", "{\"a\":\"\u{0}\"}", "{} x"] {
        let world = world_with(bytes(body));
        let error = world.eval("await request.json()");
        assert!(
            error.as_str().unwrap().starts_with("throws SyntaxError"),
            "{body:?}: {error}"
        );
    }
}

#[test]
fn an_untouched_body_passes_through() {
    for script in [
        "new Response(request.body)",
        "const s = request.body; new Response(s, { status: 201 })",
        "const r = new Response(request.body); r.body; r",
        "new Response(new Response(request.body).body)",
        "new Response(new Request(request).body)",
    ] {
        let ready = ReadySource::chunks(3, 1);
        let world = world_with(source(&ready, Some(3)));
        let (_, sent) = send(&world, script).unwrap().unwrap();
        assert_eq!(sent, Sent::Source(Some(3)), "{script}");
    }
}

#[test]
fn a_touched_body_is_drained_through_javascript() {
    let ready = ReadySource::chunks(3, 2);
    let world = world_with(source(&ready, Some(6)));
    let (_, sent) = send(&world, "const [a, b] = request.body.tee(); new Response(b)")
        .unwrap()
        .unwrap();
    assert_eq!(sent, Sent::Stream(None, vec![0, 0, 1, 1, 2, 2]));
}

#[test]
fn a_text_response() {
    let world = World::new();
    let (parts, sent) = send(
        &world,
        "new Response('h\\u00e9', { status: 404, statusText: 'Nope', headers: { 'X-A': 'caf\\u00e9', 'set-cookie': 'a' } })",
    )
    .unwrap()
    .unwrap();
    assert_eq!(
        parts,
        ResponseParts {
            status: 404,
            status_text: "Nope".to_owned(),
            headers: vec![
                ("x-a".to_owned(), b"caf\xe9".to_vec()),
                ("set-cookie".to_owned(), b"a".to_vec()),
                ("content-type".to_owned(), b"text/plain;charset=UTF-8".to_vec()),
            ],
            codings: Vec::new(),
        }
    );
    assert_eq!(sent, Sent::Bytes("hé".as_bytes().to_vec()));
}

#[test]
fn the_ways_of_a_response_body() {
    let world = World::new();
    for (script, expected) in [
        ("new Response()", Sent::None),
        ("new Response(null, { status: 204 })", Sent::None),
        ("new Response('')", Sent::Bytes(vec![])),
        ("new Response(new Uint8Array([1, 2]))", Sent::Bytes(vec![1, 2])),
        (
            "(() => { const r = new Response('a'); r.body; return r; })()",
            Sent::Bytes(b"a".to_vec()),
        ),
        ("new Response('a').clone()", Sent::Bytes(b"a".to_vec())),
        ("Response.json({ a: 1 })", Sent::Bytes(b"{\"a\":1}".to_vec())),
        (
            "new Response(ReadableStream.from([new Uint8Array([1]), new Uint8Array([2])]))",
            Sent::Stream(None, vec![1, 2]),
        ),
        (
            "new Response(ReadableStream.from([new Uint8Array([1])]), { headers: { 'content-length': '1' } })",
            Sent::Stream(Some(1), vec![1]),
        ),
        (
            "new Response(ReadableStream.from([]), { headers: { 'content-length': 'x' } })",
            Sent::Stream(None, vec![]),
        ),
    ] {
        let (_, sent) = send(&world, script).unwrap().unwrap();
        assert_eq!(sent, expected, "{script}");
    }
}

#[test]
fn what_cannot_be_sent() {
    let world = World::new();
    for script in [
        "1",
        "null",
        "({ status: 200 })",
        "Object.create(Response.prototype)",
        "new Headers()",
    ] {
        assert_eq!(send(&world, script).unwrap(), None, "{script}");
    }
    world.eval(
        "globalThis.used = new Response('a'); await used.text(); \
                globalThis.locked = new Response('a'); locked.body.getReader(); \
                globalThis.read = new Response(ReadableStream.from([new Uint8Array(1)])); \
                const r = read.body.getReader(); await r.read(); r.releaseLock()",
    );
    for (script, reason) in [
        ("used", "Body has already been used. It can only be used once."),
        ("read", "Body has already been used. It can only be used once."),
        ("locked", "This ReadableStream is currently locked to a reader."),
        ("Response.error()", "Response.error()"),
    ] {
        let error = send(&world, script).unwrap_err();
        assert!(error.contains(reason), "{script}: {error}");
    }
}

#[test]
fn a_sent_response_is_used_up() {
    let world = World::new();
    world.eval("globalThis.responses = [new Response('a'), new Response(ReadableStream.from([]))]");
    for index in 0..2 {
        send(&world, &format!("responses[{index}]")).unwrap().unwrap();
        assert_eq!(
            world.eval(&format!("return responses[{index}].bodyUsed")),
            json!(true)
        );
        let error = send(&world, &format!("responses[{index}]")).unwrap_err();
        assert!(error.contains("Body has already been used"), "{error}");
    }
}

#[test]
fn a_response_from_outside() {
    let world = World::new();
    world.define("response", |ctx| {
        let parts = ResponseParts {
            status: 302,
            status_text: "Found".to_owned(),
            headers: vec![("Location".to_owned(), b"/x".to_vec())],
            codings: Vec::new(),
        };
        new_response(ctx, parts, Some("http://a.b/".to_owned()), bytes("moved"))
    });
    let result = world.eval(
        "const r = response; let error; try { r.headers.set('a', 'b') } catch (e) { error = e.message } \
         return [r.status, r.statusText, r.url, r.headers.get('location'), r.ok, error, await r.text()]",
    );
    assert_eq!(
        result,
        json!([
            302,
            "Found",
            "http://a.b/",
            "/x",
            false,
            "Can't modify immutable headers.",
            "moved"
        ])
    );
}

#[test]
fn clones_of_streamed_bodies_each_get_all() {
    let ready = ReadySource::chunks(3, 2);
    let world = world_with(source(&ready, Some(6)));
    let result = world.eval(
        "const c = request.clone(); const first = await c.bytes(); first.fill(9); \
         return [[...await request.bytes()], c.bodyUsed, request.headers !== c.headers]",
    );
    assert_eq!(result, json!([[0, 0, 1, 1, 2, 2], true, true]));
}

#[test]
fn large_bodies() {
    let size = 10 * 1024 * 1024;
    let world = world_with(source(&ReadySource::chunks(160, 65_536), None));
    assert_eq!(
        world.eval("return (await request.arrayBuffer()).byteLength"),
        json!(size)
    );
    let world = world_with(bytes(&format!("[\"{}\"]", "é".repeat(size / 2))));
    assert_eq!(
        world.eval("return (await request.json())[0].length"),
        json!(size / 2)
    );
    let world = World::new();
    let (_, sent) = send(&world, &format!("new Response(new Uint8Array({size}).fill(7))"))
        .unwrap()
        .unwrap();
    assert_eq!(sent, Sent::Bytes(vec![7; size]));
}

#[test]
fn patched_intrinsics_change_nothing() {
    let world = world_with(source(
        &ReadySource::new([Pulled::Chunk("{\"a\":".into()), Pulled::Chunk("1}".into())]),
        None,
    ));
    world.with(|ctx| {
        ctx.eval::<(), _>(
            "const R = Response, H = Headers; const bad = () => { throw new Error('patched') }; \
             JSON.parse = JSON.stringify = bad; Promise.prototype.then = bad; String.prototype.toWellFormed = bad; \
             Array.prototype.push = bad; URLSearchParams.prototype.toString = bad; \
             AbortController.prototype.abort = bad; Object.defineProperty(AbortController.prototype, 'signal', { get: bad }); \
             Response.prototype.constructor = bad; Response.json = bad; \
             Object.defineProperty(Response.prototype, 'body', { get: bad }); \
             globalThis.Response = globalThis.Headers = globalThis.ReadableStream = globalThis.AbortController = undefined; \
             globalThis.made = [request.json(), new R(new URLSearchParams('a=b'), { headers: [['x', 'y']] }), new H({ p: 'q' }), request.signal];",
        )
        .catch(ctx)
        .unwrap();
    });
    world.run();
    let (parts, sent) = send(&world, "made[1]").unwrap().unwrap();
    assert_eq!(sent, Sent::Bytes(b"a=b".to_vec()));
    assert_eq!(parts.headers[0], ("x".to_owned(), b"y".to_vec()));
    world.global("request", |ctx, request| {
        abort_request(ctx, request.as_object().unwrap(), "gone")
            .catch(ctx)
            .unwrap();
    });
    world.with(|ctx| {
        assert!(ctx.eval::<bool, _>("made[3].aborted").unwrap());
        let promise: rquickjs::Promise = ctx.eval("made[0]").unwrap();
        let object: Object = promise.result().unwrap().unwrap();
        assert_eq!(object.get::<_, i32>("a").unwrap(), 1);
    });
}

#[test]
fn an_engine_may_end_in_the_middle_of_things() {
    let manual = Rc::new(ManualSource::default());
    let world = world_with(source(&manual, None));
    world.start(
        "globalThis.kept = [request.clone(), new Response('a').body.getReader(), new Headers({ a: 'b' }).entries()]; \
         return await request.json()",
    );
    world.run();
    assert!(manual.is_waiting());
}
