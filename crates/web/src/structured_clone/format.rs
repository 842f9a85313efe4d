//! The serialised form: a tag for every value, lengths and small numbers as LEB128, doubles little endian.
//!
//! Stores keep it, so what a version has defined never changes: a new kind of value gets a new tag, and anything
//! else a new [`VERSION`].

use bytes::{Buf, Bytes};

/// The first byte of every serialised value, which begins no text.
pub(super) const MAGIC: u8 = 0xff;
/// The second.
pub(super) const VERSION: u8 = 1;

/// What a value is; the letter is what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Undefined = b'u',
    Null = b'n',
    True = b't',
    False = b'f',
    /// Zigzag.
    Int = b'i',
    Double = b'd',
    /// Hexadecimal digits, perhaps after a minus, as text.
    BigInt = b'b',
    /// UTF-8.
    Text = b's',
    /// A string with lone surrogates, as JSON.
    Escaped = b'j',
    /// Keys and values in turn, up to [`Tag::End`].
    Object = b'O',
    /// Length, and as many values or holes.
    Array = b'A',
    /// Length, then keys and values as those of an object.
    SparseArray = b'S',
    /// Keys and values in turn, up to [`Tag::End`].
    Map = b'M',
    /// Values, up to [`Tag::End`].
    Set = b'T',
    /// A double: milliseconds.
    Date = b'D',
    /// Source and flags, as texts.
    RegExp = b'R',
    /// A `Boolean`, `Number`, `String` or `BigInt` object: its value.
    Boxed = b'x',
    /// Class, what is there of the following, message, stack, cause.
    Error = b'E',
    /// Name, message, whether there is a stack, stack.
    Exception = b'X',
    /// Length and bytes.
    Buffer = b'B',
    /// Longest length, length and bytes.
    ResizableBuffer = b'Z',
    /// Class, offset, 0 or the length plus one, and the buffer as a value.
    View = b'V',
    /// Type, length and bytes.
    Blob = b'L',
    /// Type, name, time as a double, length and bytes.
    File = b'F',
    /// An object that came before, by its number.
    Again = b'^',
    /// A transferred object, by its number. Never stored.
    Transferred = b'Y',
    /// A blob or file that is kept beside the bytes, by its number. Never stored.
    SharedBlob = b'l',
    /// No element of an array.
    Hole = b'-',
    /// The end of a list.
    End = b'e',
}

const TAGS: [Tag; 29] = [
    Tag::Undefined,
    Tag::Null,
    Tag::True,
    Tag::False,
    Tag::Int,
    Tag::Double,
    Tag::BigInt,
    Tag::Text,
    Tag::Escaped,
    Tag::Object,
    Tag::Array,
    Tag::SparseArray,
    Tag::Map,
    Tag::Set,
    Tag::Date,
    Tag::RegExp,
    Tag::Boxed,
    Tag::Error,
    Tag::Exception,
    Tag::Buffer,
    Tag::ResizableBuffer,
    Tag::View,
    Tag::Blob,
    Tag::File,
    Tag::Again,
    Tag::Transferred,
    Tag::SharedBlob,
    Tag::Hole,
    Tag::End,
];

/// What is there of an error.
pub(super) const HAS_MESSAGE: u8 = 1;
pub(super) const HAS_STACK: u8 = 2;
pub(super) const HAS_CAUSE: u8 = 4;

/// Writes the parts of the form.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn tag(&mut self, tag: Tag) {
        self.bytes.push(tag as u8);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            // The seven lowest bits.
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn int(&mut self, int: i32) {
        self.number(u64::from(((int << 1) ^ (int >> 31)).cast_unsigned()));
    }

    pub(super) fn double(&mut self, double: f64) {
        self.bytes.extend_from_slice(&double.to_le_bytes());
    }

    /// Length and bytes.
    pub(super) fn block(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// The bytes are none that [`Writer`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// Reads the parts of the form.
pub(super) struct Reader {
    bytes: Bytes,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Corrupt> {
        self.bytes.try_get_u8().map_err(|_| Corrupt)
    }

    pub(super) fn tag(&mut self) -> Result<Tag, Corrupt> {
        let byte = self.byte()?;
        TAGS.into_iter().find(|&tag| tag as u8 == byte).ok_or(Corrupt)
    }

    /// Whether `tag` comes next; it is read if so.
    pub(super) fn skip(&mut self, tag: Tag) -> bool {
        let comes = self.bytes.first() == Some(&(tag as u8));
        if comes {
            self.bytes.advance(1);
        }
        comes
    }

    pub(super) fn number(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Corrupt);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Corrupt)
    }

    pub(super) fn int(&mut self) -> Result<i32, Corrupt> {
        let number = u32::try_from(self.number()?).map_err(|_| Corrupt)?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn double(&mut self) -> Result<f64, Corrupt> {
        self.bytes.try_get_f64_le().map_err(|_| Corrupt)
    }

    /// Length and bytes.
    pub(super) fn block(&mut self) -> Result<Bytes, Corrupt> {
        let length = usize::try_from(self.number()?).map_err(|_| Corrupt)?;
        if length > self.bytes.len() {
            return Err(Corrupt);
        }
        Ok(self.bytes.split_to(length))
    }

    pub(super) fn text(&mut self) -> Result<String, Corrupt> {
        String::from_utf8(self.block()?.into()).map_err(|_| Corrupt)
    }
}
