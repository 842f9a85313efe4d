//! Percent-encoding and its sets. <https://url.spec.whatwg.org/#percent-encoded-bytes>

/// Which ASCII characters are encoded; everything else outside ASCII always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(u128);

impl Set {
    pub(super) const C0_CONTROL: Self = Self(((1 << 0x20) - 1) | (1 << 0x7F));
    pub(super) const FRAGMENT: Self = Self::C0_CONTROL.and(b" \"<>`");
    pub(super) const QUERY: Self = Self::C0_CONTROL.and(b" \"#<>");
    pub(super) const SPECIAL_QUERY: Self = Self::QUERY.and(b"'");
    pub(super) const PATH: Self = Self::QUERY.and(b"?^`{}");
    pub(super) const USERINFO: Self = Self::PATH.and(b"/:;=@[\\]|");

    const fn and(self, characters: &[u8]) -> Self {
        let mut bits = self.0;
        let mut index = 0;
        while index < characters.len() {
            bits |= 1 << characters[index];
            index += 1;
        }
        Self(bits)
    }

    fn contains(self, character: char) -> bool {
        !character.is_ascii() || (self.0 >> (character as u32)) & 1 == 1
    }
}

/// Appends a character, encoded if the set says so.
pub(super) fn push(text: &mut String, character: char, set: Set) {
    if set.contains(character) {
        let mut buffer = [0; 4];
        for byte in character.encode_utf8(&mut buffer).bytes() {
            push_byte(text, byte);
        }
    } else {
        text.push(character);
    }
}

fn push_byte(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// A text with every character of the set encoded.
pub(super) fn encode(text: &str, set: Set) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        push(&mut encoded, character, set);
    }
    encoded
}

/// The bytes that a text stands for; what is no valid escape stays.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        match (byte, digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits fit into a byte.
                decoded.push((high * 16 + low) as u8);
                index += 3;
            }
            _ => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    decoded
}
