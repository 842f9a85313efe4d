//! Secrets of a Secrets Store: one each channel, whatever else the store holds.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::{FailureKind, Reply, StreamId, kv};
use isthmus_stores::kv::KvNamespace;

use super::{Broker, CallFailure};
use crate::logs::LogLevel;

/// One secret.
pub(crate) struct SecretGrant {
    pub(crate) store: KvNamespace,
    /// What it is called there.
    pub(crate) name: String,
}

impl Broker {
    /// Reads a secret.
    pub(super) fn begin_secret(self: &Arc<Self>, stream: StreamId, secret: &SecretGrant) {
        let (store, name, broker) = (secret.store.clone(), secret.name.clone(), self.clone());
        tokio::spawn(async move {
            let read = kv::Operation::Get {
                key: &name,
                cache_ttl: None,
            };
            let found = match store.execute(&read, Bytes::new()).await {
                Ok(answer) => answer.into_value().await,
                Err(error) => Err(error),
            };
            let (kind, message) = match found {
                Ok(value) => match value.as_ref().map(|value| std::str::from_utf8(value)) {
                    Some(Ok(secret)) => return broker.answer(stream, Reply::Secret(secret), None),
                    Some(Err(_)) => (FailureKind::User, format!("The secret \"{name}\" is no text")),
                    // Upstream's words.
                    None => (FailureKind::User, format!("Secret \"{name}\" not found")),
                },
                Err(error) => {
                    if let Some(news) = store.news(&error) {
                        broker.logs.host(LogLevel::Error, format_args!("{news}"));
                    }
                    let why = error.message_of(&read);
                    (
                        FailureKind::Internal,
                        format!("The secret \"{name}\" can't be read: {why}"),
                    )
                }
            };
            broker.fail(stream, &CallFailure::new(kind, message), false);
        });
    }
}
