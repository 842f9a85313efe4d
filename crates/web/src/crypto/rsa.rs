//! RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP. <https://w3c.github.io/webcrypto/#rsassa-pkcs1>
//!
//! The crate `rsa` computes with private keys in constant time and blinds each operation; its authors still warn of a
//! timing side channel (RUSTSEC-2023-0071) until that is audited. `docs/status.md` says so to users.

use pkcs8::der::asn1::{BitStringRef, Null, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rquickjs::convert::List;
use rquickjs::{Class, Ctx, Function, Object, Result, TypedArray, Value};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};

use super::failure::{Failure, misuse};
use super::hash::{Hash, with_hash};
use super::keys::{Key, KeyObject, Material, material};
use super::task::{self, Answer, Output, to_js};
use super::{jwk, random_generator};
use crate::buffer_source::copy_bytes;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

type Checked<T> = std::result::Result<T, Failure>;

fn invalid() -> Failure {
    Failure::data("Invalid RSA key")
}

/// The algorithm must be `rsaEncryption`; its parameters are NULL, which some writers leave out.
fn check_algorithm(algorithm: &AlgorithmIdentifierRef<'_>, failure: fn() -> Failure) -> Checked<()> {
    let null = algorithm.parameters.is_none_or(|parameters| parameters.is_null());
    if algorithm.oid == RSA_ENCRYPTION && null {
        Ok(())
    } else {
        Err(failure())
    }
}

fn from_spki(bytes: &[u8]) -> Checked<Material> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(|_| Failure::spki())?;
    check_algorithm(&info.algorithm, Failure::spki)?;
    let key = info.subject_public_key.as_bytes().ok_or_else(Failure::spki)?;
    let key = RsaPublicKey::from_pkcs1_der(key).map_err(|_| Failure::spki())?;
    Ok(Material::RsaPublic(Box::new(key)))
}

fn from_pkcs8(bytes: &[u8]) -> Checked<Material> {
    let info = PrivateKeyInfoRef::from_der(bytes).map_err(|_| Failure::pkcs8())?;
    check_algorithm(&info.algorithm, Failure::pkcs8)?;
    let key = RsaPrivateKey::from_pkcs1_der(info.private_key.as_bytes()).map_err(|_| Failure::pkcs8())?;
    Ok(Material::RsaPrivate(Box::new(key)))
}

fn import<'js>(ctx: Ctx<'js>, format: String, bytes: Value<'js>) -> Result<Class<'js, Key>> {
    let bytes = zeroize::Zeroizing::new(copy_bytes(&bytes).unwrap_or_default());
    let imported = match format.as_str() {
        "spki" => from_spki(&bytes),
        "pkcs8" => from_pkcs8(&bytes),
        _ => return Err(misuse(&ctx, "unknown format")),
    };
    match imported {
        Ok(material) => Key::instance(&ctx, material),
        Err(failure) => Err(failure.throw(&ctx)),
    }
}

/// From the members `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi` of a JWK. Without `d` it is a public key; the rest may be
/// missing and is computed.
fn import_jwk<'js>(ctx: Ctx<'js>, jwk: Object<'js>) -> Result<Class<'js, Key>> {
    let integer = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let optional = |name| -> Result<Option<BoxedUint>> {
        Ok(jwk::member(&ctx, &jwk, name)?.map(|bytes| integer(&bytes)))
    };
    let required = |name, what| match jwk::member(&ctx, &jwk, name)? {
        Some(bytes) => Ok(integer(&bytes)),
        None => Err(Failure::data(format!(
            "Invalid RSA key in JSON Web Key; missing or invalid {what} parameter (\"{name}\")."
        ))
        .throw(&ctx)),
    };
    let n = required("n", "Modulus")?;
    let e = required("e", "Exponent")?;
    let made = match optional("d")? {
        None => RsaPublicKey::new(n, e)
            .map(|key| Material::RsaPublic(Box::new(key)))
            .map_err(|_| invalid()),
        Some(d) => {
            let primes: Vec<_> = [optional("p")?, optional("q")?].into_iter().flatten().collect();
            let (dp, dq, qi) = (optional("dp")?, optional("dq")?, optional("qi")?);
            RsaPrivateKey::from_components(n, e, d, primes)
                .map_err(|_| invalid())
                .and_then(|key| {
                    let matches = |given: Option<BoxedUint>, known: Option<&BoxedUint>| {
                        given.is_none_or(|given| known.is_some_and(|known| *known == given))
                    };
                    let consistent = matches(dp, key.dp())
                        && matches(dq, key.dq())
                        && matches(qi, key.crt_coefficient().as_ref());
                    if consistent {
                        Ok(Material::RsaPrivate(Box::new(key)))
                    } else {
                        Err(invalid())
                    }
                })
        }
    };
    match made {
        Ok(material) => Key::instance(&ctx, material),
        Err(failure) => Err(failure.throw(&ctx)),
    }
}

