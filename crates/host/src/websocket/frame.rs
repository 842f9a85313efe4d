//! The head of a frame: <https://www.rfc-editor.org/rfc/rfc6455#section-5.2>.

/// The longest payload of a control frame.
pub(super) const CONTROL_MAX: usize = 125;

/// Why a connection must be failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The status code that the other side is told.
    pub(super) code: u16,
    /// What is wrong.
    pub(super) reason: &'static str,
}

impl Failure {
    /// The other side breaks the protocol.
    pub(super) fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    /// A message that is text is not UTF-8.
    pub(super) fn not_text() -> Self {
        Self {
            code: 1007,
            reason: "Text is not valid UTF-8.",
        }
    }

    /// A message is longer than the limit.
    pub(super) fn too_long() -> Self {
        Self {
            code: 1009,
            reason: "Message is too large.",
        }
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn read(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Whether it may stand between the frames of a message.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// It is the last of its message.
    pub(super) fin: bool,
    /// The first reserved bit: the message is compressed.
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

impl Head {
    /// Reads a head from the beginning of `bytes`, and how long it is; `None` if some of it is missing.
    ///
    /// # Errors
    /// [`Failure`] if no frame may begin like that.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Failure> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x30 != 0 {
            return Err(Failure::protocol("Reserved bits are set."));
        }
        let opcode = Opcode::read(first & 0x0f).ok_or(Failure::protocol("Unknown opcode."))?;
        let fin = first & 0x80 != 0;
        let compressed = first & 0x40 != 0;
        let (length, rest, extended) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest, 2),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 8),
                None => return Ok(None),
            },
            short => (u64::from(short), rest, 0),
        };
        if opcode.is_control() {
            if !fin {
                return Err(Failure::protocol("A control frame is fragmented."));
            }
            if compressed {
                return Err(Failure::protocol("Reserved bits are set."));
            }
            if length > CONTROL_MAX as u64 {
                return Err(Failure::protocol("A control frame is longer than 125 bytes."));
            }
        }
        let is_minimal = match extended {
            2 => length > 125,
            8 => length > 0xffff && length <= i64::MAX as u64,
            _ => true,
        };
        if !is_minimal {
            return Err(Failure::protocol("The length of a frame is badly encoded."));
        }
        let (mask, masked) = if second & 0x80 == 0 {
            (None, 0)
        } else {
            match rest.first_chunk() {
                Some(mask) => (Some(*mask), 4),
                None => return Ok(None),
            }
        };
        let head = Self {
            fin,
            compressed,
            opcode,
            mask,
            length,
        };
        Ok(Some((head, 2 + extended + masked)))
    }

    /// Appends the head to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fin) << 7 | u8::from(self.compressed) << 6 | self.opcode.bits());
        let masked = u8::from(self.mask.is_some()) << 7;
        if self.length <= 125 {
            out.push(masked | self.length as u8);
        } else if let Ok(length) = u16::try_from(self.length) {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        } else {
            out.push(masked | 127);
            out.extend_from_slice(&self.length.to_be_bytes());
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], <[u8; 4]>::as_slice));
    }
}

/// Masks or unmasks a part of a payload that begins `offset` bytes after its start.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut mask = mask;
    mask.rotate_left(offset % 4);
    let wide = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written_and_only_whole() {
        for length in [0, 1, 125, 126, 65535, 65536, 1 << 40] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let head = Head {
                    fin: length % 2 == 0,
                    compressed: length == 126,
                    opcode: Opcode::Binary,
                    mask,
                    length,
                };
                let mut bytes = Vec::new();
                head.write(&mut bytes);
                assert!(bytes.len() <= 14);
                for end in 0..bytes.len() {
                    assert_eq!(Head::read(&bytes[..end]), Ok(None), "{length} {end}");
                }
                let size = bytes.len();
                bytes.push(9);
                assert_eq!(Head::read(&bytes), Ok(Some((head, size))));
            }
        }
    }

    #[test]
    fn what_no_frame_begins_with_is_refused() {
        for bytes in [
            &[0xa1, 0][..],
            &[0x91, 0],
            &[0x83, 0],
            &[0x8b, 0],
            &[0x8f, 0],
            &[0x09, 0],
            &[0xc9, 0],
            &[0x89, 126, 0, 126],
            &[0x82, 126, 0, 125],
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            &[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0],
        ] {
            assert_eq!(Head::read(bytes).expect_err("refused").code, 1002, "{bytes:?}");
        }
    }

    #[test]
    fn masking_in_parts_is_masking_at_once() {
        let payload: Vec<u8> = (0..100).collect();
        let mask = [7, 11, 13, 255];
        let mut whole = payload.clone();
        apply_mask(&mut whole, mask, 0);
        for cut in 0..payload.len() {
            let mut parts = payload.clone();
            let (one, two) = parts.split_at_mut(cut);
            apply_mask(one, mask, 0);
            apply_mask(two, mask, cut);
            assert_eq!(parts, whole, "{cut}");
        }
        apply_mask(&mut whole, mask, 0);
        assert_eq!(whole, payload);
    }
}
