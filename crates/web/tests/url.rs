//! URL and URLSearchParams: live links, conversions, round trips, and the Web platform tests where a
//! checkout is at hand (`ISTHMUS_WPT` names its folder).

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::World;

#[test]
fn search_params_and_url_follow_each_other() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const u = new URL('http://a/?x=1#f'), p = u.searchParams, o = [];
             p.append('y', 'ü &'); o.push(u.href);
             p.set('x', '2'); p.delete('y'); o.push(u.search);
             u.search = '?z=9&z=8'; o.push([...p]);
             u.href = 'http://b/?q'; o.push([...p], p === u.searchParams);
             p.sort(); p.delete('q'); o.push(u.href);
             u.hash = ''; u.search = '?'; o.push(u.href, p.size); return o"
        ),
        json!([
            "http://a/?x=1&y=%C3%BC+%26#f",
            "?x=2",
            [["z", "9"], ["z", "8"]],
            [["q", ""]],
            true,
            "http://b/",
            "http://b/?",
            0
        ])
    );
}

#[test]
fn params_are_made_of_anything_iterable_or_keyed() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "function* pairs() { yield ['a', 1]; yield new Set(['b', 2]); }
             return [pairs(), {x: 1, y: [2, 3]}, Object.create({inherited: 1}), new Map([['m', null]]),
               new URLSearchParams('q=1'), '?s=1', null, undefined, 5, {'\\ud800': 1, '\\ufffd': 2}, Object.assign(() => {}, {f: 1})]
               .map((init) => String(new URLSearchParams(init)))"
        ),
        json!(["a=1&b=2", "x=1&y=2%2C3", "", "m=null", "q=1", "s=1", "null=", "", "5=", "%EF%BF%BD=2", "f=1"])
    );
    for code in [
        "new URLSearchParams([['a']])",
        "new URLSearchParams([['a', 'b', 'c']])",
        "new URLSearchParams(['ab'])",
        "new URLSearchParams({[Symbol.iterator]: 5})",
        "new URLSearchParams([[Symbol(), 'x']])",
        "new URLSearchParams().append('a')",
        "new URLSearchParams({[Symbol()]: 1})",
        "new URLSearchParams().forEach()",
        "URLSearchParams.prototype.get.call({}, 'x')",
        "new URL('http://a', Symbol())",
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
fn a_failing_sequence_closes_its_iterator() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "let closed = 0;
             const bad = {[Symbol.iterator]: () => ({next: () => ({value: 5}), return() { closed++; return {} }})};
             try { new URLSearchParams(bad) } catch (error) { return [error.name, closed] }"
        ),
        json!(["TypeError", 1])
    );
}

#[test]
fn sorting_is_stable_and_by_code_units() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const p = new URLSearchParams('z=1&\\ufffd=2&\\u{1f600}=3&a=4&z=0'); p.sort(); return [...p]"
        ),
        json!([
            ["a", "4"],
            ["z", "1"],
            ["z", "0"],
            ["\u{1f600}", "3"],
            ["\u{fffd}", "2"]
        ])
    );
}

#[test]
fn iteration_is_live() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const u = new URL('http://a/?a=1&b=2&c=3'), o = [];
             for (const [name] of u.searchParams) { o.push(name); if (name === 'a') u.search = 'x=1&y=2&z=3&w=4'; }
             const i = new URLSearchParams('k=v').entries();
             o.push(i.next(), i.next(), i.next(), Object.keys(Object.getPrototypeOf(i)), String(i), i[Symbol.iterator]() === i);
             return o"
        ),
        json!(["a", "y", "z", "w", {"value": ["k", "v"], "done": false}, {"done": true}, {"done": true}, ["next"],
            "[object URLSearchParams Iterator]", true])
    );
}

#[test]
fn subclasses_work() {
    let world = World::new();
    assert_eq!(
        world.eval("class U extends URL { get q() { return this.searchParams.get('q') } } const u = new U('?q=1', 'http://a'); return [u.q, u instanceof URL, JSON.stringify({u})]"),
        json!(["1", true, "{\"u\":\"http://a/?q=1\"}"])
    );
}

fn in_world<T>(run: impl FnOnce(&World) -> T) -> T {
    thread_local!(static WORLD: World = World::new());
    WORLD.with(run)
}

fn call(name: &str, arguments: Value) -> Value {
    in_world(|world| world.eval(&format!("return ({name})(...{arguments})")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn params_survive_serialisation(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..6)) {
        let expected = json!(pairs);
        prop_assert_eq!(call("(pairs) => [...new URLSearchParams(String(new URLSearchParams(pairs)))]", json!([pairs])), expected.clone());
        prop_assert_eq!(
            call("(pairs) => { const u = new URL('http://a'); for (const [n, v] of pairs) u.searchParams.append(n, v); return [...new URL(u.href).searchParams] }", json!([pairs])),
            expected
        );
    }

    #[test]
    fn parsing_is_idempotent_and_ascii(input in "(https?://|file:|x:|//)?[a-zà-ÿ0-9.:@\\[\\]/?#%\\\\ \\t&=+-]{0,30}") {
        let answer = call(
            "(input) => { const u = URL.parse(input, 'https://base.example/d/p?q'); if (!u) return null;
               const v = new URL(u.href); const keys = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
               return [keys.map((k) => u[k]), keys.map((k) => v[k])] }",
            json!([input]),
        );
        if let Value::Array(both) = answer {
            prop_assert_eq!(&both[0], &both[1]);
            prop_assert!(both[0][0].as_str().unwrap().is_ascii());
        } else {
            prop_assert_eq!(answer, Value::Null);
        }
    }

    #[test]
    fn setters_leave_a_url_that_parses_to_itself(
        part in prop::sample::select(vec!["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"]),
        start in prop::sample::select(vec!["https://u:p@h:8080/a/b?c#d", "file:///x", "data:text/plain,hi", "foo://h/p", "foo:/p", "foo://", "foo:///p", "foo:/.//p", "http://[::1]"]),
        value in any::<String>(),
    ) {
        let answer = call(
            "(start, part, value) => { const u = new URL(start); u[part] = value; return [u.href, URL.parse(u.href)?.href] }",
            json!([start, part, value]),
        );
        prop_assert_eq!(&answer[0], &answer[1]);
    }
}
