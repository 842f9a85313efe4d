//! What must be true of an object for a read or a write: [RFC 9110, 13](https://www.rfc-editor.org/rfc/rfc9110#section-13)
//! with the platform's words.

use isthmus_protocol::r2;

/// An etag in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Etag {
    /// Any.
    Any,
    /// A strong one.
    Strong(String),
    /// A weak one.
    Weak(String),
}

/// What must be true of an object; see [`r2::Condition`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    matches: Option<Vec<Etag>>,
    does_not_match: Option<Vec<Etag>>,
    before: Option<i64>,
    after: Option<i64>,
    seconds: bool,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The object's etag.
    pub etag: &'a str,
    /// When it was written, in milliseconds since the epoch.
    pub uploaded: i64,
}

impl Condition {
    /// Whether it holds of an object, or of there being none. An engine asks in the transaction that writes.
    pub fn holds(&self, object: Option<Facts<'_>>) -> bool {
        let Some(Facts { etag, uploaded }) = object else {
            return self.matches.is_none() && self.after.is_none();
        };
        let round = |moment: i64| {
            if self.seconds {
                moment.div_euclid(1000)
            } else {
                moment
            }
        };
        let is_among = |etags: &[Etag], weakly: bool| {
            etags.iter().any(|known| match known {
                Etag::Any => true,
                Etag::Strong(value) => value == etag,
                Etag::Weak(value) => weakly && value == etag,
            })
        };
        let matches = self.matches.as_deref().map(|etags| is_among(etags, false));
        let differs = self.does_not_match.as_deref().map(|etags| !is_among(etags, true));
        let uploaded = round(uploaded);
        // An etag that agrees goes before a moment that doesn't.
        let is_after = self.after.is_none_or(|after| round(after) < uploaded) || differs == Some(true);
        let is_before = self.before.is_none_or(|before| uploaded < round(before)) || matches == Some(true);
        matches != Some(false) && differs != Some(false) && is_after && is_before
    }
}

impl From<&r2::Condition<'_>> for Condition {
    fn from(condition: &r2::Condition<'_>) -> Self {
        let owned = |etags: &Vec<r2::Etag<'_>>| etags.iter().map(Etag::from).collect();
        Self {
            matches: condition.etag_matches.as_ref().map(owned),
            does_not_match: condition.etag_does_not_match.as_ref().map(owned),
            before: condition.uploaded_before,
            after: condition.uploaded_after,
            seconds: condition.seconds,
        }
    }
}

impl From<&r2::Etag<'_>> for Etag {
    fn from(etag: &r2::Etag<'_>) -> Self {
        match *etag {
            r2::Etag::Any => Self::Any,
            r2::Etag::Strong(value) => Self::Strong(value.to_owned()),
            r2::Etag::Weak(value) => Self::Weak(value.to_owned()),
        }
    }
}
