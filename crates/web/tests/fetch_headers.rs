//! `Headers` against a model of a header list: <https://fetch.spec.whatwg.org/#terminology-headers>.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::World;

#[derive(Clone, Debug)]
enum Change {
    Append(String, String),
    Set(String, String),
    Delete(String),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "A", "b", "set-cookie", "Set-Cookie", "content-type"])
            .prop_map(str::to_owned),
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,6}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    "[ \t]{0,2}[\u{21}-\u{7e}\u{80}-\u{ff}]{0,6}[ \t]{0,2}"
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (name(), value()).prop_map(|(name, value)| Change::Append(name, value)),
        2 => (name(), value()).prop_map(|(name, value)| Change::Set(name, value)),
        1 => name().prop_map(Change::Delete),
    ]
}

/// Values by name; the combined ones are joined, as every reader sees them.
#[derive(Default)]
struct Model(BTreeMap<String, Vec<String>>);

impl Model {
    fn apply(&mut self, change: &Change) {
        let trimmed = |value: &str| value.trim_matches([' ', '\t']).to_owned();
        match change {
            Change::Append(name, value) => {
                self.0
                    .entry(name.to_ascii_lowercase())
                    .or_default()
                    .push(trimmed(value));
            }
            Change::Set(name, value) => {
                self.0.insert(name.to_ascii_lowercase(), vec![trimmed(value)]);
            }
            Change::Delete(name) => {
                self.0.remove(&name.to_ascii_lowercase());
            }
        }
    }

    fn entries(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        for (name, values) in &self.0 {
            if name == "set-cookie" {
                entries.extend(values.iter().map(|value| json!([name, value])));
            } else {
                entries.push(json!([name, values.join(", ")]));
            }
        }
        entries
    }
}

