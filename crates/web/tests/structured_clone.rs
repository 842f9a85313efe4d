//! `structuredClone`, directly and by way of the stored form: <https://html.spec.whatwg.org/#structured-cloning>.

mod support;

use serde_json::json;
use support::{World, stored_form};

/// Each body once with `clone` as `structuredClone`, once by way of the stored form.
fn check(cases: &[(&str, serde_json::Value)]) {
    let world = stored_form::world();
    for way in ["structuredClone", "store"] {
        world.script::<()>(&format!("globalThis.clone = {way}"));
        for (body, expected) in cases {
            assert_eq!(&world.eval(body), expected, "{way}: {body}");
        }
    }
}

#[test]
fn primitives() {
    check(&[
        (
            "const all = [undefined, null, true, false, 0, -0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 0.5, NaN, Infinity, -Infinity, 5e-324, 2 ** 53];
             const back = clone(all); return back.length === all.length && all.every((v, i) => Object.is(v, back[i]))",
            json!(true),
        ),
        (
            "const all = [0n, -1n, 255n, -256n, 2n ** 63n, -(2n ** 64n), 12345678901234567890123456789012345678901234567890n];
             const back = clone(all); return all.every((v, i) => v === back[i])",
            json!(true),
        ),
        (
            "const all = ['', 'a', 'é', '日', '😀', '\\0', '\\ud800', 'a\\udfffb', '\\udc00\\ud800', '\"\\\\', 'x'.repeat(1e5), '\\ufeff'];
             const back = clone(all); return all.every((v, i) => v === back[i])",
            json!(true),
        ),
        ("return [clone(1), clone('x'), clone(undefined) === undefined, clone(null), clone(5n) === 5n]", json!([1, "x", true, null, true])),
    ]);
}

