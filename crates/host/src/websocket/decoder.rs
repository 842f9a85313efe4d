//! From bytes to messages: <https://www.rfc-editor.org/rfc/rfc6455#section-5>.
//!
//! Messages come in pieces as they arrive, so that a long one needs no memory for all of it; the pieces of a text end
//! between characters.

use bytes::{Buf, Bytes, BytesMut};
use isthmus_protocol::flow::MESSAGE_MAX;

use super::Role;
use super::deflate::Inflater;
use super::frame::{Failure, Head, Opcode, apply_mask};

/// The longest piece.
const PIECE_MAX: usize = 64 * 1024;

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A piece of a message. Only the last may be empty.
    Piece {
        is_text: bool,
        bytes: Bytes,
        is_last: bool,
    },
    /// To be answered by a pong with the same payload.
    Ping(Bytes),
    /// The answer to a ping.
    Pong,
    /// The closing handshake; 1005 stands for no code.
    Close { code: u16, reason: String },
}

/// Reads what the other side of a connection sends.
pub(super) struct Decoder {
    role: Role,
    inflater: Option<Inflater>,
    frame: Option<Frame>,
    message: Option<Message>,
}

/// A data frame whose payload arrives.
struct Frame {
    fin: bool,
    mask: Option<[u8; 4]>,
    length: u64,
    taken: u64,
}

/// A message that arrives.
struct Message {
    is_text: bool,
    compressed: bool,
    /// How many bytes it has so far.
    length: usize,
    /// The beginning of a character whose rest is missing.
    cut: Vec<u8>,
}

impl Decoder {
    /// A decoder for one side of a connection; `inflater` is there if compression was agreed on.
    pub(super) fn new(role: Role, inflater: Option<Inflater>) -> Self {
        Self {
            role,
            inflater,
            frame: None,
            message: None,
        }
    }

    /// The next thing in `buffer`, which is taken out of it; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`Failure`] if the connection must be failed. Nothing may be read after that.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, Failure> {
        loop {
            if let Some(inflater) = &mut self.inflater
                && let Some(message) = &mut self.message
                && inflater.is_pending()
            {
                let (bytes, is_last) = inflater.next_piece(PIECE_MAX)?;
                if let Some(item) = message.piece(bytes, is_last)? {
                    if is_last {
                        self.message = None;
                    }
                    return Ok(Some(item));
                }
                continue;
            }
            if self.frame.is_some() {
                match self.payload(buffer)? {
                    Step::Item(item) => return Ok(Some(item)),
                    Step::Again => continue,
                    Step::More => return Ok(None),
                }
            }
            let Some((head, size)) = Head::read(buffer)? else {
                return Ok(None);
            };
            self.check(&head)?;
            if head.opcode.is_control() {
                // At most 125 bytes, by the check of the head.
                let length = head.length as usize;
                if buffer.len() < size + length {
                    return Ok(None);
                }
                buffer.advance(size);
                let mut payload = buffer.split_to(length);
                if let Some(mask) = head.mask {
                    apply_mask(&mut payload, mask, 0);
                }
                return control(head.opcode, payload.freeze()).map(Some);
            }
            buffer.advance(size);
            self.begin(&head)?;
        }
    }

    /// What a head must fulfil here and now.
    fn check(&self, head: &Head) -> Result<(), Failure> {
        match (self.role, head.mask) {
            (Role::Server, None) => return Err(Failure::protocol("A frame of a client is not masked.")),
            (Role::Client, Some(_)) => return Err(Failure::protocol("A frame of a server is masked.")),
            _ => {}
        }
        match head.opcode {
            Opcode::Continuation if self.message.is_none() => {
                return Err(Failure::protocol("A continuation continues nothing."));
            }
            Opcode::Text | Opcode::Binary if self.message.is_some() => {
                return Err(Failure::protocol("A message begins within another."));
            }
            _ => {}
        }
        let may_compress = self.inflater.is_some() && matches!(head.opcode, Opcode::Text | Opcode::Binary);
        if head.compressed && !may_compress {
            return Err(Failure::protocol("Reserved bits are set."));
        }
        Ok(())
    }

    fn begin(&mut self, head: &Head) -> Result<(), Failure> {
        let message = self.message.get_or_insert_with(|| Message {
            is_text: head.opcode == Opcode::Text,
            compressed: head.compressed,
            length: 0,
            cut: Vec::new(),
        });
        // Said at once, not when as much has been taken. A compressed one is counted as it is inflated.
        if !message.compressed && head.length > (MESSAGE_MAX - message.length) as u64 {
            return Err(Failure::too_long());
        }
        self.frame = Some(Frame {
            fin: head.fin,
            mask: head.mask,
            length: head.length,
            taken: 0,
        });
        Ok(())
    }

    /// Takes what is here of the frame's payload.
    fn payload(&mut self, buffer: &mut BytesMut) -> Result<Step, Failure> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(Step::Again);
        };
        let left = usize::try_from(frame.length - frame.taken).unwrap_or(usize::MAX);
        let size = left.min(buffer.len()).min(PIECE_MAX);
        if size == 0 && left > 0 {
            return Ok(Step::More);
        }
        let mut bytes = buffer.split_to(size);
        if let Some(mask) = frame.mask {
            // Only its remainder of four matters.
            apply_mask(&mut bytes, mask, (frame.taken % 4) as usize);
        }
        frame.taken += size as u64;
        let is_last = frame.fin && size == left;
        if size == left {
            self.frame = None;
        }
        if message.compressed
            && let Some(inflater) = &mut self.inflater
        {
            inflater.feed(bytes.freeze(), is_last);
            return Ok(Step::Again);
        }
        let item = message.piece(bytes.freeze(), is_last)?;
        if is_last {
            self.message = None;
        }
        Ok(item.map_or(Step::Again, Step::Item))
    }
}

