//! Digests: <https://w3c.github.io/webcrypto/#sha>, and MD5 as Workers have it.
//!
//! The crates choose the processor's instructions (SHA-NI, AVX2) at run time.

use std::sync::mpsc;

use md5::Md5;
use rquickjs::class::Trace;
use rquickjs::{Class, Ctx, Function, JsLifetime, Object, Result, Value};
use sha1::Sha1;
use sha2::digest::{Digest, DynDigest};
use sha2::{Sha256, Sha384, Sha512};

use super::failure::misuse;
use super::task::{self, Answer, Output};
use crate::buffer_source::{byte_length, with_bytes};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Evaluates `$body` with the type `$D` of a hash function.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            $crate::crypto::hash::Hash::Md5 => {
                type $D = ::md5::Md5;
                $body
            }
            $crate::crypto::hash::Hash::Sha1 => {
                type $D = ::sha1::Sha1;
                $body
            }
            $crate::crypto::hash::Hash::Sha256 => {
                type $D = ::sha2::Sha256;
                $body
            }
            $crate::crypto::hash::Hash::Sha384 => {
                type $D = ::sha2::Sha384;
                $body
            }
            $crate::crypto::hash::Hash::Sha512 => {
                type $D = ::sha2::Sha512;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    /// By the name that scripts normalised.
    pub(super) fn of(ctx: &Ctx<'_>, name: &str) -> Result<Self> {
        Ok(match name {
            "MD5" => Self::Md5,
            "SHA-1" => Self::Sha1,
            "SHA-256" => Self::Sha256,
            "SHA-384" => Self::Sha384,
            "SHA-512" => Self::Sha512,
            _ => return Err(misuse(ctx, "unknown hash")),
        })
    }

    /// About how many nanoseconds `length` bytes take.
    pub(super) fn cost(self, length: u64) -> u64 {
        match self {
            Self::Sha1 | Self::Sha256 => length.saturating_mul(6) / 10,
            Self::Md5 | Self::Sha384 | Self::Sha512 => length.saturating_mul(17) / 10,
        }
    }

    /// Whether the processor hashes about as fast as memory is copied.
    fn is_swift(self) -> bool {
        matches!(self, Self::Sha1 | Self::Sha256) && has_instructions()
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        with_hash!(self, D => D::digest(bytes).to_vec())
    }

    fn hasher(self) -> Box<dyn DynDigest + Send> {
        match self {
            Self::Md5 => Box::new(Md5::new()),
            Self::Sha1 => Box::new(Sha1::new()),
            Self::Sha256 => Box::new(Sha256::new()),
            Self::Sha384 => Box::new(Sha384::new()),
            Self::Sha512 => Box::new(Sha512::new()),
        }
    }
}

/// Whether there are instructions for SHA-1 and SHA-256.
fn has_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// How much of a long message is copied before the other thread gets it.
const PIECE: usize = 1 << 20;

fn digest<'js>(
    ctx: Ctx<'js>,
    name: String,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let hash = Hash::of(&ctx, &name)?;
    let answer = Answer { done, fail };
    // Copying the bytes for another thread would hold this one up as long as hashing them, and take twice the memory.
    if hash.is_swift() || hash.cost(byte_length(&data) as u64) < 2 * task::LONG {
        return task::start_with(
            &ctx,
            &data,
            |_| 0,
            answer,
            move |bytes| Ok(Output::Bytes(hash.digest(&bytes))),
        );
    }
    // The other thread hashes while this one still copies: one waits for the copy alone, and all of it takes no longer
    // than the slower of the two.
    let (pieces, received) = mpsc::channel::<Vec<u8>>();
    task::elsewhere(&ctx, answer, move || {
        let mut hasher = hash.hasher();
        for piece in received {
            hasher.update(&piece);
        }
        Ok(Output::Bytes(hasher.finalize().into_vec()))
    })?;
    with_bytes(&data, move |bytes| {
        for piece in bytes.chunks(PIECE) {
            if pieces.send(piece.to_vec()).is_err() {
                // The host has dropped the job; nobody waits for it.
                break;
            }
        }
    });
    Ok(())
}

/// A digest that is fed piece by piece.
#[derive(Trace, JsLifetime)]
struct Hasher(#[qjs(skip_trace)] std::cell::RefCell<Box<dyn DynDigest + Send>>);

hidden_class!(Hasher);

fn hasher(ctx: Ctx<'_>, name: String) -> Result<Class<'_, Hasher>> {
    let hasher = Hash::of(&ctx, &name)?.hasher();
    Class::instance(ctx, Hasher(hasher.into()))
}

fn update<'js>(hasher: Class<'js, Hasher>, data: Value<'js>) {
    let hasher = hasher.borrow();
    let hasher: &mut (dyn DynDigest + Send) = &mut **hasher.0.borrow_mut();
    with_bytes(&data, |bytes| hasher.update(bytes));
}

fn finish<'js>(ctx: Ctx<'js>, hasher: Class<'js, Hasher>) -> Result<Value<'js>> {
    let digest = hasher.borrow().0.borrow_mut().finalize_reset();
    task::to_js(&ctx, digest)
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("digest", Function::new(ctx.clone(), digest)?)?;
    native.set("hasher", Function::new(ctx.clone(), hasher)?)?;
    native.set("hasherUpdate", Function::new(ctx.clone(), update)?)?;
    native.set("hasherFinish", Function::new(ctx.clone(), finish)?)
}
