//! WebCrypto against the published test vectors of each algorithm.

mod support;

use serde_json::{Value, json};
use support::World;

const HEX: &str = "const s = crypto.subtle, text = (t) => new TextEncoder().encode(t);
const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
const un = (t) => new Uint8Array((t.match(/../g) ?? []).map((x) => parseInt(x, 16)));
const b64 = (t) => btoa(String.fromCharCode(...un(t))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');\n";

fn eval(body: &str) -> Value {
    World::new().eval(&format!("{HEX}{body}"))
}

#[test]
fn digests_of_fips_180_and_rfc_1321() {
    for (name, digest) in [
        ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "SHA-256",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "SHA-384",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "SHA-512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        assert_eq!(
            eval(&format!("return hex(await s.digest('{name}', text('abc')))")),
            digest,
            "{name}"
        );
    }
    // A million times "a", on another thread.
    assert_eq!(
        eval("return hex(await s.digest('SHA-512', new Uint8Array(1e6).fill(97)))"),
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb\
         de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
    );
}

#[test]
fn hmac_of_rfc_4231() {
    for (hash, code) in [
        (
            "SHA-256",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "SHA-384",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            "SHA-512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        assert_eq!(
            eval(&format!(
                "const key = await s.importKey('raw', text('Jefe'), {{name: 'HMAC', hash: '{hash}'}}, false, ['sign', 'verify']);
                 const data = text('what do ya want for nothing?');
                 const code = await s.sign('HMAC', key, data);
                 const other = new Uint8Array(code.slice()); other[3] ^= 1;
                 return [hex(code), await s.verify('HMAC', key, code, data), await s.verify('HMAC', key, other, data),
                   await s.verify('HMAC', key, code.slice(1), data)]"
            )),
            json!([code, true, false, false]),
            "{hash}"
        );
    }
}

#[test]
fn hkdf_of_rfc_5869_and_pbkdf2_of_rfc_6070() {
    assert_eq!(
        eval(
            "const key = await s.importKey('raw', un('0b'.repeat(22)), 'HKDF', false, ['deriveBits']);
             return hex(await s.deriveBits({name: 'HKDF', hash: 'SHA-256', salt: un('000102030405060708090a0b0c'),
               info: un('f0f1f2f3f4f5f6f7f8f9')}, key, 336))"
        ),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    );
    for (iterations, bits) in [
        (1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        (4096, "4b007901b765489abead49d926f721d065a429c1"),
    ] {
        assert_eq!(
            eval(&format!(
                "const key = await s.importKey('raw', text('password'), 'PBKDF2', false, ['deriveBits']);
                 return hex(await s.deriveBits({{name: 'PBKDF2', hash: 'SHA-1', salt: text('salt'), iterations: {iterations}}}, key, 160))"
            )),
            bits
        );
    }
}

#[test]
fn aes_of_sp_800_38a_and_rfc_3394() {
    let key =
        "const key = (name, bytes = '2b7e151628aed2a6abf7158809cf4f3c', usages = ['encrypt', 'decrypt']) =>
        s.importKey('raw', un(bytes), name, false, usages);
      const plain = un('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51'
        + '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710');";
    assert_eq!(
        eval(&format!(
            "{key} const k = await key('AES-CBC'), algorithm = {{name: 'AES-CBC', iv: un('000102030405060708090a0b0c0d0e0f')}};
             const c = await s.encrypt(algorithm, k, plain);
             return [hex(c).slice(0, 128), c.byteLength, hex(await s.decrypt(algorithm, k, c)) === hex(plain)]"
        )),
        json!([
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
             73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
            80,
            true
        ])
    );
    assert_eq!(
        eval(&format!(
            "{key} const k = await key('AES-CTR');
             const algorithm = (length) => ({{name: 'AES-CTR', counter: un('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'), length}});
             return [hex(await s.encrypt(algorithm(128), k, plain)), hex(await s.encrypt(algorithm(16), k, plain)),
               hex(await s.encrypt(algorithm(2), k, plain)).slice(0, 32)]"
        )),
        json!([
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
            "874d6191b620e3261bef6864990db6ce"
        ])
    );
    assert_eq!(
        eval(
            "const k = await s.importKey('raw', un('000102030405060708090a0b0c0d0e0f'), 'AES-KW', false, ['wrapKey', 'unwrapKey']);
             const data = await s.importKey('raw', un('00112233445566778899aabbccddeeff'), 'AES-CBC', true, ['encrypt']);
             const wrapped = await s.wrapKey('raw', data, k, 'AES-KW');
             const back = await s.unwrapKey('raw', wrapped, k, 'AES-KW', 'AES-GCM', true, ['decrypt']);
             return [hex(wrapped), hex(await s.exportKey('raw', back))]"
        ),
        json!([
            "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
            "00112233445566778899aabbccddeeff"
        ])
    );
}

#[test]
fn ctr_counts_in_the_low_bits_alone() {
    // From …ff on, 8 bits wrap to …00 without a carry: block by block it is the same.
    assert_eq!(
        eval(
            "const k = await s.importKey('raw', new Uint8Array(32), 'AES-CTR', false, ['encrypt']);
             const counter = (last) => { const c = new Uint8Array(16).fill(255); c[15] = last; return c; };
             const run = async (last, n) => hex(await s.encrypt({name: 'AES-CTR', counter: counter(last), length: 8}, k, new Uint8Array(n)));
             return [await run(254, 60) === await run(254, 16) + await run(255, 16) + await run(0, 16) + await run(1, 12),
               (await run(0, 4096)).length, await s.encrypt({name: 'AES-CTR', counter: counter(0), length: 8}, k, new Uint8Array(4097)).catch(e => e.name)]"
        ),
        json!([true, 8192, "OperationError"])
    );
}

#[test]
fn gcm_of_its_specification() {
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    for (iv, sealed) in [
        (
            "cafebabefacedbaddecaf888",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            "cafebabefacedbad",
            "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423\
             73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f45983612d2e79e3b0785561be14aaca2fccb",
        ),
    ] {
        assert_eq!(
            eval(&format!(
                "const key = await s.importKey('raw', un('feffe9928665731c6d6a8f9467308308'), 'AES-GCM', false, ['encrypt', 'decrypt']);
                 const algorithm = (tagLength) => ({{name: 'AES-GCM', iv: un('{iv}'),
                   additionalData: un('feedfacedeadbeeffeedfacedeadbeefabaddad2'), tagLength}});
                 const c = await s.encrypt(algorithm(), key, un('{plain}'));
                 const short = await s.encrypt(algorithm(32), key, un('{plain}'));
                 const bad = new Uint8Array(c.slice()); bad[0] ^= 1;
                 return [hex(c), hex(short) === hex(c.slice(0, -12)), hex(await s.decrypt(algorithm(), key, c)),
                   hex(await s.decrypt(algorithm(32), key, short)) === '{plain}',
                   await s.decrypt(algorithm(), key, bad).catch((e) => e.name)]"
            )),
            json!([sealed, true, plain, true, "OperationError"])
        );
    }
}

#[test]
fn ed25519_of_rfc_8032() {
    assert_eq!(
        eval(
            "const jwk = {kty: 'OKP', crv: 'Ed25519', d: b64('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'),
               x: b64('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')};
             const key = await s.importKey('jwk', jwk, 'Ed25519', true, ['sign']);
             const signature = await s.sign('Ed25519', key, un('72'));
             const check = async (name, x, signature) => s.verify(name, await s.importKey('raw', un(x), {name, namedCurve: name}, true, ['verify']),
               signature, un('72'));
             const x = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
             const small = '01' + '00'.repeat(31);
             return [hex(signature), await check('Ed25519', x, signature), await check('NODE-ED25519', x, signature),
               await check('Ed25519', x, signature.slice(1)), await check('Ed25519', small, un(small + '00'.repeat(32))),
               await check('Ed25519', 'ff'.repeat(32), signature),
               hex(await s.exportKey('pkcs8', key)).slice(0, 32)]"
        ),
        json!([
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            true,
            true,
            false,
            false,
            false,
            "302e020100300506032b657004220420"
        ])
    );
}