#[test]
fn objects_of_the_language() {
    check(&[
        (
            "const d = clone(new Date(5)); return [d instanceof Date, d.getTime(), isNaN(clone(new Date(NaN)))]",
            json!([true, 5, true]),
        ),
        (
            "const d = new Date(3); Object.setPrototypeOf(d, null); return clone(d).getTime()",
            json!(3),
        ),
        (
            "const r = /a(?<x>b)\\/\\n/giu; r.lastIndex = 3; r.x = 1; const c = clone(r); return [c.source, c.flags, c.lastIndex, c.x === undefined, c instanceof RegExp]",
            json!(["a(?<x>b)\\/\\n", "giu", 0, true, true]),
        ),
        (
            "return ['', 'd', 'g', 'i', 'm', 's', 'u', 'v', 'y', 'dgimsuy'].map((f) => clone(new RegExp('x', f)).flags).join()",
            json!(",d,g,i,m,s,u,v,y,dgimsuy"),
        ),
        (
            "const r = /x/; Object.defineProperty(r, 'global', { value: true }); Object.defineProperty(r, 'source', { value: 'y' }); return String(clone(r))",
            json!("/x/"),
        ),
        (
            "return [Object(true), Object(false), Object(1), Object(-0.5), Object('s\\ud800'), Object(7n)].map((b) => { const c = clone(b); return typeof c + c.constructor.name + JSON.stringify(String(c.valueOf())) })",
            json!([
                "objectBoolean\"true\"",
                "objectBoolean\"false\"",
                "objectNumber\"1\"",
                "objectNumber\"-0.5\"",
                "objectString\"s\\ud800\"",
                "objectBigInt\"7\""
            ]),
        ),
        (
            "const s = Object('ab'); s.x = 1; const c = clone(s); return [c.x === undefined, c.length]",
            json!([true, 2]),
        ),
        (
            "const m = clone(new Map([[1, 'a'], ['b', new Map([[{ x: 1 }, 2]])], [NaN, 3]])); return [m instanceof Map, m.size, m.get(1), [...m.get('b')][0], m.get(NaN)]",
            json!([true, 3, "a", [{"x": 1}, 2], 3]),
        ),
        (
            "const s = clone(new Set([3, 'a', new Set([1]), 3])); return [s instanceof Set, [...s].length, [...s][0], [...[...s][2]]]",
            json!([true, 3, 3, [1]]),
        ),
        (
            "const m = new Map(); m.x = 1; const s = new Set(); s.x = 1; return [clone(m).x === undefined, clone(s).x === undefined]",
            json!([true, true]),
        ),
        (
            "const m = new Map(); m.set({ get x() { m.set('new', 1); m.delete('old'); return 1; } }, 1); m.set('old', 2); return [...clone(m).keys()]",
            json!([{"x": 1}, "old"]),
        ),
        (
            "class A { constructor() { this.x = 1; } get y() { return 2; } } const c = clone(new A()); return [c, c.constructor === Object]",
            json!([{"x": 1}, true]),
        ),
        (
            "const c = clone(Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } })); return [Object.getOwnPropertyNames(c), Object.getPrototypeOf(c) === Object.prototype]",
            json!([["own"], true]),
        ),
        (
            "return Object.getPrototypeOf(clone(Object.create(null))) === Object.prototype",
            json!(true),
        ),
        (
            "const c = clone({ b: 1, a: 2, 1: 3, 0: 4, [Symbol('s')]: 5, 'ü\\ud800': 6 }); return [Object.keys(c).length, Object.keys(c).slice(0, 4), Reflect.ownKeys(c).length, c['ü\\ud800']]",
            json!([5, ["0", "1", "b", "a"], 5, 6]),
        ),
        (
            "const c = clone(JSON.parse('{\"__proto__\": {\"x\": 1}}')); return [Object.keys(c), c.x === undefined]",
            json!([["__proto__"], true]),
        ),
        (
            "const o = { get a() { return 1; }, set b(v) {} }; return [Object.getOwnPropertyDescriptor(clone(o), 'a'), 'b' in clone(o)]",
            json!([{"value": 1, "writable": true, "enumerable": true, "configurable": true}, true]),
        ),
        (
            "return clone({ get a() { delete this.b; return 1; }, b: 2, c: 3 })",
            json!({"a": 1, "c": 3}),
        ),
        (
            "return clone({ get a() { this.d = 4; return 1; }, c: 3 })",
            json!({"a": 1, "c": 3}),
        ),
        ("return clone({ u: undefined }).hasOwnProperty('u')", json!(true)),
        (
            "clone({ get a() { throw new RangeError('own'); } })",
            json!("throws RangeError: own"),
        ),
    ]);
}

#[test]
fn arrays_with_holes_and_more() {
    check(&[
        (
            "const c = clone([1, [2, [3]], []]); return [c, Array.isArray(c), c.constructor === Array]",
            json!([[1, [2, [3]], []], true, true]),
        ),
        (
            "const a = [1, , 3]; a.x = 'p'; a.length = 10; const c = clone(a); return [Object.keys(c), c.length, 1 in c, c.x]",
            json!([["0", "2", "x"], 10, false, "p"]),
        ),
        (
            "const a = []; a.length = 2 ** 32 - 1; const c = clone(a); return [c.length, Object.keys(c)]",
            json!([4_294_967_295_u32, []]),
        ),
        (
            "const a = [1, 2]; a.x = 1; delete a[0]; const c = clone(a); return [Object.keys(c), c.length]",
            json!([["1", "x"], 2]),
        ),
        (
            "const a = [1, 2, 3]; Object.defineProperty(a, 1, { enumerable: false }); const c = clone(a); return [Object.keys(c), c.length]",
            json!([["0", "2"], 3]),
        ),
        (
            "const a = [0, 0, 0]; Object.defineProperty(a, 0, { get() { delete a[1]; a.length = 2; return 'g'; }, enumerable: true }); const c = clone(a); return [Object.keys(c), c.length, c[0]]",
            json!([["0"], 3, "g"]),
        ),
        ("return clone([undefined]).hasOwnProperty(0)", json!(true)),
        (
            "const a = Array.from({ length: 1000 }, (_, i) => i); const c = clone(a); return c.length === 1000 && c.every((v, i) => v === i)",
            json!(true),
        ),
        (
            "class A extends Array {} const c = clone(A.of(1, 2)); return [c.constructor === Array, c]",
            json!([true, [1, 2]]),
        ),
    ]);
}

