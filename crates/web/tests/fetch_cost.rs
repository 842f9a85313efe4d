//! What requests and responses cost: the path of every exchange with the outside.

mod support;

use isthmus_web::body::IncomingBody;
use isthmus_web::fetch::{RequestParts, new_request, response_parts};
use rquickjs::Value;
use support::World;

fn parts() -> RequestParts {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    RequestParts {
        method: "GET".to_owned(),
        url: "http://example.com/path?q=1".to_owned(),
        headers: vec![
            header("host", "example.com"),
            header("accept", "*/*"),
            header("user-agent", "wrk"),
        ],
        cf: None,
    }
}

/// Run with `cargo test --release -p isthmus-web --test fetch_cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_an_exchange() {
    let world = World::new();
    let rounds = 200_000;
    let time = |name: &str, run: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        run();
        println!(
            "{name}: {:.0} ns",
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        );
    };
    world.with(|ctx| {
        time("new_request", &mut || {
            for _ in 0..rounds {
                std::hint::black_box(new_request(ctx, parts(), IncomingBody::None).unwrap());
            }
        });
        let request = new_request(ctx, parts(), IncomingBody::None).unwrap();
        ctx.globals().set("request", request).unwrap();
        for (name, script) in [
            ("empty loop", "0"),
            ("request.url", "request.url"),
            ("request.headers.get", "request.headers.get('host')"),
            ("new Response(text)", "new Response('hello')"),
            ("new Response(text, { status })", "new Response('hello', { status: 200 })"),
            ("new Response(text, { headers })", "new Response('hello', { headers: { 'content-type': 'text/html' } })"),
            ("new Response(bytes)", "new Response(bytes)"),
            ("new Headers(record)", "new Headers({ a: 'b' })"),
            ("new Request(url)", "new Request('http://example.com/')"),
        ] {
            let function: rquickjs::Function = ctx
                .eval(format!("const bytes = new Uint8Array(5); (n) => {{ for (let i = 0; i < n; i++) {{ {script}; }} }}").replace("const bytes", "globalThis.bytes"))
                .unwrap();
            time(name, &mut || function.call::<_, ()>((rounds,)).unwrap());
        }
        let make: rquickjs::Function = ctx.eval("() => new Response('hello', { status: 200 })").unwrap();
        time("call, new Response and response_parts", &mut || {
            for _ in 0..rounds {
                let response: Value = make.call(()).unwrap();
                std::hint::black_box(response_parts(ctx, &response).unwrap());
            }
        });
    });
}
