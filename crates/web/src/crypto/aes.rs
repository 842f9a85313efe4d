//! AES in the modes CBC, CTR, GCM and KW. <https://w3c.github.io/webcrypto/#aes-cbc> and following.
//!
//! The crates use the processor's AES instructions where there are any. GCM is in `gcm.rs`.

use std::borrow::Cow;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{
    BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, KeyInit, KeyIvInit, StreamCipher,
    consts::U16,
};
use rquickjs::{Ctx, Function, Object, Result, Value};
use zeroize::Zeroizing;

use super::failure::{Failure, misuse};
use super::gcm;
use super::keys::{KeyObject, Material, material};
use super::task::{self, Answer, Outcome, Output};
use crate::buffer_source::copy_bytes;

/// A mode of operation with its parameters.
enum Mode {
    Cbc {
        iv: [u8; 16],
    },
    /// `length`: how many of the low bits count.
    Ctr {
        counter: [u8; 16],
        length: u32,
    },
    Gcm(gcm::Parameters),
    Kw,
}

/// Evaluates `$body` with `$C` being AES with a key of this length.
macro_rules! with_aes {
    ($key:expr, $C:ident => $body:expr) => {
        match $key.len() {
            16 => {
                type $C = ::aes::Aes128;
                $body
            }
            24 => {
                type $C = ::aes::Aes192;
                $body
            }
            32 => {
                type $C = ::aes::Aes256;
                $body
            }
            // Keys are made with one of these lengths.
            _ => Err($crate::crypto::failure::Failure::operation(
                "Invalid AES key length",
            )),
        }
    };
}
pub(super) use with_aes;

/// The message of every failed decryption: it must not tell why.
pub(super) const FAILED: &str = "Decryption failed. This could be due to a ciphertext authentication failure, bad padding, \
                      incorrect CryptoKey, or another algorithm-specific reason.";

impl Mode {
    fn encrypt(&self, key: &[u8], data: Cow<'_, [u8]>) -> std::result::Result<Vec<u8>, Failure> {
        with_aes!(key, C => match self {
            Self::Cbc { iv } => {
                let length = data.len();
                let mut buffer = data.into_owned();
                buffer.resize((length / 16 + 1) * 16, 0);
                let cipher = cbc::Encryptor::<C>::new_from_slices(key, iv).map_err(|_| invalid())?;
                cipher.encrypt_padded::<Pkcs7>(&mut buffer, length).map_err(|_| invalid())?;
                Ok(buffer)
            }
            Self::Ctr { counter, length } => ctr::<C>(key, *counter, *length, data.into_owned()),
            Self::Gcm(parameters) => {
                let mut buffer = data.into_owned();
                parameters.seal(key, &mut buffer)?;
                Ok(buffer)
            }
            Self::Kw => {
                let mut wrapped = vec![0; data.len() + 8];
                let bits = data.len() * 8;
                if !bits.is_multiple_of(64) {
                    return Err(Failure::operation(format!(
                        "Unwrapped key bit length must be a multiple of 64 bits but unwrapped key has a length of {bits} bits."
                    )));
                }
                if bits < 128 {
                    return Err(Failure::operation(format!("AES-KW wraps no key of {bits} bits.")));
                }
                aes_kw::AesKw::<C>::new_from_slice(key)
                    .map_err(|_| invalid())?
                    .wrap_key(&data, &mut wrapped)
                    .map_err(|_| invalid())?;
                Ok(wrapped)
            }
        })
    }

    fn decrypt(&self, key: &[u8], data: Cow<'_, [u8]>) -> std::result::Result<Vec<u8>, Failure> {
        let failed = || Failure::operation(FAILED);
        with_aes!(key, C => match self {
            Self::Cbc { iv } => {
                let mut buffer = Zeroizing::new(data.into_owned());
                let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| invalid())?;
                let length = cipher
                    .decrypt_padded::<Pkcs7>(&mut buffer)
                    .map_err(|_| failed())?
                    .len();
                buffer.truncate(length);
                Ok(std::mem::take(&mut *buffer))
            }
            Self::Ctr { counter, length } => ctr::<C>(key, *counter, *length, data.into_owned()),
            Self::Gcm(parameters) => {
                let tag = parameters.tag;
                if data.len() < tag {
                    return Err(Failure::operation(format!(
                        "Ciphertext length of {} bits must be greater than or equal to the size of the AES-GCM tag length \
                         of {} bits.", data.len() * 8, tag * 8
                    )));
                }
                let mut buffer = Zeroizing::new(data.into_owned());
                parameters.open(key, &mut buffer)?;
                Ok(std::mem::take(&mut *buffer))
            }
            Self::Kw => {
                let failed = || Failure::operation("AES-KW key unwrapping failed.");
                if data.len() < 24 || !data.len().is_multiple_of(8) {
                    return Err(failed());
                }
                let mut unwrapped = Zeroizing::new(vec![0; data.len() - 8]);
                aes_kw::AesKw::<C>::new_from_slice(key)
                    .map_err(|_| invalid())?
                    .unwrap_key(&data, &mut unwrapped)
                    .map_err(|_| failed())?;
                Ok(std::mem::take(&mut *unwrapped))
            }
        })
    }
}

