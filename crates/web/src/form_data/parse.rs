//! `multipart/form-data` as a form: <https://www.rfc-editor.org/rfc/rfc7578>.
//!
//! Lenient where senders differ: lines may end in LF alone if the first one does, text before the first boundary and
//! after the last is skipped, parameters may be tokens. Names and file names are read as browsers write them, `%22`,
//! `%0D` and `%0A` standing for what cannot stand between quotes.

use bytes::Bytes;

use super::{Entry, EntryValue};
use crate::file_api::Rope;
use crate::mime_type::is_token;

/// How long the headers of one part may be, in bytes.
const HEADERS_LIMIT: usize = 64 * 1024;

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("No initial boundary string (or you have a truncated message).")]
    NoBoundary,
    #[error("Boundary string was not succeeded by CRLF, LF, or '--'.")]
    AfterBoundary,
    #[error("No multipart message header termination found.")]
    HeadersOpen,
    #[error("The headers of a FormData part are too long.")]
    HeadersTooLong,
    #[error("No valid Content-Disposition header found in FormData part.")]
    NoDisposition,
    #[error(
        "Content-Disposition header for FormData part must have the value \"form-data\", possibly followed by parameters."
    )]
    NotFormData,
    #[error("Content-Disposition header in FormData part is missing a name.")]
    NoName,
    #[error("No subsequent boundary string after multipart message.")]
    Truncated,
}

/// The entries of `body`; files share its bytes.
pub(super) fn multipart(body: &Bytes, boundary: &str) -> Result<Vec<Entry>, Malformed> {
    // The boundary came from a header, one character per byte.
    let boundary: Vec<u8> = boundary
        .chars()
        .map(|c| u8::try_from(c).unwrap_or(b'?'))
        .collect();
    let delimiter = [b"--", boundary.as_slice()].concat();
    let mut position = first_boundary(body, &delimiter).ok_or(Malformed::NoBoundary)?;
    let mut entries = Vec::new();
    let mut line_end: Option<&[u8]> = None;
    loop {
        let rest = &body[position..];
        if rest.starts_with(b"--") {
            return Ok(entries);
        }
        let padding = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let found = line_ending(&rest[padding..]).ok_or(if padding == rest.len() {
            Malformed::HeadersOpen
        } else {
            Malformed::AfterBoundary
        })?;
        let line_end = *line_end.get_or_insert(found);
        position += padding + found.len();
        let (headers, length) = Headers::read(&body[position..])?;
        position += length;
        let delimiter = [line_end, delimiter.as_slice()].concat();
        let end = find(&body[position..], &delimiter).ok_or(Malformed::Truncated)?;
        entries.push(headers.entry(body.slice(position..position + end))?);
        position += end + delimiter.len();
    }
}

/// The position after the first boundary, which begins a line.
fn first_boundary(body: &[u8], delimiter: &[u8]) -> Option<usize> {
    if body.starts_with(delimiter) {
        return Some(delimiter.len());
    }
    let mut start = 0;
    loop {
        let found = start + find(&body[start..], delimiter)?;
        if body[found - 1] == b'\n' {
            return Some(found + delimiter.len());
        }
        start = found + 1;
    }
}

fn line_ending(bytes: &[u8]) -> Option<&'static [u8]> {
    if bytes.starts_with(b"\r\n") {
        Some(b"\r\n")
    } else if bytes.starts_with(b"\n") {
        Some(b"\n")
    } else {
        None
    }
}

/// Where `needle`, which is longer than two bytes, first occurs. Its last byte is looked up in a table of skips, so
/// that large files are passed over in strides (Horspool).
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let length = needle.len();
    let mut skips = [length; 256];
    for (index, &byte) in needle[..length - 1].iter().enumerate() {
        skips[usize::from(byte)] = length - 1 - index;
    }
    let mut start = 0;
    while let Some(window) = haystack.get(start..start + length) {
        if window == needle {
            return Some(start);
        }
        start += skips[usize::from(window[length - 1])];
    }
    None
}

/// What the headers of a part say.
struct Headers {
    name: String,
    file_name: Option<String>,
    media_type: Option<String>,
}

