//! The material of keys. JavaScript holds it behind an opaque object, threads share it; it is wiped when the last lets go.

use std::sync::Arc;

use rquickjs::class::Trace;
use rquickjs::{Class, Ctx, JsLifetime, Result};
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::curve25519::{OkpPrivate, OkpPublic};
use super::ec::{EcPrivate, EcPublic};

/// What is secret (or public) about a key. All of it wipes itself.
pub(super) enum Material {
    /// The bytes of a symmetric key, a password or the like.
    Secret(Zeroizing<Vec<u8>>),
    /// An RSA key pair.
    RsaPrivate(Box<RsaPrivateKey>),
    /// An RSA public key.
    RsaPublic(Box<RsaPublicKey>),
    /// A private key on a NIST curve.
    EcPrivate(Box<EcPrivate>),
    /// A point on a NIST curve.
    EcPublic(Box<EcPublic>),
    /// A private key on Curve25519.
    OkpPrivate(Box<OkpPrivate>),
    /// A public key on Curve25519.
    OkpPublic(OkpPublic),
}

/// The material of one `CryptoKey`, as scripts hold it.
#[derive(Clone, Trace, JsLifetime)]
pub(super) struct Key(#[qjs(skip_trace)] pub(super) Arc<Material>);

hidden_class!(Key, "KeyMaterial");

impl Key {
    /// An object around `material`.
    pub(super) fn instance<'js>(ctx: &Ctx<'js>, material: Material) -> Result<Class<'js, Self>> {
        Class::instance(ctx.clone(), Self(Arc::new(material)))
    }
}

/// A key as it comes from a script.
pub(super) type KeyObject<'js> = Class<'js, Key>;

/// The material behind a key of a script.
pub(super) fn material(key: &KeyObject<'_>) -> Arc<Material> {
    Arc::clone(&key.borrow().0)
}
