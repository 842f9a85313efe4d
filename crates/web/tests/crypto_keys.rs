//! Keys through every format, wrapped and unwrapped, and what is no key.

mod support;

use serde_json::json;
use support::World;

const KINDS: &str = "const s = crypto.subtle;
const rsa = (name) => ({name, hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1])});
const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
const kinds = [
  [rsa('RSASSA-PKCS1-v1_5'), ['sign', 'verify']], [rsa('RSA-PSS'), ['sign', 'verify']], [rsa('RSA-OAEP'), ['encrypt', 'decrypt']],
  [{name: 'ECDSA', namedCurve: 'P-256'}, ['sign', 'verify']], [{name: 'ECDSA', namedCurve: 'P-384'}, ['sign', 'verify']],
  [{name: 'ECDH', namedCurve: 'P-521'}, ['deriveBits']], [{name: 'Ed25519'}, ['sign', 'verify']], [{name: 'X25519'}, ['deriveBits']],
  [{name: 'NODE-ED25519', namedCurve: 'NODE-ED25519'}, ['sign', 'verify']],
];
const halves = (usages) => usages.length === 1 ? [[], usages] : usages.includes('sign') ? [['verify'], ['sign']] : [['encrypt'], ['decrypt']];
const plain = (format, key) => format === 'jwk' ? JSON.stringify(key) : hex(key);\n";

#[test]
fn key_pairs_survive_every_format() {
    assert_eq!(
        World::new().eval(&format!(
            "{KINDS}const out = [];
             for (const [algorithm, usages] of kinds) {{
               const pair = await s.generateKey(algorithm, true, usages);
               const [open, closed] = halves(usages);
               for (const format of ['spki', 'raw', 'jwk', 'pkcs8', 'jwk']) {{
                 const half = out.length % 5 < 3 ? 'publicKey' : 'privateKey';
                 if (format === 'raw' && algorithm.name.startsWith('RSA')) {{ out.push((await s.exportKey('raw', pair[half]).catch((e) => e)).name === 'NotSupportedError'); continue; }}
                 const exported = await s.exportKey(format, pair[half]);
                 const again = await s.importKey(format, exported, algorithm, true, half === 'publicKey' ? open : closed);
                 const {{key_ops: a, ...x}} = await s.exportKey('jwk', again), {{key_ops: b, ...y}} = await s.exportKey('jwk', pair[half]);
                 out.push(plain(format, await s.exportKey(format, again)) === plain(format, exported) && JSON.stringify(x) === JSON.stringify(y)
                   && again.type === pair[half].type && JSON.stringify(again.algorithm) === JSON.stringify(pair[half].algorithm));
               }}
             }}
             return [out.length, out.every((x) => x)]"
        )),
        json!([45, true])
    );
}

#[test]
fn keys_are_wrapped_by_every_algorithm_that_can() {
    assert_eq!(
        World::new().eval(&format!(
            "{KINDS}const out = [];
             const wrappers = [[{{name: 'AES-GCM', length: 256}}, {{name: 'AES-GCM', iv: new Uint8Array(12)}}],
               [{{name: 'AES-CBC', length: 192}}, {{name: 'AES-CBC', iv: new Uint8Array(16)}}],
               [{{name: 'AES-CTR', length: 128}}, {{name: 'AES-CTR', counter: new Uint8Array(16), length: 64}}],
               [{{name: 'AES-KW', length: 256}}, 'AES-KW'], [rsa('RSA-OAEP'), {{name: 'RSA-OAEP', label: new Uint8Array(3)}}]];
             const secret = await s.generateKey({{name: 'AES-GCM', length: 256}}, true, ['encrypt', 'decrypt']);
             const ec = await s.generateKey({{name: 'ECDSA', namedCurve: 'P-256'}}, true, ['sign', 'verify']);
             for (const [generate, use] of wrappers) {{
               const made = await s.generateKey(generate, false, ['wrapKey', 'unwrapKey']);
               const wrap = made.publicKey ?? made, unwrap = made.privateKey ?? made;
               const raw = await s.wrapKey('raw', secret, wrap, use);
               const back = await s.unwrapKey('raw', raw, unwrap, use, 'AES-GCM', true, ['encrypt']);
               out.push(hex(await s.exportKey('raw', back)) === hex(await s.exportKey('raw', secret)));
               if (generate.name === 'AES-KW' || generate.name === 'RSA-OAEP') continue;
               const jwk = await s.wrapKey('jwk', ec.privateKey, wrap, use);
               const key = await s.unwrapKey('jwk', jwk, unwrap, use, {{name: 'ECDSA', namedCurve: 'P-256'}}, false, ['sign']);
               const hash = {{name: 'ECDSA', hash: 'SHA-384'}}, data = new Uint8Array(9);
               out.push(await s.verify(hash, ec.publicKey, await s.sign(hash, key, data), data));
               const bad = new Uint8Array(jwk); bad[20] ^= 1;
               out.push(['OperationError', 'DataError'].includes((await s.unwrapKey('jwk', bad, unwrap, use, {{name: 'ECDSA', namedCurve: 'P-256'}}, false, ['sign']).catch((e) => e)).name)
                 || generate.name === 'AES-CTR');
             }}
             return [out.length, out.every((x) => x)]"
        )),
        json!([11, true])
    );
}

