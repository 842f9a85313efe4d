//! The rest of the global scope, and what holds for all of it: patched intrinsics, teardown, fork.

mod support;

use std::time::Duration;

use serde_json::json;
use support::World;

#[test]
fn random_values_come_from_the_host() {
    let world = World::new();
    assert_eq!(
        world.eval("return [...crypto.getRandomValues(new Uint8Array(4))]"),
        json!([0, 7, 14, 21])
    );
    assert_eq!(
        world.eval("const b = new Uint8Array(6), v = new Uint16Array(b.buffer, 2, 1); return [crypto.getRandomValues(v) === v, [...b]]"),
        json!([true, [0, 0, 0, 7, 0, 0]])
    );
    assert_eq!(
        world.eval("return crypto.randomUUID()"),
        "00070e15-1c23-4a31-b83f-464d545b6269"
    );
    assert_eq!(
        world.eval("return crypto.getRandomValues(new Uint8Array(65536)).length"),
        65_536
    );
    assert_eq!(
        world.eval("try { crypto.getRandomValues(new Uint16Array(32769)) } catch (e) { return [e.name, e.code, e instanceof DOMException] }"),
        json!(["QuotaExceededError", 22, true])
    );
    assert_eq!(
        world.eval("return [typeof crypto.subtle, String(crypto), Object.keys(crypto)]"),
        json!(["object", "[object Crypto]", []])
    );
    assert!(
        world
            .eval("crypto.randomUUID.call({})")
            .as_str()
            .unwrap()
            .starts_with("throws TypeError")
    );
}

#[test]
fn math_random_is_ours_and_reseeded_after_a_fork() {
    let world = World::new();
    let numbers = "Array.from({length: 1000}, Math.random)";
    let first = world.eval(&format!("return {numbers}"));
    let values: Vec<f64> = serde_json::from_value(first.clone()).unwrap();
    assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
    let mean = values.iter().sum::<f64>() / 1000.0;
    assert!((0.45..0.55).contains(&mean), "{mean}");

    world.with(|ctx| isthmus_web::crypto::reseed(ctx).unwrap());
    assert_eq!(
        world.eval(&format!("return {numbers}")),
        first,
        "the same seed gives the same numbers"
    );
    world.host.seed.set(99);
    world.with(|ctx| isthmus_web::crypto::reseed(ctx).unwrap());
    assert_ne!(world.eval(&format!("return {numbers}")), first);
    assert_eq!(
        world.eval("return [Math.random.name, Math.random.length, Object.keys(Math)]"),
        json!(["random", 0, []])
    );
}

#[test]
fn performance_is_the_clock_of_the_host() {
    let world = World::new();
    world.host.advance(Duration::from_micros(1_500));
    assert_eq!(
        world.eval("return [performance.now(), performance.timeOrigin, performance.toJSON(), performance instanceof EventTarget]"),
        json!([1.5, 1_700_000_000_000_u64, {"timeOrigin": 1_700_000_000_000_u64}, true])
    );
    assert!(
        world
            .eval("performance.now.call({})")
            .as_str()
            .unwrap()
            .starts_with("throws TypeError")
    );
}

#[test]
fn microtasks_report_what_they_throw() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const o = []; queueMicrotask(() => { throw new Error('lost') }); queueMicrotask(function () { o.push(this === undefined || this === globalThis, arguments.length) });
             await null; await null; return o"
        ),
        json!([true, 0])
    );
    assert!(world.host.texts()[0].starts_with("Uncaught Error: lost"));
    world.script::<()>("reportError({a: 1})");
    assert_eq!(world.host.texts(), ["Uncaught { a: 1 }"]);
}