fn export<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<Value<'js>> {
    let algorithm = AlgorithmIdentifierRef {
        oid: RSA_ENCRYPTION,
        parameters: Some(Null.into()),
    };
    let failed = |_| Failure::operation("The key could not be encoded").throw(&ctx);
    match &*material(&key) {
        Material::RsaPublic(key) => {
            let inner = key.to_pkcs1_der().map_err(|_| failed(()))?;
            let subject_public_key = BitStringRef::from_bytes(inner.as_bytes()).map_err(|_| failed(()))?;
            let info = SubjectPublicKeyInfoRef {
                algorithm,
                subject_public_key,
            };
            to_js(&ctx, info.to_der().map_err(|_| failed(()))?)
        }
        Material::RsaPrivate(key) => {
            let inner = key.to_pkcs1_der().map_err(|_| failed(()))?;
            let octets = OctetStringRef::new(inner.as_bytes()).map_err(|_| failed(()))?;
            to_js(
                &ctx,
                PrivateKeyInfoRef::new(algorithm, octets)
                    .to_der()
                    .map_err(|_| failed(()))?,
            )
        }
        _ => Err(misuse(&ctx, "an RSA key was expected")),
    }
}

/// The base64url of the integers of a key, by their names in a JWK.
fn export_jwk<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<Object<'js>> {
    let jwk = Object::new_proto(ctx.clone(), None)?;
    let set =
        |name: &str, value: &BoxedUint| jwk.set(name, jwk::encode(&value.to_be_bytes_trimmed_vartime()));
    match &*material(&key) {
        Material::RsaPublic(key) => {
            set("n", key.n())?;
            set("e", key.e())?;
        }
        Material::RsaPrivate(key) => {
            set("n", key.n())?;
            set("e", key.e())?;
            set("d", key.d())?;
            if let [p, q, ..] = key.primes() {
                set("p", p)?;
                set("q", q)?;
            }
            if let (Some(dp), Some(dq), Some(qi)) = (key.dp(), key.dq(), key.crt_coefficient()) {
                set("dp", dp)?;
                set("dq", dq)?;
                set("qi", &qi)?;
            }
        }
        _ => return Err(misuse(&ctx, "an RSA key was expected")),
    }
    Ok(jwk)
}

/// The modulus' length in bits and the public exponent.
fn describe<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<List<(u32, TypedArray<'js, u8>)>> {
    let key = material(&key);
    let (n, e) = match &*key {
        Material::RsaPublic(key) => (key.n(), key.e()),
        Material::RsaPrivate(key) => (key.n(), key.e()),
        _ => return Err(misuse(&ctx, "an RSA key was expected")),
    };
    Ok(List((
        n.bits(),
        TypedArray::new(ctx, e.to_be_bytes_trimmed_vartime().into_vec())?,
    )))
}

/// `exponent` is odd, at least 3 and below 2³³; `bits` from 1024 to 8192.
fn generate<'js>(
    ctx: Ctx<'js>,
    bits: usize,
    exponent: f64,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let mut random = random_generator(&ctx)?;
    task::elsewhere(&ctx, Answer { done, fail }, move || {
        // The script lets whole numbers pass alone.
        let exponent = BoxedUint::from(exponent as u64);
        let private = RsaPrivateKey::new_with_exp(&mut random, bits, exponent)
            .map_err(|_| Failure::operation("The key could not be generated"))?;
        Ok(Output::Pair(
            Material::RsaPublic(Box::new(private.to_public_key())),
            Material::RsaPrivate(Box::new(private)),
        ))
    })
}

/// About how many nanoseconds the private operation takes.
fn private_cost(key: &Material) -> u64 {
    let bits = match key {
        Material::RsaPrivate(key) => u64::from(key.n().bits()),
        _ => 0,
    };
    (bits / 16).pow(3) * 8 / 10
}

