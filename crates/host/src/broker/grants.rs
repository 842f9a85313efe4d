//! What the channels of an isolate are. An isolate can name nothing else of the host's.

use std::sync::Arc;

use isthmus_assets::Assets;
use isthmus_protocol::ChannelId;
use isthmus_stores::cache::Caches;
use isthmus_stores::kv::KvNamespace;
use isthmus_stores::sqlite::SqliteStores;

use super::cache::CacheGrant;
use super::d1::D1Grant;
use super::queue::QueueGrant;
use super::r2::R2Grant;
use super::rate_limit::RateLimitGrant;
use super::secret::SecretGrant;
use crate::network::Network;

/// What one channel is.
pub(crate) enum Grant {
    /// Outbound `fetch`.
    Fetch(Network),
    /// The project's caches.
    Caches(CacheGrant),
    /// A KV namespace.
    Kv(KvNamespace),
    /// A D1 database.
    D1(D1Grant),
    /// The static assets.
    Assets(Arc<Assets>),
    /// A rate limit.
    RateLimit(RateLimitGrant),
    /// One secret.
    Secret(SecretGrant),
    /// A store that can't be opened; the log has said why.
    Unavailable,
    /// The state folder as a whole; never an isolate's.
    State(Arc<SqliteStores>),
    /// A queue to send to.
    Queue(QueueGrant),
    /// An R2 bucket.
    R2(R2Grant),
}

/// The channels of one Worker's isolates: a channel is an index. [`ChannelId::NETWORK`] and [`ChannelId::CACHES`] are what
/// every isolate has.
pub(crate) struct GrantTable {
    rows: Vec<Grant>,
}

impl Default for GrantTable {
    fn default() -> Self {
        Self::new(Network::default(), None)
    }
}

impl GrantTable {
    /// A table of what every isolate has, in the order of the constants of `ChannelId`; a program in plain CPython has no
    /// caches.
    pub(crate) fn new(network: Network, caches: Option<Caches>) -> Self {
        let mut rows = vec![Grant::Fetch(network)];
        rows.extend(caches.map(|caches| Grant::Caches(CacheGrant::new(caches))));
        Self { rows }
    }

    /// Exactly these, without what every isolate has: the channels of a command of the command line.
    pub(crate) fn of(rows: Vec<Grant>) -> Self {
        Self { rows }
    }

    /// Adds a row; answers its channel.
    pub(crate) fn add(&mut self, grant: Grant) -> ChannelId {
        // A project has far fewer bindings than 2^32.
        let channel = ChannelId(self.rows.len() as u32);
        self.rows.push(grant);
        channel
    }

    /// What a channel is, if it was granted.
    pub(crate) fn get(&self, channel: ChannelId) -> Option<&Grant> {
        self.rows.get(channel.0 as usize)
    }
}
