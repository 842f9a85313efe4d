//! The path of a URL and the path of a file: percent-encoding, and what may never be looked for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What `encodeURIComponent` encodes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The path of a URL as the names of files have it; slashes in a row are one.
pub(crate) fn decode(path: &str) -> String {
    let decoded: Vec<_> = path
        .split('/')
        .map(|segment| {
            // What is no UTF-8 stays encoded, and so does all of its segment.
            let is_encoded = |(at, _)| {
                let digits = segment.as_bytes().get(at + 1..at + 3);
                digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            };
            match percent_decode_str(segment).decode_utf8() {
                Ok(text) if segment.match_indices('%').all(is_encoded) => text,
                _ => segment.into(),
            }
        })
        .collect();
    collapse(&decoded.join("/"))
}

/// The one URL path that a file's path has.
pub(crate) fn encode(path: &str) -> String {
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| utf8_percent_encode(segment, COMPONENT).to_string())
        .collect();
    segments.join("/")
}

/// Slashes in a row become one: a redirect to `//host` would lead elsewhere.
pub(crate) fn collapse(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    collapsed
}

/// The path below the folder that a decoded path names; `None` if it can be none of a file in it.
pub(crate) fn relative(path: &str) -> Option<&str> {
    let below = path.strip_prefix('/')?;
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\0', '\\']);
    below.split('/').all(is_name).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_by_segment() {
        assert_eq!(decode("/a%20b/%5Bc%5D/%C3%A9"), "/a b/[c]/é");
        assert_eq!(decode("/%ff%41/%zz%41/%4"), "/%ff%41/%zz%41/%4");
        assert_eq!(decode("//a///b%2F%2Fc"), "/a/b/c");
        assert_eq!(decode("/%2e%2e/a"), "/../a");
    }

    #[test]
    fn a_path_has_one_encoding() {
        assert_eq!(encode("/a b/[c]/é!*'()~@"), "/a%20b/%5Bc%5D/%C3%A9!*'()~%40");
        for path in ["/a b", "/é/[x]", "/%41", "/a+b,c;d"] {
            assert_eq!(decode(&encode(path)), path);
        }
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            "",
            "/",
            "a",
            "/..",
            "/../a",
            "/a/../b",
            "/a/./b",
            "/a//b",
            "/a\0",
            "/a\\..\\b",
            "/a/",
        ] {
            assert_eq!(relative(path), None, "{path:?}");
        }
        assert_eq!(relative("/a/..b/.c"), Some("a/..b/.c"));
    }
}
