//! What the setters of `URL` do to a record. <https://url.spec.whatwg.org/#api>

use super::parser::State;
use super::record::Url;

impl Url {
    /// Sets the part of a name; what it may not become, it stays.
    pub(super) fn set(&mut self, part: &str, value: &str) {
        match part {
            "protocol" => self.attempt(&format!("{value}:"), State::SchemeStart),
            "username" if !self.cannot_have_credentials() => self.set_username(value),
            "password" if !self.cannot_have_credentials() => self.set_password(value),
            "host" if !self.is_opaque => self.attempt(value, State::Host),
            "hostname" if !self.is_opaque => self.attempt(value, State::Hostname),
            "port" if !self.cannot_have_credentials() => {
                if value.is_empty() {
                    self.port = None;
                } else {
                    self.attempt(value, State::Port);
                }
            }
            "pathname" if !self.is_opaque => {
                self.path.clear();
                self.attempt(value, State::PathStart);
            }
            "search" => {
                self.query = None;
                if !value.is_empty() {
                    self.query = Some(String::new());
                    self.attempt(value.strip_prefix('?').unwrap_or(value), State::Query);
                }
            }
            "hash" => {
                self.fragment = None;
                if !value.is_empty() {
                    self.fragment = Some(String::new());
                    self.attempt(value.strip_prefix('#').unwrap_or(value), State::Fragment);
                }
            }
            _ => {}
        }
    }

    /// Parses a part; setters do not tell when that fails.
    fn attempt(&mut self, value: &str, state: State) {
        let _ = self.parse_part(value, state);
    }
}
