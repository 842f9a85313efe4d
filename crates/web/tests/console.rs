//! The console beyond what workerd prints: levels, positions, state, and arguments that fight back.

mod support;

use std::rc::Rc;
use std::time::Duration;

use isthmus_web::LogLevel::{Debug, Error, Info, Log, Warn};
use isthmus_web::console;
use rquickjs::context::EvalOptions;
use support::World;

fn printed(code: &str) -> Vec<String> {
    let world = World::new();
    world.script::<()>(code);
    world.host.texts()
}

#[test]
fn levels() {
    let world = World::new();
    world.script::<()>(
        "console.debug('d'); console.log('l'); console.info('i'); console.warn('w'); console.error('e');
         console.assert(false); console.dir(1); console.countReset('none');",
    );
    let levels: Vec<_> = world
        .host
        .logged
        .take()
        .into_iter()
        .map(|(level, ..)| level)
        .collect();
    assert_eq!(levels, [Debug, Log, Info, Warn, Error, Error, Log, Warn]);
}

#[test]
fn positions_are_those_of_the_caller() {
    let world = World::new();
    world.with(|ctx| {
        let mut options = EvalOptions::default();
        options.filename = Some("worker.js".to_owned());
        ctx.eval_with_options::<(), _>(
            "\nfunction f() {\n  console.log(1);\n}\nf();\n[2].forEach(console.log);",
            options,
        )
        .unwrap();
    });
    let positions: Vec<_> = world
        .host
        .logged
        .take()
        .into_iter()
        .map(|(_, _, position)| position)
        .collect();
    assert_eq!(positions.len(), 2);
    assert!(
        positions[0].as_deref().unwrap().starts_with("worker.js:3:"),
        "{positions:?}"
    );
    assert!(
        positions[1].as_deref().unwrap().starts_with("worker.js:6:"),
        "{positions:?}"
    );
}

#[test]
fn position_without_javascript_comes_from_the_hook_or_is_unknown() {
    let world = World::new();
    let log = || {
        world.with(|ctx| {
            let log: rquickjs::Function<'_> = ctx.eval("console.log").unwrap();
            log.call::<_, ()>(("from outside",)).unwrap();
        });
        world.host.logged.take().remove(0).2
    };
    assert_eq!(log(), None);
    world.with(|ctx| console::set_position_hook(ctx, Rc::new(|| Some("main.py:7".to_owned()))));
    assert_eq!(log().as_deref(), Some("main.py:7"));
    world.with(|ctx| console::set_position_hook(ctx, Rc::new(|| None)));
    assert_eq!(log(), None);
}

#[test]
fn a_stack_that_user_code_shapes_does_no_harm() {
    let world = World::new();
    world.script::<()>("Error.prepareStackTrace = () => { throw 1 }; console.log('a'); Error.prepareStackTrace = () => 5; console.log('b');");
    world.script::<()>("Error.prepareStackTrace = undefined; Error.stackTraceLimit = 0; console.log('c'); console.trace('t')");
    assert_eq!(world.host.texts(), ["a", "b", "c", "Trace: t"]);
}

#[test]
fn counting_grouping_asserting() {
    assert_eq!(
        printed(
            "console.count(); console.count(); console.count('x'); console.countReset(); console.count(); console.countReset('nope'); console.count(undefined)"
        ),
        [
            "default: 1",
            "default: 2",
            "x: 1",
            "default: 1",
            "Count for 'nope' does not exist",
            "default: 2"
        ]
    );
    assert_eq!(
        printed(
            "console.group('G', 1); console.log('in\\nside'); console.groupCollapsed(); console.error({a: 1}); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out')"
        ),
        ["G 1", "  in\n  side", "    { a: 1 }", "out"]
    );
    assert_eq!(
        printed(
            "console.assert(true, 'no'); console.assert(false); console.assert(0, 'msg', 1); console.assert(null, {a: 1}); console.assert('', '%s!', 'f'); console.assert()"
        ),
        [
            "Assertion failed",
            "Assertion failed: msg 1",
            "Assertion failed: { a: 1 }",
            "Assertion failed: f!",
            "Assertion failed"
        ]
    );
}

#[test]
fn a_text_directive_asks_objects_that_have_a_text() {
    assert_eq!(
        printed(
            "console.log('%s|%s|%s', new URL('http://a/b'), new URLSearchParams('a=b'), new (class { toString() { return 'mine' } })());
             console.log('%s|%s|%s', {a: 1}, [1], { toString: (() => 'bound').bind(null) })"
        ),
        ["http://a/b|a=b|mine", "{ a: 1 }|[ 1 ]|bound"]
    );
}

