//! [`_redirects`](https://developers.cloudflare.com/workers/static-assets/redirects/): a path, where it leads, and a status.

use std::collections::{HashMap, HashSet};

use isthmus_project::HtmlHandling;
use url::Url;

use crate::paths;
use crate::pattern::{self, Pattern};
use crate::rules::{Complaints, url};

/// The most rules without and with `*` or names.
const STATIC_MAX: usize = 2000;
const DYNAMIC_MAX: usize = 100;

/// The rules of a file.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    fixed: HashMap<String, Rule>,
    patterns: Vec<(Pattern, Rule)>,
}

#[derive(Debug)]
struct Rule {
    to: String,
    status: u16,
}

/// Where a request is led.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Led {
    /// It gets what this path has, and doesn't notice.
    Rewritten(String),
    /// It is told to go there.
    Sent { status: u16, location: String },
}

impl Redirects {
    /// Reads a file.
    pub(crate) fn read(text: &str, html: HtmlHandling, complaints: &mut Complaints) -> Self {
        let mut redirects = Self::default();
        let mut seen = HashSet::new();
        for (number, line) in complaints.lines(text) {
            // A comment begins after white space: `#` may be part of a URL.
            let tokens: Vec<_> = line
                .split_whitespace()
                .take_while(|token| !token.starts_with('#'))
                .collect();
            let rule = rule(&tokens, html).and_then(|(from, rule)| {
                if seen.insert(from.clone()) {
                    Ok((from, rule))
                } else {
                    Err(format!("there is a rule for {from} already"))
                }
            });
            match rule {
                Ok((from, rule)) => {
                    // Rules go by their order, but those without patterns before the first with one need no search.
                    if redirects.patterns.is_empty() && pattern::is_static(&from) {
                        if redirects.fixed.len() == STATIC_MAX {
                            complaints.add(
                                number,
                                format!("there may be {STATIC_MAX} rules without `*` and `:name`"),
                            );
                        } else {
                            redirects.fixed.insert(from, rule);
                        }
                    } else if redirects.patterns.len() == DYNAMIC_MAX {
                        complaints.add(
                            number,
                            format!("there may be {DYNAMIC_MAX} rules from the first with `*` or `:name` on; the rest is ignored"),
                        );
                        break;
                    } else if let Some(pattern) = Pattern::new(&from) {
                        redirects.patterns.push((pattern, rule));
                    } else {
                        complaints.add(number, "a rule may have one `*`, and each name once");
                    }
                }
                Err(message) => complaints.add(number, message),
            }
        }
        redirects
    }

    /// Where a URL leads; `None` if no rule speaks of it.
    pub(crate) fn lead(&self, url: &Url) -> Option<Led> {
        let (status, to) = match self.fixed.get(url.path()) {
            Some(rule) => (rule.status, rule.to.clone()),
            None => {
                let text = format!("https://{}{}", url.host_str().unwrap_or_default(), url.path());
                let path_at = text.len() - url.path().len();
                self.patterns.iter().find_map(|(pattern, rule)| {
                    let matched = pattern.matches(&text, path_at)?;
                    let to = matched.fill(&rule.to);
                    let to = to.trim();
                    let to = if to.contains("://") {
                        to.to_owned()
                    } else {
                        paths::collapse(to)
                    };
                    Some((rule.status, to))
                })?
            }
        };
        let destination = url.join(&to).ok()?;
        if status == 200 {
            return Some(Led::Rewritten(destination.path().to_owned()));
        }
        Some(Led::Sent {
            status,
            location: location(url, &destination),
        })
    }
}

/// Where to go, as the header has it. A query that the rule doesn't say is the request's.
fn location(url: &Url, destination: &Url) -> String {
    let mut location = if destination.origin() == url.origin() {
        destination.path().to_owned()
    } else {
        let mut bare = destination.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        bare.to_string()
    };
    let query = destination.query().filter(|query| !query.is_empty());
    if let Some(query) = query.or_else(|| url.query().filter(|query| !query.is_empty())) {
        location.push('?');
        location.push_str(query);
    }
    if let Some(fragment) = destination.fragment() {
        location.push('#');
        location.push_str(fragment);
    }
    location
}

