//! Events and abort signals.

mod support;

use isthmus_web::events;
use rquickjs::{Function, Object, Value};
use serde_json::json;
use support::World;

#[test]
fn listeners_obey_their_options() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(), o = [];
             t.addEventListener('x', () => o.push('bubble'));
             t.addEventListener('x', () => o.push('capture'), true);
             t.addEventListener('x', () => o.push('once'), {once: true});
             t.addEventListener('x', (e) => { e.preventDefault(); o.push('passive ' + e.defaultPrevented); }, {passive: true});
             t.addEventListener('x', {handleEvent(e) { o.push('object ' + (this.tag === 5) + e.type); }, tag: 5});
             t.dispatchEvent(new Event('x', {cancelable: true}));
             t.dispatchEvent(new Event('x'));
             return o"
        ),
        json!(["capture", "bubble", "once", "passive false", "object truex", "capture", "bubble", "passive false", "object truex"])
    );
}

#[test]
fn the_same_listener_counts_once_per_phase() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(); let n = 0; const f = () => n++;
             t.addEventListener('x', f); t.addEventListener('x', f, {once: true}); t.addEventListener('x', f, true);
             t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x'));
             t.removeEventListener('x', f, {capture: true}); t.dispatchEvent(new Event('x')); return n"
        ),
        3
    );
}

#[test]
fn the_list_may_change_during_a_dispatch() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(), o = [];
             const second = () => o.push('second');
             t.addEventListener('x', () => {
               o.push('first');
               t.removeEventListener('x', second);
               t.addEventListener('x', () => o.push('added'));
             }, {once: true});
             t.addEventListener('x', second);
             t.dispatchEvent(new Event('x'));
             t.dispatchEvent(new Event('x'));
             return o"
        ),
        json!(["first", "added"])
    );
}

#[test]
fn stopping() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const o = [];
             const run = (how) => {
               const t = new EventTarget();
               t.addEventListener('x', (e) => { o.push(how + 1); how && e[how](); }, true);
               t.addEventListener('x', () => o.push(how + 2), true);
               t.addEventListener('x', () => o.push(how + 3));
               t.dispatchEvent(new Event('x'));
             };
             run('stopPropagation'); run('stopImmediatePropagation'); return o"
        ),
        json!([
            "stopPropagation1",
            "stopPropagation2",
            "stopImmediatePropagation1"
        ])
    );
}

#[test]
fn an_event_cannot_be_dispatched_while_it_is() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(); let name;
             t.addEventListener('x', (e) => { try { t.dispatchEvent(e) } catch (error) { name = error.name } });
             t.dispatchEvent(new Event('x')); return name"
        ),
        "InvalidStateError"
    );
}

#[test]
fn exceptions_of_listeners_are_reported() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(), o = [];
             t.addEventListener('x', () => { throw new Error('one') });
             t.addEventListener('x', {});
             t.addEventListener('x', {get handleEvent() { throw new Error('three') }});
             t.addEventListener('x', () => o.push('still'));
             o.push(t.dispatchEvent(new Event('x'))); return o"
        ),
        json!(["still", true])
    );
    let texts = world.host.texts();
    assert_eq!(texts.len(), 3);
    for (text, start) in texts.iter().zip([
        "Uncaught Error: one",
        "Uncaught TypeError: ",
        "Uncaught Error: three",
    ]) {
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn events_carry_the_time_of_the_host_and_are_trusted_only_from_within() {
    let world = World::new();
    world.host.advance(std::time::Duration::from_millis(1_250));
    assert_eq!(world.eval("return new Event('x').timeStamp"), 1_250.0);
    assert_eq!(
        world.eval(
            "const c = new AbortController(); let e; c.signal.onabort = (x) => e = x; c.abort();
             const before = e.isTrusted; new EventTarget().dispatchEvent(e); return [before, e.isTrusted]"
        ),
        json!([true, false])
    );
}

#[test]
fn signal_option_removes_the_listener() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const t = new EventTarget(), c = new AbortController(); let n = 0;
             t.addEventListener('x', () => n++, {signal: c.signal});
             t.addEventListener('x', () => n += 10, {signal: AbortSignal.abort()});
             t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return n"
        ),
        1
    );
    assert!(
        world
            .eval("new EventTarget().addEventListener('x', () => {}, {signal: null})")
            .as_str()
            .unwrap()
            .starts_with("throws TypeError")
    );
}

