//! `MessageChannel`, `MessagePort` and `MessageEvent`: <https://html.spec.whatwg.org/#web-messaging>.

mod support;

use serde_json::json;
use support::World;

/// `received(port, n)` is a promise of the data of the next n messages.
const PRELUDE: &str = "
  globalThis.received = (port, n) => new Promise((resolve) => { const out = []; port.onmessage = (e) => { out.push(e.data); if (out.length === n) resolve(out); }; });
  globalThis.turn = () => new Promise((resolve) => setTimeout(resolve, 1));";

fn check(cases: &[(&str, serde_json::Value)]) {
    let world = World::new();
    world.script::<()>(PRELUDE);
    for (body, expected) in cases {
        assert_eq!(&world.eval(body), expected, "{body}");
    }
}

#[test]
fn messages_arrive_in_order_as_clones() {
    check(&[
        (
            "const c = new MessageChannel(); c.port1.postMessage(1); c.port1.postMessage({ a: 2 }); const got = received(c.port2, 3); c.port1.postMessage('x'); return await got",
            json!([1, {"a": 2}, "x"]),
        ),
        (
            "const c = new MessageChannel(); const got = received(c.port1, 1); c.port2.postMessage(new Map([[1, 2]])); return [...(await got)[0]]",
            json!([[1, 2]]),
        ),
        (
            "const c = new MessageChannel(); const o = { a: 1 }; c.port1.postMessage(o); o.a = 2; return await received(c.port2, 1)",
            json!([{"a": 1}]),
        ),
        // Never during the call.
        (
            "const c = new MessageChannel(); let n = 0; c.port2.onmessage = () => n++; c.port1.postMessage(1); const before = n; await null; const micro = n; await turn(); return [before, micro, n]",
            json!([0, 0, 1]),
        ),
        (
            "const c = new MessageChannel(); const out = []; c.port2.onmessage = (e) => { out.push(e.data); Promise.resolve().then(() => out.push('micro')); }; c.port1.postMessage(1); c.port1.postMessage(2); await turn(); return out",
            json!([1, "micro", 2, "micro"]),
        ),
        (
            "const c = new MessageChannel(); let n = 0; c.port2.onmessage = () => { n++; throw new Error('own'); }; c.port1.postMessage(1); c.port1.postMessage(2); await turn(); return n",
            json!(2),
        ),
    ]);
}

#[test]
fn a_port_delivers_once_it_is_started() {
    check(&[
        (
            "const c = new MessageChannel(); const out = []; c.port2.addEventListener('message', (e) => out.push(e.data)); c.port1.postMessage(1); await turn(); const before = [...out]; c.port2.start(); c.port2.start(); await turn(); return [before, out]",
            json!([[], [1]]),
        ),
        (
            "const c = new MessageChannel(); c.port1.postMessage(1); await turn(); return await received(c.port2, 1)",
            json!([1]),
        ),
        (
            "const c = new MessageChannel(); const f = () => {}; c.port2.onmessage = f; c.port2.onclose = f; return [c.port2.onmessage === f, c.port2.onclose === f, c.port1.onmessage, c.port1.onmessageerror]",
            json!([true, true, null, null]),
        ),
    ]);
}

#[test]
fn a_closed_port_sends_and_receives_nothing() {
    check(&[
        (
            "const c = new MessageChannel(); let n = 0; c.port2.onmessage = () => n++; c.port1.close(); c.port1.postMessage(1); await turn(); return n",
            json!(0),
        ),
        (
            "const c = new MessageChannel(); let n = 0; c.port2.onmessage = () => n++; c.port1.postMessage(1); c.port2.close(); await turn(); return n",
            json!(0),
        ),
        // What was sent before is delivered, and then the news of the end, once.
        (
            "const c = new MessageChannel(); const out = []; c.port2.onmessage = (e) => out.push(e.data); c.port2.onclose = (e) => out.push(e.type, e.isTrusted); c.port1.onclose = () => out.push('own'); c.port1.postMessage(1); c.port1.close(); c.port1.close(); await turn(); return out",
            json!([1, "close", true]),
        ),
        (
            "const c = new MessageChannel(); c.port1.close(); c.port1.postMessage(() => {})",
            json!("throws DataCloneError: () => {} could not be cloned."),
        ),
        (
            "const c = new MessageChannel(); c.port1.close(); c.port2.postMessage(c.port1, [c.port1])",
            json!("throws DataCloneError: A MessagePort is closed and could not be transferred."),
        ),
    ]);
}

