//! The stored form of values: that it stays readable, and that no bytes do harm.
//! <https://html.spec.whatwg.org/#structuredserializeforstorage>

mod support;

use isthmus_web::structured_clone::{deserialize, serialize};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rquickjs::{CatchResultExt, Value};
use serde_json::json;
use support::stored_form;

#[test]
fn the_stored_form_stays_what_it_is() {
    // Written by version 1. These bytes must be readable for ever.
    let world = stored_form::world();
    for (script, bytes) in [
        ("undefined", "ff0175"),
        (
            "[null, true, false, -3, 0.5]",
            "ff014105 6e 74 66 6905 64000000000000e03f",
        ),
        ("'aé'", "ff01 73 03 61c3a9"),
        ("'\\ud800'", "ff01 6a 08 225c756438303022"),
        ("-255n", "ff01 62 03 2d6666"),
        ("({ a: 1 })", "ff01 4f 7301 61 6902 65"),
        ("[, 1]", "ff01 53 02 7301 31 6902 65"),
        ("new Map([[1, 2]])", "ff01 4d 6902 6904 65"),
        ("new Set(['x'])", "ff01 54 7301 78 65"),
        ("new Date(0)", "ff01 44 0000000000000000"),
        ("/x/g", "ff01 52 7301 78 7301 67"),
        ("Object(true)", "ff01 78 74"),
        (
            "Object.assign(new TypeError('m', { cause: 1 }), { stack: 's' })",
            "ff01 45 05 07 7301 6d 7301 73 6902 65",
        ),
        (
            "Object.assign(new DOMException('m', 'n'), { stack: 's' })",
            "ff01 58 7301 6e 7301 6d 01 7301 73",
        ),
        ("new Uint8Array([7]).buffer", "ff01 42 01 07"),
        ("new ArrayBuffer(1, { maxByteLength: 2 })", "ff01 5a 02 01 00"),
        ("new Uint8Array([7])", "ff01 56 02 00 02 42 01 07"),
        ("new Blob(['x'], { type: 'a' })", "ff01 4c 01 61 01 78"),
        (
            "new File(['x'], 'n', { lastModified: 0 })",
            "ff01 46 00 01 6e 0000000000000000 01 78",
        ),
        (
            "(() => { const o = {}; return [o, o]; })()",
            "ff01 41 02 4f65 5e01",
        ),
    ] {
        let bytes = bytes.replace(' ', "");
        let written = world.eval(&format!(
            "return serialize({script}).map((b) => b.toString(16).padStart(2, '0')).join('')"
        ));
        assert_eq!(written, json!(bytes), "{script}");
        let again = world.eval(&format!(
            "const b = '{bytes}'.match(/../g).map((h) => parseInt(h, 16)); return serialize(deserialize(b)).join() === b.join()"
        ));
        assert_eq!(again, json!(true), "{script}");
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let world = stored_form::world();
    for bytes in [
        "",
        "ff",
        "ff02",
        "fe0175",
        "ff0100",
        "ff01",
        "ff017575",
        "ff0173",
        "ff017305",
        "ff017301ff",
        "ff016a0131",
        "ff016a027b",
        "ff016201",
        "ff0162012d",
        "ff01620178",
        "ff014f",
        "ff014f75",
        "ff014f730161",
        "ff0141ffffffffff7f",
        "ff014102",
        "ff0141016f",
        "ff0153ffffffff7f",
        "ff015e00",
        "ff015900",
        "ff016c00",
        "ff0178",
        "ff017875",
        "ff01786f",
        "ff014509",
        "ff01450008",
        "ff01450004",
        "ff0145000475",
        "ff0158730161730161 02",
        "ff014205",
        "ff015a0001",
        "ff0156",
        "ff015602000256020002420107",
        "ff01560200095e00",
        "ff015602000942 0107",
        "ff01560d000142 0107",
        "ff01560200015e00",
        "ff0152730128 7300",
        "ff01527301787301 71",
        "ff0165",
        "ff012d",
        "ff01ffffffffffffffffffff",
        "ff0169ffffffffffffffffff7f",
    ] {
        let bytes = bytes.replace(' ', "");
        let outcome = world.eval(&format!(
            "deserialize(('{bytes}'.match(/../g) ?? []).map((h) => parseInt(h, 16)))"
        ));
        assert!(
            outcome
                .as_str()
                .unwrap_or_default()
                .starts_with("throws DataCloneError"),
            "{bytes}: {outcome}"
        );
    }
}

/// A JavaScript expression of a value, and how to show it.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("undefined".to_owned()),
        Just("null".to_owned()),
        Just("-0".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i32>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| if n.is_finite() {
            format!("{n:e}")
        } else {
            "NaN".to_owned()
        }),
        any::<i128>().prop_map(|n| format!("{n}n")),
        prop::collection::vec(any::<u16>(), 0..6).prop_map(|units| format!(
            "String.fromCharCode({})",
            units.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
        )),
        any::<i32>().prop_map(|n| format!("new Date({n})")),
        Just("/a|b/gi".to_owned()),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|b| format!("new Uint8Array({b:?})")),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|b| format!("new Uint8Array({b:?}).buffer")),
        "[a-z]{0,5}".prop_map(|text| format!("new TypeError('{text}')")),
        any::<i32>().prop_map(|n| format!("Object({n})")),
        Just("again()".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|list| format!("keep([{}])", list.join(","))),
            prop::collection::vec(prop::option::of(inner.clone()), 0..5).prop_map(|list| format!(
                "keep([{}])",
                list.into_iter()
                    .map(|item| item.map_or(",".to_owned(), |item| item + ","))
                    .collect::<String>()
            )),
            prop::collection::vec(("[a-z_0-9]{1,4}", inner.clone()), 0..5).prop_map(|list| format!(
                "keep({{{}}})",
                list.into_iter()
                    .map(|(key, item)| format!("['{key}']: {item},"))
                    .collect::<String>()
            )),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(|list| format!(
                "keep(new Map([{}]))",
                list.into_iter()
                    .map(|(key, item)| format!("[{key},{item}],"))
                    .collect::<String>()
            )),
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("keep(new Set([{}]))", list.join(","))),
            inner.prop_map(|cause| format!("keep(new Error('m', {{ cause: {cause} }}))")),
        ]
    })
}