#[test]
fn event_handler_attribute_keeps_its_place() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const c = new AbortController(), s = c.signal, o = [];
             s.onabort = () => o.push('old');
             s.addEventListener('abort', () => o.push('listener'));
             s.onabort = () => o.push('new');
             c.abort(); return o"
        ),
        json!(["new", "listener"])
    );
    assert_eq!(
        world.eval(
            "const c = new AbortController(), s = c.signal, o = [];
             s.onabort = () => o.push('gone'); s.onabort = null;
             s.addEventListener('abort', () => o.push('listener'));
             s.onabort = () => o.push('last');
             c.abort(); return o"
        ),
        json!(["listener", "last"])
    );
}

#[test]
fn any_follows_its_sources_through_generations() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const a = new AbortController(), b = new AbortController(), o = [];
             const one = AbortSignal.any([a.signal, b.signal]);
             const two = AbortSignal.any([one, b.signal]);
             a.signal.addEventListener('abort', () => o.push(['a', one.aborted, two.aborted]));
             one.addEventListener('abort', () => o.push('one'));
             two.addEventListener('abort', () => o.push('two'));
             a.abort('why'); b.abort('late');
             return [o, one.reason, two.reason]"
        ),
        json!([[["a", true, true], "one", "two"], "why", "why"])
    );
}

#[test]
fn a_followed_signal_with_listeners_survives_collection() {
    let world = World::new();
    world.script::<()>(
        "globalThis.c = new AbortController(); globalThis.hits = 0;
         (() => { AbortSignal.any([c.signal]).addEventListener('abort', () => hits++); AbortSignal.any([c.signal]); })()",
    );
    world.collect_garbage();
    world.script::<()>("c.abort()");
    assert_eq!(world.script::<i32>("hits"), 1);
}

#[test]
fn following_signals_that_nobody_uses_are_collected() {
    let world = World::new();
    world.script::<()>("globalThis.c = new AbortController(); AbortSignal.any([c.signal])");
    let before = world.objects();
    world.script::<()>("for (let i = 0; i < 1000; i++) AbortSignal.any([c.signal])");
    // The next follower drops the entries of those that are gone.
    world.collect_garbage();
    world.script::<()>("AbortSignal.any([c.signal])");
    let grown = world.objects() - before;
    assert!(grown < 20, "{grown} objects remain");
}

#[test]
fn timeout_signals_use_the_clock_of_the_host() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const s = AbortSignal.timeout(20); let at;
             s.addEventListener('abort', () => at = performance.now());
             await new Promise((r) => setTimeout(r, 50)); return [at, s.reason.name, s.reason instanceof DOMException]"
        ),
        json!([20, "TimeoutError", true])
    );
}

#[test]
fn rust_makes_and_aborts_signals() {
    let world = World::new();
    world.with(|ctx| {
        let signal = events::new_abort_signal(ctx).unwrap();
        ctx.globals().set("s", signal.clone()).unwrap();
        ctx.eval::<(), _>("globalThis.o = []; s.addEventListener('abort', () => o.push('event'))")
            .unwrap();
        let algorithm: Function<'_> = ctx.eval("(reason) => o.push(reason.name)").unwrap();
        let undone: Function<'_> = ctx.eval("() => o.push('undone')").unwrap();
        events::on_abort(ctx, &signal, algorithm).unwrap();
        events::on_abort(ctx, &signal, undone)
            .unwrap()
            .call::<_, ()>(())
            .unwrap();
        events::abort(ctx, &signal, None).unwrap();
        events::abort(ctx, &signal, None).unwrap();
        assert_eq!(
            ctx.eval::<String, _>("o.join() + s.reason.message").unwrap(),
            "AbortError,eventThe operation was aborted"
        );
        assert!(events::is_abort_signal(ctx, signal.as_value()).unwrap());

        let plain = Object::new(ctx.clone()).unwrap();
        assert!(!events::is_abort_signal(ctx, plain.as_value()).unwrap());
        assert!(events::abort(ctx, &plain, None).is_err());
        ctx.catch();

        let other = events::new_abort_signal(ctx).unwrap();
        events::abort(ctx, &other, Some(Value::new_int(ctx.clone(), 5))).unwrap();
        assert_eq!(other.get::<_, i32>("reason").unwrap(), 5);
    });
}

