//! `/cdn-cgi/handler/…` and `/__scheduled`: events that a developer sets off by hand; `/cdn-cgi/client/v4/…`: queues. Only for clients on this machine that
//! address it by a local name, since a page on the internet can make a browser send such requests.

use std::net::{IpAddr, SocketAddr};

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::queues;
use super::target::Target;
use crate::pages::Page;

/// The paths that are the host's.
const PREFIX: &str = "/cdn-cgi/handler/";

/// Where cron triggers were set off before.
const DEPRECATED: &str = "/cdn-cgi/mf/scheduled";

/// Where they are with `--test-scheduled`.
const TEST_SCHEDULED: &str = "/__scheduled";

/// The latest and, negated, the earliest time that a `Date` can be, in milliseconds since the epoch.
const TIME_MAX: i64 = 8_640_000_000_000_000;

/// What an admin request asks for.
#[derive(Debug)]
pub(super) enum Admin {
    /// The Worker's test handler.
    Test,
    /// The Worker's `scheduled` handler.
    Scheduled(Scheduled),
    /// The REST API of queues.
    Queues(queues::Route),
    /// The same for a client that it isn't for.
    Refused(queues::Refusal),
}

/// A cron trigger set off by hand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    /// The expression that the Worker is told, whether it is configured or not.
    pub(super) cron: String,
    /// For when, in milliseconds since the epoch; now if `None`.
    pub(super) time: Option<i64>,
    /// How the client is answered.
    pub(super) answer: Answer,
    /// It came by a path that will go.
    pub(super) is_deprecated: bool,
}

/// How the client of a cron trigger is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `ok` or `exception`.
    Outcome,
    /// The same and `noRetry` as JSON.
    Json,
    /// With a sentence.
    Sentence,
}

/// Whether a request is for the host itself, and what it asks for.
///
/// # Errors
/// A page for what isn't there or isn't allowed.
pub(super) fn read(
    head: &Parts,
    target: &Target,
    peer: SocketAddr,
    test_scheduled: bool,
) -> Result<Option<Admin>, Page> {
    let path = target.path();
    let is_allowed = || {
        peer.ip().to_canonical().is_loopback()
            && is_local(target.authority())
            && is_local_origin(&head.headers)
    };
    if let Some(route) = queues::Route::of(&head.method, path) {
        return Ok(Some(if is_allowed() {
            Admin::Queues(route)
        } else {
            Admin::Refused(queues::Refusal::forbidden(
                "Queues answer only to this machine, addressed as localhost.",
            ))
        }));
    }
    let handler = path.strip_prefix(PREFIX);
    if handler.is_none() && path != DEPRECATED && !(test_scheduled && path == TEST_SCHEDULED) {
        return Ok(None);
    }
    if !is_allowed() {
        return Err(Page::forbidden(
            "What sets off events of a Worker answers only to this machine, addressed as localhost.",
        ));
    }
    match handler {
        Some("test") if head.method == Method::POST => Ok(Some(Admin::Test)),
        Some("test") => Err(Page::only_post("The test handler is run by POST.")),
        Some("scheduled") => scheduled(target.query(), false).map(Some),
        Some(_) => Err(Page::not_found(&format!(
            "\"{path}\" is not a valid handler. There are: /cdn-cgi/handler/scheduled and POST /cdn-cgi/handler/test"
        ))),
        None if path == DEPRECATED => scheduled(target.query(), true).map(Some),
        None => Ok(Some(Admin::Scheduled(Scheduled {
            cron: parameter(target.query(), "cron").unwrap_or_default(),
            time: None,
            answer: Answer::Sentence,
            is_deprecated: false,
        }))),
    }
}

/// `?cron=&time=&format=`
fn scheduled(query: &str, is_deprecated: bool) -> Result<Admin, Page> {
    let time = parameter(query, "time").filter(|time| !time.is_empty());
    let time = match time.map(|time| time.parse::<i64>()) {
        None => None,
        Some(Ok(time)) if (-TIME_MAX..=TIME_MAX).contains(&time) => Some(time),
        Some(_) => {
            return Err(Page::bad_request(
                "`time` is no number of milliseconds since 1970 that a Date can be.",
            ));
        }
    };
    let answer = match parameter(query, "format").as_deref() {
        Some("json") => Answer::Json,
        _ => Answer::Outcome,
    };
    Ok(Admin::Scheduled(Scheduled {
        cron: parameter(query, "cron").unwrap_or_default(),
        time,
        answer,
        is_deprecated,
    }))
}

/// The first value of a parameter.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Whether an authority (`host` or `host:port`) names this machine whatever a name server says.
fn is_local(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// A browser says which page a request comes from; of an image or a link, only whether that is another site.
fn is_local_origin(headers: &HeaderMap) -> bool {
    let from_another_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    !from_another_site
        && headers.get_all(ORIGIN).iter().all(|origin| {
            origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
                .is_some_and(|(_, authority)| is_local(authority))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_scheduled(query: &str) -> Option<Scheduled> {
        match scheduled(query, false) {
            Ok(Admin::Scheduled(trigger)) => Some(trigger),
            _ => None,
        }
    }

    #[test]
    fn a_trigger_is_read_from_its_query() {
        let trigger = read_scheduled("cron=*/5+*+*+*+mon%23L&time=1700000000123&cron=no&format=json");
        assert_eq!(
            trigger,
            Some(Scheduled {
                cron: "*/5 * * * mon#L".to_owned(),
                time: Some(1_700_000_000_123),
                answer: Answer::Json,
                is_deprecated: false,
            })
        );
        let bare = read_scheduled("").expect("valid");
        assert_eq!(
            (bare.cron.as_str(), bare.time, bare.answer),
            ("", None, Answer::Outcome)
        );
        assert_eq!(read_scheduled("time=").expect("valid").time, None);
        assert_eq!(read_scheduled("time=-5").expect("valid").time, Some(-5));
        for bad in ["abc", "1.5", "8640000000000001", "99999999999999999999"] {
            assert_eq!(read_scheduled(&format!("time={bad}")), None, "{bad}");
        }
    }

    #[test]
    fn only_names_that_need_no_name_server_are_local() {
        for local in [
            "localhost",
            "LOCALHOST:8787",
            "a.localhost:1",
            "localhost.",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:8787",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "example.com",
            "localhost.example.com",
            "10.0.0.1:80",
            "[::2]:1",
            "",
            ":80",
            "notlocalhost",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn a_foreign_page_is_no_local_origin() {
        let with = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().expect("a header value"));
            is_local_origin(&headers)
        };
        assert!(is_local_origin(&HeaderMap::new()));
        assert!(with("http://localhost:8787"));
        assert!(!with("https://evil.example") && !with("null"));
        for (site, local) in [
            ("none", true),
            ("same-origin", true),
            ("same-site", true),
            ("cross-site", false),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("sec-fetch-site"),
                http::HeaderValue::from_static(site),
            )]);
            assert_eq!(is_local_origin(&headers), local, "{site}");
        }
    }
}
