//! May a response be stored, and how long is it fresh? <https://www.rfc-editor.org/rfc/rfc9111>
//!
//! As a shared cache. Which statuses are stored, and how long what says nothing lives (not at all), is as upstream's
//! local simulator has it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Headers, header, header_list};

/// Statuses that are stored.
const STORED: [u16; 14] = [
    200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501,
];

/// Those of them that need explicit permission.
const BY_PERMISSION: [u16; 3] = [302, 303, 307];

/// Headers of a connection, not of a response; the age is reckoned anew.
const DROPPED: [&str; 9] = [
    "age",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// No response lives longer, in seconds.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// What `immutable` is worth where nothing else is said, in seconds.
const IMMUTABLE: u64 = 24 * 3600;

/// What becomes of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may not be stored; what is there stays.
    Refused,
    /// It may be stored, but is stale at once: it takes the place of what is there.
    Stale,
    /// It is stored.
    Fresh(Fresh),
}

/// A response to store; times in milliseconds since the epoch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    /// When it was made.
    pub(super) born: u64,
    /// From when on it is stale.
    pub(super) expires: u64,
    /// Its headers as they are stored.
    pub(super) headers: Headers,
}

/// Judges a response of `status` with `headers` to a GET request with the headers `request`.
pub(super) fn judge(request: &Headers, status: u16, mut headers: Headers, now: u64) -> Verdict {
    let control = Directives::of(&headers);
    for field in control.private_fields() {
        headers.retain(|(name, _)| *name != field);
    }
    let allowed_by = |names: &[&str]| names.iter().any(|name| control.has(name));
    let explicit = header(&headers, "expires").is_some() || allowed_by(&["max-age", "s-maxage", "public"]);
    if control.has("no-store")
        || control.is_private()
        || !STORED.contains(&status)
        || (BY_PERMISSION.contains(&status) && !explicit)
        || header(&headers, "set-cookie").is_some()
        || header_list(&headers, "vary").is_some_and(|vary| vary.contains('*'))
        || (header(request, "authorization").is_some()
            && !allowed_by(&["must-revalidate", "public", "s-maxage"]))
    {
        return Verdict::Refused;
    }
    let age = number(header(&headers, "age").unwrap_or_default()).unwrap_or(0);
    let lifetime = control.lifetime(&headers, now);
    if lifetime <= age {
        return Verdict::Stale;
    }
    let born = now.saturating_sub(age * 1000);
    let named: Vec<String> = header_list(&headers, "connection")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers.retain(|(name, _)| !DROPPED.contains(&name.as_str()) && !named.contains(name));
    if header(&headers, "date").is_none() {
        let date = UNIX_EPOCH + Duration::from_millis(now);
        headers.push(("date".to_owned(), httpdate::fmt_http_date(date).into_bytes()));
    }
    Verdict::Fresh(Fresh {
        born,
        expires: born + lifetime * 1000,
        headers,
    })
}

/// The directives of `cache-control`.
struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    fn of(headers: &Headers) -> Self {
        let Some(text) = header_list(headers, "cache-control") else {
            // An old way to say it, where the new one says nothing.
            let pragma = header_list(headers, "pragma").unwrap_or_default();
            let stale = pragma.to_ascii_lowercase().contains("no-cache");
            return Self(stale.then(|| ("no-cache".to_owned(), None)).into_iter().collect());
        };
        let mut quoted = false;
        let parts = text.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let directives = parts.map(|part| {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value.trim().trim_matches('"').to_owned())),
                None => (part, None),
            };
            (name.trim().to_ascii_lowercase(), value)
        });
        Self(directives.collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The argument of a directive, empty if it has none.
    fn argument(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// Whether all of the response is for one user alone.
    fn is_private(&self) -> bool {
        self.0
            .iter()
            .any(|(name, value)| name == "private" && value.as_deref().unwrap_or_default().is_empty())
    }

    /// The headers that are for one user alone.
    fn private_fields(&self) -> Vec<String> {
        let of_private = self.0.iter().filter(|(name, _)| name == "private");
        let lists = of_private.filter_map(|(_, value)| value.as_deref());
        lists
            .flat_map(|list| list.split([',', ';']))
            .map(|field| field.trim().to_ascii_lowercase())
            .collect()
    }

    /// How long the response is fresh from its making on, in seconds.
    fn lifetime(&self, headers: &Headers, now: u64) -> u64 {
        if self.has("no-cache") || self.has("proxy-revalidate") {
            return 0;
        }
        for name in ["s-maxage", "max-age"] {
            if let Some(seconds) = self.argument(name) {
                return number(seconds.as_bytes()).unwrap_or(0);
            }
        }
        let least = if self.has("immutable") { IMMUTABLE } else { 0 };
        let now = UNIX_EPOCH + Duration::from_millis(now);
        let made = header(headers, "date").and_then(date).unwrap_or(now);
        if let Some(expires) = header(headers, "expires") {
            let left = date(expires).and_then(|expires| expires.duration_since(made).ok());
            return left.map_or(0, |left| left.as_secs().max(least).min(LONGEST));
        }
        // What has not changed for long is not likely to change soon.
        let changed = header(headers, "last-modified").and_then(date);
        let unchanged = changed.and_then(|changed| made.duration_since(changed).ok());
        unchanged.map_or(least, |unchanged| {
            (unchanged.as_secs() / 10).max(least).min(LONGEST)
        })
    }
}

/// A number of seconds; one that is too large is the largest.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(LONGEST).min(LONGEST))
}