#[test]
fn identity_and_cycles() {
    check(&[
        (
            "const o = {}; o.o = o; o.a = [o]; o.m = new Map([[o, o]]); o.s = new Set([o]); const e = new Error('e', { cause: o }); o.e = e;
             const c = clone(o); return [c !== o, c.o === c, c.a[0] === c, c.m.get(c) === c, c.s.has(c), c.e.cause === c]",
            json!([true, true, true, true, true, true]),
        ),
        ("const d = new Date(), b = Object(1), r = /x/, f = new Blob(); const c = clone([d, d, b, b, r, r, f, f]); return [c[0] === c[1], c[2] === c[3], c[4] === c[5], c[6] === c[7]]", json!([true, true, true, true])),
        ("const b = new ArrayBuffer(8); const v = new Uint8Array(b, 1); const c = clone([v, b, new DataView(b), v]); return [c[0].buffer === c[1], c[2].buffer === c[1], c[0] === c[3], c[0].byteOffset]", json!([true, true, true, 1])),
        ("const e = new Error(); e.cause = e; const c = clone(e); return c.cause === c", json!(true)),
        ("const o = {}; return clone([o, o, {}]).map((x, _, a) => a.indexOf(x))", json!([0, 0, 2])),
    ]);
}

#[test]
fn no_depth_is_too_much() {
    check(&[
        (
            "let o = {}; for (let i = 0; i < 2e5; i++) o = { o }; let c = clone(o), n = 0; while (c.o) { c = c.o; n++; } return n",
            json!(200_000),
        ),
        (
            "let o = []; for (let i = 0; i < 2e5; i++) o = [o]; let c = clone(o), n = 0; while (c.length) { c = c[0]; n++; } return n",
            json!(200_000),
        ),
        (
            "let o = new Map(); for (let i = 0; i < 1e5; i++) o = new Map([[1, o]]); let c = clone(o), n = 0; while (c.size) { c = c.get(1); n++; } return n",
            json!(100_000),
        ),
        (
            "let o = new Error('0'); for (let i = 0; i < 1e5; i++) { const e = new Error(''); delete e.stack; e.cause = o; o = e; } let c = clone(o), n = 0; while (c.cause) { c = c.cause; n++; } return n",
            json!(100_000),
        ),
    ]);
}

