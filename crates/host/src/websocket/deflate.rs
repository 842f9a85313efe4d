//! `permessage-deflate`: <https://www.rfc-editor.org/rfc/rfc7692#section-7>.
//!
//! The state of a direction (tens to hundreds of kilobytes) is made when it is first needed. A compressor may forget what it
//! has sent at any time, and does so after a while of silence; a decompressor may not, unless that was agreed on.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Role;
use super::frame::Failure;

const NAME: &str = "permessage-deflate";

/// What ends every message, and is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A compromise: a quarter of the work of the usual level, for nine tenths of what it saves.
const LEVEL: u32 = 3;

/// Shorter messages are sent as they are.
pub(super) const COMPRESS_FROM: usize = 64;

/// What client and server have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    server: Direction,
    client: Direction,
}

/// How one side compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Direction {
    /// Each message stands for itself.
    no_takeover: bool,
    /// How far it refers back, as the power of two of bytes.
    window_bits: u8,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            no_takeover: false,
            window_bits: 15,
        }
    }
}

/// The parameters of an offer or an answer.
#[derive(Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: named without a value.
    client_bits: Option<Option<u8>>,
}

impl Parameters {
    /// Reads an element of `Sec-WebSocket-Extensions`; `None` if it is another extension, or nonsense.
    fn read(element: &str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut read = Self::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (part, None),
            };
            let bits = || value.map(window_bits);
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut read.server_no_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut read.client_no_takeover, true)
                }
                ("server_max_window_bits", Some(_)) => read.server_bits.replace(bits()??).is_none(),
                ("client_max_window_bits", None) => read.client_bits.replace(None).is_none(),
                ("client_max_window_bits", Some(_)) => read.client_bits.replace(Some(bits()??)).is_none(),
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(read)
    }
}

/// 8 to 15, without leading zeroes.
fn window_bits(text: &str) -> Option<u8> {
    match text.parse() {
        Ok(bits @ 8..=15) if !text.starts_with(['0', '+']) => Some(bits),
        _ => None,
    }
}

/// Answers a client's offers, the values of its `Sec-WebSocket-Extensions`: what is agreed on, and the header's value
/// that says so.
pub(super) fn answer<'a>(offers: impl Iterator<Item = &'a str>) -> Option<(Agreement, String)> {
    // zlib can't compress with a window of 256 bytes.
    let offer = offers
        .flat_map(|offer| offer.split(','))
        .filter_map(Parameters::read)
        .find(|offer| offer.server_bits != Some(8))?;
    let mut text = NAME.to_owned();
    if offer.server_no_takeover {
        text += "; server_no_context_takeover";
    }
    if offer.client_no_takeover {
        text += "; client_no_context_takeover";
    }
    if let Some(bits) = offer.server_bits {
        text += &format!("; server_max_window_bits={bits}");
    }
    let agreement = Agreement {
        server: Direction {
            no_takeover: offer.server_no_takeover,
            window_bits: offer.server_bits.unwrap_or(15),
        },
        // What the client offers to restrict itself to needs no answer: a larger window reads it too.
        client: Direction {
            no_takeover: offer.client_no_takeover,
            window_bits: 15,
        },
    };
    Some((agreement, text))
}

/// What a client offers.
pub(super) const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// What a server has made of [`OFFER`]; nothing if it wants no compression.
///
/// # Errors
/// A sentence if it answers what was not offered.
pub(super) fn agreed<'a>(answers: impl Iterator<Item = &'a str>) -> Result<Option<Agreement>, &'static str> {
    let mut answers = answers
        .flat_map(|answer| answer.split(','))
        .filter(|answer| !answer.trim().is_empty());
    let Some(answer) = answers.next() else {
        return Ok(None);
    };
    let wrong = "the server agreed to extensions that were not offered";
    let parameters = Parameters::read(answer).ok_or(wrong)?;
    let client_bits = match parameters.client_bits {
        None => 15,
        Some(Some(bits @ 9..)) => bits,
        // A number must be given, and zlib can't compress with a window of 256 bytes.
        Some(_) => return Err(wrong),
    };
    if answers.next().is_some() {
        return Err(wrong);
    }
    Ok(Some(Agreement {
        server: Direction {
            no_takeover: parameters.server_no_takeover,
            window_bits: 15,
        },
        client: Direction {
            no_takeover: parameters.client_no_takeover,
            window_bits: client_bits,
        },
    }))
}

