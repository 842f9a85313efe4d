//! What the files of rules have in common: lines, URLs, and complaints about them.

use url::Url;

/// A line may have so many bytes.
const LINE_MAX: usize = 2000;

/// A line that is ignored, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `_redirects` or `_headers`.
    pub file: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Complaints about one file.
pub(crate) struct Complaints {
    pub(crate) file: &'static str,
    pub(crate) list: Vec<Complaint>,
}

impl Complaints {
    pub(crate) fn add(&mut self, line: usize, message: impl Into<String>) {
        self.list.push(Complaint {
            file: self.file,
            line,
            message: message.into(),
        });
    }

    /// The lines that say something, trimmed, with their numbers.
    pub(crate) fn lines<'a>(&mut self, text: &'a str) -> Vec<(usize, &'a str)> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (number, line) = (at + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.len() > LINE_MAX {
                self.add(number, format!("the line has more than {LINE_MAX} bytes"));
            } else {
                lines.push((number, line));
            }
        }
        lines
    }
}

/// A URL of a rule: a path, or with a host if `https://` stands before it.
pub(crate) struct RuleUrl {
    /// With its path as URLs have it.
    pub(crate) text: String,
    pub(crate) has_host: bool,
}

/// Reads a URL of a rule; with `whole`, query and fragment stay.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn url(token: &str, whole: bool) -> Result<RuleUrl, String> {
    if let Some(rest) = token.strip_prefix("https://") {
        let rest = rest.trim_start_matches('/');
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() {
            return Err("the URL has no host".to_owned());
        }
        return Ok(RuleUrl {
            text: format!("https://{host}{}", path_of(path, whole)?),
            has_host: true,
        });
    }
    if !token.starts_with('/') {
        return Err("a URL must begin with `/` or `https://`".to_owned());
    }
    Ok(RuleUrl {
        text: path_of(token, whole)?,
        has_host: false,
    })
}

/// A path as the URL standard writes it.
fn path_of(path: &str, whole: bool) -> Result<String, String> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let url = Url::parse(&format!("rule://{slash}{path}"))
        .map_err(|error| format!("the path is no good: {error}"))?;
    let mut text = url.path().to_owned();
    if whole {
        if let Some(query) = url.query() {
            text.push('?');
            text.push_str(query);
        }
        if let Some(fragment) = url.fragment() {
            text.push('#');
            text.push_str(fragment);
        }
    }
    Ok(text)
}
