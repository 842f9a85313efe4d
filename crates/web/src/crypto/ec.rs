//! ECDSA and ECDH on P-256, P-384 and P-521. <https://w3c.github.io/webcrypto/#ecdsa>, <https://w3c.github.io/webcrypto/#ecdh>

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rand_core::Rng;
use rquickjs::{Class, Ctx, Function, Object, Result, Value};
use zeroize::Zeroizing;

use super::failure::{Failure, misuse};
use super::keys::{Key, KeyObject, Material, material};
use super::task::{self, Answer, Output, to_js};
use super::{jwk, random_generator};
use crate::buffer_source::copy_bytes;

type Checked<T> = std::result::Result<T, Failure>;

/// Makes the two enumerations of keys and what depends on the curve's type.
macro_rules! curves {
    ($($Curve:ident, $name:literal, $module:ident, $size:literal;)+) => {
        /// A private key.
        pub(super) enum EcPrivate {
            $(#[doc = $name] $Curve($module::ecdsa::SigningKey),)+
        }

        /// A public key.
        pub(super) enum EcPublic {
            $(#[doc = $name] $Curve($module::ecdsa::VerifyingKey),)+
        }

        impl EcPrivate {
            fn to_pkcs8(&self) -> Checked<Zeroizing<Vec<u8>>> {
                match self {
                    $(Self::$Curve(key) => $module::SecretKey::from(key)
                        .to_pkcs8_der()
                        .map(|document| document.to_bytes())
                        .map_err(|_| unencodable()),)+
                }
            }

            fn number(&self) -> Zeroizing<Vec<u8>> {
                match self {
                    $(Self::$Curve(key) => Zeroizing::new(key.to_bytes().to_vec()),)+
                }
            }

            fn public(&self) -> EcPublic {
                match self {
                    $(Self::$Curve(key) => EcPublic::$Curve(*key.verifying_key()),)+
                }
            }

            /// `r` and `s` of equal length.
            fn sign(&self, digest: Vec<u8>) -> Checked<Vec<u8>> {
                match self {
                    $(Self::$Curve(key) => {
                        let signature: $module::ecdsa::Signature = key
                            .sign_prehash(&at_least(digest, $size))
                            .map_err(|_| Failure::operation("The data could not be signed"))?;
                        Ok(signature.to_bytes().to_vec())
                    })+
                }
            }

            /// The x coordinate of the shared point; `None` for a key of another curve.
            fn agree(&self, public: &EcPublic) -> Option<Vec<u8>> {
                match (self, public) {
                    $((Self::$Curve(private), EcPublic::$Curve(public)) => Some(
                        diffie_hellman(private.as_nonzero_scalar(), public.as_affine()).raw_secret_bytes().to_vec(),
                    ),)+
                    _ => None,
                }
            }
        }

        impl EcPublic {
            fn to_spki(&self) -> Checked<Vec<u8>> {
                match self {
                    $(Self::$Curve(key) => $module::PublicKey::from(key)
                        .to_public_key_der()
                        .map(|document| document.into_vec())
                        .map_err(|_| unencodable()),)+
                }
            }

            /// The uncompressed point: 4, x, y.
            fn point(&self) -> Vec<u8> {
                match self {
                    $(Self::$Curve(key) => key.to_sec1_point(false).as_bytes().to_vec(),)+
                }
            }

            fn verify(&self, digest: Vec<u8>, signature: &[u8]) -> bool {
                match self {
                    $(Self::$Curve(key) => $module::ecdsa::Signature::from_slice(signature)
                        .is_ok_and(|signature| key.verify_prehash(&at_least(digest, $size), &signature).is_ok()),)+
                }
            }
        }

        /// How many bytes a coordinate has; 0 for an unknown curve.
        fn size(curve: &str) -> usize {
            match curve {
                $($name => $size,)+
                _ => 0,
            }
        }
    };
}

curves! {
    P256, "P-256", p256, 32;
    P384, "P-384", p384, 48;
    P521, "P-521", p521, 66;
}

/// The key that a constructor of the crate of `$curve`, named by the rest of its path, makes of bytes.
macro_rules! read {
    ($curve:expr, $bytes:expr, $failure:expr, $($path:ident)::+) => {
        match $curve {
            "P-256" => p256::$($path)::+($bytes).map(|key| Self::P256(key.into())).map_err(|_| $failure),
            "P-384" => p384::$($path)::+($bytes).map(|key| Self::P384(key.into())).map_err(|_| $failure),
            "P-521" => p521::$($path)::+($bytes).map(|key| Self::P521(key.into())).map_err(|_| $failure),
            _ => Err(invalid()),
        }
    };
}

impl EcPrivate {
    /// From the big-endian number, which is within the curve's order.
    fn from_number(curve: &str, bytes: &[u8]) -> Checked<Self> {
        read!(curve, bytes, invalid(), ecdsa::SigningKey::from_slice)
    }

    fn from_pkcs8(curve: &str, bytes: &[u8]) -> Checked<Self> {
        read!(curve, bytes, Failure::pkcs8(), SecretKey::from_pkcs8_der)
    }
}

impl EcPublic {
    fn from_point(curve: &str, bytes: &[u8]) -> Checked<Self> {
        read!(curve, bytes, invalid(), ecdsa::VerifyingKey::from_sec1_bytes)
    }

    fn from_spki(curve: &str, bytes: &[u8]) -> Checked<Self> {
        read!(curve, bytes, Failure::spki(), PublicKey::from_public_key_der)
    }
}

fn invalid() -> Failure {
    Failure::data("Invalid EC key")
}

fn unencodable() -> Failure {
    Failure::operation("The key could not be encoded")
}

/// The same number with leading zeros: the crates take no digest much shorter than the curve's field.
fn at_least(mut digest: Vec<u8>, size: usize) -> Vec<u8> {
    if digest.len() < size {
        digest.splice(0..0, std::iter::repeat_n(0, size - digest.len()));
    }
    digest
}

fn instance<'js>(ctx: &Ctx<'js>, material: Checked<Material>) -> Result<Class<'js, Key>> {
    match material {
        Ok(material) => Key::instance(ctx, material),
        Err(failure) => Err(failure.throw(ctx)),
    }
}

