//! `FormData` and forms as bodies: <https://xhr.spec.whatwg.org/#interface-formdata>,
//! <https://html.spec.whatwg.org/#multipart-form-data>, <https://www.rfc-editor.org/rfc/rfc7578>.

mod support;

use proptest::prelude::*;
use serde_json::json;
use support::World;

/// Functions that the scripts of this file use.
const PRELUDE: &str = r#"
  globalThis.form = (...entries) => { const f = new FormData(); for (const e of entries) f.append(...e); return f; };
  globalThis.shown = async (f) => { const out = []; for (const [n, v] of f) out.push([n, typeof v === "string" ? v : [v.name, v.type, await v.text()]]); return out; };
  globalThis.parse = (text, type = 'multipart/form-data; boundary=X') => new Response(text, { headers: { "content-type": type } }).formData().then(shown);
  globalThis.part = (disposition, value = "v", more = "") => `--X\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${value}\r\n--X--\r\n`;
"#;

fn world() -> World {
    let world = World::new();
    world.eval(PRELUDE);
    world
}

fn check(cases: &[(&str, serde_json::Value)]) {
    let world = world();
    for (body, expected) in cases {
        assert_eq!(&world.eval(body), expected, "{body}");
    }
}

#[test]
fn entries_are_added_replaced_and_removed() {
    check(&[
        (
            "return [...form(['a', '1'], ['b', '2'], ['a', '3'])]",
            json!([["a", "1"], ["b", "2"], ["a", "3"]]),
        ),
        (
            "const f = form(['a', '1'], ['b', '2'], ['a', '3']); return [f.get('a'), f.getAll('a'), f.get('x'), f.getAll('x'), f.has('b'), f.has('x')]",
            json!(["1", ["1", "3"], null, [], true, false]),
        ),
        (
            "const f = form(['a', '1'], ['b', '2'], ['a', '3']); f.set('a', '4'); f.set('c', '5'); return [...f]",
            json!([["a", "4"], ["b", "2"], ["c", "5"]]),
        ),
        (
            "const f = form(['a', '1'], ['b', '2'], ['a', '3']); f.delete('a'); f.delete('x'); return [...f]",
            json!([["b", "2"]]),
        ),
        (
            "return [...form([1, null], [undefined, {}], ['\\ud800', '\\udc00'])]",
            json!([
                ["1", "null"],
                ["undefined", "[object Object]"],
                ["\u{fffd}", "\u{fffd}"]
            ]),
        ),
        (
            "const f = form(['a', '1'], ['b', '2']); return [[...f.keys()], [...f.values()], [...f.entries()]]",
            json!([["a", "b"], ["1", "2"], [["a", "1"], ["b", "2"]]]),
        ),
        (
            "const out = []; form(['a', '1']).forEach(function (v, k, f) { out.push(v, k, f.has('a'), this.x); }, { x: 1 }); return out",
            json!(["1", "a", true, 1]),
        ),
        (
            "const f = form(['a', '1']); const seen = []; for (const [k] of f) { seen.push(k); if (seen.length < 3) f.append('b', '2'); } return seen",
            json!(["a", "b", "b"]),
        ),
        (
            "const f = form(['a', '1'], ['b', '2']); const seen = []; for (const [k] of f) { seen.push(k); f.delete('a'); } return seen",
            json!(["a"]),
        ),
        (
            "return [FormData.prototype[Symbol.iterator] === FormData.prototype.entries, String(new FormData()), String(new FormData().keys()), FormData.length]",
            json!([true, "[object FormData]", "[object FormData Iterator]", 0]),
        ),
        (
            "return ['append', 'delete', 'get', 'getAll', 'has', 'set', 'forEach'].map((k) => FormData.prototype[k].length)",
            json!([2, 1, 1, 1, 1, 2, 1]),
        ),
    ]);
}