#[test]
fn buffers_and_views() {
    check(&[
        ("const b = new Uint8Array([1, 2, 3]).buffer; const c = clone(b); return [c !== b, c.byteLength, c.resizable, [...new Uint8Array(c)]]", json!([true, 3, false, [1, 2, 3]])),
        (
            "return ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array']
               .map((n) => { const c = clone(new globalThis[n]([1, 2, 250])); return c.constructor.name === n && c.length === 3 && c[1] === 2 }).concat(
               ['BigInt64Array', 'BigUint64Array'].map((n) => { const c = clone(new globalThis[n]([1n, 2n])); return c.constructor.name === n && c[1] === 2n })).every((x) => x)",
            json!(true),
        ),
        ("const c = clone(new Uint16Array(new Uint8Array([0, 0, 1, 0, 2, 0, 9, 9]).buffer, 2, 2)); return [c.byteOffset, c.length, [...c], c.buffer.byteLength]", json!([2, 2, [1, 2], 8])),
        ("const c = clone(new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)); return [c instanceof DataView, c.byteOffset, c.byteLength, c.getUint8(0), c.buffer.byteLength]", json!([true, 1, 2, 2, 4])),
        ("const v = new Uint8Array(2); Object.setPrototypeOf(v, Float32Array.prototype); return [...clone(v)].length + clone(v).constructor.name", json!("2Uint8Array")),
        ("const c = clone(new ArrayBuffer(3, { maxByteLength: 10 })); return [c.resizable, c.maxByteLength, c.byteLength]", json!([true, 10, 3])),
        ("const c = clone(new Uint8Array(new ArrayBuffer(3, { maxByteLength: 10 }))); c.buffer.resize(5); return c.length", json!(5)),
        ("const c = clone(new Uint8Array(new ArrayBuffer(3, { maxByteLength: 10 }), 0, 3)); c.buffer.resize(5); return c.length", json!(3)),
        ("const c = clone(new DataView(new ArrayBuffer(3, { maxByteLength: 10 }), 1)); c.buffer.resize(5); return c.byteLength", json!(4)),
        ("const c = clone(new Uint32Array(new ArrayBuffer(8, { maxByteLength: 16 }), 4)); c.buffer.resize(16); return c.length", json!(3)),
        ("const b = new ArrayBuffer(4, { maxByteLength: 8 }); new Uint8Array(b).set([1, 2, 3, 4]); clone(new Uint8Array(b)); return [b.byteLength, [...new Uint8Array(b)]]", json!([4, [1, 2, 3, 4]])),
        ("return [clone(new Uint8Array(0)).length, clone(new ArrayBuffer(0)).byteLength, clone(new Uint8Array(new ArrayBuffer(4), 4)).byteOffset]", json!([0, 0, 4])),
    ]);
}

#[test]
fn errors() {
    check(&[
        (
            "const e = clone(new RangeError('m', { cause: { a: 1 } })); return [e instanceof RangeError, e.name, e.message, e.cause, Object.getOwnPropertyNames(e).sort(), Object.keys(e)]",
            json!([true, "RangeError", "m", {"a": 1}, ["cause", "message", "stack"], []]),
        ),
        (
            "return [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((E) => { const c = clone(new E('m')); return Object.getPrototypeOf(c) === E.prototype && c.message === 'm' })",
            json!([true, true, true, true, true, true, true]),
        ),
        (
            "const x = new Error('m'); x.name = 'Foo'; x.extra = 1; const e = clone(x); return [e.name, e.constructor.name, e.extra === undefined]",
            json!(["Error", "Error", true]),
        ),
        (
            "const x = new Error('m'); x.name = 'TypeError'; const e = clone(x); return [e instanceof TypeError, Object.hasOwn(e, 'name')]",
            json!([true, false]),
        ),
        (
            "class X extends TypeError {} const e = clone(new X('m')); return [e.constructor === TypeError, e.message]",
            json!([true, "m"]),
        ),
        (
            "const e = clone(new AggregateError([1], 'm')); return [e.name, e.constructor.name, e.message, e.errors === undefined]",
            json!(["Error", "Error", "m", true]),
        ),
        (
            "return Object.hasOwn(clone(new Error()), 'message')",
            json!(false),
        ),
        (
            "const x = new Error('q'); Object.defineProperty(x, 'message', { get() { throw 1; } }); return Object.hasOwn(clone(x), 'message')",
            json!(false),
        ),
        (
            "const x = new Error('q'); x.message = { toString() { return 'zz'; } }; return clone(x).message",
            json!("zz"),
        ),
        (
            "const x = new Error('q'); const e = clone(x); return [e.stack === x.stack, typeof e.stack]",
            json!([true, "string"]),
        ),
        (
            "const x = new Error('q'); x.stack = 'custom'; return clone(x).stack",
            json!("custom"),
        ),
        (
            "const x = new Error('q'); x.name = { toString() { return 'TypeError'; } }; return clone(x).constructor.name",
            json!("Error"),
        ),
        (
            "const x = new Error('q', { cause: undefined }); return Object.hasOwn(clone(x), 'cause')",
            json!(true),
        ),
        (
            "const e = clone(new DOMException('m', 'AbortError')); return [e instanceof DOMException, e.name, e.message, e.code]",
            json!([true, "AbortError", "m", 20]),
        ),
        (
            "const e = clone(new DOMException('m', 'Own')); return [e.name, e.code]",
            json!(["Own", 0]),
        ),
        (
            "clone(new Error('q', { cause() {} }))",
            json!("throws DataCloneError: cause() {} could not be cloned."),
        ),
    ]);
}

