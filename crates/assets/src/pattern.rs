//! The patterns of rules: `*` is any text and captured as `splat`, `:name` a part of the path, or of the host.

use regex::{Captures, Regex};

/// A pattern of `_redirects` and `_headers`.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// It says of which host it speaks.
    has_host: bool,
}

/// What the names of a pattern stand for.
pub(crate) struct Matched<'a> {
    captures: Captures<'a>,
    regex: &'a Regex,
}

impl Pattern {
    /// `None` if a name occurs twice, or `*` does: such rules never match.
    pub(crate) fn new(rule: &str) -> Option<Self> {
        const HTTPS: &str = "https://";
        let has_host = rule.starts_with(HTTPS);
        let host_end = if has_host {
            rule[HTTPS.len()..]
                .find('/')
                .map_or(rule.len(), |end| end + HTTPS.len())
        } else {
            0
        };
        let mut regex = String::from("^");
        let mut rest = rule;
        while let Some(character) = rest.chars().next() {
            let at = rule.len() - rest.len();
            let name = rest
                .strip_prefix(':')
                .map(name_in)
                .filter(|name| !name.is_empty());
            match (character, name) {
                ('*', _) => {
                    regex.push_str("(?<splat>.*)");
                    rest = &rest[1..];
                }
                (':', Some(name)) => {
                    let part = if at < host_end { "[^/.]+" } else { "[^/]+" };
                    regex.push_str(&format!("(?<{name}>{part})"));
                    rest = &rest[1 + name.len()..];
                }
                _ => {
                    let (literal, after) = rest.split_at(character.len_utf8());
                    regex.push_str(&regex::escape(literal));
                    rest = after;
                }
            }
        }
        regex.push('$');
        Some(Self {
            regex: Regex::new(&regex).ok()?,
            has_host,
        })
    }

    /// Whether a URL fits, given as `https://host/path`, whatever its scheme and port; `path_at` is where the path begins.
    pub(crate) fn matches<'a>(&'a self, url: &'a str, path_at: usize) -> Option<Matched<'a>> {
        let text = if self.has_host { url } else { &url[path_at..] };
        let captures = self.regex.captures(text)?;
        Some(Matched {
            captures,
            regex: &self.regex,
        })
    }
}

/// The name that a text begins with: a letter, then letters, digits and underscores.
fn name_in(text: &str) -> &str {
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return "";
    }
    let end = text
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    &text[..end]
}

impl Matched<'_> {
    /// A text with what the names in it (`:name`, `:splat`) stand for.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for name in self.regex.capture_names().flatten() {
            if let Some(value) = self.captures.name(name) {
                filled = filled.replace(&format!(":{name}"), value.as_str());
            }
        }
        filled
    }
}

/// Whether a rule has `*` or names.
pub(crate) fn is_static(rule: &str) -> bool {
    let has_name = rule
        .match_indices(':')
        .any(|(at, _)| !name_in(&rule[at + 1..]).is_empty());
    !has_name && !rule.contains('*')
}

/// Whether a path fits a pattern in which `*` alone is special.
pub(crate) fn glob(pattern: &str, path: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<_> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rule: &str, host: &str, path: &str, text: &str) -> Option<String> {
        let url = format!("https://{host}{path}");
        let pattern = Pattern::new(rule)?;
        let matched = pattern.matches(&url, "https://".len() + host.len())?;
        Some(matched.fill(text))
    }

    #[test]
    fn names_and_splats_are_captured() {
        let path = |rule, path, text| filled(rule, "h.test", path, text);
        assert_eq!(path("/a/*", "/a/b/c", "/x/:splat").as_deref(), Some("/x/b/c"));
        assert_eq!(
            path("/:year/:slug", "/2026/hi", "/:slug-:year").as_deref(),
            Some("/hi-2026")
        );
        assert_eq!(path("/:year/:slug", "/2026/hi/more", ""), None);
        assert_eq!(path("/a.b", "/axb", ""), None);
        assert_eq!(path("/a/:x_1", "/a/é", ":x_1").as_deref(), Some("é"));
        assert_eq!(path("/*/:a", "/x/y/z", ":splat,:a").as_deref(), Some("x/y,z"));
        assert_eq!(path("/:a/:a", "/x/x", ""), None);
        assert_eq!(path("/*/*", "/x/x", ""), None);
        assert_eq!(path("/:1", "/:1", "literal").as_deref(), Some("literal"));
    }

    #[test]
    fn a_host_is_matched_in_parts() {
        let host = |rule, host| filled(rule, host, "/p", ":sub");
        assert_eq!(
            host("https://:sub.example.com/*", "a.example.com").as_deref(),
            Some("a")
        );
        assert_eq!(host("https://:sub.example.com/*", "a.b.example.com"), None);
        assert_eq!(host("https://example.com/p", "example.org"), None);
    }

    #[test]
    fn globs() {
        for (pattern, path, fits) in [
            ("/api/*", "/api/", true),
            ("/api/*", "/api", false),
            ("/api", "/api", true),
            ("/api", "/api/x", false),
            ("/a*b*c", "/abbbc", true),
            ("/a*b*c", "/ac", false),
            ("*", "/", true),
            ("/*.png", "/x/y.png", true),
            ("/aa*aa", "/aaa", false),
            ("/[a]?", "/[a]?", true),
        ] {
            assert_eq!(glob(pattern, path), fits, "{pattern} {path}");
        }
    }
}