#[test]
fn classes_extend_the_target_and_the_event() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "class Bus extends EventTarget { #seen = []; constructor() { super(); this.addEventListener('m', this); }
               handleEvent(e) { this.#seen.push(e.payload + e.detail); } get seen() { return this.#seen; } }
             class Message extends CustomEvent { constructor(payload) { super('m', {detail: 1}); this.payload = payload; } }
             const bus = new Bus(); bus.dispatchEvent(new Message('p')); return [bus.seen, bus instanceof EventTarget, String(new Message())]"
        ),
        json!([["p1"], true, "[object CustomEvent]"])
    );
}

#[test]
fn wrong_receivers_and_arguments_are_type_errors() {
    let world = World::new();
    for code in [
        "EventTarget.prototype.addEventListener.call({}, 'x', () => {})",
        "EventTarget.prototype.dispatchEvent.call(5, new Event('x'))",
        "Reflect.get(Event.prototype, 'type', {})",
        "Reflect.get(AbortSignal.prototype, 'aborted', new EventTarget())",
        "AbortSignal.prototype.throwIfAborted.call({})",
        "new AbortController().abort.call({})",
        "new EventTarget().dispatchEvent({type: 'x'})",
        "new EventTarget().dispatchEvent(null)",
        "new Event(Symbol())",
        "new Event()",
        "new CustomEvent()",
        "EventTarget()",
        "new AbortSignal()",
        "AbortSignal.timeout(NaN)",
        "AbortSignal.timeout(Infinity)",
        "AbortSignal.any(null)",
        "AbortSignal.any({})",
        "AbortSignal.any([{}])",
    ] {
        let outcome = world.eval(code);
        assert!(
            outcome
                .as_str()
                .is_some_and(|text| text.starts_with("throws TypeError")),
            "{code}: {outcome}"
        );
    }
}

#[test]
fn the_global_object_is_a_target() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const log = [];
             const f = function (e) { log.push(this === globalThis, e.target === globalThis, e.currentTarget === globalThis, e.composedPath()[0] === globalThis); };
             addEventListener('x', f);
             log.push(dispatchEvent(new Event('x')));
             EventTarget.prototype.removeEventListener.call(null, 'x', f);
             self.dispatchEvent(new Event('x'));
             return [log, globalThis instanceof EventTarget, String(globalThis), Object.hasOwn(globalThis, 'addEventListener')]"
        ),
        json!([[true, true, true, true, true], true, "[object ServiceWorkerGlobalScope]", false])
    );
    assert_eq!(
        world.eval("addEventListener.call({}, 'x', () => {})"),
        "throws TypeError: private class field '#listeners' does not exist"
    );
    assert_eq!(
        world.eval("new ServiceWorkerGlobalScope()"),
        "throws TypeError: Illegal constructor"
    );
}

#[test]
fn exceptions_are_events_first() {
    let world = World::new();
    let events = world.eval(
        "const events = []; let prevent = true;
         addEventListener('error', (e) => { events.push([e.message, e.error?.name ?? String(e.error), e.isTrusted, e.cancelable]); if (prevent) e.preventDefault(); });
         reportError(new TypeError('one')); setTimeout(() => { throw new RangeError('two'); }); queueMicrotask(() => { throw 3; });
         await new Promise((r) => setTimeout(r, 1));
         prevent = false; reportError('four');
         return events",
    );
    assert_eq!(
        events,
        json!([
            ["Uncaught TypeError: one", "TypeError", true, true],
            ["Uncaught 3", "3", true, true],
            ["Uncaught RangeError: two", "RangeError", true, true],
            ["Uncaught four", "four", true, true],
        ])
    );
    assert_eq!(world.host.texts(), ["Uncaught 'four'"]);
}

#[test]
fn a_listener_for_errors_that_throws_ends_in_the_log() {
    let world = World::new();
    world.eval("addEventListener('error', () => { throw new Error('inner'); }); reportError({ toString() { throw 1; } })");
    let texts = world.host.texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("Uncaught Error: inner"), "{texts:?}");
}