#[test]
fn the_shape_of_the_global_scope() {
    let world = World::new();
    for (name, enumerable) in [
        ("URL", false),
        ("URLSearchParams", false),
        ("Event", false),
        ("CustomEvent", false),
        ("EventTarget", false),
        ("AbortSignal", false),
        ("AbortController", false),
        ("TextEncoder", false),
        ("TextDecoder", false),
        ("DOMException", false),
        ("console", false),
        ("setTimeout", true),
        ("clearInterval", true),
        ("queueMicrotask", true),
        ("reportError", true),
        ("atob", true),
        ("btoa", true),
        ("crypto", true),
        ("navigator", true),
        ("self", true),
    ] {
        assert_eq!(
            world.eval(&format!("const d = Object.getOwnPropertyDescriptor(globalThis, '{name}'); return [d.enumerable, d.configurable, d.writable]")),
            json!([enumerable, true, true]),
            "{name}"
        );
    }
    assert_eq!(
        world.eval("return [navigator.userAgent, self === globalThis, typeof structuredClone]"),
        json!(["Cloudflare-Workers", true, "function"])
    );
    for name in ["Crypto", "Performance", "Navigator", "AbortSignal"] {
        assert_eq!(
            world.eval(&format!("new {name}()")),
            "throws TypeError: Illegal constructor"
        );
    }
    for operation in [
        "setTimeout",
        "atob",
        "console.log",
        "URL.canParse",
        "URL.prototype.toString",
        "EventTarget.prototype.addEventListener",
    ] {
        let outcome = world.eval(&format!("new ({operation})('x', 'y')"));
        assert!(
            outcome.as_str().unwrap().starts_with("throws TypeError"),
            "{operation}: {outcome}"
        );
    }
}

#[test]
fn patched_intrinsics_do_not_reach_inside() {
    // `concat` is spared: the engine compiles every template literal to a call of it.
    let world = World::new();
    world.script::<()>(
        "const keep = new Set(['constructor', 'prototype', 'length', 'name', 'concat']);
         const sabotage = () => { throw new Error('patched') };
         const targets = [Array, Map, Set, WeakMap, WeakRef, String, Number, Function, Uint8Array, ArrayBuffer, DataView, Date, RegExp, Promise, Error, Symbol, BigInt, Boolean]
           .map((c) => c.prototype);
         targets.push(Object.getPrototypeOf(Uint8Array.prototype), Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())), Object.getPrototypeOf([][Symbol.iterator]()),
           Reflect, JSON, Math, Array, Number, String, ArrayBuffer, Promise);
         const define = Object.defineProperty, keys = Reflect.ownKeys, describe = Object.getOwnPropertyDescriptor;
         const each = Array.prototype.forEach, has = Set.prototype.has, call = Function.prototype.call.bind(Function.prototype.call);
         call(each, targets, (target) => call(each, keys(target), (key) => {
           const d = describe(target, key);
           if (call(has, keep, key) || !d.configurable) return;
           if (typeof d.value === 'function') define(target, key, {...d, value: sabotage});
           else if (d.get) define(target, key, {...d, get: sabotage});
         }));
         const names = ['queueMicrotask', 'Map', 'WeakRef', 'TypeError', 'DOMException', 'Uint8Array', 'Event', 'EventTarget', 'String', 'Number'];
         for (let i = 0; i < names.length; i++) globalThis[names[i]] = sabotage;",
    );
    // From here on nothing but the platform works.
    for (code, expected) in [
        (
            "var u = new URL('http://a/?x=1&y=2'); u.searchParams.append('z', 'w'); u.searchParams.sort(); u.href",
            "http://a/?x=1&y=2&z=w",
        ),
        (
            "u.searchParams.set('x', 5); u.searchParams.delete('y'); new URLSearchParams({q: 1}) + u.search",
            "q=1?x=5&z=w",
        ),
        (
            "var c = new AbortController(), seen = ''; c.signal.addEventListener('abort', () => { seen += 'listener' }); ''",
            "",
        ),
        (
            "c.signal.onabort = () => { seen += ' handler' }; AbortSignal.timeout(5); c.abort(); seen",
            "listener handler",
        ),
        ("new TextDecoder().decode(new TextEncoder().encode('ok'))", "ok"),
        (
            "btoa('q') + atob('cQ==') + crypto.randomUUID()",
            "cQ==q00070e15-1c23-4a31-b83f-464d545b6269",
        ),
        ("setTimeout((x) => console.log('fired', x), 1, 2) + ''", "2"),
        ("console.log({a: [1, 'b', {}], m: null}, '%s', 5); ''", ""),
        (
            "console.log('%s|%d|%j', 'x', '7', 1); console.count(); console.group('g'); console.groupEnd(); ''",
            "",
        ),
        (
            "console.time(); console.timeEnd(); console.trace(); console.table([1]); ''",
            "",
        ),
    ] {
        assert_eq!(world.script::<String>(code), expected);
    }
    world.run();
    let texts = world.host.texts();
    assert_eq!(texts[0], "{ a: [ 1, 'b', {} ], m: null } %s 5");
    assert_eq!(texts.last().map(String::as_str), Some("fired 2"));
}