impl Agreement {
    /// What reads the other side's messages.
    pub(super) fn inflater(&self, role: Role) -> Inflater {
        let direction = match role {
            Role::Server => self.client,
            Role::Client => self.server,
        };
        Inflater {
            direction,
            decompress: None,
            input: Bytes::new(),
            pending: false,
            is_last: false,
            is_tail: false,
        }
    }

    /// What writes our own messages.
    pub(super) fn deflater(&self, role: Role) -> Deflater {
        let direction = match role {
            Role::Server => self.server,
            Role::Client => self.client,
        };
        Deflater {
            direction,
            compress: None,
        }
    }
}

/// Decompresses messages piece by piece.
pub(super) struct Inflater {
    direction: Direction,
    decompress: Option<Decompress>,
    input: Bytes,
    /// There is input, or output that had no room.
    pending: bool,
    /// The input is the last of its message.
    is_last: bool,
    /// The input is [`TAIL`].
    is_tail: bool,
}

impl Inflater {
    /// Gives it a part of a message, to be had from [`Self::next_piece`] while [`Self::is_pending`].
    pub(super) fn feed(&mut self, input: Bytes, is_last: bool) {
        self.input = input;
        self.is_last = is_last;
        self.pending = true;
    }

    /// Whether there is more to be had.
    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// The next piece of what was fed, of at most `max` bytes, and whether the message is complete with it.
    ///
    /// # Errors
    /// [`Failure`] if this is no compressed data.
    pub(super) fn next_piece(&mut self, max: usize) -> Result<(Bytes, bool), Failure> {
        let bits = self.direction.window_bits;
        let decompress = self
            .decompress
            .get_or_insert_with(|| Decompress::new_with_window_bits(false, bits));
        let mut output = Vec::new();
        loop {
            if output.len() == output.capacity() {
                if output.len() >= max {
                    return Ok((output.into(), false));
                }
                let more = (self.input.len() * 4).max(output.len()).max(256);
                output.reserve_exact(more.min(max - output.len()));
            }
            let (read, written) = (decompress.total_in(), output.len());
            let status = decompress
                .decompress_vec(&self.input, &mut output, FlushDecompress::Sync)
                .map_err(|_| Failure {
                    code: 1007,
                    reason: "A message is badly compressed.",
                })?;
            let read = (decompress.total_in() - read) as usize;
            self.input = self.input.slice(read..);
            if status == Status::StreamEnd {
                // A block that called itself the last one. What follows begins anew.
                decompress.reset(false);
                continue;
            }
            let is_stuck = read == 0 && output.len() == written;
            if output.len() == output.capacity() || !(self.input.is_empty() || is_stuck) {
                continue;
            }
            if !self.input.is_empty() {
                return Err(Failure {
                    code: 1007,
                    reason: "A message is badly compressed.",
                });
            }
            if self.is_last && !self.is_tail {
                self.is_tail = true;
                self.input = Bytes::from_static(&TAIL);
                continue;
            }
            self.pending = false;
            if self.is_last && self.direction.no_takeover {
                decompress.reset(false);
            }
            self.is_tail = false;
            return Ok((output.into(), self.is_last));
        }
    }
}

/// Compresses messages piece by piece.
pub(super) struct Deflater {
    direction: Direction,
    compress: Option<Compress>,
}

