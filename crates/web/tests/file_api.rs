//! `Blob` and `File`: <https://w3c.github.io/FileAPI/>.

mod support;

use std::rc::Rc;

use isthmus_web::body::{ByteSink, OutgoingBody};
use isthmus_web::fetch::response_parts;
use isthmus_web::streams;
use proptest::prelude::*;
use rquickjs::{CatchResultExt, Value};
use serde_json::json;
use support::{TestSink, World};

fn check(cases: &[(&str, serde_json::Value)]) {
    let world = World::new();
    for (body, expected) in cases {
        assert_eq!(&world.eval(body), expected, "{body}");
    }
}

#[test]
fn parts_of_every_kind_become_bytes() {
    check(&[
        ("return await new Blob().text()", json!("")),
        ("return await new Blob(undefined, null).text()", json!("")),
        (
            "return await new Blob(['a', 'é', '日', '😀']).text()",
            json!("aé日😀"),
        ),
        (
            "return await new Blob([1, null, undefined, {}, true]).text()",
            json!("1nullundefined[object Object]true"),
        ),
        (
            "return [...await new Blob(['a\\ud800b']).bytes()]",
            json!([97, 239, 191, 189, 98]),
        ),
        (
            "return [...await new Blob([new Uint8Array([1, 2]).buffer, new Uint16Array([3, 4])]).bytes()]",
            json!([1, 2, 3, 0, 4, 0]),
        ),
        (
            "return [...await new Blob([new Uint8Array([1, 2, 3, 4]).subarray(1, 3), new DataView(new ArrayBuffer(1))]).bytes()]",
            json!([2, 3, 0]),
        ),
        (
            "return await new Blob([new Blob(['ab']), new File(['cd'], 'x'), 'e']).text()",
            json!("abcde"),
        ),
        ("return await new Blob(new Set(['a', 'b'])).text()", json!("ab")),
        (
            "return await new Blob((function* () { yield 'x'; yield new Blob(['y']); })()).text()",
            json!("xy"),
        ),
        (
            "return await new Blob(new Uint8Array([1, 23])).text()",
            json!("123"),
        ),
        ("return await new Blob(new String('ab')).text()", json!("ab")),
        (
            "return await new Blob([{ toString() { return 'own'; } }]).text()",
            json!("own"),
        ),
        (
            "const b = new ArrayBuffer(4); b.transfer(); return new Blob([b]).size",
            json!(0),
        ),
        // Buffers are read when everything has been converted.
        (
            "const u = new Uint8Array(1); return [...await new Blob([u, { toString() { u[0] = 7; return ''; } }]).bytes()]",
            json!([7]),
        ),
        (
            "return await new Blob([Object.assign(new Uint8Array(1), { toString() { throw 1; } })]).text()",
            json!("\0"),
        ),
    ]);
}

#[test]
fn what_is_no_sequence_of_parts_is_refused() {
    for init in [
        "null",
        "1",
        "true",
        "'abc'",
        "{}",
        "new Blob()",
        "Symbol()",
        "{ [Symbol.iterator]: 1 }",
        "[Symbol()]",
    ] {
        let outcome = World::new().eval(&format!("new Blob({init})"));
        assert!(
            outcome.as_str().unwrap().starts_with("throws TypeError"),
            "{init}: {outcome}"
        );
    }
    check(&[
        (
            "Blob()",
            json!("throws TypeError: class constructors must be invoked with 'new'"),
        ),
        (
            "new Blob([], 1)",
            json!("throws TypeError: The options of a Blob must be an object."),
        ),
        (
            "new Blob([], { endings: 'x' })",
            json!("throws TypeError: The provided value 'x' is not a valid enum value of type EndingType."),
        ),
        (
            "new Blob({ [Symbol.iterator]() { throw new RangeError('r'); } })",
            json!("throws RangeError: r"),
        ),
        (
            "new Blob([{ toString() { throw new RangeError('r'); } }])",
            json!("throws RangeError: r"),
        ),
        (
            "new Blob([], { get endings() { throw new RangeError('e'); }, get type() { throw 1; } })",
            json!("throws RangeError: e"),
        ),
        (
            "new File()",
            json!(
                "throws TypeError: Failed to construct 'File': constructor parameter 1 is not of type 'Array'."
            ),
        ),
        (
            "new File([])",
            json!(
                "throws TypeError: Failed to construct 'File': constructor parameter 2 is not of type 'string'."
            ),
        ),
        (
            "new File('x', 'y')",
            json!(
                "throws TypeError: Failed to construct 'File': constructor parameter 1 is not of type 'Array'."
            ),
        ),
    ]);
}

