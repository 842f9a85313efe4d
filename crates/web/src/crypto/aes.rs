//! AES in the modes CBC, CTR, GCM and KW. <https://w3c.github.io/webcrypto/#aes-cbc> and following.
//!
//! The crates use the processor's AES instructions where there are any. GCM is put together here, since no crate takes
//! nonces of any length and every tag length of the standard: NIST SP 800-38D over `ctr` and `ghash`.

use std::borrow::Cow;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{
    BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit, KeyIvInit,
    StreamCipher, StreamCipherCoreWrapper, consts::U16,
};
use aes::{Aes128, Aes192, Aes256};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use rquickjs::{Ctx, Function, Object, Result, Value};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::failure::{Failure, misuse};
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
    /// `tag`: length in bytes.
    Gcm {
        iv: Vec<u8>,
        additional: Vec<u8>,
        tag: usize,
    },
    Kw,
}

/// Evaluates `$body` with `$C` being AES with a key of this length.
macro_rules! with_aes {
    ($key:expr, $C:ident => $body:expr) => {
        match $key.len() {
            16 => {
                type $C = Aes128;
                $body
            }
            24 => {
                type $C = Aes192;
                $body
            }
            32 => {
                type $C = Aes256;
                $body
            }
            // Keys are made with one of these lengths.
            _ => Err(Failure::operation("Invalid AES key length")),
        }
    };
}

/// The message of every failed decryption: it must not tell why.
const FAILED: &str = "Decryption failed. This could be due to a ciphertext authentication failure, bad padding, \
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
            Self::Gcm { iv, additional, tag } => {
                let mut buffer = data.into_owned();
                buffer.reserve_exact(*tag);
                let gcm = Gcm::<C>::new(key, iv)?;
                let full = gcm.run(additional, &mut buffer, true);
                buffer.extend_from_slice(&full[..*tag]);
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
            Self::Gcm { iv, additional, tag } => {
                if data.len() < *tag {
                    return Err(Failure::operation(format!(
                        "Ciphertext length of {} bits must be greater than or equal to the size of the AES-GCM tag length \
                         of {} bits.", data.len() * 8, tag * 8
                    )));
                }
                let mut buffer = Zeroizing::new(data.into_owned());
                let end = buffer.len() - *tag;
                let given = buffer.split_off(end);
                let full = Gcm::<C>::new(key, iv)?.run(additional, &mut buffer, false);
                if full[..*tag].ct_eq(&given).into() {
                    Ok(std::mem::take(&mut *buffer))
                } else {
                    Err(failed())
                }
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
fn invalid() -> Failure {
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

/// One use of GCM.
struct Gcm<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    stream: ctr::Ctr32BE<C>,
    ghash: GHash,
    mask: ghash::Block,
}

/// How much is encrypted before it is hashed: both passes find it in the cache.
const STRIDE: usize = 16 * 1024;

impl<C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Gcm<C> {
    fn new(key: &[u8], iv: &[u8]) -> std::result::Result<Self, Failure> {
        let cipher = C::new_from_slice(key).map_err(|_| invalid())?;
        let mut subkey = ghash::Key::default();
        cipher.encrypt_block(&mut subkey);
        let ghash = GHash::new(&subkey);
        let mut first = ghash::Block::default();
        if iv.len() == 12 {
            first[..12].copy_from_slice(iv);
            first[15] = 1;
        } else {
            let mut hash = ghash.clone();
            hash.update_padded(iv);
            hash.update(&[lengths(0, iv.len())]);
            first = hash.finalize();
        }
        let mut stream = StreamCipherCoreWrapper::from_core(ctr::CtrCore::inner_iv_init(cipher, &first));
        let mut mask = ghash::Block::default();
        stream.apply_keystream(&mut mask);
        Ok(Self { stream, ghash, mask })
    }

    /// En- or decrypts `data` in place; the tag of the ciphertext.
    fn run(mut self, additional: &[u8], data: &mut [u8], encrypt: bool) -> [u8; 16] {
        self.ghash.update_padded(additional);
        for part in data.chunks_mut(STRIDE) {
            if encrypt {
                self.stream.apply_keystream(part);
                self.ghash.update_padded(part);
            } else {
                self.ghash.update_padded(part);
                self.stream.apply_keystream(part);
            }
        }
        self.ghash.update(&[lengths(additional.len(), data.len())]);
        let mut tag: [u8; 16] = self.ghash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        tag
    }
}

/// The block that ends a GHASH: two lengths in bits.
fn lengths(additional: usize, data: usize) -> ghash::Block {
    let mut block = ghash::Block::default();
    block[..8].copy_from_slice(&(additional as u64 * 8).to_be_bytes());
    block[8..].copy_from_slice(&(data as u64 * 8).to_be_bytes());
    block
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
        "AES-GCM" => Mode::Gcm {
            iv: bytes("iv")?,
            additional: bytes("additionalData")?,
            tag: description.get::<_, usize>("tagLength")? / 8,
        },
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
