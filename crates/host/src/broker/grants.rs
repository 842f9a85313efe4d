//! What the channels of an isolate are. An isolate can name nothing else of the host's.

use isthmus_protocol::ChannelId;
use isthmus_stores::kv::KvNamespace;

use crate::network::Network;

/// What one channel is.
pub(crate) enum Grant {
    /// Outbound `fetch`.
    Fetch(Network),
    /// A KV namespace.
    Kv(KvNamespace),
}

/// The channels of one Worker's isolates: a channel is an index. Channel 0 is outbound `fetch`, which
/// every isolate has.
pub(crate) struct GrantTable {
    rows: Vec<Grant>,
}

impl Default for GrantTable {
    fn default() -> Self {
        Self::new(Network::default())
    }
}

impl GrantTable {
    /// A table of outbound `fetch` alone.
    pub(crate) fn new(network: Network) -> Self {
        Self {
            rows: vec![Grant::Fetch(network)],
        }
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