#[test]
fn dir_and_table() {
    assert_eq!(
        printed(
            "console.dir({a: {b: {c: {d: 1}}}}); console.dir({a: {b: 1}}, {depth: 0}); console.dir({a: {b: {c: {d: {}}}}}, {depth: null}); console.dir('%s')"
        ),
        [
            "{ a: { b: { c: [Object] } } }",
            "{ a: [Object] }",
            "{\n  a: { b: { c: { d: {} } } }\n}",
            "'%s'"
        ]
    );
    assert_eq!(
        printed("console.table([{a: 1, b: 'x'}, {a: 2, c: true}, 5])"),
        ["┌─────────┬───┬─────┬──────┬────────┐\n\
          │ (index) │ a │ b   │ c    │ Values │\n\
          ├─────────┼───┼─────┼──────┼────────┤\n\
          │ 0       │ 1 │ 'x' │      │        │\n\
          │ 1       │ 2 │     │ true │        │\n\
          │ 2       │   │     │      │ 5      │\n\
          └─────────┴───┴─────┴──────┴────────┘"]
    );
    assert_eq!(
        printed(
            "console.table(new Map([['k', {v: 1}]])); console.table([{a: 1, b: 2}], ['b', 'z']); console.table('text')"
        ),
        [
            "┌───────────────────┬─────┬───┐\n\
             │ (iteration index) │ Key │ v │\n\
             ├───────────────────┼─────┼───┤\n\
             │ 0                 │ 'k' │ 1 │\n\
             └───────────────────┴─────┴───┘",
            "┌─────────┬───┬───┐\n\
             │ (index) │ b │ z │\n\
             ├─────────┼───┼───┤\n\
             │ 0       │ 2 │   │\n\
             └─────────┴───┴───┘",
            "text",
        ]
    );
}

#[test]
fn timing_follows_the_clock_of_the_host() {
    let world = World::new();
    world.script::<()>("console.time(); console.time('b'); console.time()");
    world.host.advance(Duration::from_micros(1_500));
    world.script::<()>("console.timeLog('default', 'so far', {a: 1}); console.timeEnd()");
    world.host.advance(Duration::from_millis(2_000));
    world.script::<()>("console.timeLog('b')");
    world.host.advance(Duration::from_secs(60));
    world.script::<()>("console.timeEnd('b'); console.timeEnd('b')");
    assert_eq!(
        world.host.texts(),
        [
            "Timer 'default' already exists",
            "default: 1.5ms so far { a: 1 }",
            "default: 1.5ms",
            "b: 2.002s",
            "b: 1:02.002 (m:ss.mmm)",
            "Timer 'b' does not exist",
        ]
    );
}

#[test]
fn hostile_arguments_never_break_the_console() {
    let hostile = [
        "{get a() { throw 1 }}",
        "{toString() { throw 1 }, valueOf() { throw 2 }, [Symbol.toPrimitive]() { throw 3 }}",
        "{get [Symbol.toStringTag]() { throw 1 }}",
        "new (class { get [Symbol.toStringTag]() { throw 1 } })",
        "new Proxy({}, new Proxy({}, {get() { throw new Error('trap') }}))",
        "Object.create(new Proxy({}, {getPrototypeOf() { throw 1 }, getOwnPropertyDescriptor() { throw 2 }}))",
        "Proxy.revocable({}, {}).proxy",
        "(() => { const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); return proxy })()",
        "(() => { const {proxy, revoke} = Proxy.revocable(() => {}, {}); revoke(); return proxy })()",
        "Object.setPrototypeOf(new Map([[1, 2]]), null)",
        "Object.create(Map.prototype)",
        "Object.create(Promise.prototype)",
        "Object.create(URL.prototype)",
        "URL.prototype",
        "Event.prototype",
        "Object.defineProperty(new Error('x'), 'message', {get() { throw 1 }})",
        "Object.defineProperty(new Error('x'), 'stack', {get() { throw 1 }})",
        "Object.assign(new Error('x'), {name: {toString() { throw 1 }}})",
        "Object.defineProperty(() => {}, 'name', {get() { throw 1 }})",
        "Object.setPrototypeOf(function () {}, null)",
        "{constructor: {name: 5}}",
        "Object.create({get constructor() { throw 1 }})",
        "new Array(100000)",
        "'\\ud800'",
        "(() => { let deep = {}; for (let i = 0; i < 100000; i++) deep = new Proxy(deep, {}); return deep })()",
        "(() => { const a = []; a[0] = a; const m = new Map([[a, a]]); m.set(m, m); return m })()",
    ];
    for argument in hostile {
        let world = World::new();
        for form in [
            "console.log(ARG)",
            "console.log('%s %d %i %f %j %o %O %c', ARG, ARG, ARG, ARG, ARG, ARG, ARG, ARG)",
            "console.dir(ARG)",
            "console.table(ARG)",
            "console.table([ARG])",
            "console.count(ARG)",
            "console.time(ARG)",
            "console.group(ARG)",
            "console.assert(false, ARG)",
            "console.trace(ARG)",
            "console.dir({}, ARG)",
            "reportError(ARG)",
        ] {
            world.script::<()>(&form.replace("ARG", &format!("({argument})")));
            let expected = usize::from(!form.starts_with("console.time("));
            assert_eq!(world.host.logged.take().len(), expected, "{form} with {argument}");
        }
    }
}