#[test]
fn what_is_no_key_is_a_data_error() {
    let bad = World::new().eval(&format!(
        "{KINDS}const names = new Set();
         for (const [algorithm, usages] of kinds) {{
           const pair = await s.generateKey(algorithm, true, usages);
           const [open, closed] = halves(usages);
           for (const [format, half, use] of [['spki', 'publicKey', open], ['pkcs8', 'privateKey', closed]]) {{
             const good = new Uint8Array(await s.exportKey(format, pair[half]));
             const attempt = async (bytes) => names.add((await s.importKey(format, bytes, algorithm, true, use).catch((e) => e)).name);
             await attempt(new Uint8Array());
             await attempt(good.slice(0, -1));
             await attempt(new Uint8Array([...good, 0]));
             const flipped = good.slice(); flipped[6] ^= 0x40; await attempt(flipped);
             await attempt(new Uint8Array(good.length).fill(0x30));
           }}
           const jwk = await s.exportKey('jwk', pair.privateKey);
           for (const change of [{{kty: 'oct'}}, {{kty: undefined}}, {{d: 'AQ'}}, {{use: 'x'}}, {{ext: false}}, {{key_ops: ['foo']}}, {{key_ops: [...closed, ...closed]}},
               algorithm.name.startsWith('RSA') ? {{n: 'AQ'}} : {{crv: 'P-0'}}, algorithm.name.startsWith('RSA') ? {{p: 'Aw', q: 'Aw'}} : {{x: 'AQ'}}, {{d: '*'}}]) {{
             names.add((await s.importKey('jwk', {{...jwk, ...change}}, algorithm, true, closed).catch((e) => e)).name);
           }}
         }}
         return [...names]"
    ));
    assert_eq!(bad, json!(["DataError"]));
}

#[test]
fn two_halves_that_do_not_belong_together_are_no_key() {
    assert_eq!(
        World::new().eval(&format!(
            "{KINDS}const out = [];
             for (const [algorithm, usages] of kinds.slice(3)) {{
               const [a, b] = [await s.generateKey(algorithm, true, usages), await s.importKey('jwk',
                 {{...await s.exportKey('jwk', (await s.generateKey({{...algorithm, name: algorithm.name}}, true, usages)).privateKey)}}, algorithm, true, halves(usages)[1])];
               out.push(a.privateKey.type === b.type);
             }}
             const p256 = {{name: 'ECDSA', namedCurve: 'P-256'}};
             const known = {{kty: 'EC', crv: 'P-256', d: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE',
               x: 'fPJ7GI0DT36KUjgDBLUaw8CJaeJ38htr3wt8sbTdqfM', y: 'B3dVEPZMZVxJPQkTQS_R9PY_AYNmwwpE_fQQKw-6MhM'}};
             return [out.every((x) => x), await s.importKey('jwk', known, p256, true, ['sign']).then(() => 'imported', (e) => e.name),
               await s.importKey('jwk', {{...known, d: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}}, p256, true, ['sign']).then(() => 'imported', (e) => e.name)]"
        )),
        json!([true, "DataError", "DataError"])
    );
}

#[test]
fn derived_keys_are_imported() {
    assert_eq!(
        World::new().eval(&format!(
            "{KINDS}const pair = await s.generateKey({{name: 'ECDH', namedCurve: 'P-384'}}, false, ['deriveKey']);
             const algorithm = {{name: 'ECDH', public: pair.publicKey}};
             const aes = await s.deriveKey(algorithm, pair.privateKey, {{name: 'AES-GCM', length: 256}}, true, ['encrypt']);
             const hmac = await s.deriveKey(algorithm, pair.privateKey, {{name: 'HMAC', hash: 'SHA-256', length: 128}}, true, ['sign']);
             const kdf = await s.deriveKey(algorithm, pair.privateKey, 'HKDF', false, ['deriveBits']);
             return [aes.algorithm, hmac.algorithm, kdf.algorithm,
               await s.deriveKey(algorithm, pair.privateKey, {{name: 'HMAC', hash: 'SHA-256'}}, true, ['sign']).catch((e) => e.name),
               await s.deriveKey(algorithm, pair.privateKey, {{name: 'AES-GCM', length: 256}}, true, []).catch((e) => e.name)]"
        )),
        json!([
            {"name": "AES-GCM", "length": 256},
            {"name": "HMAC", "hash": {"name": "SHA-256"}, "length": 128},
            {"name": "HKDF"},
            "OperationError",
            "SyntaxError"
        ])
    );
}
