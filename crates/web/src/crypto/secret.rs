//! Keys that are mere bytes: those of AES and HMAC, and what HKDF and PBKDF2 derive from. Also what compares bytes.

use rquickjs::{Class, Ctx, Function, Object, Result, Value};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::failure::misuse;
use super::jwk;
use super::keys::{Key, KeyObject, Material, material};
use super::task::to_js;
use crate::buffer_source::{byte_length, copy_bytes, with_bytes};
use crate::script;

fn from_bytes<'js>(ctx: Ctx<'js>, bytes: Value<'js>) -> Result<Class<'js, Key>> {
    let bytes = Zeroizing::new(copy_bytes(&bytes).unwrap_or_default());
    Key::instance(&ctx, Material::Secret(bytes))
}

/// A fresh key of so many bytes.
fn random<'js>(ctx: Ctx<'js>, length: usize) -> Result<Class<'js, Key>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    script::host(&ctx)?.fill_random(&mut bytes);
    Key::instance(&ctx, Material::Secret(bytes))
}

/// From the member `k` of a JWK.
fn from_jwk<'js>(ctx: Ctx<'js>, jwk: Object<'js>) -> Result<Class<'js, Key>> {
    let bytes = jwk::required(&ctx, &jwk, "k")?;
    Key::instance(&ctx, Material::Secret(bytes))
}

/// The same key with all but its first `bits` bits cleared.
fn truncated<'js>(ctx: Ctx<'js>, key: KeyObject<'js>, bits: usize) -> Result<Class<'js, Key>> {
    let key = material(&key);
    let mut bytes = secret(&ctx, &key)?.clone();
    bytes.truncate(bits.div_ceil(8));
    if !bits.is_multiple_of(8)
        && let Some(last) = bytes.last_mut()
    {
        *last &= 0xff << (8 - bits % 8);
    }
    Key::instance(&ctx, Material::Secret(bytes))
}

fn length(ctx: Ctx<'_>, key: KeyObject<'_>) -> Result<usize> {
    Ok(secret(&ctx, &material(&key))?.len())
}

fn to_bytes<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<Value<'js>> {
    to_js(&ctx, secret(&ctx, &material(&key))?.to_vec())
}

fn to_base64<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<String> {
    Ok(jwk::encode(secret(&ctx, &material(&key))?))
}

fn secret<'a>(ctx: &Ctx<'_>, key: &'a Material) -> Result<&'a Zeroizing<Vec<u8>>> {
    match key {
        Material::Secret(bytes) => Ok(bytes),
        _ => Err(misuse(ctx, "a secret key was expected")),
    }
}

/// Whether two buffers of equal length hold the same; how long it takes depends on the length alone.
fn equal<'js>(a: Value<'js>, b: Value<'js>) -> bool {
    let b = copy_bytes(&b).unwrap_or_default();
    with_bytes(&a, |a| a.ct_eq(&b).into())
}

/// How many bytes a buffer has.
fn length_of(value: Value<'_>) -> usize {
    byte_length(&value)
}

/// The UTF-8 of a string.
fn utf8<'js>(ctx: Ctx<'js>, text: String) -> Result<Value<'js>> {
    to_js(&ctx, text)
}

/// The string in some UTF-8, as `TextDecoder` reads it.
fn from_utf8(bytes: Value<'_>) -> String {
    with_bytes(&bytes, |bytes| {
        encoding_rs::UTF_8.decode_with_bom_removal(bytes).0.into_owned()
    })
}

/// A copy of a buffer.
fn copy<'js>(ctx: Ctx<'js>, bytes: Value<'js>) -> Result<Value<'js>> {
    to_js(&ctx, copy_bytes(&bytes).unwrap_or_default())
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("secretFromBytes", Function::new(ctx.clone(), from_bytes)?)?;
    native.set("secretFromJwk", Function::new(ctx.clone(), from_jwk)?)?;
    native.set("secretRandom", Function::new(ctx.clone(), random)?)?;
    native.set("secretTruncated", Function::new(ctx.clone(), truncated)?)?;
    native.set("secretLength", Function::new(ctx.clone(), length)?)?;
    native.set("secretBytes", Function::new(ctx.clone(), to_bytes)?)?;
    native.set("secretBase64", Function::new(ctx.clone(), to_base64)?)?;
    native.set("byteLength", Function::new(ctx.clone(), length_of)?)?;
    native.set("utf8", Function::new(ctx.clone(), utf8)?)?;
    native.set("fromUtf8", Function::new(ctx.clone(), from_utf8)?)?;
    native.set("equal", Function::new(ctx.clone(), equal)?)?;
    native.set("copy", Function::new(ctx.clone(), copy)?)
}
