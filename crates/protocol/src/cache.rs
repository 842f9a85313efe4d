//! Records of the Cache API: what is asked of the caches that the host keeps for a project. Bodies are the stream's,
//! both ways.

use serde::{Deserialize, Serialize};

use crate::{Header, ResponseHead};

/// An operation on one cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call<'a> {
    /// The cache's name; `None` for the default one.
    pub cache: Option<&'a str>,
    /// What names the entry: an absolute URL, or what `cf.cacheKey` said instead.
    pub key: &'a str,
    /// The headers of the request.
    #[serde(borrow)]
    pub headers: Vec<Header<'a>>,
    /// What is asked.
    #[serde(borrow)]
    pub operation: Operation<'a>,
}

/// What is asked of a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// Looks for a fresh response; the answer is [`Reply::Found`] or [`Reply::Nothing`].
    Match,
    /// Stores a response, whose body is the stream's, if it may be stored; the answer is [`Reply::Done`] either way, sent
    /// when what is stored is durable. A body that breaks off leaves everything as it was.
    Put(#[serde(borrow)] ResponseHead<'a>),
    /// Removes an entry; the answer is [`Reply::Done`], or [`Reply::Nothing`] if there was no fresh one.
    Delete,
}

/// The answer of a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// A stored response, or the part or the 304 that the request's headers asked for.
    Found(#[serde(borrow)] ResponseHead<'a>),
    /// There is no such entry.
    Nothing,
    /// It was done.
    Done,
}