#[test]
fn huge_sparse_arrays_are_shown_at_once() {
    assert_eq!(
        printed("const a = new Array(4294967295); a[7] = 1; console.log(a, [new Array(1e9)])"),
        ["[ <7 empty items>, 1, <4294967287 empty items> ] [ [ <1000000000 empty items> ] ]"]
    );
}

#[test]
fn getters_are_not_called_and_traps_not_run() {
    let world = World::new();
    world.script::<()>(
        "globalThis.touched = [];
         const traps = new Proxy({}, {get(_, name) { return () => { touched.push(name); throw 1 } }});
         console.log({get a() { touched.push('a') }}, new Proxy({x: 1}, traps), [new Proxy([1, 2], traps)]);",
    );
    assert_eq!(
        world.host.texts(),
        ["{ a: [Getter] } Proxy({ x: 1 }) [ Proxy([ 1, 2 ]) ]"]
    );
    assert_eq!(world.script::<String>("touched.join()"), "");
}

#[test]
fn foreign_proxies_speak_for_themselves() {
    assert_eq!(
        printed(
            "class PyProxy { toString() { return '<Thing at 1>' } }
                 class PyProxyWithGet extends PyProxy {}
                 class PyProxyBroken extends PyProxy { toString() { throw 1 } }
                 console.log(new PyProxy(), [new PyProxyWithGet()], new PyProxyBroken())"
        ),
        ["<Thing at 1> [ <Thing at 1> ] [PyProxyBroken]"]
    );
}

#[test]
fn errors_show_their_class_and_the_users_frames() {
    let world = World::new();
    world.with(|ctx| {
        let mut options = EvalOptions::default();
        options.filename = Some("worker.js".to_owned());
        ctx.eval_with_options::<(), _>(
            "class BadThing extends Error {}
             function thrower() { throw new BadThing('oh'); }
             try { thrower() } catch (error) { console.log(error) }
             new EventTarget().addEventListener('x', null);
             const target = new EventTarget();
             target.addEventListener('x', thrower);
             target.dispatchEvent(new Event('x'));
             console.log(new DOMException('m', 'AbortError'));
             console.log([Object.assign(new TypeError('t'), {stack: '', code: 5})]);",
            options,
        )
        .unwrap();
    });
    let texts = world.host.texts();
    let thrown = "BadThing: oh\n    at BadThing (worker.js:1:1)\n    at thrower (worker.js:2:";
    assert!(texts[0].starts_with(thrown), "{texts:?}");
    let reported: Vec<_> = texts[1].lines().collect();
    assert!(texts[1].starts_with(&format!("Uncaught {thrown}")), "{texts:?}");
    assert_eq!(reported.len(), 4, "{texts:?}");
    assert!(
        reported[3].starts_with("    at <eval> (worker.js:7:"),
        "{texts:?}"
    );
    assert!(texts[2].starts_with("AbortError: m\n    at"), "{texts:?}");
    assert_eq!(texts[3], "[ [TypeError: t] { code: 5 } ]");
}

#[test]
fn console_is_a_namespace() {
    let world = World::new();
    assert_eq!(world.eval("return String(console)"), "[object console]");
    assert_eq!(
        world.eval("return Object.keys(Object.getPrototypeOf(console))"),
        serde_json::json!([])
    );
    assert_eq!(
        world.eval("return Object.getPrototypeOf(Object.getPrototypeOf(console)) === Object.prototype"),
        true
    );
    assert_eq!(
        world.eval("const { log } = console; log('free'); return typeof new console.log"),
        "throws TypeError: not a constructor"
    );
}

#[test]
fn inspect_gives_what_log_would_print() {
    let world = World::new();
    world.with(|ctx| {
        let value: rquickjs::Value<'_> = ctx.eval("({a: [1, 'two']})").unwrap();
        assert_eq!(console::inspect(ctx, value).unwrap(), "{ a: [ 1, 'two' ] }");
        let text: rquickjs::Value<'_> = ctx.eval("'%s'").unwrap();
        assert_eq!(console::inspect(ctx, text).unwrap(), "%s");
    });
}
