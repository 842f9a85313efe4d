//! From messages to bytes: <https://www.rfc-editor.org/rfc/rfc6455#section-5>.

use super::Role;
use super::deflate::{COMPRESS_FROM, Deflater};
use super::frame::{CONTROL_MAX, Head, Opcode, apply_mask};

/// Writes what we send on a connection.
pub(super) struct Encoder {
    role: Role,
    deflater: Option<Deflater>,
    /// Whether the message under way is compressed; `None` between messages.
    message: Option<bool>,
    scratch: Vec<u8>,
}

impl Encoder {
    /// An encoder for one side of a connection; `deflater` is there if compression was agreed on.
    pub(super) fn new(role: Role, deflater: Option<Deflater>) -> Self {
        Self {
            role,
            deflater,
            message: None,
            scratch: Vec::new(),
        }
    }

    /// Appends a piece of a message to `out`.
    pub(super) fn data(&mut self, is_text: bool, bytes: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let is_first = self.message.is_none();
        let compressed = *self
            .message
            .get_or_insert(self.deflater.is_some() && !(is_last && bytes.len() < COMPRESS_FROM));
        let opcode = match (is_first, is_text) {
            (false, _) => Opcode::Continuation,
            (true, true) => Opcode::Text,
            (true, false) => Opcode::Binary,
        };
        if is_last {
            self.message = None;
        }
        match &mut self.deflater {
            Some(deflater) if compressed => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                deflater.piece(bytes, is_last, &mut scratch);
                self.frame(opcode, is_last, is_first, &scratch, out);
                self.scratch = scratch;
            }
            _ => self.frame(opcode, is_last, false, bytes, out),
        }
    }

    /// Appends a ping to `out`.
    pub(super) fn ping(&self, out: &mut Vec<u8>) {
        self.frame(Opcode::Ping, true, false, &[], out);
    }

    /// Appends a pong to `out`.
    pub(super) fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        self.frame(Opcode::Pong, true, false, payload, out);
    }

    /// Appends the closing handshake to `out`; 1005 stands for no code. A reason that is too long is cut.
    pub(super) fn close(&self, code: u16, reason: &str, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        if code != 1005 {
            payload.extend_from_slice(&code.to_be_bytes());
            let end = reason.floor_char_boundary(CONTROL_MAX - payload.len());
            payload.extend_from_slice(&reason.as_bytes()[..end]);
        }
        self.frame(Opcode::Close, true, false, &payload, out);
    }

    /// Whether it holds memory that a quiet connection need not have.
    pub(super) fn is_awake(&self) -> bool {
        self.scratch.capacity() > 0
    }

    /// Frees memory that a quiet connection need not have.
    pub(super) fn rest(&mut self) {
        self.scratch = Vec::new();
        if let (Some(deflater), None) = (&mut self.deflater, self.message) {
            deflater.rest();
        }
    }

    fn frame(&self, opcode: Opcode, fin: bool, compressed: bool, payload: &[u8], out: &mut Vec<u8>) {
        let mask = match self.role {
            Role::Server => None,
            Role::Client => Some(fresh_mask()),
        };
        let head = Head {
            fin,
            compressed,
            opcode,
            mask,
            length: payload.len() as u64,
        };
        head.write(out);
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(mask) = mask {
            apply_mask(&mut out[start..], mask, 0);
        }
    }
}

/// A mask that nobody can foretell.
fn fresh_mask() -> [u8; 4] {
    let mut mask = [0; 4];
    // On Linux this fails only before the kernel's generator is seeded, early at boot. The mask then protects nobody, but
    // the message is whole.
    let _ = getrandom::fill(&mut mask);
    mask
}