#[test]
fn headers_follow_the_model() {
    let world = World::new();
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&prop::collection::vec(change(), 0..12), |changes| {
            let mut model = Model::default();
            let mut script = "const h = new Headers(); ".to_owned();
            for change in &changes {
                model.apply(change);
                let quote = |text: &str| Value::from(text).to_string();
                script += &match change {
                    Change::Append(name, value) => format!("h.append({}, {}); ", quote(name), quote(value)),
                    Change::Set(name, value) => format!("h.set({}, {}); ", quote(name), quote(value)),
                    Change::Delete(name) => format!("h.delete({}); ", quote(name)),
                };
            }
            script += "const copy = new Headers([...h]); \
                       return [[...h], [...copy], [...new Headers(h)], h.getSetCookie(), h.get('a'), h.has('a')]";
            let entries = model.entries();
            // Empty values leave white space at the end of a combined one, which a copy trims.
            let copied: Vec<Value> =
                entries.iter().map(|entry| json!([entry[0], entry[1].as_str().unwrap().trim_matches(' ')])).collect();
            let expected = json!([
                entries,
                copied,
                entries,
                model.0.get("set-cookie").cloned().unwrap_or_default(),
                model.0.get("a").map(|values| values.join(", ")),
                model.0.contains_key("a"),
            ]);
            prop_assert_eq!(world.eval(&script), expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_no_header_is_refused() {
    let world = World::new();
    for byte in 0..=0xffu8 {
        let character = Value::from(char::from(byte).to_string()).to_string();
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let result = world.eval(&format!("new Headers().set('a' + {character}, 'x'); return 'ok'"));
        let expected = if is_token {
            "ok"
        } else {
            "throws TypeError: Invalid header name."
        };
        assert_eq!(result, json!(expected), "name with {byte:#x}");
        let result = world.eval(&format!(
            "new Headers().set('a', 'x' + {character} + 'y'); return 'ok'"
        ));
        let expected = if [0, b'\r', b'\n'].contains(&byte) {
            "throws TypeError: Invalid header value."
        } else {
            "ok"
        };
        assert_eq!(result, json!(expected), "value with {byte:#x}");
    }
}

#[test]
fn iteration_is_over_the_headers_as_they_are_at_each_step() {
    let world = World::new();
    for (body, expected) in [
        // Removed before they are reached.
        (
            "const h = new Headers({ a: '1', b: '2', c: '3' }); const seen = [];
             for (const [k] of h) { seen.push(k); h.delete('b'); } return seen",
            json!(["a", "c"]),
        ),
        // Removed after they were passed: what follows moves up, and one is skipped.
        (
            "const h = new Headers({ a: '1', b: '2', c: '3' }); const seen = [];
             for (const [k] of h) { seen.push(k); if (k === 'b') h.delete('a'); } return seen",
            json!(["a", "b"]),
        ),
        (
            "const h = new Headers({ a: '1' }); const seen = [];
             for (const [k, v] of h) { seen.push(k + v); if (k === 'a') h.append('z', '9'); } return seen",
            json!(["a1", "z9"]),
        ),
        // Added before the position: the current one comes again.
        (
            "const h = new Headers({ b: '1', c: '2' }); const seen = [];
             for (const k of h.keys()) { seen.push(k); if (seen.length === 1) h.set('a', '0'); } return seen",
            json!(["b", "b", "c"]),
        ),
        (
            "const h = new Headers([['set-cookie', 'a'], ['x', '1'], ['set-cookie', 'b']]); const seen = [];
             h.forEach((v, k) => { seen.push([k, v]); if (seen.length === 1) h.append('Set-Cookie', 'c'); }); return seen",
            json!([["set-cookie", "a"], ["set-cookie", "b"], ["set-cookie", "c"], ["x", "1"]]),
        ),
        // The end is final.
        (
            "const h = new Headers(); const i = h.values(); const one = i.next().done; h.set('a', '1'); return [one, i.next().done]",
            json!([true, true]),
        ),
        ("Headers.prototype.entries.call({})", json!("throws TypeError: Illegal invocation")),
        ("Headers.prototype.forEach.call({}, () => {})", json!("throws TypeError: Illegal invocation")),
        ("new Headers().keys().next.call({})", json!("throws TypeError: Illegal invocation")),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
}

#[test]
fn records_are_read_in_the_order_of_web_idl() {
    let world = World::new();
    world.script::<()>(
        "globalThis.log = []; globalThis.watched = (o) => new Proxy(o, {
           get(t, k) { log.push(`get ${String(k)}`); return t[k]; },
           ownKeys(t) { log.push('ownKeys'); return Reflect.ownKeys(t); },
           getOwnPropertyDescriptor(t, k) { log.push(`descriptor ${String(k)}`); return Reflect.getOwnPropertyDescriptor(t, k); } });",
    );
    for (init, expected) in [
        (
            "{ a: 1, b: 2 }",
            json!([
                null,
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor a",
                "get a",
                "descriptor b",
                "get b"
            ]),
        ),
        (
            "{ 'a\\u0100': 1, b: 2 }",
            json!([
                "TypeError",
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor a\u{100}"
            ]),
        ),
        (
            "{ a: '\\u0100', b: 2 }",
            json!([
                "TypeError",
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor a",
                "get a"
            ]),
        ),
        // An invalid name is found when all have been converted.
        (
            "{ 'a ': 1, b: 2 }",
            json!([
                "TypeError",
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor a ",
                "get a ",
                "descriptor b",
                "get b"
            ]),
        ),
        (
            "Object.defineProperty({ b: 2 }, 'a', { value: 1 })",
            json!([
                null,
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor b",
                "get b",
                "descriptor a"
            ]),
        ),
        (
            "{ [Symbol('s')]: 1 }",
            json!([
                "TypeError",
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor Symbol(s)"
            ]),
        ),
        (
            "Object.defineProperty({}, Symbol('s'), { value: 1 })",
            json!([
                null,
                "get Symbol(Symbol.iterator)",
                "ownKeys",
                "descriptor Symbol(s)"
            ]),
        ),
    ] {
        let outcome = world.eval(&format!(
            "log.length = 0; let name = null; try {{ new Headers(watched({init})); }} catch (e) {{ name = e.name; }} return [name, ...log]"
        ));
        assert_eq!(outcome, expected, "{init}");
    }
    // Records that are no proxies take a shorter way.
    for (body, expected) in [
        (
            "const log = []; const part = (v) => ({ toString() { log.push(v); return v; } });
             const h = new Headers({ get a() { log.push('get a'); delete this.c; return part('1'); }, b: part('2'), c: '3' }); return [log, [...h]]",
            json!([["get a", "1", "2"], [["a", "1"], ["b", "2"]]]),
        ),
        (
            "const log = []; try { new Headers({ 'a ': 1, get b() { log.push('get b'); return 2; } }); } catch (e) { log.push(e.name); } return log",
            json!(["get b", "TypeError"]),
        ),
        (
            "const log = []; try { new Headers({ a: '\\u0100', get b() { log.push('get b'); return 2; } }); } catch (e) { log.push(e.name); } return log",
            json!(["TypeError"]),
        ),
        ("new Headers({ [Symbol('s')]: 1 })", json!("throws TypeError: cannot convert symbol to string")),
        (
            "return [...new Headers(Object.create({ inherited: 1 }, { [Symbol('s')]: { value: 1 }, hidden: { value: 1 }, shown: { value: undefined, enumerable: true } }))]",
            json!([["shown", "undefined"]]),
        ),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
}