#[test]
fn rejections_are_events_first() {
    let world = World::reporting();
    let events = world.eval(
        "const events = [];
         addEventListener('unhandledrejection', (e) => { events.push([e.type, e.reason, e.promise instanceof Promise, e.cancelable]); if (e.reason === 1) e.preventDefault(); });
         addEventListener('rejectionhandled', (e) => { events.push([e.type, e.reason, e.cancelable]); });
         const turn = () => new Promise((r) => setTimeout(r, 1));
         const one = Promise.reject(1), two = Promise.reject(2), handled = Promise.reject(3);
         handled.catch(() => {});
         await turn();
         one.catch(() => {});
         await turn();
         return events",
    );
    assert_eq!(
        events,
        json!([
            ["unhandledrejection", 1, true, true],
            ["unhandledrejection", 2, true, true],
            ["rejectionhandled", 1, false]
        ])
    );
    assert_eq!(world.host.texts(), ["Uncaught 2"]);
}

#[test]
fn events_for_errors_convert_their_options() {
    let world = World::new();
    for (body, expected) in [
        (
            "const e = new ErrorEvent('x', { message: 1, filename: 'f\\ud800', lineno: -1, colno: '3', error: null }); return [e.message, e.filename, e.lineno, e.colno, e.error]",
            json!(["1", "f\u{fffd}", 4_294_967_295_u32, 3, null]),
        ),
        (
            "const p = Promise.resolve(); const e = new PromiseRejectionEvent('x', { promise: p, reason: 5 }); return [e.promise === p, e.reason, e.type]",
            json!([true, 5, "x"]),
        ),
        (
            "new PromiseRejectionEvent('x', {})",
            json!(
                "throws TypeError: Failed to construct 'PromiseRejectionEvent': the member 'promise' must be an object."
            ),
        ),
        (
            "new PromiseRejectionEvent('x')",
            json!(
                "throws TypeError: Failed to construct 'PromiseRejectionEvent': constructor parameter 2 is not of type 'Initializer'."
            ),
        ),
        (
            "const e = new CloseEvent('x', { code: 65537, reason: 'r', wasClean: 1 }); return [e.code, e.reason, e.wasClean]",
            json!([1, "r", true]),
        ),
        (
            "return [new ErrorEvent('x') instanceof Event, String(new CloseEvent('x')), ErrorEvent.length, PromiseRejectionEvent.length]",
            json!([true, "[object CloseEvent]", 1, 2]),
        ),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
}

#[test]
fn scheduler_wait_is_a_timer_as_a_promise() {
    let world = World::new();
    for (body, expected) in [
        (
            "const p = scheduler.wait(5000); return [p instanceof Promise, await p === undefined]",
            json!([true, true]),
        ),
        (
            "await scheduler.wait()",
            json!(
                "throws TypeError: Failed to execute 'wait' on 'Scheduler': parameter 1 is not of type 'number'."
            ),
        ),
        (
            "await scheduler.wait(1, { signal: AbortSignal.abort(new RangeError('gone')) })",
            json!("throws RangeError: gone"),
        ),
        (
            "await scheduler.wait.call({}, 1)",
            json!("throws TypeError: Illegal invocation"),
        ),
        (
            "await scheduler.wait(Symbol())",
            json!("throws TypeError: cannot convert symbol to number"),
        ),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
    // A wait that is given up leaves no timer behind.
    assert_eq!(
        world.eval("const c = new AbortController(); const p = scheduler.wait(1e6, { signal: c.signal }).catch((e) => e.name); c.abort(); return await p"),
        "AbortError"
    );
    assert_eq!(world.host.waiting(), 0);
}

#[test]
fn a_listener_that_nothing_calls_is_told_so() {
    let world = World::new();
    world.eval("addEventListener('fetch', () => {}); addEventListener('alarm', () => {}, { once: true });");
    assert_eq!(
        world.host.texts(),
        ["fetch", "alarm"].map(|name| {
            format!("addEventListener(\"{name}\") does nothing: a method of an entrypoint class handles this event.")
        })
    );
    world.eval("new EventTarget().addEventListener('fetch', () => {}); addEventListener('error', () => {}); addEventListener('fetch', null)");
    assert!(world.host.texts().is_empty());
}
