//! Ed25519 and X25519. <https://wicg.github.io/webcrypto-secure-curves/>

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rand_core::Rng;
use rquickjs::{Class, Ctx, Function, Object, Result, Value};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::failure::{Failure, misuse};
use super::keys::{Key, KeyObject, Material, material};
use super::task::{self, Answer, Output, to_js};
use super::{jwk, random_generator};
use crate::buffer_source::copy_bytes;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// A private key.
pub(super) enum OkpPrivate {
    /// For signatures.
    Ed25519(SigningKey),
    /// For key agreement.
    X25519(StaticSecret),
}

/// A public key. Not every such string is a point on the curve; with those that are not nothing verifies.
pub(super) enum OkpPublic {
    /// For signatures.
    Ed25519([u8; 32]),
    /// For key agreement.
    X25519([u8; 32]),
}

type Checked<T> = std::result::Result<T, Failure>;

fn invalid() -> Failure {
    Failure::data("Invalid key")
}

impl OkpPrivate {
    fn new(curve: &str, bytes: &[u8]) -> Checked<Self> {
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| invalid())?);
        match curve {
            "Ed25519" => Ok(Self::Ed25519(SigningKey::from_bytes(&bytes))),
            "X25519" => Ok(Self::X25519(StaticSecret::from(*bytes))),
            _ => Err(invalid()),
        }
    }

    fn bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match self {
            Self::Ed25519(key) => key.to_bytes(),
            Self::X25519(key) => key.to_bytes(),
        })
    }

    fn public(&self) -> OkpPublic {
        match self {
            Self::Ed25519(key) => OkpPublic::Ed25519(key.verifying_key().to_bytes()),
            Self::X25519(key) => OkpPublic::X25519(x25519_dalek::PublicKey::from(key).to_bytes()),
        }
    }

    fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::Ed25519(_) => ED25519,
            Self::X25519(_) => X25519,
        }
    }
}

impl OkpPublic {
    fn new(curve: &str, bytes: &[u8]) -> Checked<Self> {
        let bytes = bytes.try_into().map_err(|_| invalid())?;
        match curve {
            "Ed25519" => Ok(Self::Ed25519(bytes)),
            "X25519" => Ok(Self::X25519(bytes)),
            _ => Err(invalid()),
        }
    }

    fn bytes(&self) -> &[u8; 32] {
        match self {
            Self::Ed25519(bytes) | Self::X25519(bytes) => bytes,
        }
    }

    fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::Ed25519(_) => ED25519,
            Self::X25519(_) => X25519,
        }
    }

    /// Without cofactor; keys and nonces of small order verify nothing, as the specification demands.
    fn verify(&self, data: &[u8], signature: &[u8]) -> bool {
        let Self::Ed25519(bytes) = self else { return false };
        let (Ok(key), Ok(signature)) = (
            VerifyingKey::from_bytes(bytes),
            ed25519_dalek::Signature::from_slice(signature),
        ) else {
            return false;
        };
        key.verify_strict(data, &signature).is_ok()
    }
}

/// The algorithm must be the curve's, without parameters.
fn check_algorithm(
    curve: &str,
    algorithm: &AlgorithmIdentifierRef<'_>,
    failure: fn() -> Failure,
) -> Checked<()> {
    let expected = if curve == "Ed25519" { ED25519 } else { X25519 };
    if algorithm.oid == expected && algorithm.parameters.is_none() {
        Ok(())
    } else {
        Err(failure())
    }
}

fn from_spki(curve: &str, bytes: &[u8]) -> Checked<Material> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(|_| Failure::spki())?;
    check_algorithm(curve, &info.algorithm, Failure::spki)?;
    let key = info.subject_public_key.as_bytes().ok_or_else(Failure::spki)?;
    OkpPublic::new(curve, key)
        .map(Material::OkpPublic)
        .map_err(|_| Failure::spki())
}

fn from_pkcs8(curve: &str, bytes: &[u8]) -> Checked<Material> {
    let info = PrivateKeyInfoRef::from_der(bytes).map_err(|_| Failure::pkcs8())?;
    check_algorithm(curve, &info.algorithm, Failure::pkcs8)?;
    let inner = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| Failure::pkcs8())?;
    OkpPrivate::new(curve, inner.as_bytes())
        .map(|key| Material::OkpPrivate(Box::new(key)))
        .map_err(|_| Failure::pkcs8())
}

fn instance<'js>(ctx: &Ctx<'js>, material: Checked<Material>) -> Result<Class<'js, Key>> {
    match material {
        Ok(material) => Key::instance(ctx, material),
        Err(failure) => Err(failure.throw(ctx)),
    }
}

fn import<'js>(ctx: Ctx<'js>, format: String, curve: String, bytes: Value<'js>) -> Result<Class<'js, Key>> {
    let bytes = Zeroizing::new(copy_bytes(&bytes).unwrap_or_default());
    let imported = match format.as_str() {
        "raw" => OkpPublic::new(&curve, &bytes)
            .map(Material::OkpPublic)
            .map_err(|_| {
                let length = bytes.len();
                Failure::data(format!(
                    "{curve} raw keys must be exactly 32-bytes (provided {length})."
                ))
            }),
        "spki" => from_spki(&curve, &bytes),
        "pkcs8" => from_pkcs8(&curve, &bytes),
        _ => return Err(misuse(&ctx, "unknown format")),
    };
    instance(&ctx, imported)
}

