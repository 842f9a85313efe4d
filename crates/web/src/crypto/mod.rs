//! Web Cryptography, and `Math.random`. <https://w3c.github.io/webcrypto/>
//!
//! Scripts hold the specification's control flow: they convert arguments, normalise algorithms (`algorithms.js`) and check
//! keys (`key.js`, `jwk.js`). Each kind of algorithm has a script and a module of the same subject, which works on bytes and
//! [`keys`]. [`task`] decides what is done at once and what on another thread ([`Host::offload`]).
//!
//! `Math.random` is ours and not the engine's, since a forked process must not repeat the numbers of
//! its siblings: [`reseed`] is called after the fork. The generator's state is in the runtime's user
//! data; [`teardown`] removes it.

mod aes;
mod curve25519;
mod derivation;
mod ec;
mod failure;
mod gcm;
mod hash;
mod hmac;
mod jwk;
mod keys;
mod random;
mod rsa;
mod secret;
mod task;

use std::fmt::Write;
use std::rc::Rc;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rquickjs::{ArrayBuffer, Ctx, Function, JsLifetime, Object, Result};

use crate::{Host, script};
use random::Generator;

#[derive(JsLifetime)]
struct MathRandom(Rc<Generator>);

/// What `key.js` lends its natives to, in the order in which each finds what it needs.
const SCRIPTS: [(&str, &str); 7] = [
    ("crypto/algorithms.js", include_str!("algorithms.js")),
    ("crypto/jwk.js", include_str!("jwk.js")),
    ("crypto/symmetric.js", include_str!("symmetric.js")),
    ("crypto/rsa.js", include_str!("rsa.js")),
    ("crypto/curves.js", include_str!("curves.js")),
    ("crypto/derivation.js", include_str!("derivation.js")),
    ("crypto/subtle.js", include_str!("subtle.js")),
];

/// Adds `Crypto`, `crypto`, and replaces `Math.random`.
pub(crate) fn install(ctx: &Ctx<'_>, host: &Rc<dyn Host>) -> Result<()> {
    drop(ctx.store_userdata(task::Waiting::default()));
    script::evaluate(ctx, "crypto/key.js", include_str!("key.js"), |native| {
        aes::fill(native)?;
        curve25519::fill(native)?;
        derivation::fill(native)?;
        ec::fill(native)?;
        hash::fill(native)?;
        hmac::fill(native)?;
        rsa::fill(native)?;
        secret::fill(native)
    })?;
    for (name, source) in SCRIPTS {
        script::evaluate(ctx, name, source, |_| Ok(()))?;
    }
    script::evaluate(ctx, "crypto.js", include_str!("crypto.js"), |native| {
        let source = Rc::clone(host);
        native.set(
            "randomBytes",
            Function::new(ctx.clone(), move |ctx, length| {
                random_bytes(ctx, source.as_ref(), length)
            })?,
        )?;
        let source = Rc::clone(host);
        native.set(
            "randomUUID",
            Function::new(ctx.clone(), move || {
                let mut bytes = [0; 16];
                source.fill_random(&mut bytes);
                uuid_v4(bytes)
            })?,
        )
    })?;

    let generator = Rc::new(Generator::new(host.as_ref()));
    let random = Rc::clone(&generator);
    let function = Function::new(ctx.clone(), move || random.next_f64())?.with_name("random")?;
    ctx.globals().get::<_, Object>("Math")?.prop(
        "random",
        rquickjs::object::Property::from(function)
            .writable()
            .configurable(),
    )?;
    drop(ctx.store_userdata(MathRandom(generator)));
    Ok(())
}

/// Adds `crypto.DigestStream`; streams must be there.
pub(crate) fn install_digest_stream(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "crypto/digest_stream.js",
        include_str!("digest_stream.js"),
        |_| Ok(()),
    )
}

/// Gives `Math.random` a fresh seed from the host; to be called in every forked process before it runs user code.
pub fn reseed(ctx: &Ctx<'_>) -> Result<()> {
    let host = script::host(ctx)?;
    if let Some(random) = ctx.userdata::<MathRandom>() {
        random.0.reseed(host.as_ref());
    }
    Ok(())
}

/// Forgets the generator's state.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    drop(ctx.remove_userdata::<MathRandom>());
    drop(ctx.remove_userdata::<task::Waiting<'_>>());
}

fn random_bytes<'js>(ctx: Ctx<'js>, host: &dyn Host, length: usize) -> Result<ArrayBuffer<'js>> {
    let mut bytes = vec![0_u8; length];
    host.fill_random(&mut bytes);
    ArrayBuffer::new(ctx, bytes)
}

/// The text of a version 4 UUID made of these random bytes.
fn uuid_v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A generator for one operation, seeded by the host: other threads can use it.
fn random_generator(ctx: &Ctx<'_>) -> Result<ChaCha20Rng> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    script::host(ctx)?.fill_random(seed.as_mut_slice());
    Ok(ChaCha20Rng::from_seed(*seed))
}
