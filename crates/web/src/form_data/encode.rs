//! A form as `multipart/form-data`: <https://html.spec.whatwg.org/#multipart-form-data>.

use super::{Entry, EntryValue};
use crate::file_api::{Builder, Rope};

/// The body that `entries` make, its files shared.
pub(super) fn multipart(entries: &[Entry], boundary: &str) -> Rope {
    let mut body = Builder::default();
    for Entry { name, value } in entries {
        let name = escaped(&with_crlf(name));
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        body.copy(head.as_bytes());
        match value {
            EntryValue::Text(text) => {
                body.copy(b"\r\n\r\n");
                body.share(with_crlf(text).into_bytes().into());
            }
            EntryValue::File {
                file_name,
                media_type,
                rope,
            } => {
                let file_name = escaped(file_name);
                let media_type = if media_type.is_empty() {
                    "application/octet-stream"
                } else {
                    media_type
                };
                let head = format!("; filename=\"{file_name}\"\r\nContent-Type: {media_type}\r\n\r\n");
                body.copy(head.as_bytes());
                body.append(rope);
            }
        }
        body.copy(b"\r\n");
    }
    body.copy(format!("--{boundary}--\r\n").as_bytes());
    body.finish()
}

/// `text` as it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

/// Every line ending as CR LF.
fn with_crlf(text: &str) -> String {
    if !text.contains(['\r', '\n']) {
        return text.to_owned();
    }
    let mut result = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                result.push_str("\r\n");
            }
            '\n' => result.push_str("\r\n"),
            c => result.push(c),
        }
    }
    result
}
