//! HMAC. <https://w3c.github.io/webcrypto/#hmac>

use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{Ctx, Function, Object, Result, Value};
use subtle::ConstantTimeEq;

use super::failure::Failure;
use super::hash::{Hash, with_hash};
use super::keys::{KeyObject, Material};
use super::task::{self, Answer, Output};
use crate::buffer_source::copy_bytes;

/// The code of `data`. A key may have any length.
fn code(hash: Hash, key: &Material, data: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
    let invalid = || Failure::operation("Invalid HMAC key");
    let Material::Secret(key) = key else {
        return Err(invalid());
    };
    with_hash!(hash, D => {
        let mut mac = Hmac::<D>::new_from_slice(key).map_err(|_| invalid())?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    })
}

fn sign<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    hash: String,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let answer = Answer { done, fail };
    task::start_signature(&ctx, (&hash, &key), &data, 0, answer, |hash, key, data| {
        code(hash, key, data).map(Output::Bytes)
    })
}

fn verify<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    hash: String,
    signature: Value<'js>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let answer = Answer { done, fail };
    let signature = copy_bytes(&signature).unwrap_or_default();
    task::start_signature(&ctx, (&hash, &key), &data, 0, answer, move |hash, key, data| {
        let code = code(hash, key, data)?;
        Ok(Output::Verified(code.ct_eq(&signature).into()))
    })
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("hmacSign", Function::new(ctx.clone(), sign)?)?;
    native.set("hmacVerify", Function::new(ctx.clone(), verify)?)
}
