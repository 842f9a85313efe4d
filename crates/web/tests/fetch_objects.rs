//! `Request` and `Response` as objects of scripts, where it doesn't matter what the process outside makes of them. Their
//! answers beside upstream's are in `recorded_modules.rs`.

mod support;

use serde_json::json;
use support::World;

#[test]
fn clones_of_streams_keep_the_kind_of_their_chunks() {
    let world = World::new();
    let result = world.eval(
        "const b = () => new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer; const kinds = [Uint8Array, Int8Array, \
         Uint8ClampedArray, Uint16Array, Float64Array, BigInt64Array, DataView].map((C) => new C(b())); kinds.push(b()); \
         const r = new Response(ReadableStream.from(kinds)); const seen = []; \
         for await (const c of r.clone().body) seen.push([c.constructor.name, c.byteLength, kinds.includes(c)]); \
         return [seen, (await r.arrayBuffer()).byteLength]",
    );
    let expected = [
        "Uint8Array",
        "Int8Array",
        "Uint8ClampedArray",
        "Uint16Array",
        "Float64Array",
        "BigInt64Array",
        "DataView",
        "ArrayBuffer",
    ]
    .map(|kind| json!([kind, 8, false]));
    assert_eq!(result, json!([expected, 64]));
}

#[test]
fn getters_that_throw_leave_nothing_behind() {
    let world = World::new();
    for script in [
        "new Response('a', { get status() { throw new RangeError('boom') } })",
        "new Response('a', { get headers() { throw new RangeError('boom') } })",
        "new Response('a', { headers: { get a() { throw new RangeError('boom') } } })",
        "new Response('a', { headers: { a: { toString() { throw new RangeError('boom') } } } })",
        "new Response({ toString() { throw new RangeError('boom') } })",
        "new Request({ toString() { throw new RangeError('boom') } })",
        "new Request('http://a', { get signal() { throw new RangeError('boom') } })",
        "new Headers({ get [Symbol.iterator]() { throw new RangeError('boom') } })",
        "new Headers((function* () { throw new RangeError('boom') })())",
        "new Headers([(function* () { yield 'a'; throw new RangeError('boom') })()])",
        "Reflect.construct(Response, ['a'], new Proxy(Response, { get() { throw new RangeError('boom') } }))",
    ] {
        assert_eq!(world.eval(script), json!("throws RangeError: boom"), "{script}");
        assert!(!world.with(|ctx| ctx.has_exception()), "{script}");
    }
}

#[test]
fn a_body_taken_during_the_making_of_another_is_refused() {
    let world = World::new();
    let result = world.eval(
        "const r = new Request('http://a', { method: 'POST', body: 'x' }); \
         return new Request(r, { get body() { r.text(); return undefined; } })",
    );
    assert_eq!(
        result,
        json!("throws TypeError: Cannot reconstruct a Request with a used body.")
    );
}

#[test]
fn requests_and_responses_are_collected_with_their_cycles() {
    let world = World::new();
    let round = "for (let i = 0; i < 50; i++) { \
        const r = new Request('http://a', { method: 'POST', body: 'x', cf: {} }); r.cf.self = r; r.headers.self = r; \
        r.signal.self = r; r.body.self = r; const c = r.clone(); c.body.getReader().self = c; \
        const s = new Response(new ReadableStream({ pull(c) { s.c = c; } })); s.body.self = s; s.text(); \
        const t = new Response('x', { cf: {} }); t.cf.t = t; await t.text(); }";
    world.assert_collected(round);
}

#[test]
fn members_have_the_shape_of_web_idl() {
    let world = World::new();
    let result = world.eval(
        "const d = (o, k) => { const p = Object.getOwnPropertyDescriptor(o, k); \
           return [p.enumerable, p.configurable, p.writable ?? null, (p.get ?? p.value).name]; }; \
         const tag = Object.getOwnPropertyDescriptor(Response.prototype, Symbol.toStringTag); \
         return [d(globalThis, 'Response'), d(Response.prototype, 'status'), d(Response.prototype, 'text'), \
         d(Response, 'json'), d(Headers.prototype, 'append'), d(Headers.prototype, 'entries'), \
         [tag.enumerable, tag.configurable, tag.writable], Object.getOwnPropertyDescriptor(Response, 'prototype').writable, \
         Response.prototype.constructor === Response, Headers.prototype[Symbol.iterator] === Headers.prototype.entries]",
    );
    assert_eq!(
        result,
        json!([
            [false, true, true, "Response"],
            [true, true, null, "get status"],
            [true, true, true, "text"],
            [true, true, true, "json"],
            [true, true, true, "append"],
            [true, true, true, "entries"],
            [false, true, false],
            false,
            true,
            true
        ])
    );
}

#[test]
fn the_body_stays_the_same_stream_when_it_is_used() {
    let world = World::new();
    for make in ["new Response('x')", "new Response(new Blob(['x']).stream())"] {
        for script in [
            "await r.text()",
            "await r.blob()",
            "new Request('http://x', { method: 'POST', body: r.body })",
        ] {
            let outcome = world.eval(&format!(
                "const r = {make}; const b = r.body; {script}; return [r.body === b, r.bodyUsed]"
            ));
            let used = json!(!script.starts_with("new"));
            assert_eq!(outcome, json!([true, used]), "{make}: {script}");
        }
    }
    assert_eq!(
        world.eval(
            "const a = new Request('http://x', { method: 'POST', body: 'x' }); const b = a.body; const c = new Request(a);
             return [a.body === b, a.bodyUsed, b.locked, c.body === b, await c.text()]"
        ),
        json!([true, true, true, false, "x"])
    );
}

#[test]
fn duplex_is_half_or_left_out() {
    let world = World::new();
    for (init, refused) in [
        ("", false),
        ("duplex: undefined", false),
        ("duplex: 'half'", false),
        ("duplex: 'full'", true),
        ("duplex: ''", true),
        ("duplex: { toString: () => 'half' }", false),
    ] {
        let outcome = world.eval(&format!(
            "return new Request('http://a', {{ method: 'POST', body: new ReadableStream(), {init} }}).url"
        ));
        let text = outcome.as_str().unwrap();
        assert_eq!(text.starts_with("throws TypeError"), refused, "{init}: {text}");
    }
}