#[test]
fn arguments_are_converted_in_order() {
    check(&[(
        "const log = [];
         new Blob({ [Symbol.iterator]() { log.push('iterator'); return ['x'][Symbol.iterator](); } }, {
           get type() { log.push('type'); return { toString() { log.push('type string'); return ''; } }; },
           get endings() { log.push('endings'); return { toString() { log.push('endings string'); return 'native'; } }; },
         });
         new File([], { toString() { log.push('name'); return 'n'; } }, {
           get lastModified() { log.push('lastModified'); return 1; }, get type() { log.push('type'); }, get endings() { log.push('endings'); },
         });
         return log.join()",
        json!("iterator,endings,endings string,type,type string,name,endings,type,lastModified"),
    )]);
}

#[test]
fn types_are_printable_and_lower_case() {
    check(&[
        ("return new Blob().type", json!("")),
        (
            "return new Blob([], { type: 'Text/HTML; Charset=UTF-8' }).type",
            json!("text/html; charset=utf-8"),
        ),
        (
            "return ['a\\u00e9', 'a\\u007f', 'a\\n', 'a\\0', '\\ud800'].map((type) => new Blob([], { type }).type).join('|')",
            json!("||||"),
        ),
        ("return new Blob([], { type: ' ~!' }).type", json!(" ~!")),
        ("return new Blob([], { type: null }).type", json!("null")),
        ("return new Blob([], { type: undefined }).type", json!("")),
        ("return new Blob(['x'], { type: 'a/b' }).slice().type", json!("")),
        ("return new Blob(['x']).slice(0, 1, 'A/B').type", json!("a/b")),
        ("return new Blob(['x']).slice(0, 1, 'é').type", json!("")),
    ]);
}

#[test]
fn native_endings_are_line_feeds_in_strings_alone() {
    check(&[
        (
            "return await new Blob(['a\\r\\nb\\rc\\nd\\r', '\\ne'], { endings: 'native' }).text()",
            json!("a\nb\nc\nd\n\ne"),
        ),
        (
            "return await new Blob(['a\\r\\nb'], { endings: 'transparent' }).text()",
            json!("a\r\nb"),
        ),
        (
            "return await new Blob([new TextEncoder().encode('a\\r\\n'), new Blob(['b\\r\\n'])], { endings: 'native' }).text()",
            json!("a\r\nb\r\n"),
        ),
        (
            "return await new File(['\\r'], 'x', { endings: 'native' }).text()",
            json!("\n"),
        ),
    ]);
}

#[test]
fn slices_take_any_numbers() {
    check(&[(
        "const blob = new Blob(['0123', new Uint8Array([52, 53]), new Blob(['6789'])]);
         const out = [];
         for (const args of [[], [2], [-3], [2, 5], [2, -2], [-20, 20], [5, 2], [9, 10], [10], [1.5, 3.5], [0.5, 2.5], [NaN, NaN],
           [Infinity], [-Infinity, Infinity], ['3', '5'], [undefined, 3], [null, 3], [2 ** 53], [-(2 ** 53)], [3, 7, undefined]]) {
           out.push(await blob.slice(...args).text());
         }
         return out",
        json!(["0123456789", "23456789", "789", "234", "234567", "0123456789", "", "9", "", "23", "01", "", "", "0123456789", "34", "012", "012", "", "0123456789", "3456"]),
    ), (
        "const b = new Blob(['abcdef']).slice(1, 5).slice(1, 3); return [b.size, await b.text(), b instanceof File]",
        json!([2, "cd", false]),
    )]);
}