/// What is the same of two values if and only if one is the clone of the other: everything but identity to the outside.
const SHOW: &str = r#"
  globalThis.kept = [];
  globalThis.keep = (o) => { kept.push(o); return o; };
  globalThis.again = () => kept[0];
  globalThis.show = (value, seen = new Map()) => {
    if (typeof value !== "object" || value === null) {
      if (Object.is(value, -0)) return "-0";
      return typeof value === "string" ? JSON.stringify(value) : `${typeof value} ${value}`;
    }
    if (seen.has(value)) return `#${seen.get(value)}`;
    seen.set(value, seen.size);
    const inner = (v) => show(v, seen);
    const tag = Object.prototype.toString.call(value);
    if (value instanceof Date) return `date ${value.getTime()}`;
    if (value instanceof RegExp) return `${value}`;
    if (value instanceof Map) return `map ${[...value].map(([k, v]) => `${inner(k)}=>${inner(v)}`)}`;
    if (value instanceof Set) return `set ${[...value].map(inner)}`;
    if (value instanceof ArrayBuffer) return `buffer ${new Uint8Array(value)}`;
    if (ArrayBuffer.isView(value)) return `${tag} ${value} of ${inner(value.buffer)}`;
    if (value instanceof Error) return `${value.name} ${value.message} ${value.stack} ${"cause" in value ? inner(value.cause) : ""}`;
    if (value instanceof Number) return `boxed ${value}`;
    return `${tag} ${value.length} ${Object.keys(value).map((k) => `${k}: ${inner(value[k])}`)}`;
  };
"#;

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn clones_look_like_their_originals() {
    let world = stored_form::world();
    world.script::<()>(SHOW);
    runner()
        .run(&value(), |value| {
            let outcome = world.eval(&format!(
                "kept.length = 0; const value = {value}; const shown = show(value);
                 return [show(structuredClone(value)) === shown, show(store(value)) === shown, shown]"
            ));
            prop_assert_eq!(&outcome[0], &json!(true), "{} -> {}", value, outcome[2]);
            prop_assert_eq!(&outcome[1], &json!(true), "{} -> {}", value, outcome[2]);
            Ok(())
        })
        .unwrap();
}

/// Whatever the bytes, there is a value or a DataCloneError.
#[test]
fn no_bytes_do_harm() {
    let world = stored_form::world();
    world.script::<()>(SHOW);
    let index = any::<prop::sample::Index>;
    let changes = prop::collection::vec((index(), any::<u8>()), 0..4);
    runner()
        .run(
            &(value(), changes, prop::option::of(index())),
            |(value, changes, cut)| {
                let mut bytes: Vec<u8> = world.with(|ctx| {
                    let value: Value = ctx.eval(format!("kept.length = 0; {value}")).catch(ctx).unwrap();
                    serialize(ctx, &value).catch(ctx).unwrap().into()
                });
                for (index, byte) in changes {
                    let index = index.index(bytes.len());
                    bytes[index] = byte;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                world.with(|ctx| {
                    if deserialize(ctx, bytes.into()).is_err() {
                        let name: String = ctx.catch().as_object().unwrap().get("name").unwrap();
                        prop_assert_eq!(name, "DataCloneError");
                    }
                    Ok(())
                })
            },
        )
        .unwrap();
}