/// Scripts have checked the lengths of keys and parameters.
pub(super) fn invalid() -> Failure {
    Failure::operation("Invalid AES parameters")
}

/// The keystream of counter mode where only the low `length` bits of the counter count, added to `data`.
fn ctr<C>(
    key: &[u8],
    counter: [u8; 16],
    length: u32,
    mut data: Vec<u8>,
) -> std::result::Result<Vec<u8>, Failure>
where
    C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let blocks = data.len().div_ceil(16) as u128;
    let start = u128::from_be_bytes(counter);
    let mask = if length == 128 {
        u128::MAX
    } else {
        (1 << length) - 1
    };
    if length < 128 && blocks > mask + 1 {
        return Err(Failure::operation("Counter block values will repeat."));
    }
    // Blocks until the counting bits are all zero again, less one.
    let before = mask - (start & mask);
    let split = if blocks > before {
        usize::try_from(before + 1).map_or(data.len(), |blocks| blocks.saturating_mul(16).min(data.len()))
    } else {
        data.len()
    };
    let (first, second) = data.split_at_mut(split);
    for (counter, part) in [(start, first), (start & !mask, second)] {
        if !part.is_empty() {
            ctr::Ctr128BE::<C>::new_from_slices(key, &counter.to_be_bytes())
                .map_err(|_| invalid())?
                .apply_keystream(part);
        }
    }
    Ok(data)
}

/// The mode that a script describes: `[name, …]`, its lengths checked there.
fn mode<'js>(ctx: &Ctx<'js>, description: &Object<'js>) -> Result<Mode> {
    let bytes = |name: &str| -> Result<Vec<u8>> {
        Ok(copy_bytes(&description.get::<_, Value>(name)?).unwrap_or_default())
    };
    let block = |name: &str| -> Result<[u8; 16]> {
        bytes(name)?
            .try_into()
            .map_err(|_| misuse(ctx, "a block of AES has 16 bytes"))
    };
    Ok(match description.get::<_, String>("name")?.as_str() {
        "AES-CBC" => Mode::Cbc { iv: block("iv")? },
        "AES-CTR" => Mode::Ctr {
            counter: block("counter")?,
            length: description.get("length")?,
        },
        "AES-GCM" => Mode::Gcm(gcm::Parameters {
            iv: bytes("iv")?,
            additional: bytes("additionalData")?,
            tag: description.get::<_, usize>("tagLength")? / 8,
        }),
        "AES-KW" => Mode::Kw,
        _ => return Err(misuse(ctx, "unknown mode of AES")),
    })
}

fn aes<'js>(
    ctx: Ctx<'js>,
    encrypt: bool,
    parameters: Object<'js>,
    key: KeyObject<'js>,
    data: Value<'js>,
    done: Function<'js>,
    fail: Function<'js>,
) -> Result<()> {
    let mode = mode(&ctx, &parameters)?;
    let key = material(&key);
    task::start_with(&ctx, &data, cost, Answer { done, fail }, move |data| -> Outcome {
        let Material::Secret(key) = &*key else {
            return Err(invalid());
        };
        let result = if encrypt {
            mode.encrypt(key, data)
        } else {
            mode.decrypt(key, data)
        };
        result.map(Output::Bytes)
    })
}

/// About how many nanoseconds `length` bytes take, the slowest mode (CBC) taken for all.
fn cost(length: u64) -> u64 {
    length.saturating_mul(11) / 10
}

/// Adds what scripts need of this module.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    native.set("aes", Function::new(native.ctx().clone(), aes)?)
}