fn import<'js>(ctx: Ctx<'js>, format: String, curve: String, bytes: Value<'js>) -> Result<Class<'js, Key>> {
    let bytes = Zeroizing::new(copy_bytes(&bytes).unwrap_or_default());
    let public = |key| Material::EcPublic(Box::new(key));
    let imported = match format.as_str() {
        "raw" => EcPublic::from_point(&curve, &bytes)
            .map(public)
            .map_err(|_| Failure::data("Failed to import raw EC key data: Invalid point encoding.")),
        "spki" => EcPublic::from_spki(&curve, &bytes).map(public),
        "pkcs8" => EcPrivate::from_pkcs8(&curve, &bytes).map(|key| Material::EcPrivate(Box::new(key))),
        _ => return Err(misuse(&ctx, "unknown format")),
    };
    instance(&ctx, imported)
}

/// From the members `x`, `y` and perhaps `d` of a JWK.
fn import_jwk<'js>(ctx: Ctx<'js>, curve: String, jwk: Object<'js>) -> Result<Class<'js, Key>> {
    let x = jwk::required(&ctx, &jwk, "x")?;
    let y = jwk::required(&ctx, &jwk, "y")?;
    let d = jwk::member(&ctx, &jwk, "d")?;
    let made = || {
        if x.len() != size(&curve) || y.len() != size(&curve) {
            return Err(invalid());
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let public = EcPublic::from_point(&curve, &point)?;
        let Some(d) = d else {
            return Ok(Material::EcPublic(Box::new(public)));
        };
        if d.len() != size(&curve) {
            return Err(invalid());
        }
        let private = EcPrivate::from_number(&curve, &d)?;
        if private.public().point() == point {
            Ok(Material::EcPrivate(Box::new(private)))
        } else {
            Err(invalid())
        }
    };
    instance(&ctx, made())
}

/// `format`: `raw` and `spki` of a public, `pkcs8` of a private key.
fn export<'js>(ctx: Ctx<'js>, format: String, key: KeyObject<'js>) -> Result<Value<'js>> {
    let encoded = match (&*material(&key), format.as_str()) {
        (Material::EcPublic(key), "raw") => Ok(key.point()),
        (Material::EcPublic(key), "spki") => key.to_spki(),
        (Material::EcPrivate(key), "pkcs8") => key.to_pkcs8().map(|bytes| bytes.to_vec()),
        _ => return Err(misuse(&ctx, "unknown format")),
    };
    match encoded {
        Ok(bytes) => to_js(&ctx, bytes),
        Err(failure) => Err(failure.throw(&ctx)),
    }
}

fn export_jwk<'js>(ctx: Ctx<'js>, key: KeyObject<'js>) -> Result<Object<'js>> {
    let jwk = Object::new_proto(ctx.clone(), None)?;
    let key = material(&key);
    let point = match &*key {
        Material::EcPublic(key) => key.point(),
        Material::EcPrivate(key) => {
            jwk.set("d", jwk::encode(&key.number()))?;
            key.public().point()
        }
        _ => return Err(misuse(&ctx, "an EC key was expected")),
    };
    let (x, y) = point[1..].split_at(point.len() / 2);
    jwk.set("x", jwk::encode(x))?;
    jwk.set("y", jwk::encode(y))?;
    Ok(jwk)
}

fn generate<'js>(ctx: Ctx<'js>, curve: String, done: Function<'js>, fail: Function<'js>) -> Result<()> {
    let mut random = random_generator(&ctx)?;
    task::start(&ctx, 0, Answer { done, fail }, move || {
        let mut number = Zeroizing::new(vec![0; size(&curve)]);
        // Fewer than one in 2³² numbers are too large for P-256 and P-384; P-521 has 521 bits of 528.
        for _ in 0..100 {
            random.fill_bytes(&mut number);
            if curve == "P-521" {
                number[0] &= 1;
            }
            if let Ok(private) = EcPrivate::from_number(&curve, &number) {
                return Ok(Output::Pair(
                    Material::EcPublic(Box::new(private.public())),
                    Material::EcPrivate(Box::new(private)),
                ));
            }
        }
        Err(Failure::operation("The key could not be generated"))
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
    task::start_signature(
        &ctx,
        (&hash, &key),
        &data,
        0,
        answer,
        |hash, key, data| match key {
            Material::EcPrivate(key) => key.sign(hash.digest(data)).map(Output::Bytes),
            _ => Err(Failure::operation("A private key was expected")),
        },
    )
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
    task::start_signature(
        &ctx,
        (&hash, &key),
        &data,
        0,
        answer,
        move |hash, key, data| match key {
            Material::EcPublic(key) => Ok(Output::Verified(key.verify(hash.digest(data), &signature))),
            _ => Err(Failure::operation("A public key was expected")),
        },
    )
}

/// The secret that two keys share.
fn agree<'js>(ctx: Ctx<'js>, private: KeyObject<'js>, public: KeyObject<'js>) -> Result<Class<'js, Key>> {
    let secret = match (&*material(&private), &*material(&public)) {
        (Material::EcPrivate(private), Material::EcPublic(public)) => private.agree(public),
        _ => None,
    };
    match secret {
        Some(secret) => Key::instance(&ctx, Material::Secret(Zeroizing::new(secret))),
        None => Err(Failure::operation("The keys don't belong together").throw(&ctx)),
    }
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("ecImport", Function::new(ctx.clone(), import)?)?;
    native.set("ecImportJwk", Function::new(ctx.clone(), import_jwk)?)?;
    native.set("ecExport", Function::new(ctx.clone(), export)?)?;
    native.set("ecExportJwk", Function::new(ctx.clone(), export_jwk)?)?;
    native.set("ecGenerate", Function::new(ctx.clone(), generate)?)?;
    native.set("ecSign", Function::new(ctx.clone(), sign)?)?;
    native.set("ecVerify", Function::new(ctx.clone(), verify)?)?;
    native.set("ecAgree", Function::new(ctx.clone(), agree)?)
}
