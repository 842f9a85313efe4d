//! [`_headers`](https://developers.cloudflare.com/workers/static-assets/headers/): a pattern, and below it headers that answers
//! to URLs that fit get, or with `! ` before the name don't have.

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::pattern::Pattern;
use crate::rules::{Complaints, url};

/// The most rules.
const RULES_MAX: usize = 100;

/// The rules of a file.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    rules: Vec<(Pattern, Rule)>,
}

#[derive(Debug, Default)]
struct Rule {
    /// In order, each name once.
    set: Vec<(HeaderName, String)>,
    unset: Vec<HeaderName>,
}

impl Headers {
    /// Reads a file.
    pub(crate) fn read(text: &str, complaints: &mut Complaints) -> Self {
        let mut headers = Self::default();
        // The line of the pattern that headers belong to; its pattern, unless that is no good.
        let mut open: Option<(usize, Option<(Pattern, Rule)>)> = None;
        for (number, line) in complaints.lines(text) {
            if is_pattern(line) {
                headers.close(open.take(), complaints);
                if headers.rules.len() == RULES_MAX {
                    complaints.add(
                        number,
                        format!("there may be {RULES_MAX} rules; the rest is ignored"),
                    );
                    return headers;
                }
                let pattern = pattern(line).map_err(|message| complaints.add(number, message));
                open = Some((number, pattern.ok().map(|pattern| (pattern, Rule::default()))));
                continue;
            }
            let Some((_, rule)) = &mut open else {
                complaints.add(number, "a path must come before the headers");
                continue;
            };
            // What stands below a pattern that is no good has been spoken of.
            if let Some((_, rule)) = rule
                && let Err(message) = rule.add(line)
            {
                complaints.add(number, message);
            }
        }
        headers.close(open, complaints);
        headers
    }

    fn close(&mut self, open: Option<(usize, Option<(Pattern, Rule)>)>, complaints: &mut Complaints) {
        match open {
            Some((number, Some((_, rule)))) if rule.set.is_empty() && rule.unset.is_empty() => {
                complaints.add(number, "there are no headers below the path");
            }
            Some((_, Some(rule))) => self.rules.push(rule),
            _ => {}
        }
    }

    /// Changes the headers of an answer to a URL.
    pub(crate) fn apply(&self, asked: &Url, headers: &mut HeaderMap) {
        if self.rules.is_empty() {
            return;
        }
        let text = format!("https://{}{}", asked.host_str().unwrap_or_default(), asked.path());
        let path_at = text.len() - asked.path().len();
        let mut ours: Vec<&HeaderName> = Vec::new();
        for (pattern, rule) in &self.rules {
            let Some(matched) = pattern.matches(&text, path_at) else {
                continue;
            };
            for name in &rule.unset {
                headers.remove(name);
            }
            for (name, value) in &rule.set {
                // What a part of the path brings in may be no header.
                let Ok(value) = HeaderValue::from_str(&matched.fill(value)) else {
                    continue;
                };
                // Rules add to each other, but replace what was there before them.
                if ours.contains(&name) {
                    headers.append(name, value);
                } else {
                    headers.insert(name, value);
                    ours.push(name);
                }
            }
        }
    }
}

impl Rule {
    fn add(&mut self, line: &str) -> Result<(), String> {
        let name_of = |text: &str| {
            HeaderName::from_bytes(text.trim().as_bytes())
                .map_err(|_| format!("{:?} is no name of a header", text.trim()))
        };
        let Some((name, value)) = line.split_once(':') else {
            let Some(name) = line.strip_prefix("! ") else {
                return Err("a header is `name: value`, or `! name` to take it away".to_owned());
            };
            self.unset.push(name_of(name)?);
            return Ok(());
        };
        let (name, value) = (name_of(name)?, value.trim());
        if value.is_empty() {
            return Err(format!("the header {name} has no value"));
        }
        if value.contains(|character: char| character.is_control() && character != '\t') {
            return Err(format!("the value of {name} has a control character"));
        }
        match self.set.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            None => self.set.push((name, value.to_owned())),
        }
        Ok(())
    }
}

/// Whether a line is a pattern and no header: it begins with `/` or a scheme.
fn is_pattern(line: &str) -> bool {
    let scheme = line.find("://").map(|end| &line[..end]);
    line.starts_with('/')
        || scheme.is_some_and(|scheme| !scheme.is_empty() && !scheme.contains(char::is_whitespace))
}

fn pattern(line: &str) -> Result<Pattern, String> {
    let rule = url(line, false)?;
    if rule.has_host {
        let host = rule.text["https://".len()..]
            .split('/')
            .next()
            .unwrap_or_default();
        let port = host.rsplit_once(':').map(|(_, port)| port);
        if port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err("a host is given without a port".to_owned());
        }
    }
    Pattern::new(&rule.text).ok_or_else(|| "a path may have one `*`, and each name once".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Headers, Vec<(usize, String)>) {
        let mut complaints = Complaints {
            file: "_headers",
            list: Vec::new(),
        };
        let headers = Headers::read(text, &mut complaints);
        let list = complaints
            .list
            .into_iter()
            .map(|complaint| (complaint.line, complaint.message));
        (headers, list.collect())
    }

    fn applied(headers: &Headers, url: &str) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        map.insert("etag", HeaderValue::from_static("\"1\""));
        map.insert("x", HeaderValue::from_static("before"));
        headers.apply(&Url::parse(url).expect("a URL"), &mut map);
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        map.iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn rules_add_up_and_replace_what_was_before() {
        let (headers, complaints) = read(
            "/*\n  X: one\n  X: two\n  ! ETag\n# comment\n/a/:name\n  X: three :name\n  Link: <https://h.test/:name>\nhttps://:sub.h.test/*\n  Sub: :sub\n",
        );
        assert_eq!(complaints, []);
        let pairs = |expected: &[(&str, &str)]| {
            expected
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(applied(&headers, "http://h.test/b"), pairs(&[("x", "one, two")]));
        assert_eq!(
            applied(&headers, "http://w.h.test:8787/a/n"),
            pairs(&[
                ("x", "one, two"),
                ("x", "three n"),
                ("link", "<https://h.test/n>"),
                ("sub", "w")
            ])
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let (headers, complaints) = read(
            "X: early\n/empty\n/a\n  nonsense\n  bad name: x\n  Empty:\n  Good: 1\nftp://h.test/\n  X: 1\nhttps://h.test:80/\n  Y: 1\n/*/*\n",
        );
        let lines: Vec<_> = complaints.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 6, 8, 10, 12], "{complaints:?}");
        assert_eq!(headers.rules.len(), 1);
    }
}