/// From the members `x` and perhaps `d` of a JWK.
fn import_jwk<'js>(ctx: Ctx<'js>, curve: String, jwk: Object<'js>) -> Result<Class<'js, Key>> {
    let x = jwk::required(&ctx, &jwk, "x")?;
    let d = jwk::member(&ctx, &jwk, "d")?;
    let made = || {
        let public = OkpPublic::new(&curve, &x)?;
        let Some(d) = d else {
            return Ok(Material::OkpPublic(public));
        };
        let private = OkpPrivate::new(&curve, &d)?;
        if private.public().bytes() == public.bytes() {
            Ok(Material::OkpPrivate(Box::new(private)))
        } else {
            Err(invalid())
        }
    };
    instance(&ctx, made())
}

/// `format`: `raw` and `spki` of a public, `pkcs8` of a private key.
fn export<'js>(ctx: Ctx<'js>, format: String, key: KeyObject<'js>) -> Result<Value<'js>> {
    let algorithm = |oid| AlgorithmIdentifierRef {
        oid,
        parameters: None,
    };
    let encoded = match (&*material(&key), format.as_str()) {
        (Material::OkpPublic(key), "raw") => Ok(key.bytes().to_vec()),
        (Material::OkpPublic(key), "spki") => {
            BitStringRef::from_bytes(key.bytes()).and_then(|subject_public_key| {
                SubjectPublicKeyInfoRef {
                    algorithm: algorithm(key.oid()),
                    subject_public_key,
                }
                .to_der()
            })
        }
        (Material::OkpPrivate(key), "pkcs8") => OctetStringRef::new(key.bytes().as_slice())
            .and_then(|octets| octets.to_der())
            .map(Zeroizing::new)
            .and_then(|inner| {
                PrivateKeyInfoRef::new(algorithm(key.oid()), OctetStringRef::new(&inner)?).to_der()
            }),
        _ => return Err(misuse(&ctx, "unknown format")),
    };
    match encoded {
        Ok(bytes) => to_js(&ctx, bytes),
        Err(_) => Err(Failure::operation("The key could not be encoded").throw(&ctx)),
    }
}

fn export_jwk<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<Object<'js>> {
    let jwk = Object::new_proto(ctx.clone(), None)?;
    match &*material(&key) {
        Material::OkpPublic(key) => jwk.set("x", jwk::encode(key.bytes()))?,
        Material::OkpPrivate(key) => {
            jwk.set("x", jwk::encode(key.public().bytes()))?;
            jwk.set("d", jwk::encode(key.bytes().as_slice()))?;
        }
        _ => return Err(misuse(&ctx, "an OKP key was expected")),
    }
    Ok(jwk)
}

fn generate<'js>(ctx: Ctx<'js>, curve: String, done: Function<'js>, fail: Function<'js>) -> Result<()> {
    let mut random = random_generator(&ctx)?;
    task::start(&ctx, 0, Answer { done, fail }, move || {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill_bytes(bytes.as_mut_slice());
        let private = OkpPrivate::new(&curve, bytes.as_slice())?;
        Ok(Output::Pair(
            Material::OkpPublic(private.public()),
            Material::OkpPrivate(Box::new(private)),
        ))
    })
}

/// About how many nanoseconds SHA-512 takes over `length` bytes, twice: Ed25519 reads its message so often.
fn cost(length: u64) -> u64 {
    length.saturating_mul(34) / 10
}

fn sign<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let key = material(&key);
    task::start_with(
        &ctx,
        &data,
        cost,
        Answer { done, fail },
        move |data| match &*key {
            Material::OkpPrivate(key) => match &**key {
                OkpPrivate::Ed25519(key) => Ok(Output::Bytes(key.sign(&data).to_bytes().to_vec())),
                OkpPrivate::X25519(_) => Err(Failure::operation("X25519 does not sign")),
            },
            _ => Err(Failure::operation("A private key was expected")),
        },
    )
}

fn verify<'js>(
    ctx: Ctx<'js>,
    key: KeyObject<'js>,
    signature: Value<'js>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let key = material(&key);
    let signature = copy_bytes(&signature).unwrap_or_default();
    task::start_with(
        &ctx,
        &data,
        cost,
        Answer { done, fail },
        move |data| match &*key {
            Material::OkpPublic(key) => Ok(Output::Verified(key.verify(&data, &signature))),
            _ => Err(Failure::operation("A public key was expected")),
        },
    )
}

/// The secret that two keys share. Throws an `OperationError` if the public key determines it alone.
fn agree<'js>(ctx: Ctx<'js>, private: KeyObject<'js>, public: KeyObject<'js>) -> Result<Class<'js, Key>> {
    let shared = match (&*material(&private), &*material(&public)) {
        (Material::OkpPrivate(private), Material::OkpPublic(OkpPublic::X25519(public))) => match &**private {
            OkpPrivate::X25519(private) => Some(private.diffie_hellman(&(*public).into())),
            OkpPrivate::Ed25519(_) => None,
        },
        _ => None,
    };
    match shared {
        Some(secret) if secret.was_contributory() => {
            Key::instance(&ctx, Material::Secret(Zeroizing::new(secret.to_bytes().to_vec())))
        }
        _ => Err(Failure::operation("X25519 failed: the public key is of small order").throw(&ctx)),
    }
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("okpImport", Function::new(ctx.clone(), import)?)?;
    native.set("okpImportJwk", Function::new(ctx.clone(), import_jwk)?)?;
    native.set("okpExport", Function::new(ctx.clone(), export)?)?;
    native.set("okpExportJwk", Function::new(ctx.clone(), export_jwk)?)?;
    native.set("okpGenerate", Function::new(ctx.clone(), generate)?)?;
    native.set("okpSign", Function::new(ctx.clone(), sign)?)?;
    native.set("okpVerify", Function::new(ctx.clone(), verify)?)?;
    native.set("okpAgree", Function::new(ctx.clone(), agree)?)
}