#[test]
fn x25519_of_rfc_7748() {
    assert_eq!(
        eval(
            "const pkcs8 = un('302e020100300506032b656e04220420a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4');
             const key = await s.importKey('pkcs8', pkcs8, 'X25519', true, ['deriveBits']);
             const other = (u) => s.importKey('raw', un(u), 'X25519', true, []);
             const derive = async (u, length) => s.deriveBits({name: 'X25519', public: await other(u)}, key, length);
             const u = 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c';
             return [hex(await derive(u)), hex(await derive(u, 12)), await derive('00'.repeat(32), 256).catch((e) => e.name),
               await derive(u, 264).catch((e) => e.name)]"
        ),
        json!([
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            "c3d0",
            "OperationError",
            "OperationError"
        ])
    );
}

#[test]
fn ecdsa_of_rfc_6979() {
    assert_eq!(
        eval(
            "const jwk = {kty: 'EC', crv: 'P-256', d: b64('C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721'),
               x: b64('60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6'),
               y: b64('7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299')};
             const curve = {name: 'ECDSA', namedCurve: 'P-256'};
             const key = await s.importKey('jwk', jwk, curve, true, ['sign']);
             const {d, ...half} = jwk;
             const open = await s.importKey('jwk', half, curve, true, ['verify']);
             const signature = await s.sign({name: 'ECDSA', hash: 'SHA-256'}, key, text('sample'));
             const old = un('61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D326D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB');
             const verify = (hash, signature) => s.verify({name: 'ECDSA', hash}, open, signature, text('sample'));
             return [hex(signature), await verify('SHA-256', signature), await verify('SHA-1', old), await verify('SHA-256', old),
               await verify('SHA-256', new Uint8Array(64)), await verify('SHA-256', signature.slice(1))]"
        ),
        json!([
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            true,
            true,
            false,
            false,
            false
        ])
    );
}

#[test]
fn every_curve_signs_digests_of_every_length_and_agrees() {
    assert_eq!(
        eval(
            "const out = [];
             for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
               const pair = await s.generateKey({name: 'ECDSA', namedCurve}, false, ['sign', 'verify']);
               for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
                 const algorithm = {name: 'ECDSA', hash}, data = text('x');
                 const signature = await s.sign(algorithm, pair.privateKey, data);
                 out.push(await s.verify(algorithm, pair.publicKey, signature, data)
                   && !await s.verify(algorithm, pair.publicKey, signature, text('y')));
               }
               const curve = {name: 'ECDH', namedCurve};
               const a = await s.generateKey(curve, false, ['deriveBits']);
               const b = await s.importKey('raw', await s.exportKey('raw', pair.publicKey), curve, true, []);
               out.push((await s.deriveBits({name: 'ECDH', public: b}, a.privateKey)).byteLength);
             }
             return out"
        ),
        json!([
            true, true, true, true, 32, true, true, true, true, 48, true, true, true, true, 66
        ])
    );
}
