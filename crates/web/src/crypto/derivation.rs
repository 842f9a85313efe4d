//! HKDF and PBKDF2. <https://w3c.github.io/webcrypto/#hkdf>, <https://w3c.github.io/webcrypto/#pbkdf2>

use hkdf::Hkdf;
use hmac::Hmac;
use rquickjs::{Ctx, Function, Object, Result, Value};

use super::failure::Failure;
use super::hash::{Hash, with_hash};
use super::keys::{KeyObject, Material, material};
use super::task::{self, Answer, Output};
use crate::buffer_source::copy_bytes;

/// `parameters`: `hash`, `salt`, `info`. `length` in bytes.
fn hkdf<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    parameters: Object<'js>,
    length: usize,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let hash = Hash::of(&ctx, &parameters.get::<_, String>("hash")?)?;
    let salt = copy_bytes(&parameters.get::<_, Value>("salt")?).unwrap_or_default();
    let info = copy_bytes(&parameters.get::<_, Value>("info")?).unwrap_or_default();
    let key = material(&key);
    let cost = hash.cost((salt.len() + info.len()) as u64);
    task::start(&ctx, cost, Answer { done, fail }, move || {
        let Material::Secret(key) = &*key else {
            return Err(failed());
        };
        with_hash!(hash, D => {
            // Asked before anything of this length is allocated.
            if length > 255 * <D as sha2::Digest>::output_size() {
                return Err(failed());
            }
            let mut output = vec![0; length];
            Hkdf::<D>::new(Some(&salt), key).expand(&info, &mut output).map_err(|_| failed())?;
            Ok(Output::Bytes(output))
        })
    })
}

fn failed() -> Failure {
    Failure::operation("HKDF deriveBits failed.")
}

/// `parameters`: `hash`, `salt`, `iterations`. `length` in bytes.
fn pbkdf2<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    parameters: Object<'js>,
    length: usize,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let hash = Hash::of(&ctx, &parameters.get::<_, String>("hash")?)?;
    let salt = copy_bytes(&parameters.get::<_, Value>("salt")?).unwrap_or_default();
    let iterations: u32 = parameters.get("iterations")?;
    let key = material(&key);
    // Two compressions of at least 64 bytes for each iteration and each 16 bytes or more of output.
    let cost = hash
        .cost(128)
        .saturating_mul(u64::from(iterations))
        .saturating_mul(length.div_ceil(16) as u64);
    task::start(&ctx, cost, Answer { done, fail }, move || {
        let failed = || Failure::operation("PBKDF2 deriveBits failed.");
        let Material::Secret(key) = &*key else {
            return Err(failed());
        };
        let mut output = Vec::new();
        output.try_reserve_exact(length).map_err(|_| failed())?;
        output.resize(length, 0);
        with_hash!(hash, D => {
            pbkdf2::pbkdf2::<Hmac<D>>(key, &salt, iterations, &mut output).map_err(|_| failed())?;
        });
        Ok(Output::Bytes(output))
    })
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("hkdf", Function::new(ctx.clone(), hkdf)?)?;
    native.set("pbkdf2", Function::new(ctx.clone(), pbkdf2)?)
}
