//! TextEncoder, TextDecoder, atob and btoa.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::World;

fn call(name: &str, arguments: Value) -> Value {
    thread_local!(static WORLD: World = World::new());
    WORLD.with(|world| world.eval(&format!("return ({name})(...{arguments})")))
}

#[test]
fn detached_buffers_are_empty() {
    assert_eq!(
        World::new().eval(
            "const array = new Uint8Array(4), { buffer } = array;
             buffer.transfer();
             return [new TextDecoder().decode(buffer), new TextDecoder().decode(array), new TextEncoder().encodeInto('a', array)]"
        ),
        json!(["", "", {"read": 0, "written": 0}])
    );
}

#[test]
fn decoding_in_pieces() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const d = new TextDecoder(), bytes = (...b) => new Uint8Array(b), s = {stream: true};
             return [d.decode(bytes(0xef, 0xbb), s), d.decode(bytes(0xbf, 0x41), s), d.decode(bytes(0xef, 0xbb, 0xbf), s), d.decode(bytes(0xe2, 0x82), s),
               d.decode(undefined, s), d.decode(bytes(0xac), s), d.decode(bytes(0xf0)), d.decode(bytes(0xef, 0xbb, 0xbf, 0x42))]"
        ),
        json!(["", "A", "\u{feff}", "", "", "€", "\u{fffd}", "B"])
    );
    assert_eq!(
        world.eval(
            "const d = new TextDecoder('utf-8', {fatal: true}), o = [];
             d.decode(new Uint8Array([0xe2]), {stream: true});
             try { d.decode() } catch (error) { o.push(error.name) }
             o.push(d.decode(new Uint8Array([65]))); return o"
        ),
        json!(["TypeError", "A"])
    );
}

#[test]
fn every_kind_of_buffer() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const buffer = new Uint8Array([0, 65, 66, 67, 0, 0, 0, 0]).buffer, d = new TextDecoder();
             const shared = new SharedArrayBuffer(2); new Uint8Array(shared).set([72, 73]);
             return [d.decode(buffer).length, d.decode(new Uint8Array(buffer, 1, 3)), d.decode(new DataView(buffer, 2, 1)), d.decode(new Int8Array(buffer, 3, 1)),
               d.decode(new Uint16Array(buffer, 2, 1)), d.decode(new Float64Array(buffer, 0, 1)).length, d.decode(new Uint8ClampedArray(buffer, 1, 1)), d.decode(shared), d.decode(new BigInt64Array(0))]"
        ),
        json!([8, "ABC", "B", "C", "BC", 8, "A", "HI", ""])
    );
    assert_eq!(
        world.eval("const b = new ArrayBuffer(4), v = new Uint8Array(b), w = new Uint16Array(b); b.transfer(); return [new TextDecoder().decode(v), new TextDecoder().decode(w)]"),
        json!(["", ""])
    );
    for input in ["'text'", "null", "5", "[65]", "{byteLength: 1}", "Symbol()"] {
        let outcome = world.eval(&format!("return new TextDecoder().decode({input})"));
        assert!(
            outcome.as_str().unwrap().starts_with("throws TypeError"),
            "{input}: {outcome}"
        );
    }
}

#[test]
fn other_encodings() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const d = (label, ...bytes) => new TextDecoder(label).decode(new Uint8Array(bytes));
             return [d('latin1', 0xe9, 0x80), d('utf-16le', 0xff, 0xfe, 0x3d, 0xd8, 0, 0xde), d('UTF-16BE', 0x3d), d(' shift_jis ', 0x82, 0xa0), d('euc-kr', 0xb0, 0xa1), d('gb18030', 0x81, 0x30, 0x81, 0x30), d('big5', 0xa4, 0x40),
               new TextDecoder(' Latin1\\n').encoding, new TextDecoder('utf-16').encoding]"
        ),
        json!(["é€", "\u{1f600}", "\u{fffd}", "あ", "가", "\u{80}", "一", "windows-1252", "utf-16le"])
    );
    for label in [
        "",
        "nope",
        "replacement",
        "iso-2022-kr",
        "utf-8\u{a0}",
        "\\0utf-8",
    ] {
        let outcome = world.eval(&format!("new TextDecoder('{label}')"));
        assert!(
            outcome.as_str().unwrap().starts_with("throws RangeError"),
            "{label}: {outcome}"
        );
    }
}

