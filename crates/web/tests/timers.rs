//! Timers: order, repetition, cancellation, coercion, exceptions.

mod support;

use serde_json::json;
use support::World;

#[test]
fn equal_delays_fire_in_the_order_of_creation() {
    let world = World::new();
    let order = world.eval(
        "const order = [];
         setTimeout(() => order.push('late'), 2);
         for (const delay of [1, '1', 1.9, 0, -7, NaN, undefined, null, 'x', true]) setTimeout((d) => order.push(String(d)), delay, delay);
         await new Promise((resolve) => setTimeout(resolve, 5));
         return order",
    );
    assert_eq!(
        order,
        json!([
            "0",
            "-7",
            "NaN",
            "undefined",
            "null",
            "x",
            "1",
            "1",
            "1.9",
            "true",
            "late"
        ])
    );
}

#[test]
fn identifiers_are_positive_and_distinct() {
    let world = World::new();
    assert_eq!(
        world.eval("const ids = [setTimeout(() => {}), setInterval(() => {}, 1), setTimeout(() => {})]; ids.forEach(clearTimeout); return ids"),
        json!([1, 2, 3])
    );
    assert_eq!(world.host.waiting(), 0);
}

#[test]
fn a_job_runs_before_any_timer() {
    let world = World::new();
    assert_eq!(
        world.eval("const o = []; setTimeout(() => o.push('timer')); queueMicrotask(() => o.push('job')); await new Promise((r) => setTimeout(r)); return o"),
        json!(["job", "timer"])
    );
}

#[test]
fn intervals_repeat_until_cleared_even_from_within() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const at = []; let n = 0;
             const id = setInterval((x) => { at.push(performance.now() + x); if (++n === 3) clearTimeout(id); }, 10, 0.5);
             await new Promise((resolve) => setTimeout(resolve, 100));
             return at"
        ),
        json!([10.5, 20.5, 30.5])
    );
    assert_eq!(world.host.waiting(), 0);
}

#[test]
fn clearing_takes_anything() {
    let world = World::new();
    world.script::<()>("clearTimeout(); clearTimeout(null); clearTimeout({}); clearInterval(-1); clearTimeout(1e300); clearTimeout('nope')");
    assert_eq!(world.eval("let hit = false; const id = setTimeout(() => hit = true, 1); clearInterval(String(id)); await new Promise((r) => setTimeout(r, 9)); return hit"), false);
    assert_eq!(
        world
            .eval("clearTimeout(Symbol())")
            .as_str()
            .unwrap()
            .split(':')
            .next(),
        Some("throws TypeError")
    );
}

#[test]
fn exceptions_are_reported_and_stop_nothing() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "let n = 0;
             const id = setInterval(() => { if (++n === 2) clearInterval(id); throw new RangeError('tick ' + n); }, 1);
             setTimeout(() => { throw 'text'; }, 5);
             await new Promise((resolve) => setTimeout(resolve, 10));
             return n"
        ),
        2
    );
    let texts = world.host.texts();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].starts_with("Uncaught RangeError: tick 1\n"), "{texts:?}");
    assert!(texts[1].starts_with("Uncaught RangeError: tick 2\n"), "{texts:?}");
    assert_eq!(texts[2], "Uncaught 'text'");
}

#[test]
fn a_delay_is_a_long() {
    let world = World::new();
    world.script::<()>(
        "setTimeout(() => console.log('last'), 2 ** 31 - 1);
         setTimeout(() => console.log('second'), 2 ** 32 + 5);
         setTimeout(() => console.log('third'), '7.9');
         for (const none of [2 ** 31, 2 ** 32, Infinity, -1, NaN, {}]) setTimeout(() => console.log(String(none)), none)",
    );
    world.run();
    assert_eq!(
        world.host.texts(),
        [
            "2147483648",
            "4294967296",
            "Infinity",
            "-1",
            "NaN",
            "[object Object]",
            "second",
            "third",
            "last"
        ]
    );
}

#[test]
fn firing_an_unknown_timer_does_nothing() {
    let world = World::new();
    world.with(|ctx| {
        isthmus_web::timers::fire(ctx, 77).unwrap();
        assert_eq!(isthmus_web::timers::active(ctx).unwrap(), 0);
    });
    world.script::<()>("setTimeout(() => {}, 5)");
    world.with(|ctx| assert_eq!(isthmus_web::timers::active(ctx).unwrap(), 1));
}

#[test]
fn callbacks_get_the_global_object_as_this() {
    let world = World::new();
    assert_eq!(
        world.eval("let self_; setTimeout(function () { self_ = this }, 1); await new Promise((r) => setTimeout(r, 2)); return self_ === globalThis"),
        true
    );
}