#[test]
fn blobs_are_read_in_every_way_and_again() {
    check(&[
        (
            "const b = new Blob(['\\ufeffab']); return [await b.text(), await b.text(), (await b.bytes()).length]",
            json!(["ab", "ab", 5]),
        ),
        (
            "return await new Blob([new Uint8Array([0xc3, 0x28, 0xff])]).text()",
            json!("\u{fffd}(\u{fffd}"),
        ),
        (
            "const b = await new Blob(['ab']).arrayBuffer(); return [b.constructor.name, b.byteLength, b.resizable]",
            json!(["ArrayBuffer", 2, false]),
        ),
        (
            "const b = new Blob(['ab']); const one = await b.bytes(); one[0] = 0; return [one.constructor.name, [...await b.bytes()]]",
            json!(["Uint8Array", [97, 98]]),
        ),
        (
            "const b = new Blob(['x'.repeat(200000)]); let n = 0, chunks = 0; for await (const c of b.stream()) { n += c.length; chunks++; } return [n, chunks]",
            json!([200000, 4]),
        ),
        (
            "const b = new Blob(['ab']); const s = b.stream(); return [s === b.stream(), s.locked, (await s.getReader().read()).value.length, await b.text()]",
            json!([false, false, 2, "ab"]),
        ),
        (
            "return (await new Blob().stream().getReader().read()).done",
            json!(true),
        ),
        (
            "const s = new Blob(['ab']).stream(); await s.cancel(); return (await s.getReader().read()).done",
            json!(true),
        ),
    ]);
}

#[test]
fn files_have_a_name_and_a_time() {
    check(&[
        ("return new File([], 'a/b\\\\c').name", json!("a/b\\c")),
        ("return new File([], '\\ud800').name", json!("\u{fffd}")),
        ("return new File([], 1).name", json!("1")),
        (
            "return [1.9, -1.9, '7', NaN, Infinity, null, true, new Date(9), 2 ** 63].map((lastModified) => new File([], '', { lastModified }).lastModified)",
            json!([1, -1, 7, 0, 0, 0, 1, 9, -9_223_372_036_854_775_808.0_f64]),
        ),
        (
            "const before = Date.now(); const f = new File([], ''); return f.lastModified >= before && f.lastModified <= Date.now()",
            json!(true),
        ),
        (
            "new File([], '', { lastModified: 1n })",
            json!("throws TypeError: bigint argument with unary +"),
        ),
        (
            "const f = new File(['ab'], 'n', { type: 'A/B', lastModified: 3 }); return [f.size, f.type, f.name, f.lastModified, await f.text(), f instanceof Blob]",
            json!([2, "a/b", "n", 3, "ab", true]),
        ),
        (
            "return [File.prototype.__proto__ === Blob.prototype, File.__proto__ === Blob, Blob.length, File.length, Blob.name, File.name]",
            json!([true, true, 0, 2, "Blob", "File"]),
        ),
        (
            "return [String(new Blob()), String(new File([], ''))]",
            json!(["[object Blob]", "[object File]"]),
        ),
        (
            "const keys = []; for (const k in new File([], '')) keys.push(k); return keys.sort()",
            json!([
                "arrayBuffer",
                "bytes",
                "lastModified",
                "name",
                "size",
                "slice",
                "stream",
                "text",
                "type"
            ]),
        ),
        (
            "class My extends File { constructor() { super(['q'], 'n'); } } const f = new My(); return [f instanceof My, f.name, await f.text(), f.slice().constructor.name]",
            json!([true, "n", "q", "Blob"]),
        ),
        (
            "return Blob.prototype.slice.length + ' ' + Blob.prototype.text.length",
            json!("0 0"),
        ),
    ]);
}

#[test]
fn other_receivers_are_refused() {
    let world = World::new();
    for script in [
        "Blob.prototype.slice.call({})",
        "Blob.prototype.stream.call({})",
        "await Blob.prototype.text.call({})",
        "await Blob.prototype.bytes.call(null)",
        "await Blob.prototype.arrayBuffer.call(1)",
        "Object.getOwnPropertyDescriptor(Blob.prototype, 'size').get.call({})",
        "Object.getOwnPropertyDescriptor(File.prototype, 'name').get.call(new Blob())",
    ] {
        let outcome = world.eval(script);
        assert!(
            outcome
                .as_str()
                .unwrap_or_default()
                .starts_with("throws TypeError"),
            "{script}: {outcome}"
        );
    }
    assert_eq!(
        world.eval(
            "const p = Blob.prototype.text.call({}); return p instanceof Promise && p.then(() => 1, () => 2)"
        ),
        json!(2)
    );
}

