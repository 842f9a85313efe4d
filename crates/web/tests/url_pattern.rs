//! `URLPattern`, as a Worker sees it. What patterns mean is compared with workerd in `recorded_modules.rs`.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::World;

fn eval(body: &str) -> Value {
    World::new().eval(body)
}

#[test]
fn it_is_an_interface() {
    assert_eq!(
        eval(
            "const d = Object.getOwnPropertyDescriptor(globalThis, 'URLPattern');
             const { get, enumerable, configurable } = Object.getOwnPropertyDescriptor(URLPattern.prototype, 'hash');
             return [d.enumerable, URLPattern.length, URLPattern.name, `${new URLPattern()}`, URLPattern.prototype.test.length,
                     URLPattern.prototype.exec.length, get.name, enumerable, configurable]"
        ),
        json!([false, 0, "URLPattern", "[object URLPattern]", 0, 0, "get hash", true, true])
    );
    for misuse in [
        "URLPattern()",
        "URLPattern.prototype.hash",
        "URLPattern.prototype.hasRegExpGroups",
        "URLPattern.prototype.test.call({}, 'https://h/')",
        "URLPattern.prototype.exec.call(new URL('https://h/'))",
        "new URLPattern({}, {}, {})",
        "new URLPattern(Symbol())",
        "new URLPattern({ hash: Symbol() })",
        "new URLPattern({}, Symbol())",
        "new URLPattern('https://h/', 'https://h/', 1)",
    ] {
        let got = eval(&format!("return {misuse}"));
        assert!(
            got.as_str()
                .is_some_and(|text| text.starts_with("throws TypeError")),
            "{misuse}: {got}"
        );
    }
}

#[test]
fn arguments_are_converted_in_order() {
    assert_eq!(
        eval(
            "const seen = [];
             const spy = (name) => new Proxy({}, { get: (_, key) => { seen.push(`${name}.${String(key)}`); } });
             new URLPattern(spy('init'), spy('options'));
             new URLPattern().test(spy('input'));
             return seen"
        ),
        json!([
            "init.baseURL", "init.hash", "init.hostname", "init.password", "init.pathname", "init.port",
            "init.protocol", "init.search", "init.username", "options.ignoreCase", "input.baseURL", "input.hash",
            "input.hostname", "input.password", "input.pathname", "input.port", "input.protocol", "input.search",
            "input.username"
        ])
    );
    assert_eq!(
        eval(
            "const pattern = new URLPattern({ pathname: { toString: () => '/\\ud800' } });
             const { inputs, pathname } = pattern.exec({ pathname: '/\\ud800', other: 1 });
             return [pattern.pathname, inputs, Object.keys(pathname), pathname.groups]"
        ),
        json!(["/%EF%BF%BD", [{"pathname": "/\u{fffd}"}], ["input", "groups"], {}])
    );
}

#[test]
fn groups_that_are_optional_can_be_undefined() {
    assert_eq!(
        eval(
            "const { groups } = new URLPattern({ pathname: '/a{/:b}?' }).exec('https://h/a').pathname;
             return ['b' in groups, groups.b === undefined, Object.getPrototypeOf(groups) === Object.prototype]"
        ),
        json!([true, true, true])
    );
}

#[test]
fn regular_expressions_are_javascripts_with_the_flag_v() {
    for (pattern, path, matches) in [
        (r"/(a-b\/c)", "/a-b/c", true),
        (r"/(\d+(?=px).*)", "/12px", true),
        (r"/((?<!x)a)", "/a", true),
        (r"/([\p{Lowercase}&&[a-f]]+)", "/abf", true),
        (r"/([\p{Lowercase}&&[a-f]]+)", "/abz", false),
        (r"/([[a-z]--[aeiou]]+)", "/xyz", true),
        (r"/([\-\/]+)", "/-/-", true),
        (r"/(a::b,,c@@d)", "/a::b,,c@@d", true),
        (r"/((?::x)+)", "/:x:x", true),
    ] {
        let call =
            format!("return new URLPattern({{ pathname: {pattern:?} }}).test({{ pathname: {path:?} }})");
        assert_eq!(eval(&call), json!(matches), "{pattern} {path}");
    }
}

#[test]
fn it_does_not_see_what_user_code_patches() {
    assert_eq!(
        eval(
            "const nonsense = () => { throw new Error('seen'); };
             const classes = [RegExp, String, Map, Array];
             for (let i = 0; i < classes.length; i++) {
               const { prototype } = classes[i];
               for (let keys = Reflect.ownKeys(prototype), j = 0; j < keys.length; j++) {
                 const key = keys[j];
                 const { configurable, value } = Reflect.getOwnPropertyDescriptor(prototype, key);
                 if (configurable && typeof value === 'function' && key !== 'constructor') {
                   Object.defineProperty(prototype, key, { value: nonsense, configurable: true });
                 }
               }
             }
             Object.defineProperty(Object.prototype, 'baseURL', { value: undefined, configurable: true });
             globalThis.RegExp = globalThis.URL = globalThis.Map = nonsense;
             const pattern = new URLPattern('https://*.h/a/:b(\\\\d+)');
             const { groups } = pattern.exec('https://x.h/a/12').pathname;
             return pattern.test('https://x.h/a/y') ? 'matches' : groups.b"
        ),
        json!("12")
    );
}

#[test]
fn errors_are_type_errors() {
    for pattern in [
        "(", "{", "}", ":", "\\", "()", "(?:x)", "(a(b))", "/:a/:a", "([)", "(\u{e9})", "a+", ":a*?",
    ] {
        let got = eval(&format!(
            "return new URLPattern({{ pathname: {pattern:?} }}).pathname"
        ));
        assert!(
            got.as_str()
                .is_some_and(|text| text.starts_with("throws TypeError: Invalid URL pattern")),
            "{pattern}: {got}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_pattern_or_a_type_error(texts in prop::collection::vec(r"[-a:/?#@.*+(){}\[\]\\0\u{e9}\u{1f600}]{0,16}", 16)) {
        let world = World::new();
        for text in texts {
            let body = format!(
                "const texts = [];
                 for (const input of [{text:?}, {{ pathname: {text:?} }}, {{ hostname: {text:?} }}, {{ protocol: {text:?} }}]) {{
                   try {{
                     const pattern = new URLPattern(input, typeof input === 'string' ? 'https://h/a/b' : undefined);
                     pattern.test('https://h/a');
                     // Short, as expressions may go back and forth without end in long ones.
                     pattern.exec({{ pathname: {text:?}.slice(0, 4), hostname: {text:?}.slice(0, 4) }});
                     // The normal form of a pattern is a pattern.
                     new URLPattern(Object.fromEntries(['protocol', 'hostname', 'port', 'pathname', 'search', 'hash'].map((k) => [k, pattern[k]])));
                   }} catch (error) {{
                     if (!(error instanceof TypeError)) texts.push(`${{error}}`);
                   }}
                 }}
                 return texts"
            );
            prop_assert_eq!(world.eval(&body), json!([]), "{}", text);
        }
    }
}
