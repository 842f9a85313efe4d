//! The basic URL parser, a state machine over code points. <https://url.spec.whatwg.org/#concept-basic-url-parser>
//!
//! The names of states and the order of their steps are the standard's. Setters and URL patterns start it in the
//! middle ("state override") with a record that it changes.

use super::host;
use super::percent::{self, Set};
use super::record::{Url, default_port, is_drive, is_normalized_drive, is_special};

/// Where the parser is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SchemeStart,
    Scheme,
    NoScheme,
    SpecialRelativeOrAuthority,
    PathOrAuthority,
    Relative,
    RelativeSlash,
    SpecialAuthoritySlashes,
    SpecialAuthorityIgnoreSlashes,
    Authority,
    Host,
    Hostname,
    Port,
    File,
    FileSlash,
    FileHost,
    PathStart,
    Path,
    OpaquePath,
    Query,
    Fragment,
}

/// The input is no URL, or the part no such part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure;

/// What a state has the loop do.
enum Step {
    /// Go to the next code point.
    Next,
    /// Everything is parsed.
    Done,
}

impl Url {
    /// A URL from its text, which may be relative to `base`.
    pub(crate) fn parse(input: &str, base: Option<&Self>) -> Option<Self> {
        let mut url = Self::default();
        let input = input.trim_matches(|c| c <= ' ');
        run(input, base, &mut url, None).ok()?;
        Some(url)
    }

    /// Parses a part of a URL, beginning in `state`. The URL keeps what a failure finds already changed.
    pub(super) fn parse_part(&mut self, input: &str, state: State) -> Result<(), Failure> {
        run(input, None, self, Some(state))
    }
}

fn run(input: &str, base: Option<&Url>, url: &mut Url, part: Option<State>) -> Result<(), Failure> {
    let mut parser = Parser {
        input: input
            .chars()
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .collect(),
        pointer: 0,
        state: part.unwrap_or(State::SchemeStart),
        part,
        base,
        url,
        buffer: String::new(),
        at_sign_seen: false,
        inside_brackets: false,
        password_token_seen: false,
    };
    loop {
        let c = parser.input.get(parser.pointer).copied();
        match parser.step(c)? {
            Step::Done => return Ok(()),
            Step::Next if parser.is_past_end() => return Ok(()),
            Step::Next => parser.pointer = parser.pointer.wrapping_add(1),
        }
    }
}

struct Parser<'a> {
    input: Vec<char>,
    pointer: usize,
    state: State,
    /// The state that a setter began with.
    part: Option<State>,
    base: Option<&'a Url>,
    url: &'a mut Url,
    buffer: String,
    at_sign_seen: bool,
    inside_brackets: bool,
    password_token_seen: bool,
}