#[test]
fn encoding_into_never_splits_a_character() {
    let world = World::new();
    assert_eq!(
        world.eval(
            "const into = (text, size) => { const b = new Uint8Array(size), r = new TextEncoder().encodeInto(text, b); return [r.read, r.written, [...b]] };
             return [into('a€b', 3), into('a€b', 4), into('\\u{1f600}x', 3), into('\\u{1f600}x', 5), into('ab\\ud83d\\ude00', 3), into('\\ud83dx', 3), into('', 0), into('abc', 1)]"
        ),
        json!([[1, 1, [97, 0, 0]], [2, 4, [97, 226, 130, 172]], [0, 0, [0, 0, 0]], [3, 5, [240, 159, 152, 128, 120]], [2, 2, [97, 98, 0]],
            [1, 3, [239, 191, 189]], [0, 0, []], [1, 1, [97]]])
    );
    assert_eq!(
        world.eval("const b = new Uint8Array(8); new TextEncoder().encodeInto('hey', b.subarray(2, 4)); return [...b]"),
        json!([0, 0, 104, 101, 0, 0, 0, 0])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn text_survives(text in any::<String>()) {
        prop_assert_eq!(call("(text) => [...new TextEncoder().encode(text)]", json!([text])), json!(text.as_bytes()));
        prop_assert_eq!(call("(text) => new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(new TextEncoder().encode(text))", json!([text])), json!(text));
    }

    #[test]
    fn any_bytes_decode_as_rust_does_it(bytes in prop::collection::vec(any::<u8>(), 0..40), cuts in prop::collection::vec(0_usize..40, 0..4)) {
        let expected = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(call("(b) => new TextDecoder('utf-8', {ignoreBOM: true}).decode(new Uint8Array(b))", json!([bytes])), json!(expected));
        let fatal = call("(b) => { try { return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(new Uint8Array(b)) } catch { return null } }", json!([bytes]));
        prop_assert_eq!(fatal, json!(std::str::from_utf8(&bytes).ok()));
        let in_pieces = call(
            "(b, cuts) => { const d = new TextDecoder('utf-8', {ignoreBOM: true}); let at = 0, text = '';
               for (const cut of cuts.sort((x, y) => x - y)) { text += d.decode(new Uint8Array(b.slice(at, cut)), {stream: true}); at = Math.max(at, cut) }
               return text + d.decode(new Uint8Array(b.slice(at))) }",
            json!([bytes, cuts]),
        );
        prop_assert_eq!(in_pieces, json!(expected));
    }

    #[test]
    fn base64_survives(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let encoded = call("btoa", json!([text]));
        prop_assert_eq!(&encoded, &json!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes)));
        prop_assert_eq!(call("atob", json!([encoded])), json!(text.clone()));
        prop_assert_eq!(call("(text) => atob(text.replaceAll('=', '').replace(/.../g, '$& \\n'))", json!([encoded])), json!(text));
    }

    #[test]
    fn atob_accepts_what_the_standard_accepts(text in "[A-D/=+ \\t\u{e9}*-]{0,12}") {
        // https://infra.spec.whatwg.org/#forgiving-base64-decode
        let mut kept: String = text.chars().filter(|c| !matches!(c, ' ' | '\t')).collect();
        if kept.len().is_multiple_of(4) {
            kept = kept.strip_suffix("==").or_else(|| kept.strip_suffix('=')).unwrap_or(&kept).to_owned();
        }
        let valid = kept.len() % 4 != 1 && kept.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/');
        let got = call("(text) => { try { return atob(text).length } catch (error) { return error.name } }", json!([text]));
        prop_assert_eq!(got, if valid { json!(kept.len() * 3 / 4) } else { json!("InvalidCharacterError") });
    }
}