/// A date as HTTP writes it.
pub(super) fn date(text: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(text).ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn headers(list: &[(&str, &str)]) -> Headers {
        let owned = list
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        owned.collect()
    }

    fn seconds(status: u16, list: &[(&str, &str)]) -> Option<u64> {
        match judge(&Vec::new(), status, headers(list), NOW) {
            Verdict::Refused => None,
            Verdict::Stale => Some(0),
            Verdict::Fresh(fresh) => Some((fresh.expires - NOW) / 1000),
        }
    }

    #[test]
    fn directives_are_read_as_the_standard_writes_them() {
        for (control, expected) in [
            ("max-age=60", Some(60)),
            ("MAX-AGE=60", Some(60)),
            (" max-age = 60 ", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("x=\"a, no-store\", max-age=60", Some(60)),
            ("max-age=60, max-age=0", Some(60)),
            ("max-age=60, S-MaxAge=5", Some(5)),
            ("max-age=99999999999999999999999", Some(LONGEST)),
            ("max-age", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=+1", Some(0)),
            ("", Some(0)),
            (",,=,", Some(0)),
            ("No-Store", None),
            ("private", None),
            ("private=", None),
            ("private=\"\"", None),
            ("private=x-secret, max-age=60", Some(60)),
        ] {
            assert_eq!(seconds(200, &[("cache-control", control)]), expected, "{control}");
        }
    }

    #[test]
    fn dates_stand_in_for_directives() {
        let day = "Tue, 14 Nov 2023 22:13:20 GMT"; // NOW
        assert_eq!(
            seconds(200, &[("expires", "Tue, 14 Nov 2023 22:14:20 GMT")]),
            Some(60)
        );
        let past = [
            ("expires", "Tue, 14 Nov 2023 22:14:20 GMT"),
            ("date", "Tue, 14 Nov 2023 22:14:10 GMT"),
        ];
        assert_eq!(seconds(200, &past), Some(10));
        assert_eq!(seconds(200, &[("expires", "\u{ff}")]), Some(0));
        assert_eq!(
            seconds(200, &[("last-modified", "Tue, 14 Nov 2023 22:03:20 GMT")]),
            Some(60)
        );
        assert_eq!(
            seconds(
                200,
                &[("last-modified", "Tue, 14 Nov 2033 22:03:20 GMT"), ("date", day)]
            ),
            Some(0)
        );
        assert_eq!(
            seconds(200, &[("cache-control", "max-age=60"), ("age", "20")]),
            Some(40)
        );
        assert_eq!(
            seconds(200, &[("cache-control", "max-age=60"), ("age", "old")]),
            Some(60)
        );
    }

    #[test]
    fn what_is_private_is_not_stored() {
        let stored = judge(
            &Vec::new(),
            200,
            headers(&[
                ("cache-control", "max-age=9, private=\"set-cookie, X-A\""),
                ("set-cookie", "a"),
                ("x-a", "b"),
            ]),
            NOW,
        );
        let Verdict::Fresh(fresh) = stored else {
            panic!("it is stored")
        };
        let names: Vec<_> = fresh.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cache-control", "date"]);
        assert_eq!(
            seconds(
                200,
                &[("cache-control", "max-age=9, private=x-a"), ("set-cookie", "a")]
            ),
            None
        );
        assert_eq!(seconds(302, &[]), None);
        assert_eq!(seconds(302, &[("cache-control", "max-age=9")]), Some(9));
        assert_eq!(seconds(206, &[("cache-control", "max-age=9")]), None);
        assert_eq!(
            seconds(200, &[("cache-control", "max-age=9"), ("vary", "a, *")]),
            None
        );
    }

    #[test]
    fn headers_of_the_connection_are_left_out() {
        let stored = judge(
            &Vec::new(),
            200,
            headers(&[
                ("cache-control", "max-age=9"),
                ("connection", "close, X-Hop"),
                ("x-hop", "1"),
                ("transfer-encoding", "chunked"),
                ("age", "1"),
                ("date", "x"),
                ("x-a", "1"),
            ]),
            NOW,
        );
        let Verdict::Fresh(fresh) = stored else {
            panic!("it is stored")
        };
        assert_eq!(
            fresh.headers,
            headers(&[("cache-control", "max-age=9"), ("date", "x"), ("x-a", "1")])
        );
        assert_eq!((fresh.born, fresh.expires), (NOW - 1000, NOW + 8000));
    }
}