fn rule(tokens: &[&str], html: HtmlHandling) -> Result<(String, Rule), String> {
    let &[from, to, ref status @ ..] = tokens else {
        return Err("a rule has a path, a URL and perhaps a status".to_owned());
    };
    let status = match status {
        [] => 302,
        [status] => match status.parse() {
            Ok(status @ (200 | 301 | 302 | 303 | 307 | 308)) => status,
            _ => {
                return Err(format!(
                    "the status may be 200, 301, 302, 303, 307 or 308, not {status}"
                ));
            }
        },
        _ => return Err("a rule has a path, a URL and perhaps a status".to_owned()),
    };
    if from.starts_with("https://") {
        return Err("a rule begins with a path, not with a URL".to_owned());
    }
    let slash = if from.starts_with('/') { "" } else { "/" };
    let from = url(&format!("{slash}{from}"), false)?.text;
    let to = url(to, true)?;
    if !to.has_host {
        let to_index = to.text.ends_with("/index") || to.text.ends_with("/index.html");
        let is_circle = from.ends_with("/*") || (from.ends_with('/') && html != HtmlHandling::None);
        if to_index && is_circle {
            return Err(
                "the rule would lead to itself, since `index.html` is served as its folder".to_owned(),
            );
        }
    } else if status == 200 {
        return Err("a rule with status 200 leads to a path, not to another host".to_owned());
    }
    Ok((from, Rule { to: to.text, status }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Redirects, Vec<(usize, String)>) {
        let mut complaints = Complaints {
            file: "_redirects",
            list: Vec::new(),
        };
        let redirects = Redirects::read(text, HtmlHandling::default(), &mut complaints);
        let list = complaints
            .list
            .into_iter()
            .map(|complaint| (complaint.line, complaint.message));
        (redirects, list.collect())
    }

    fn led(redirects: &Redirects, url: &str) -> Option<Led> {
        redirects.lead(&Url::parse(url).expect("a URL"))
    }

    fn sent(status: u16, location: &str) -> Option<Led> {
        Some(Led::Sent {
            status,
            location: location.to_owned(),
        })
    }

    #[test]
    fn rules_lead_by_their_order() {
        let (redirects, complaints) = read(
            "# comment\n/a /b\n/c https://other.test/d?x=1#y 301 # why\nold /new 308\n/blog/:slug /posts/:slug 303\n\
             /r/* /files/:splat 200\n/blog/late /never\n/q /p?own=1\n",
        );
        assert_eq!(complaints, []);
        assert_eq!(led(&redirects, "http://h.test/a?q=1"), sent(302, "/b?q=1"));
        assert_eq!(
            led(&redirects, "http://h.test/c?q=1"),
            sent(301, "https://other.test/d?x=1#y")
        );
        assert_eq!(led(&redirects, "http://h.test/old"), sent(308, "/new"));
        assert_eq!(
            led(&redirects, "http://h.test/blog/late"),
            sent(303, "/posts/late")
        );
        assert_eq!(led(&redirects, "http://h.test/q?q=1"), sent(302, "/p?own=1"));
        let rewritten = Some(Led::Rewritten("/files/a/b".to_owned()));
        assert_eq!(led(&redirects, "http://h.test/r/a//b"), rewritten);
        assert_eq!(led(&redirects, "http://h.test/b"), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let (redirects, complaints) = read(
            "/a\n/b /c 404\nhttps://h.test/d /e\n/f g\n/h /i 301 j k\n/x /y\n/x /z\n/* /index.html 200\n/p https://o.test 200\n/:a/:a /b\n",
        );
        let lines: Vec<_> = complaints.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 7, 8, 9, 10], "{complaints:?}");
        assert_eq!(redirects.fixed.len(), 1);
    }
}