impl Deflater {
    /// Appends a piece of a message, compressed, to `out`.
    pub(super) fn piece(&mut self, mut bytes: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let bits = self.direction.window_bits;
        let compress = self
            .compress
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::new(LEVEL), false, bits));
        let start = out.len();
        loop {
            out.reserve((bytes.len() / 2).max(64));
            let read = compress.total_in();
            // The engine of zlib fails only if it is used wrongly, which it is not: it has input, or is asked to flush.
            let status = compress.compress_vec(bytes, out, FlushCompress::Sync);
            bytes = &bytes[(compress.total_in() - read) as usize..];
            if status.is_err() || (bytes.is_empty() && out.len() < out.capacity()) {
                break;
            }
        }
        if is_last {
            if out[start..].ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            }
            if out.len() == start {
                // An empty block.
                out.push(0);
            }
            if self.direction.no_takeover {
                compress.reset();
            }
        }
    }

    /// Frees its memory, and forgets what was sent: what comes refers to nothing before it. Not within a message.
    pub(super) fn rest(&mut self) {
        self.compress = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(inflater: &mut Inflater, bytes: &[u8], max: usize) -> Result<Vec<u8>, Failure> {
        inflater.feed(Bytes::copy_from_slice(bytes), true);
        let mut whole = Vec::new();
        while inflater.is_pending() {
            let (piece, is_last) = inflater.next_piece(max)?;
            assert!(piece.len() <= max);
            whole.extend_from_slice(&piece);
            assert_eq!(is_last, !inflater.is_pending());
        }
        Ok(whole)
    }

    fn agreement(offer: &str) -> Agreement {
        answer([offer].into_iter()).expect("acceptable").0
    }

    #[test]
    fn offers_are_answered_in_kind() {
        let answered = |offer: &str| answer([offer].into_iter()).map(|(_, text)| text);
        for (offer, expected) in [
            ("permessage-deflate", Some("permessage-deflate")),
            (
                "Permessage-Deflate ; client_max_window_bits",
                Some("permessage-deflate"),
            ),
            (
                "permessage-deflate; client_max_window_bits=10",
                Some("permessage-deflate"),
            ),
            (
                "x, permessage-deflate; server_max_window_bits=\"12\"; client_no_context_takeover",
                Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=12"),
            ),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_no_context_takeover",
                Some("permessage-deflate; server_no_context_takeover"),
            ),
            ("permessage-deflate; server_max_window_bits=8", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=012", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                None,
            ),
            ("permessage-deflate; unheard_of", None),
            ("x-webkit-deflate-frame", None),
            ("", None),
        ] {
            assert_eq!(answered(offer).as_deref(), expected, "{offer}");
        }
    }

    #[test]
    fn a_server_may_agree_only_to_what_was_offered() {
        assert_eq!(agreed([].into_iter()), Ok(None));
        for good in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ] {
            assert!(matches!(agreed([good].into_iter()), Ok(Some(_))), "{good}");
        }
        for bad in [
            "x",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; x=1",
        ] {
            assert!(agreed([bad].into_iter()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_deflated_is_inflated() {
        let long: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for offer in [
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ] {
            let agreement = agreement(offer);
            let mut deflater = agreement.deflater(Role::Server);
            let mut inflater = agreement.inflater(Role::Client);
            for message in [
                &b"hello hello hello"[..],
                b"",
                b"hello hello hello",
                &long,
                b"x",
                b"",
            ] {
                let mut out = Vec::new();
                let middle = message.len() / 2;
                deflater.piece(&message[..middle], false, &mut out);
                deflater.piece(&message[middle..], true, &mut out);
                for max in [1 << 16, 1 << 20] {
                    if max == 1 << 16 || !agreement.server.no_takeover {
                        continue;
                    }
                    let mut other = agreement.inflater(Role::Client);
                    assert_eq!(inflate(&mut other, &out, max).expect("compressed"), message);
                }
                assert_eq!(
                    inflate(&mut inflater, &out, 1 << 16).expect("compressed"),
                    message
                );
            }
            deflater.rest();
            let mut out = Vec::new();
            deflater.piece(b"hello hello hello", true, &mut out);
            assert_eq!(
                inflate(&mut inflater, &out, 1 << 16).expect("compressed"),
                b"hello hello hello"
            );
        }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let mut inflater = agreement("permessage-deflate").inflater(Role::Server);
        for message in [&hello[..], &again, &stored, &last, &hello] {
            assert_eq!(
                inflate(&mut inflater, message, 1 << 16).expect("compressed"),
                b"Hello"
            );
        }
        for nonsense in [&[0xff; 8][..], &[0x07]] {
            let mut inflater = agreement("permessage-deflate").inflater(Role::Server);
            assert_eq!(
                inflate(&mut inflater, nonsense, 1 << 16)
                    .expect_err("nonsense")
                    .code,
                1007
            );
        }
    }
}