#[test]
fn buffers_and_ports_move() {
    check(&[
        ("const c = new MessageChannel(); const b = new ArrayBuffer(3); c.port1.postMessage({ b }, [b]); return [b.detached, (await received(c.port2, 1))[0].b.byteLength]", json!([true, 3])),
        ("const c = new MessageChannel(); const b = new ArrayBuffer(3); c.port1.postMessage(b, { transfer: [b] }); return [b.detached, (await received(c.port2, 1))[0].byteLength]", json!([true, 3])),
        (
            "const c = new MessageChannel(), d = new MessageChannel(); let ports;
             c.port2.onmessage = (e) => { ports = e.ports; e.data.p.postMessage('through'); };
             c.port1.postMessage({ p: d.port2 }, [d.port2]);
             return [await received(d.port1, 1), ports.length, Object.isFrozen(ports), ports[0] !== d.port2, ports[0] instanceof MessagePort]",
            json!([["through"], 1, true, true, true]),
        ),
        // Messages that wait move along, and later ones find the new port.
        (
            "const c = new MessageChannel(); c.port1.postMessage(1); const p = structuredClone(c.port2, { transfer: [c.port2] }); c.port1.postMessage(2);
             const got = await received(p, 2); p.postMessage('back'); return [got, await received(c.port1, 1)]",
            json!([[1, 2], ["back"]]),
        ),
        ("const c = new MessageChannel(); c.port1.postMessage(1, [c.port1])", json!("throws DataCloneError: A port cannot be sent through itself.")),
        // The port at the other end: the message goes nowhere.
        ("const c = new MessageChannel(); let n = 0; c.port2.onmessage = () => n++; c.port1.postMessage(1, [c.port2]); c.port1.postMessage(2); await turn(); return n", json!(0)),
        ("const c = new MessageChannel(); structuredClone(c.port1)", json!("throws DataCloneError: Could not serialize object of type \"MessagePort\". This type does not support serialization.")),
        ("const c = new MessageChannel(); c.port1.postMessage(1, [{}])", json!("throws DataCloneError: An object in the transfer list is not transferable.")),
        ("const c = new MessageChannel(); c.port1.postMessage(1, [1])", json!("throws TypeError: Object is not transferable")),
        ("const c = new MessageChannel(); c.port1.postMessage(1, 5)", json!("throws TypeError: The options of postMessage must be an object.")),
        ("new MessageChannel().port1.postMessage()", json!("throws TypeError: Failed to execute 'postMessage' on 'MessagePort': parameter 1 is not of type 'JsValue'.")),
    ]);
}

#[test]
fn the_interfaces() {
    check(&[
        (
            "new MessagePort()",
            json!("throws TypeError: Illegal constructor"),
        ),
        (
            "const c = new MessageChannel(); return [c.port1 === c.port1, c.port1 instanceof EventTarget, String(c), String(c.port1), MessageChannel.length, MessagePort.prototype.postMessage.length]",
            json!([
                true,
                true,
                "[object MessageChannel]",
                "[object MessagePort]",
                0,
                1
            ]),
        ),
        (
            "const keys = []; for (const k in new MessageChannel().port1) keys.push(k); return keys.sort()",
            json!([
                "addEventListener",
                "close",
                "dispatchEvent",
                "onclose",
                "onmessage",
                "onmessageerror",
                "postMessage",
                "removeEventListener",
                "start"
            ]),
        ),
        (
            "const e = new MessageEvent('x'); return [e.type, e.data, e.origin, e.lastEventId, e.source, e.ports, e.isTrusted, e instanceof Event, String(e)]",
            json!(["x", null, "", "", null, [], false, true, "[object MessageEvent]"]),
        ),
        (
            "const { port1 } = new MessageChannel(); const e = new MessageEvent('x', { data: 1, origin: 'o\\ud800', lastEventId: 7, source: port1, ports: new Set([port1]), bubbles: true }); return [e.data, e.origin, e.lastEventId, e.source === port1, e.ports[0] === port1, e.ports === e.ports, e.bubbles]",
            json!([1, "o\u{fffd}", "7", true, true, true, true]),
        ),
        (
            "const e = new MessageEvent('x'); e.initMessageEvent('y', true, true, 2, 'o', 'i', null, []); return [e.type, e.bubbles, e.cancelable, e.data, e.origin, e.lastEventId, e.source, e.ports.length]",
            json!(["y", true, true, 2, "o", "i", null, 0]),
        ),
        (
            "new MessageEvent()",
            json!(
                "throws TypeError: Failed to construct 'MessageEvent': constructor parameter 1 is not of type 'string'."
            ),
        ),
        (
            "new MessageEvent('x', { source: 1 })",
            json!("throws TypeError: The source of a MessageEvent must be a MessagePort."),
        ),
        (
            "new MessageEvent('x', { ports: [1] })",
            json!(
                "throws TypeError: Incorrect type for array element 0: the provided value is not of type 'MessagePort'."
            ),
        ),
        (
            "new MessageEvent('x', { ports: 1 })",
            json!("throws TypeError: The ports of a MessageEvent must be a sequence."),
        ),
        (
            "const c = new MessageChannel(); c.port1.postMessage(1); return await new Promise((r) => { c.port2.onmessage = (e) => r([e.constructor.name, e.type, e.isTrusted, e.origin, e.source, e.target === c.port2, e.ports]); })",
            json!(["MessageEvent", "message", true, "", null, true, []]),
        ),
        (
            "MessagePort.prototype.postMessage.call({}, 1)",
            json!("throws TypeError: private class field '#other' does not exist"),
        ),
    ]);
}

#[test]
fn channels_that_nobody_uses_are_collected() {
    let world = World::new();
    world.script::<()>(PRELUDE);
    let make = "for (let i = 0; i < 100; i++) { const c = new MessageChannel(); c.port1.onmessage = () => c; c.port2.postMessage({ c: 1 }); }";
    world.eval(make);
    let before = world.objects();
    world.eval(make);
    let grown = world.objects() - before;
    assert!(grown < 20, "{grown} objects remain");
}