#[test]
fn blobs_and_files() {
    check(&[
        (
            "const b = clone(new Blob(['x'.repeat(5000), 'y'], { type: 'a/b' })); return [b.constructor.name, b.size, b.type, (await b.text()).slice(-2)]",
            json!(["Blob", 5001, "a/b", "xy"]),
        ),
        (
            "const f = clone(new File(['x'], 'näme', { type: 'a/b', lastModified: 7 })); return [f.constructor.name, f.name, f.lastModified, f.type, await f.text()]",
            json!(["File", "näme", 7, "a/b", "x"]),
        ),
        (
            "const c = clone({ list: [new Blob(['1']), new Blob(['2'])] }); return [await c.list[0].text(), await c.list[1].text()]",
            json!(["1", "2"]),
        ),
    ]);
}

#[test]
fn what_cannot_be_cloned_is_a_data_clone_error() {
    let world = stored_form::world();
    for value in [
        "() => 1",
        "function f() {}",
        "class A {}",
        "async () => {}",
        "Symbol('x')",
        "Object(Symbol('x'))",
        "new WeakMap()",
        "new WeakSet()",
        "new WeakRef({})",
        "Promise.resolve()",
        "new Proxy({}, {})",
        "new Proxy([], {})",
        "(function* () {})()",
        "[].values()",
        "new Map().keys()",
        "new SharedArrayBuffer(4)",
        "new FinalizationRegistry(() => {})",
        "new Headers()",
        "new Request('http://x')",
        "new Response()",
        "new FormData()",
        "new URL('http://x')",
        "new URLSearchParams()",
        "new ReadableStream()",
        "new AbortController()",
        "new AbortController().signal",
        "new Event('x')",
        "new EventTarget()",
        "new TextEncoder()",
        "new TextDecoder()",
        "crypto",
        "console.log",
        "Object.setPrototypeOf(new Headers(), Object.prototype)",
        "(() => { const b = new ArrayBuffer(3); b.transfer(); return b; })()",
        "(() => { const b = new ArrayBuffer(3), v = new Uint8Array(b); b.transfer(); return v; })()",
        "(() => { const b = new ArrayBuffer(3), v = new DataView(b); b.transfer(); return v; })()",
        "(() => { const b = new ArrayBuffer(8, { maxByteLength: 10 }), v = new Uint8Array(b, 4); b.resize(2); return v; })()",
        "(() => { const b = new ArrayBuffer(8, { maxByteLength: 10 }), v = new Uint8Array(b, 4, 4); b.resize(6); return v; })()",
        "(() => { const b = new ArrayBuffer(8, { maxByteLength: 10 }), v = new DataView(b, 4, 4); b.resize(6); return v; })()",
    ] {
        for (way, nested) in [
            ("structuredClone", ""),
            ("store", ""),
            ("structuredClone", "nested"),
        ] {
            let value = if nested.is_empty() {
                value.to_owned()
            } else {
                format!("{{ a: [new Map([[1, {value}]])] }}")
            };
            let script = format!(
                "try {{ {way}({value}); return 'cloned'; }} catch (e) {{ return [e instanceof DOMException, e.name, e.code, e.message !== '']; }}"
            );
            assert_eq!(
                world.eval(&script),
                json!([true, "DataCloneError", 25, true]),
                "{way} {value}"
            );
        }
    }
}

