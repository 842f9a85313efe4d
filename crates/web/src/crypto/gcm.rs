//! AES-GCM: NIST SP 800-38D, <https://w3c.github.io/webcrypto/#aes-gcm>.
//!
//! `ring` does what it can, which is nearly all there is: nonces of 12 bytes, keys of 128 and 256 bits, tags of 128 bits (cut
//! by us where a shorter one is asked for). It does both passes at once, several times faster than they are one by one.
//! The rest is put together here over `ctr` and `ghash`, since no crate takes nonces of any length and every tag length.

use aes::cipher::{
    BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
    consts::U16,
};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use subtle::ConstantTimeEq;

use super::aes::{FAILED, invalid, with_aes};
use super::failure::Failure;

type Checked<T> = std::result::Result<T, Failure>;

/// The length of a whole tag, in bytes.
const TAG: usize = 16;

/// What both directions need; `tag` is the length of the tag in bytes.
pub(super) struct Parameters {
    pub(super) iv: Vec<u8>,
    pub(super) additional: Vec<u8>,
    pub(super) tag: usize,
}

impl Parameters {
    /// The key and nonce for `ring`, if it takes them.
    fn for_ring(&self, key: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        let nonce = Nonce::try_assume_unique_for_key(&self.iv).ok()?;
        let key = UnboundKey::new(algorithm, key).ok()?;
        Some((LessSafeKey::new(key), nonce))
    }

    /// Encrypts `buffer` in place and appends the tag.
    pub(super) fn seal(&self, key: &[u8], buffer: &mut Vec<u8>) -> Checked<()> {
        let tag: [u8; TAG] = match self.for_ring(key) {
            Some((key, nonce)) => key
                .seal_in_place_separate_tag(nonce, Aad::from(&self.additional), buffer)
                .map_err(|_| Failure::operation("The data is too long for AES-GCM"))?
                .as_ref()
                .try_into()
                .map_err(|_| invalid())?,
            None => {
                with_aes!(key, C => Ok(Parts::<C>::new(key, &self.iv)?.run(&self.additional, buffer, true)))?
            }
        };
        buffer.extend_from_slice(&tag[..self.tag]);
        Ok(())
    }

    /// Decrypts `buffer`, which ends with the tag, in place and takes that off. After an error it holds nothing of use.
    pub(super) fn open(&self, key: &[u8], buffer: &mut Vec<u8>) -> Checked<()> {
        let failed = || Failure::operation(FAILED);
        let end = buffer.len().checked_sub(self.tag).ok_or_else(failed)?;
        let given = buffer.split_off(end);
        // What is left of a cut tag is nothing that `ring` compares.
        if let Ok(given) = <[u8; TAG]>::try_from(&*given)
            && let Some((key, nonce)) = self.for_ring(key)
        {
            key.open_in_place_separate_tag(nonce, Aad::from(&self.additional), Tag::from(given), buffer, 0..)
                .map_err(|_| failed())?;
            return Ok(());
        }
        let tag: [u8; TAG] =
            with_aes!(key, C => Ok(Parts::<C>::new(key, &self.iv)?.run(&self.additional, buffer, false)))?;
        if tag[..self.tag].ct_eq(&given).into() {
            Ok(())
        } else {
            Err(failed())
        }
    }
}

/// One use of GCM, put together of its parts.
struct Parts<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    stream: ctr::Ctr32BE<C>,
    ghash: GHash,
    mask: ghash::Block,
}

/// How much is encrypted before it is hashed: both passes find it in the cache.
const STRIDE: usize = 16 * 1024;

impl<C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Parts<C> {
    fn new(key: &[u8], iv: &[u8]) -> Checked<Self> {
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
    fn run(mut self, additional: &[u8], data: &mut [u8], encrypt: bool) -> [u8; TAG] {
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
        let mut tag: [u8; TAG] = self.ghash.finalize().into();
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