#[test]
fn teardown_with_everything_alive_leaves_nothing_behind() {
    // Dropping a runtime in which Rust still holds a value aborts the process.
    for _ in 0..3 {
        let world = World::new();
        world.script::<()>(
            "setInterval(() => {}, 1); setTimeout(() => {}, 1e9); globalThis.t = new EventTarget();
             t.addEventListener('x', () => t, {signal: AbortSignal.any([AbortSignal.timeout(1e6), new AbortController().signal])});
             globalThis.d = new TextDecoder(); d.decode(new Uint8Array([0xe2]), {stream: true});
             globalThis.i = new URL('http://a/?b').searchParams.keys(); console.group(); console.time('open'); queueMicrotask(() => {});",
        );
        world.run_at_most(5);
        world.with(|ctx| isthmus_web::console::set_position_hook(ctx, std::rc::Rc::new(|| None)));
    }
}

#[test]
fn after_teardown_the_entry_points_throw_instead_of_crashing() {
    let world = World::new();
    world.script::<()>("setTimeout(() => {}, 1)");
    world.with(|ctx| {
        isthmus_web::teardown(ctx);
        assert!(isthmus_web::timers::fire(ctx, 1).is_err());
        ctx.catch();
        assert!(isthmus_web::events::new_abort_signal(ctx).is_err());
        ctx.catch();
        isthmus_web::teardown(ctx);
    });
}

#[test]
fn functions_of_the_platform_show_no_source() {
    let world = World::new();
    for function in [
        "URL",
        "URL.prototype.toString",
        "Object.getOwnPropertyDescriptor(URL.prototype, 'href').get",
        "setTimeout",
        "console.log",
        "ReadableStream.prototype.getReader",
    ] {
        let text = world.eval(&format!("return String({function}).replace(/\\s+/g, ' ')"));
        let text = text.as_str().unwrap();
        assert!(
            text.starts_with("function ") && text.ends_with("() { [native code] }"),
            "{text}"
        );
    }
}

#[test]
fn timers_and_listeners_that_ended_are_forgotten() {
    let world = World::new();
    let turn = "for (let i = 0; i < 200; i++) { setTimeout(() => {}, i); clearTimeout(setTimeout(() => {}, 1e6));
         const c = new AbortController(); c.signal.addEventListener('abort', () => {}); AbortSignal.any([c.signal]).onabort = () => {}; c.abort();
         const u = new URL('http://a/?q'); u.searchParams.append('a', 'b'); new TextDecoder().decode(new TextEncoder().encode('x')); }";
    world.script::<()>(turn);
    world.run();
    let before = world.objects();
    for _ in 0..5 {
        world.script::<()>(turn);
        world.run();
    }
    let grown = world.objects() - before;
    assert!(grown < 50, "{grown} objects remain");
    assert_eq!(world.host.waiting(), 0);
}

#[test]
fn performance_can_be_replaced() {
    assert_eq!(
        World::new().eval(
            "const was = performance, { get } = Object.getOwnPropertyDescriptor(WorkerGlobalScope.prototype, 'performance');
             const first = [Object.hasOwn(globalThis, 'performance'), get.call(undefined) === was, was instanceof Performance];
             let refused;
             try { get.call({}) } catch (error) { refused = error.name }
             performance = 1;
             return [...first, refused, performance, Object.hasOwn(globalThis, 'performance')]"
        ),
        json!([false, true, true, "TypeError", 1, true])
    );
}