enum Step {
    Item(Item),
    Again,
    More,
}

impl Message {
    /// A piece of the message in the clear.
    fn piece(&mut self, bytes: Bytes, is_last: bool) -> Result<Option<Item>, Failure> {
        self.length += bytes.len();
        if self.length > MESSAGE_MAX {
            return Err(Failure::too_long());
        }
        let bytes = if self.is_text {
            self.characters(bytes, is_last)?
        } else {
            bytes
        };
        if bytes.is_empty() && !is_last {
            return Ok(None);
        }
        Ok(Some(Item::Piece {
            is_text: self.is_text,
            bytes,
            is_last,
        }))
    }

    /// The whole characters of `bytes`; the beginning of another is kept for the next piece.
    fn characters(&mut self, bytes: Bytes, is_last: bool) -> Result<Bytes, Failure> {
        let bytes = if self.cut.is_empty() {
            bytes
        } else {
            let mut joined = std::mem::take(&mut self.cut);
            joined.extend_from_slice(&bytes);
            joined.into()
        };
        let whole = match std::str::from_utf8(&bytes) {
            Ok(_) => return Ok(bytes),
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            Err(_) => return Err(Failure::not_text()),
        };
        self.cut.extend_from_slice(&bytes[whole..]);
        Ok(bytes.slice(..whole))
    }
}

fn control(opcode: Opcode, payload: Bytes) -> Result<Item, Failure> {
    match opcode {
        Opcode::Ping => Ok(Item::Ping(payload)),
        Opcode::Pong => Ok(Item::Pong),
        _ => close(&payload),
    }
}

fn close(payload: &[u8]) -> Result<Item, Failure> {
    let (code, reason) = match payload {
        [] => (1005, &[][..]),
        [_] => return Err(Failure::protocol("A close frame has half a status code.")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !payload.is_empty() && !is_code(code) {
        return Err(Failure::protocol(
            "A close frame has a status code that may not be sent.",
        ));
    }
    let reason = std::str::from_utf8(reason)
        .map_err(|_| Failure::not_text())?
        .to_owned();
    Ok(Item::Close { code, reason })
}

/// Whether a status code may be sent: <https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number>.
fn is_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