#[test]
fn user_code_that_patches_prototypes_changes_nothing() {
    check(&[(
        "Array.prototype[Symbol.iterator] = null; RegExp.prototype.exec = null; String.prototype.toLowerCase = null;
         Promise.prototype.then = Promise.prototype.then; Blob.prototype.slice = null; Math.floor = null;
         const parts = { [Symbol.iterator]() { let n = 0; return { next() { return { done: n++ > 0, value: 'v' }; } }; } };
         const b = new Blob(parts, { type: 'A/B' });
         return [b.type, await b.text()]",
        json!(["a/b", "v"]),
    )]);
}

/// The bytes that a response sends, and whether JavaScript was passed by.
fn sent(world: &World, script: &str) -> (Vec<u8>, &'static str) {
    let sink = Rc::new(TestSink::default());
    let target: Rc<dyn ByteSink> = sink.clone();
    let kind = world.with(|ctx| {
        let value: Value = ctx.eval(script).catch(ctx).unwrap();
        let (_, body) = response_parts(ctx, &value).catch(ctx).unwrap().unwrap();
        match body {
            OutgoingBody::None => "none",
            OutgoingBody::Bytes(bytes) => {
                sink.bytes.borrow_mut().extend_from_slice(&bytes);
                "bytes"
            }
            OutgoingBody::Source { source, length } => {
                let stream = streams::readable(ctx, source, length).unwrap();
                streams::drain(ctx, stream, target).catch(ctx).unwrap();
                assert!(length.is_some());
                "source"
            }
            OutgoingBody::Stream { .. } => "stream",
        }
    });
    world.run();
    let bytes = sink.bytes.take();
    (bytes, kind)
}

#[test]
fn blobs_leave_as_bodies_without_javascript() {
    let world = World::new();
    assert_eq!(
        sent(&world, "new Response(new Blob(['ab', 'cd']))"),
        (b"abcd".to_vec(), "bytes")
    );
    assert_eq!(sent(&world, "new Response(new Blob())"), (Vec::new(), "bytes"));
    let script = "globalThis.big = new Blob(['x'.repeat(5000)]); new Response(new Blob([big, 'y', big]))";
    let expected = [vec![b'x'; 5000], vec![b'y'], vec![b'x'; 5000]].concat();
    assert_eq!(sent(&world, script), (expected.clone(), "source"));
    let script = "new Response(new Blob([big, 'y', big]).stream())";
    assert_eq!(sent(&world, script), (expected.clone(), "source"));
    assert_eq!(
        sent(
            &world,
            "new Response(new Blob([big, 'y', big]).slice(4999, 5002))"
        ),
        (b"xyx".to_vec(), "source")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Blobs made of blobs, and slices of them, against a vector of bytes.
    #[test]
    fn nested_blobs_and_slices(
        pieces in prop::collection::vec((0_usize..9000, any::<bool>()), 0..6),
        cuts in prop::collection::vec((0_usize..30000, 0_usize..30000), 0..5),
    ) {
        let world = World::new();
        let mut model: Vec<u8> = Vec::new();
        let mut script = String::from("let blob = new Blob();");
        for (index, (length, first)) in pieces.iter().enumerate() {
            let byte = b'a' + index as u8;
            let own = vec![byte; *length];
            let text = format!("'{}'.repeat({length})", char::from(byte));
            if *first {
                model = [own, model].concat();
                script += &format!("blob = new Blob([{text}, blob]);");
            } else {
                model.extend(own);
                script += &format!("blob = new Blob([blob, new Blob([{text}])]);");
            }
        }
        for (start, end) in cuts {
            script += &format!("blob = blob.slice({start}, {end});");
            let end = end.min(model.len());
            model = if start < end { model[start..end].to_vec() } else { Vec::new() };
        }
        script += "let streamed = ''; const d = new TextDecoder(); for await (const c of blob.stream()) streamed += d.decode(c, { stream: true });
                   return [blob.size, await blob.text(), streamed === await blob.text()]";
        let text = String::from_utf8(model).unwrap();
        prop_assert_eq!(world.eval(&script), json!([text.len(), text, true]));
    }
}