impl Parser<'_> {
    /// Whether the end of the input has been dealt with. Before the first code point the pointer has wrapped.
    fn is_past_end(&self) -> bool {
        self.pointer != usize::MAX && self.pointer >= self.input.len()
    }

    /// Goes `count` code points back; a state that is to see the same one again goes back by one.
    fn back(&mut self, count: usize) {
        self.pointer = self.pointer.wrapping_sub(count);
    }

    /// The code points after the current one.
    fn remaining(&self) -> &[char] {
        self.input.get(self.pointer.wrapping_add(1)..).unwrap_or_default()
    }

    /// Hands the current code point to another state.
    fn again(&mut self, state: State) -> Step {
        self.state = state;
        self.back(1);
        Step::Next
    }

    fn next(&mut self, state: State) -> Step {
        self.state = state;
        Step::Next
    }

    fn step(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match self.state {
            State::SchemeStart => self.scheme_start(c),
            State::Scheme => self.scheme(c),
            State::NoScheme => self.no_scheme(c),
            State::SpecialRelativeOrAuthority => Ok(match c {
                Some('/') if self.remaining().first() == Some(&'/') => {
                    self.pointer += 1;
                    self.next(State::SpecialAuthorityIgnoreSlashes)
                }
                _ => self.again(State::Relative),
            }),
            State::PathOrAuthority => Ok(match c {
                Some('/') => self.next(State::Authority),
                _ => self.again(State::Path),
            }),
            State::Relative => self.relative(c),
            State::RelativeSlash => Ok(self.relative_slash(c)),
            State::SpecialAuthoritySlashes => Ok(match c {
                Some('/') if self.remaining().first() == Some(&'/') => {
                    self.pointer += 1;
                    self.next(State::SpecialAuthorityIgnoreSlashes)
                }
                _ => self.again(State::SpecialAuthorityIgnoreSlashes),
            }),
            State::SpecialAuthorityIgnoreSlashes => Ok(match c {
                Some('/' | '\\') => Step::Next,
                _ => self.again(State::Authority),
            }),
            State::Authority => self.authority(c),
            State::Host | State::Hostname => self.host(c),
            State::Port => self.port(c),
            State::File => Ok(self.file(c)),
            State::FileSlash => Ok(self.file_slash(c)),
            State::FileHost => self.file_host(c),
            State::PathStart => Ok(self.path_start(c)),
            State::Path => Ok(self.path(c)),
            State::OpaquePath => Ok(self.opaque_path(c)),
            State::Query => Ok(self.query(c)),
            State::Fragment => {
                if let Some(c) = c {
                    percent::push(self.url.fragment.get_or_insert_default(), c, Set::FRAGMENT);
                }
                Ok(Step::Next)
            }
        }
    }

    fn scheme_start(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match c {
            Some(c) if c.is_ascii_alphabetic() => {
                self.buffer.push(c.to_ascii_lowercase());
                Ok(self.next(State::Scheme))
            }
            _ if self.part.is_none() => Ok(self.again(State::NoScheme)),
            _ => Err(Failure),
        }
    }

    fn scheme(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match c {
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.') => {
                self.buffer.push(c.to_ascii_lowercase());
                Ok(Step::Next)
            }
            Some(':') => Ok(self.scheme_end()),
            _ if self.part.is_none() => {
                self.buffer.clear();
                self.pointer = usize::MAX;
                Ok(self.next(State::NoScheme))
            }
            _ => Err(Failure),
        }
    }

    fn scheme_end(&mut self) -> Step {
        let url = &mut *self.url;
        if self.part.is_some() {
            let cannot_change = url.is_special() != is_special(&self.buffer)
                || (url.has_credentials() || url.port.is_some()) && self.buffer == "file"
                || url.scheme == "file" && url.host.as_deref().is_none_or(str::is_empty);
            if !cannot_change {
                url.scheme = std::mem::take(&mut self.buffer);
                if url.port == default_port(&url.scheme) {
                    url.port = None;
                }
            }
            return Step::Done;
        }
        url.scheme = std::mem::take(&mut self.buffer);
        if url.scheme == "file" {
            self.next(State::File)
        } else if url.is_special() {
            match self.base {
                Some(base) if base.scheme == self.url.scheme => self.next(State::SpecialRelativeOrAuthority),
                _ => self.next(State::SpecialAuthoritySlashes),
            }
        } else if self.remaining().first() == Some(&'/') {
            self.pointer += 1;
            self.next(State::PathOrAuthority)
        } else {
            self.url.is_opaque = true;
            self.next(State::OpaquePath)
        }
    }

    fn no_scheme(&mut self, c: Option<char>) -> Result<Step, Failure> {
        let base = self.base.ok_or(Failure)?;
        if base.is_opaque {
            if c != Some('#') {
                return Err(Failure);
            }
            *self.url = base.clone();
            self.url.fragment = Some(String::new());
            return Ok(self.next(State::Fragment));
        }
        Ok(self.again(match base.scheme.as_str() {
            "file" => State::File,
            _ => State::Relative,
        }))
    }

    fn relative(&mut self, c: Option<char>) -> Result<Step, Failure> {
        let base = self.base.ok_or(Failure)?;
        self.url.scheme.clone_from(&base.scheme);
        if c == Some('/') || c == Some('\\') && self.url.is_special() {
            return Ok(self.next(State::RelativeSlash));
        }
        self.inherit(base);
        self.url.path.clone_from(&base.path);
        self.url.query.clone_from(&base.query);
        Ok(match c {
            Some('?') => self.start_query(),
            Some('#') => self.start_fragment(),
            Some(_) => {
                self.url.query = None;
                self.url.shorten();
                self.again(State::Path)
            }
            None => Step::Next,
        })
    }

    fn relative_slash(&mut self, c: Option<char>) -> Step {
        match c {
            Some('/' | '\\') if self.url.is_special() => self.next(State::SpecialAuthorityIgnoreSlashes),
            Some('/') => self.next(State::Authority),
            _ => {
                if let Some(base) = self.base {
                    self.inherit(base);
                }
                self.again(State::Path)
            }
        }
    }

    /// Takes everything before the path from the base.
    fn inherit(&mut self, base: &Url) {
        self.url.username.clone_from(&base.username);
        self.url.password.clone_from(&base.password);
        self.url.host.clone_from(&base.host);
        self.url.port = base.port;
    }

    fn start_query(&mut self) -> Step {
        self.url.query = Some(String::new());
        self.next(State::Query)
    }

    fn start_fragment(&mut self) -> Step {
        self.url.fragment = Some(String::new());
        self.next(State::Fragment)
    }

    /// Whether a code point ends what comes before the path.
    fn ends_authority(&self, c: Option<char>) -> bool {
        matches!(c, None | Some('/' | '?' | '#')) || c == Some('\\') && self.url.is_special()
    }

    fn authority(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match c {
            Some('@') => {
                if self.at_sign_seen {
                    self.buffer.insert_str(0, "%40");
                }
                self.at_sign_seen = true;
                for c in std::mem::take(&mut self.buffer).chars() {
                    if c == ':' && !self.password_token_seen {
                        self.password_token_seen = true;
                    } else if self.password_token_seen {
                        percent::push(&mut self.url.password, c, Set::USERINFO);
                    } else {
                        percent::push(&mut self.url.username, c, Set::USERINFO);
                    }
                }
                Ok(Step::Next)
            }
            c if self.ends_authority(c) => {
                if self.at_sign_seen && self.buffer.is_empty() {
                    return Err(Failure);
                }
                self.back(self.buffer.chars().count() + 1);
                self.buffer.clear();
                Ok(self.next(State::Host))
            }
            Some(c) => {
                self.buffer.push(c);
                Ok(Step::Next)
            }
            None => Ok(Step::Next),
        }
    }

    fn host(&mut self, c: Option<char>) -> Result<Step, Failure> {
        if self.part.is_some() && self.url.scheme == "file" {
            return Ok(self.again(State::FileHost));
        }
        match c {
            Some(':') if !self.inside_brackets => {
                if self.buffer.is_empty() || self.part == Some(State::Hostname) {
                    return Err(Failure);
                }
                self.url.host = Some(host::parse(&self.buffer, self.url.is_special()).ok_or(Failure)?);
                self.buffer.clear();
                Ok(self.next(State::Port))
            }
            c if self.ends_authority(c) => {
                if self.buffer.is_empty() {
                    let needs_host = self.url.is_special()
                        || self.part.is_some() && (self.url.has_credentials() || self.url.port.is_some());
                    if needs_host {
                        return Err(Failure);
                    }
                }
                self.url.host = Some(host::parse(&self.buffer, self.url.is_special()).ok_or(Failure)?);
                self.buffer.clear();
                if self.part.is_some() {
                    return Ok(Step::Done);
                }
                Ok(self.again(State::PathStart))
            }
            Some(c) => {
                match c {
                    '[' => self.inside_brackets = true,
                    ']' => self.inside_brackets = false,
                    _ => {}
                }
                self.buffer.push(c);
                Ok(Step::Next)
            }
            None => Ok(Step::Next),
        }
    }

    fn port(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match c {
            Some(c) if c.is_ascii_digit() => {
                self.buffer.push(c);
                Ok(Step::Next)
            }
            c if self.ends_authority(c) || self.part.is_some() => {
                if !self.buffer.is_empty() {
                    let port: u16 = parse_port(&self.buffer).ok_or(Failure)?;
                    self.url.port = Some(port).filter(|_| default_port(&self.url.scheme) != Some(port));
                    self.buffer.clear();
                    if self.part.is_some() {
                        return Ok(Step::Done);
                    }
                }
                if self.part.is_some() {
                    return Err(Failure);
                }
                Ok(self.again(State::PathStart))
            }
            _ => Err(Failure),
        }
    }

    fn file(&mut self, c: Option<char>) -> Step {
        self.url.scheme.clear();
        self.url.scheme.push_str("file");
        self.url.host = Some(String::new());
        match (c, self.base.filter(|base| base.scheme == "file")) {
            (Some('/' | '\\'), _) => self.next(State::FileSlash),
            (c, Some(base)) => {
                self.url.host.clone_from(&base.host);
                self.url.path.clone_from(&base.path);
                self.url.query.clone_from(&base.query);
                match c {
                    Some('?') => self.start_query(),
                    Some('#') => self.start_fragment(),
                    Some(_) => {
                        self.url.query = None;
                        if self.starts_with_drive() {
                            self.url.path.clear();
                        } else {
                            self.url.shorten();
                        }
                        self.again(State::Path)
                    }
                    None => Step::Next,
                }
            }
            (_, None) => self.again(State::Path),
        }
    }

    /// Whether the rest, the current code point included, begins with a Windows drive letter.
    fn starts_with_drive(&self) -> bool {
        match self.input.get(self.pointer..) {
            Some([letter, ':' | '|', rest @ ..]) => {
                letter.is_ascii_alphabetic() && matches!(rest.first(), None | Some('/' | '\\' | '?' | '#'))
            }
            _ => false,
        }
    }

    fn file_slash(&mut self, c: Option<char>) -> Step {
        if matches!(c, Some('/' | '\\')) {
            return self.next(State::FileHost);
        }
        if let Some(base) = self.base.filter(|base| base.scheme == "file") {
            self.url.host.clone_from(&base.host);
            let first = base.path.split('/').nth(1).unwrap_or_default();
            if !self.starts_with_drive() && is_normalized_drive(first) {
                self.url.path = format!("/{first}");
            }
        }
        self.again(State::Path)
    }

    fn file_host(&mut self, c: Option<char>) -> Result<Step, Failure> {
        match c {
            None | Some('/' | '\\' | '?' | '#') => {
                self.back(1);
                if self.part.is_none() && is_drive(&self.buffer) {
                    // Stays in the buffer: it is the path's first segment.
                    return Ok(self.next(State::Path));
                }
                let host = match self.buffer.as_str() {
                    "" => String::new(),
                    text => host::parse(text, self.url.is_special()).ok_or(Failure)?,
                };
                self.url.host = Some(if host == "localhost" { String::new() } else { host });
                if self.part.is_some() {
                    return Ok(Step::Done);
                }
                self.buffer.clear();
                Ok(self.next(State::PathStart))
            }
            Some(c) => {
                self.buffer.push(c);
                Ok(Step::Next)
            }
        }
    }

    fn path_start(&mut self, c: Option<char>) -> Step {
        if self.url.is_special() {
            return match c {
                Some('/' | '\\') => self.next(State::Path),
                _ => self.again(State::Path),
            };
        }
        match c {
            Some('?') if self.part.is_none() => self.start_query(),
            Some('#') if self.part.is_none() => self.start_fragment(),
            Some('/') => self.next(State::Path),
            Some(_) => self.again(State::Path),
            None => {
                if self.part.is_some() && self.url.host.is_none() {
                    self.url.path.push('/');
                }
                Step::Next
            }
        }
    }

    fn path(&mut self, c: Option<char>) -> Step {
        let is_slash = c == Some('/') || c == Some('\\') && self.url.is_special();
        let ends = c.is_none() || is_slash || matches!(c, Some('?' | '#')) && self.part.is_none();
        if !ends {
            if let Some(c) = c {
                percent::push(&mut self.buffer, c, Set::PATH);
            }
            return Step::Next;
        }
        let segment = std::mem::take(&mut self.buffer);
        match segment.to_ascii_lowercase().as_str() {
            ".." | ".%2e" | "%2e." | "%2e%2e" => {
                self.url.shorten();
                if !is_slash {
                    self.url.path.push('/');
                }
            }
            "." | "%2e" => {
                if !is_slash {
                    self.url.path.push('/');
                }
            }
            _ => {
                self.url.path.push('/');
                if self.url.scheme == "file" && self.url.path.len() == 1 && is_drive(&segment) {
                    self.url.path.push_str(&segment[..1]);
                    self.url.path.push(':');
                } else {
                    self.url.path.push_str(&segment);
                }
            }
        }
        match c {
            Some('?') => self.start_query(),
            Some('#') => self.start_fragment(),
            _ => Step::Next,
        }
    }

    fn opaque_path(&mut self, c: Option<char>) -> Step {
        match c {
            Some('?') => self.start_query(),
            Some('#') => self.start_fragment(),
            Some(' ') if matches!(self.remaining().first(), Some('?' | '#')) => {
                self.url.path.push_str("%20");
                Step::Next
            }
            Some(c) => {
                percent::push(&mut self.url.path, c, Set::C0_CONTROL);
                Step::Next
            }
            None => Step::Next,
        }
    }

    fn query(&mut self, c: Option<char>) -> Step {
        match c {
            Some('#') if self.part.is_none() => self.start_fragment(),
            Some(c) => {
                let set = if self.url.is_special() {
                    Set::SPECIAL_QUERY
                } else {
                    Set::QUERY
                };
                percent::push(self.url.query.get_or_insert_default(), c, set);
                Step::Next
            }
            None => Step::Next,
        }
    }
}

/// A port from its digits; zeros may lead.
fn parse_port(digits: &str) -> Option<u16> {
    match digits.trim_start_matches('0') {
        "" => Some(0),
        digits => digits.parse().ok(),
    }
}