/// The padding of a signature: PKCS #1 v1.5, or PSS with a salt of so many bytes.
#[derive(Clone, Copy)]
enum Padding {
    Pkcs1,
    Pss(usize),
}

/// `salt` is negative for PKCS #1 v1.5.
fn padding(salt: f64) -> Padding {
    if salt < 0.0 {
        Padding::Pkcs1
    } else {
        Padding::Pss(salt as usize)
    }
}

macro_rules! pkcs1 {
    ($hash:expr) => {
        match $hash {
            Hash::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
            Hash::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
            Hash::Md5 => Pkcs1v15Sign::new::<md5::Md5>(),
        }
    };
}

fn sign<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    hash: String,
    salt: f64,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let mut random = random_generator(&ctx)?;
    let fixed = private_cost(&material(&key));
    let work = move |hash: Hash, key: &Material, data: &[u8]| {
        let failed = || Failure::operation("The key is too short for this hash and salt");
        let Material::RsaPrivate(key) = key else {
            return Err(failed());
        };
        let digest = hash.digest(data);
        let signature = match padding(salt) {
            Padding::Pkcs1 => key.sign_with_rng(&mut random, pkcs1!(hash), &digest),
            // Longer than any key: refused before it is allocated.
            Padding::Pss(salt) if salt > key.size() => return Err(failed()),
            Padding::Pss(salt) => {
                with_hash!(hash, D => key.sign_with_rng(&mut random, Pss::<D>::new_blinded_with_salt(salt), &digest))
            }
        };
        signature.map(Output::Bytes).map_err(|_| failed())
    };
    task::start_signature(&ctx, (&hash, &key), &data, fixed, Answer { done, fail }, work)
}

fn verify<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    hash: String,
    List((salt, signature)): List<(f64, Value<'js>)>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let signature = copy_bytes(&signature).unwrap_or_default();
    let answer = Answer { done, fail };
    task::start_signature(&ctx, (&hash, &key), &data, 0, answer, move |hash, key, data| {
        let Material::RsaPublic(key) = key else {
            return Err(Failure::operation("A public key was expected"));
        };
        let digest = hash.digest(data);
        let result = match padding(salt) {
            Padding::Pkcs1 => key.verify(pkcs1!(hash), &digest, &signature),
            Padding::Pss(salt) if salt > key.size() => return Ok(Output::Verified(false)),
            Padding::Pss(salt) => {
                with_hash!(hash, D => key.verify(Pss::<D>::new_with_salt(salt), &digest, &signature))
            }
        };
        Ok(Output::Verified(result.is_ok()))
    })
}

fn oaep<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    hash: String,
    label: Value<'js>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let hash = Hash::of(&ctx, &hash)?;
    let key = material(&key);
    let label = copy_bytes(&label).unwrap_or_default().into_boxed_slice();
    let mut random = random_generator(&ctx)?;
    let fixed = private_cost(&key);
    task::start_with(
        &ctx,
        &data,
        |_| fixed,
        Answer { done, fail },
        move |data| {
            with_hash!(hash, D => {
                let padding = Oaep::<D> { label: Some(label), ..Oaep::<D>::new() };
                match &*key {
                    Material::RsaPublic(key) => key
                        .encrypt(&mut random, padding, &data)
                        .map_err(|_| Failure::operation("The data is too long for this key")),
                    Material::RsaPrivate(key) => key
                        .decrypt_blinded(&mut random, padding, &data)
                        .map_err(|_| Failure::operation("RSA-OAEP failed decryption")),
                    _ => Err(Failure::operation("An RSA key was expected")),
                }
            })
            .map(Output::Bytes)
        },
    )
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("rsaImport", Function::new(ctx.clone(), import)?)?;
    native.set("rsaImportJwk", Function::new(ctx.clone(), import_jwk)?)?;
    native.set("rsaExport", Function::new(ctx.clone(), export)?)?;
    native.set("rsaExportJwk", Function::new(ctx.clone(), export_jwk)?)?;
    native.set("rsaDescribe", Function::new(ctx.clone(), describe)?)?;
    native.set("rsaGenerate", Function::new(ctx.clone(), generate)?)?;
    native.set("rsaSign", Function::new(ctx.clone(), sign)?)?;
    native.set("rsaVerify", Function::new(ctx.clone(), verify)?)?;
    native.set("rsaOaep", Function::new(ctx.clone(), oaep)?)
}
