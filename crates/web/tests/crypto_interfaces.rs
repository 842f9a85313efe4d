//! The shapes of WebCrypto's interfaces, the order in which arguments are converted, and what user code can't change.

mod support;

use serde_json::json;
use support::World;

#[test]
fn interfaces_have_the_shapes_of_web_idl() {
    assert_eq!(
        World::new().eval(
            "const own = (c) => Object.keys(c.prototype).sort().join();
             const length = (name) => SubtleCrypto.prototype[name].length;
             return [own(Crypto), own(SubtleCrypto), own(CryptoKey),
               ['encrypt', 'verify', 'digest', 'generateKey', 'deriveKey', 'deriveBits', 'importKey', 'exportKey', 'wrapKey', 'unwrapKey'].map(length).join(),
               [Crypto, SubtleCrypto, CryptoKey].map((c) => Object.prototype.toString.call(c.prototype)).join(),
               Object.getOwnPropertyDescriptor(globalThis, 'CryptoKey').enumerable, typeof DigestStream]"
        ),
        json!([
            "DigestStream,getRandomValues,randomUUID,subtle",
            "decrypt,deriveBits,deriveKey,digest,encrypt,exportKey,generateKey,importKey,sign,timingSafeEqual,unwrapKey,verify,wrapKey",
            "algorithm,extractable,type,usages",
            "3,4,2,3,5,2,5,2,4,7",
            "[object Crypto],[object SubtleCrypto],[object CryptoKey]",
            false,
            "undefined"
        ])
    );
}

#[test]
fn operations_reject_instead_of_throwing() {
    assert_eq!(
        World::new().eval(
            "const s = crypto.subtle, out = [];
             for (const name of ['encrypt', 'decrypt', 'sign', 'verify', 'digest', 'generateKey', 'deriveKey', 'deriveBits', 'importKey', 'exportKey', 'wrapKey', 'unwrapKey']) {
               for (const call of [() => s[name](), () => s[name].call({}, 'a', 'b', 'c', 'd', 'e', 'f', 'g'), () => s[name](Symbol(), Symbol(), 3, 4, 5, 6, 7)]) {
                 const promise = call();
                 out.push(promise instanceof Promise && await promise.then(() => 'none', (e) => e.name));
               }
             }
             for (const get of ['type', 'extractable', 'algorithm', 'usages']) try { CryptoKey.prototype[get] } catch (e) { out.push(e.name) }
             return [...new Set(out)]"
        ),
        json!(["TypeError"])
    );
}

#[test]
fn members_are_read_in_the_order_of_their_dictionaries() {
    assert_eq!(
        World::new().eval(
            "const log = [];
             const spy = (object, prefix = '') => Object.defineProperties({}, Object.fromEntries(Object.entries(object).map(([name, value]) =>
               [name, {get() { log.push(prefix + name); return value; }, enumerable: true}])));
             const s = crypto.subtle;
             await s.generateKey(spy({publicExponent: new Uint8Array([1, 0, 1]), hash: spy({name: 'SHA-1'}, 'hash.'), modulusLength: 1024, name: 'rsa-pss'}), true, ['sign']);
             const first = log.splice(0).join();
             await s.importKey('jwk', spy({kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA', alg: 'A128CBC', ext: true, use: 'enc', key_ops: ['encrypt']}),
               spy({name: 'aes-cbc'}), true, ['encrypt']);
             return [first, log.join()]"
        ),
        json!([
            "name,name,modulusLength,publicExponent,hash,hash.name,hash.name",
            "alg,ext,k,key_ops,kty,use,name,name"
        ])
    );
}

#[test]
fn names_ignore_the_case_of_ascii_alone() {
    assert_eq!(
        World::new().eval(
            "const name = async (n) => (await crypto.subtle.importKey('raw', new Uint8Array(16), n, true, ['wrapKey']).catch((e) => ({algorithm: e}))).algorithm.name;
             return [await name('aes-kw'), await name({name: 'Aes-Kw'}), await name('AES-\\u212aW'), await name({name: {toString: () => 'AES-GCM'}})]"
        ),
        json!(["AES-KW", "AES-KW", "NotSupportedError", "AES-GCM"])
    );
}

#[test]
fn the_objects_of_a_key_are_cached_and_mean_nothing_to_it() {
    assert_eq!(
        World::new().eval(
            "const s = crypto.subtle;
             const key = await s.importKey('raw', new Uint8Array(16), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']);
             key.algorithm.name = 'AES-GCM'; key.algorithm.hash.name = 'SHA-1'; key.usages.push('verify');
             try { key.extractable = true } catch {}
             const length = (await s.sign('HMAC', key, new Uint8Array())).byteLength;
             return [key.algorithm.name, key.algorithm === key.algorithm, key.usages.length, key.extractable, length,
               await s.verify('HMAC', key, new Uint8Array(32), new Uint8Array()).catch((e) => e.name),
               await s.exportKey('raw', key).catch((e) => e.name)]"
        ),
        json!([
            "AES-GCM",
            true,
            2,
            false,
            32,
            "InvalidAccessError",
            "InvalidAccessError"
        ])
    );
}

#[test]
fn what_user_code_patches_does_not_reach_in() {
    assert_eq!(
        World::new().eval(
            "const secrets = [];
             Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = function () { secrets.push(this); return 'patched'; };
             Array.prototype[Symbol.iterator] = Array.prototype[Symbol.iterator];
             Object.defineProperty(Object.prototype, 'k', {set(v) { secrets.push(v); }, get() { return undefined; }, configurable: true});
             Array.prototype.push = Array.prototype.includes = Map.prototype.get = Promise.prototype.catch = () => { throw new Error('patched'); };
             const s = crypto.subtle;
             const aes = await s.generateKey({name: 'AES-GCM', length: 128}, true, ['wrapKey', 'unwrapKey']);
             const key = await s.generateKey({name: 'HMAC', hash: 'SHA-256'}, true, ['sign']);
             const gcm = {name: 'AES-GCM', iv: new Uint8Array(12)};
             const wrapped = await s.wrapKey('jwk', key, aes, gcm);
             const back = await s.unwrapKey('jwk', wrapped, aes, gcm, {name: 'HMAC', hash: 'SHA-256'}, true, ['sign']);
             const jwk = await s.exportKey('jwk', back);
             const {length} = secrets;
             delete Object.prototype.k; delete Object.prototype.toJSON; delete Array.prototype.toJSON; delete String.prototype.toJSON;
             return [length, jwk.kty, typeof jwk.k, back.type]"
        ),
        json!([0, "oct", "string", "secret"])
    );
}