impl Headers {
    /// The headers at the beginning of `bytes`, and how long they are with the empty line after them.
    fn read(bytes: &[u8]) -> Result<(Self, usize), Malformed> {
        let mut disposition = None;
        let mut media_type = None;
        let mut position = 0;
        loop {
            let rest = &bytes[position..];
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                return Err(Malformed::HeadersOpen);
            };
            position += end + 1;
            if position > HEADERS_LIMIT {
                return Err(Malformed::HeadersTooLong);
            }
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|&byte| byte == b':') else {
                continue;
            };
            let value = line[colon + 1..].trim_ascii();
            match line[..colon].trim_ascii().to_ascii_lowercase().as_slice() {
                b"content-disposition" => disposition = Some(parse_disposition(value)?),
                // One character per byte, as in any header.
                b"content-type" => {
                    media_type = Some(value.iter().map(|&byte| char::from(byte)).collect());
                }
                _ => {}
            }
        }
        let (name, file_name) = disposition.ok_or(Malformed::NoDisposition)?;
        let headers = Self {
            name,
            file_name,
            media_type,
        };
        Ok((headers, position))
    }

    fn entry(self, content: Bytes) -> Result<Entry, Malformed> {
        let value = match self.file_name {
            // Without a byte order mark, as `UTF-8 decode without BOM` says.
            None => EntryValue::Text(String::from_utf8_lossy(&content).into_owned()),
            Some(file_name) => EntryValue::File {
                file_name,
                media_type: self.media_type.unwrap_or_else(|| "text/plain".to_owned()),
                rope: Rope::from(content),
            },
        };
        Ok(Entry {
            name: self.name,
            value,
        })
    }
}

/// Name and file name.
fn parse_disposition(value: &[u8]) -> Result<(String, Option<String>), Malformed> {
    let kind_end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    if !value[..kind_end].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err(Malformed::NotFormData);
    }
    let mut name = None;
    let mut file_name = None;
    let mut rest = &value[kind_end..];
    while let Some(parameter) = rest.strip_prefix(b";") {
        let parameter = parameter.trim_ascii_start();
        let key_end = parameter
            .iter()
            .position(|byte| matches!(byte, b'=' | b';'))
            .unwrap_or(parameter.len());
        let key = parameter[..key_end].trim_ascii().to_ascii_lowercase();
        rest = &parameter[key_end..];
        let Some(given) = rest.strip_prefix(b"=") else {
            continue;
        };
        let given = given.trim_ascii_start();
        let text;
        (text, rest) = parameter_value(given);
        match key.as_slice() {
            b"name" if name.is_none() => name = text,
            b"filename" if file_name.is_none() => file_name = text,
            _ => {}
        }
    }
    Ok((name.ok_or(Malformed::NoName)?, file_name))
}

/// A quoted string or a token, and what follows it from the next semicolon on.
fn parameter_value(given: &[u8]) -> (Option<String>, &[u8]) {
    let Some(quoted) = given.strip_prefix(b"\"") else {
        let end = given.iter().position(|&byte| byte == b';').unwrap_or(given.len());
        let token = given[..end].trim_ascii();
        let text = is_token(token).then(|| String::from_utf8_lossy(token).into_owned());
        return (text, &given[end..]);
    };
    let mut text = Vec::new();
    let mut index = 0;
    while let Some(&byte) = quoted.get(index) {
        match byte {
            b'"' => break,
            // A backslash that escapes nothing is one of a path.
            b'\\' if quoted.get(index + 1) == Some(&b'"') && quoted[index + 2..].contains(&b'"') => {
                text.push(b'"');
                index += 1;
            }
            b'%' => match quoted.get(index + 1..index + 3) {
                Some(b"22") => {
                    text.push(b'"');
                    index += 2;
                }
                Some(b"0D" | b"0d") => {
                    text.push(b'\r');
                    index += 2;
                }
                Some(b"0A" | b"0a") => {
                    text.push(b'\n');
                    index += 2;
                }
                _ => text.push(b'%'),
            },
            byte => text.push(byte),
        }
        index += 1;
    }
    if index >= quoted.len() {
        return (None, &[]);
    }
    let after = &quoted[index + 1..];
    let next = after.iter().position(|&byte| byte == b';').unwrap_or(after.len());
    (Some(String::from_utf8_lossy(&text).into_owned()), &after[next..])
}