#[test]
fn the_interface_of_the_global_function() {
    let world = World::new();
    for (body, expected) in [
        (
            "return [structuredClone.length, structuredClone.name, Object.keys(globalThis).includes('structuredClone')]",
            json!([1, "structuredClone", true]),
        ),
        (
            "structuredClone()",
            json!(
                "throws TypeError: Failed to execute 'structuredClone' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'JsValue'."
            ),
        ),
        (
            "return structuredClone(1, undefined) + structuredClone(1, null) + structuredClone(1, {}) + structuredClone(1, { transfer: undefined })",
            json!(4),
        ),
        (
            "structuredClone(1, 5)",
            json!("throws TypeError: The options of structuredClone must be an object."),
        ),
        (
            "structuredClone(1, { transfer: null })",
            json!(
                "throws TypeError: Incorrect type for the 'transfer' field on 'StructuredCloneOptions': the provided value is not of type 'Array'."
            ),
        ),
        (
            "structuredClone(1, { transfer: [1] })",
            json!("throws TypeError: Object is not transferable"),
        ),
        (
            "structuredClone(1, { transfer: [{}] })",
            json!("throws DataCloneError: An object in the transfer list is not transferable."),
        ),
        (
            "structuredClone(1, { transfer: [new Uint8Array(1)] })",
            json!("throws DataCloneError: An object in the transfer list is not transferable."),
        ),
        (
            "structuredClone(1, { transfer: [new SharedArrayBuffer(1)] })",
            json!("throws DataCloneError: An object in the transfer list is not transferable."),
        ),
        (
            "const b = new ArrayBuffer(1); structuredClone(1, { transfer: [b, b] })",
            json!("throws DataCloneError: An object is twice in the transfer list."),
        ),
        (
            "const b = new ArrayBuffer(1); b.transfer(); structuredClone(1, { transfer: [b] })",
            json!("throws DataCloneError: An ArrayBuffer is detached and could not be transferred."),
        ),
        (
            "const b = new ArrayBuffer(3); new Uint8Array(b)[0] = 9; const c = structuredClone({ b, v: new Uint8Array(b) }, { transfer: new Set([b]) }); return [b.detached, c.b.byteLength, c.v.buffer === c.b, c.v[0]]",
            json!([true, 3, true, 9]),
        ),
        (
            "const b = new ArrayBuffer(3, { maxByteLength: 6 }); const c = structuredClone(b, { transfer: [b] }); return [c.resizable, c.maxByteLength]",
            json!([true, 6]),
        ),
        (
            "const b = new ArrayBuffer(3); structuredClone(1, { transfer: [b] }); return b.detached",
            json!(true),
        ),
        (
            "const b = new ArrayBuffer(3); try { structuredClone(() => 1, { transfer: [b] }); } catch {} return b.detached",
            json!(false),
        ),
        (
            "const b = new ArrayBuffer(3); structuredClone({ get x() { b.transfer(); return 1; } }, { transfer: [b] })",
            json!("throws DataCloneError: An ArrayBuffer is detached and could not be transferred."),
        ),
        (
            "Object.defineProperty(Array.prototype, 0, { set() { throw 1; }, configurable: true });
             Object.defineProperty(Object.prototype, 'k', { set() { throw 1; }, configurable: true });
             try { const c = structuredClone(JSON.parse('[[5],{\"k\":6}]')); return [Object.getOwnPropertyDescriptor(c[0], 0).value, Object.getOwnPropertyDescriptor(c[1], 'k').value]; } finally { delete Array.prototype[0]; delete Object.prototype.k; }",
            json!([5, 6]),
        ),
        // Nothing is left behind that user code could have patched.
        (
            "const m = new Map([[1, new Set([2])]]); Map.prototype.set = Set.prototype.add = Map.prototype.forEach = Array.prototype.push = null; Object.defineProperty = null; const c = structuredClone(m); return [...c.get(1)]",
            json!([2]),
        ),
    ] {
        assert_eq!(world.eval(body), expected, "{body}");
    }
}