#[test]
fn wrong_arguments_are_refused() {
    let world = world();
    for script in [
        "new FormData(null)",
        "new FormData({})",
        "FormData()",
        "form().append('a')",
        "form().append()",
        "form().set('a')",
        "form().get()",
        "form().has()",
        "form().delete()",
        "form().getAll()",
        "form().append('a', 'b', 'c')",
        "form().set('a', 'b', 'c')",
        "form().append(Symbol(), 'b')",
        "form().append('a', Symbol())",
        "FormData.prototype.get.call({}, 'a')",
        "FormData.prototype.entries.call({})",
        "form().forEach(1)",
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
}

#[test]
fn blobs_become_files() {
    check(&[
        (
            "const f = form(['a', new Blob(['x'], { type: 'T/X' })]).get('a'); return [f.constructor.name, f.name, f.type, await f.text()]",
            json!(["File", "blob", "t/x", "x"]),
        ),
        (
            "const f = form(['a', new Blob(['x']), 'n/\\ud800']).get('a'); return f.name",
            json!("n/\u{fffd}"),
        ),
        (
            "const file = new File(['x'], 'q', { lastModified: 5 }); const f = form(['a', file]); return [f.get('a') === file, f.getAll('a')[0] === file, [...f.values()][0] === file]",
            json!([true, true, true]),
        ),
        (
            "const file = new File(['x'], 'q', { type: 'a/b' }); const f = form(['a', file, 'new']).get('a'); return [f === file, f.name, f.type, await f.text()]",
            json!([false, "new", "a/b", "x"]),
        ),
        (
            "const file = new File(['x'], 'q'); const f = form(['a', file, undefined]); return [f.get('a') === file]",
            json!([true]),
        ),
        (
            "const file = new File(['x'], 'q', { lastModified: 5 }); const f = form(['a', file, 'new']); f.set('b', file, 'other'); return [f.get('a').lastModified, f.get('b').lastModified, f.get('b').name]",
            json!([5, 5, "other"]),
        ),
        ("return [...form(['a', 'b', undefined])]", json!([["a", "b"]])),
        (
            "return form(['a', new Blob(), null]).get('a').name",
            json!("null"),
        ),
        (
            "const f = new FormData(); f.set('a', new Blob(['1'])); f.set('a', new Blob(['2']), 'two'); return [f.getAll('a').length, f.get('a').name]",
            json!([1, "two"]),
        ),
    ]);
}

#[test]
fn forms_are_sent_as_multipart() {
    check(&[
        (
            r#"const f = form(["a", "1"], ["n\n\"\r", "v\nw\r\nx\ry"], ["f", new File(["hi"], "q\"\n\r.txt", { type: "text/x" })], ["g", new Blob(["\r\n"])], ["ü", "日"]);
               const r = new Response(f);
               const type = r.headers.get("content-type");
               const boundary = type.split("=")[1];
               return [type.replace(boundary, "X"), boundary.length, (await r.text()).replaceAll(boundary, "X")]"#,
            json!([
                "multipart/form-data; boundary=X",
                32,
                "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
                 --X\r\nContent-Disposition: form-data; name=\"n%0D%0A%22%0D%0A\"\r\n\r\nv\r\nw\r\nx\r\ny\r\n\
                 --X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"q%22%0A%0D.txt\"\r\nContent-Type: text/x\r\n\r\nhi\r\n\
                 --X\r\nContent-Disposition: form-data; name=\"g\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n\r\n\
                 --X\r\nContent-Disposition: form-data; name=\"ü\"\r\n\r\n日\r\n\
                 --X--\r\n"
            ]),
        ),
        (
            "const r = new Response(new FormData()); return (await r.text()).replace(/[0-9a-f]{32}/, 'X')",
            json!("--X--\r\n"),
        ),
        (
            "const r = new Request('http://x', { method: 'POST', body: form(['a', 'b']), headers: { 'content-type': 'own/type' } }); return r.headers.get('content-type')",
            json!("own/type"),
        ),
        (
            "const r = new Request('http://x', { method: 'POST', body: form(['a', 'b'], ['f', new File(['c'], 'd', { type: 'e/f' })]) }); return await shown(await r.formData())",
            json!([["a", "b"], ["f", ["d", "e/f", "c"]]]),
        ),
        // What is appended later is not sent.
        (
            "const f = form(['a', 'b']); const r = new Response(f); f.append('c', 'd'); return await shown(await r.formData())",
            json!([["a", "b"]]),
        ),
        (
            "const r = new Response(form(['a', 'b'])); const c = r.clone(); return [await shown(await r.formData()), await shown(await c.formData())]",
            json!([[["a", "b"]], [["a", "b"]]]),
        ),
        (
            "const big = 'z'.repeat(100000); const r = new Response(form(['a', new Blob([big])], ['b', new Blob([big])])); const c = r.clone(); const f = await c.formData(); return [f.get('a').size, (await f.get('b').text()) === big, (await r.text()).length > 200000]",
            json!([100000, true, true]),
        ),
    ]);
}

#[test]
fn multipart_bodies_are_read() {
    check(&[
        (
            "return await parse(part('form-data; name=\"a\"'))",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"', ''))",
            json!([["a", ""]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"', '\\r\\n--Y\\r\\n'))",
            json!([["a", "\r\n--Y\r\n"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"; filename=\"f\"', 'x', 'Content-Type: T/X\\r\\n'))",
            json!([["a", ["f", "T/X", "x"]]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"; filename=\"f\"'))",
            json!([["a", ["f", "text/plain", "v"]]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"; filename=\"\"', '', 'Content-Type: application/octet-stream\\r\\n'))",
            json!([["a", ["", "application/octet-stream", ""]]]),
        ),
        (
            "return await parse(part('FORM-Data;NAME=\"a\"; FileName=\"f\"'))",
            json!([["a", ["f", "text/plain", "v"]]]),
        ),
        (
            "return await parse(part('form-data; filename=\"f\"; name=\"a\"'))",
            json!([["a", ["f", "text/plain", "v"]]]),
        ),
        (
            "return await parse(part('form-data; name=a; filename=b.c'))",
            json!([["a", ["b.c", "text/plain", "v"]]]),
        ),
        (
            "return await parse(part('form-data; name=\"%22%0D%0a%20%\"'))",
            json!([["\"\r\n%20%", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\\\\\"b\"; filename=\"C:\\\\x\\\\\"'))",
            json!([["a\"b", ["C:\\x\\", "text/plain", "v"]]]),
        ),
        (
            "return await parse(part('form-data; name=\"ü日\"', 'ß'))",
            json!([["ü日", "ß"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"', 'v', 'X-Other: 1\\r\\nNoColon\\r\\n'))",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a;b\"; other; name=\"c\"'))",
            json!([["a;b", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"; filename*=UTF-8\\'\\'x'))",
            json!([["a", "v"]]),
        ),
        ("return await parse('--X--')", json!([])),
        (
            "return await parse('preamble\\r\\n--X--\\r\\nepilogue')",
            json!([]),
        ),
        (
            "return await parse('x--X\\r\\n' + part('form-data; name=\"a\"'))",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"').replaceAll('\\r', ''))",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"').replace('--X', '--X \\t'))",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"').replaceAll('X', 'a b'), 'multipart/form-data; boundary=\"a b\"')",
            json!([["a", "v"]]),
        ),
        (
            "return await parse(part('form-data; name=\"a\"'), 'Multipart/Form-Data;charset=x;BOUNDARY=X')",
            json!([["a", "v"]]),
        ),
        (
            "const u = new Uint8Array([0, 255, 13, 10, 45, 45]); const f = await new Response(form(['f', new Blob([u])])).formData(); return [...await f.get('f').bytes()]",
            json!([0, 255, 13, 10, 45, 45]),
        ),
        (
            "const r = new Response(new Blob([part('form-data; name=\"a\"', '\\ufeffv')]), { headers: { 'content-type': 'multipart/form-data; boundary=X' } }); return (await r.formData()).get('a').length",
            json!(2),
        ),
        (
            "const p = ['--', 'X\\r', '\\nContent-Disposition: form-data; na', 'me=\"a\"\\r\\n\\r\\nv\\r\\n--X', '--']; const s = new ReadableStream({ pull(c) { if (p.length) c.enqueue(new TextEncoder().encode(p.shift())); else c.close(); } }); return await parse(s)",
            json!([["a", "v"]]),
        ),
    ]);
}

#[test]
fn urlencoded_bodies_are_read() {
    let urlencoded = "'application/x-www-form-urlencoded'";
    check(&[
        (
            &format!("return await parse('a=b&c=%20d+e&a=%C3%BC&f&=g', {urlencoded})"),
            json!([["a", "b"], ["c", " d e"], ["a", "ü"], ["f", ""], ["", "g"]]),
        ),
        (&format!("return await parse('', {urlencoded})"), json!([])),
        (
            &format!("return await parse('a=%ff', {urlencoded})"),
            json!([["a", "\u{fffd}"]]),
        ),
        (
            "return await shown(await new Response(new URLSearchParams([['a', 'b']])).formData())",
            json!([["a", "b"]]),
        ),
        (
            "return await parse('a=b', 'application/x-www-form-urlencoded; charset=windows-1252')",
            json!([["a", "b"]]),
        ),
    ]);
}

#[test]
fn what_is_no_form_rejects_with_a_type_error() {
    let world = world();
    for script in [
        "parse('x', 'text/plain')",
        "parse('x', '')",
        "parse('--X--', 'multipart/form-data')",
        "parse('--X--', 'multipart/form-data; boundary=\"\"')",
        "new Response(null).formData()",
        "new Response(new Uint8Array(3)).formData()",
        "new Response(null, { headers: { 'content-type': 'multipart/form-data; boundary=X' } }).formData()",
        "parse('')",
        "parse('--Y--')",
        "parse('x--X--')",
        "parse('--X')",
        "parse('--X ')",
        "parse('--Xy\\r\\n')",
        "parse('--X\\r\\n')",
        "parse('--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n')",
        "parse('--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\nv')",
        "parse('--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\nv\\r\\n--X')",
        "parse('--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\nv\\r\\n--X\\r\\n')",
        "parse(part('form-data'))",
        "parse(part('form-data; name'))",
        "parse(part('form-data; name=\"a'))",
        "parse(part('form-data; name=ü'))",
        "parse(part('attachment; name=\"a\"'))",
        "parse('--X\\r\\nContent-Type: a/b\\r\\n\\r\\nv\\r\\n--X--')",
        "parse(part('form-data; name=\"a\"', 'v', `X: ${'y'.repeat(70000)}\\r\\n`))",
        "FormData.prototype.constructor.call(1)",
        "Response.prototype.formData.call(1)",
    ] {
        let outcome = world.eval(&format!("return await {script}"));
        assert!(
            outcome
                .as_str()
                .unwrap_or_default()
                .starts_with("throws TypeError"),
            "{script}: {outcome}"
        );
    }
    assert_eq!(
        world.eval("const r = new Response('x'); await r.formData().catch(() => {}); return [r.bodyUsed, await r.text().catch((e) => e.name)]"),
        json!([true, "TypeError"])
    );
}

#[test]
fn bodies_become_blobs_of_the_type_that_the_headers_name() {
    check(&[
        (
            "const b = await new Response('x', { headers: { 'content-type': 'Text/HTML; charset=X' } }).blob(); return [b.type, b.size, b.constructor.name, await b.text()]",
            json!(["text/html;charset=x", 1, "Blob", "x"]),
        ),
        (
            "const b = await new Response('x').blob(); return b.type",
            json!("text/plain;charset=utf-8"),
        ),
        (
            "const b = await new Response(new Uint8Array(2)).blob(); return [b.type, b.size]",
            json!(["", 2]),
        ),
        (
            "const b = await new Response(null, { headers: { 'content-type': 'a/b' } }).blob(); return [b.type, b.size]",
            json!(["a/b", 0]),
        ),
        (
            "const b = await new Response('x', { headers: { 'content-type': 'bad' } }).blob(); return b.type",
            json!(""),
        ),
        (
            "const b = await new Request('http://x', { method: 'PUT', body: new Blob(['q'], { type: 'A/b' }) }).blob(); return [b.type, await b.text()]",
            json!(["a/b", "q"]),
        ),
        (
            "const r = new Response(new Blob(['q'])); return [r.headers.get('content-type'), await r.text()]",
            json!([null, "q"]),
        ),
        (
            "const r = new Response(new Blob(['x'.repeat(9999)]).stream()); return (await r.blob()).size",
            json!(9999),
        ),
        (
            "const big = new Blob(['x'.repeat(9999)]); return (await new Response(new Blob([big, big])).blob()).size",
            json!(19998),
        ),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is sent is what is read, line endings of texts apart.
    #[test]
    fn forms_survive_the_way(entries in prop::collection::vec(("[ -~ü日\"%;\\\\]{0,12}", prop::option::of("[ -~ü\"]{0,8}"), prop::collection::vec(any::<u8>(), 0..40)), 0..6)) {
        let world = World::new();
        let entries: Vec<_> = entries
            .into_iter()
            // `%22` and its like stand for what they are read as, and a backslash before a quote for the quote.
            .filter(|(name, file, _)| !name.contains('%') && !name.contains('\\') && !file.as_deref().unwrap_or("").contains(['%', '\\']))
            .collect();
        let list = serde_json::to_string(&entries).unwrap();
        let script = format!(
            "const entries = {list}; const f = new FormData();
             for (const [n, file, b] of entries) {{ if (file === null) f.append(n, String(b)); else f.append(n, new Blob([new Uint8Array(b)]), file); }}
             const back = await new Response(f).formData(); const out = [];
             for (const [n, v] of back) out.push(typeof v === 'string' ? [n, null, v === '' ? [] : v.split(',').map(Number)] : [n, v.name, [...await v.bytes()]]);
             return out");
        prop_assert_eq!(world.eval(&script), json!(entries));
    }

    /// No body makes the parser do anything but answer.
    #[test]
    fn any_bytes_are_a_form_or_a_type_error(pieces in prop::collection::vec(prop_oneof![
        Just("--X".to_owned()), Just("\r\n".to_owned()), Just("\n".to_owned()), Just("--".to_owned()), Just("Content-Disposition: form-data; name=".to_owned()),
        Just("\"a\"".to_owned()), Just("; filename=\"".to_owned()), Just("\\\"".to_owned()), Just("%2".to_owned()), "[ -~]{0,5}",
    ], 0..30)) {
        let text = serde_json::to_string(&pieces.concat()).unwrap();
        let outcome = World::new().eval(&format!(
            "return await new Response({text}, {{ headers: {{ 'content-type': 'multipart/form-data; boundary=X' }} }}).formData().then(() => 1)"));
        prop_assert!(outcome == json!(1) || outcome.as_str().unwrap_or_default().starts_with("throws TypeError"), "{}", outcome);
    }
}
