//! The state folder as a whole: what commands of the command line ask beside what a Worker may.

use std::path::Path;
use std::sync::Arc;

use isthmus_protocol::state::{Operation, Reply, StoreKind};
use isthmus_protocol::{Body, FailureKind, StreamId};
use isthmus_stores::sqlite::SqliteStores;
use isthmus_stores::state;

use super::{Broker, CallFailure};

impl Broker {
    /// Begins an operation.
    pub(super) fn begin_state(
        self: &Arc<Self>,
        stream: StreamId,
        stores: &Arc<SqliteStores>,
        operation: Operation<'_>,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        if !matches!(body, Body::None) {
            return Err(CallFailure::new(
                FailureKind::Internal,
                "the body of this call doesn't fit its operation",
            ));
        }
        let (broker, stores) = (self.clone(), stores.clone());
        let asked = match operation {
            Operation::Stores(kind) => Asked::Stores(kind),
            Operation::Backup { to } => Asked::Backup(to.to_owned()),
        };
        // Files are read, which may block.
        tokio::task::spawn_blocking(move || match asked {
            Asked::Stores(kind) => {
                let found = match kind {
                    StoreKind::Kv => stores.kv_ids(),
                    StoreKind::R2 => stores.r2_names(),
                    StoreKind::Queue => stores.queue_names(),
                    StoreKind::Secrets => stores.secrets_ids(),
                };
                match found {
                    Ok(ids) => {
                        let ids = ids.iter().map(String::as_str).collect();
                        broker.tell(stream, Reply::Stores(ids));
                    }
                    Err(error) => broker.refuse(stream, &error),
                }
            }
            Asked::Backup(to) => match state::backup(stores.root(), Path::new(&to), |_, _| {}) {
                Ok(state::BackedUp {
                    databases,
                    bodies,
                    bytes,
                }) => broker.tell(
                    stream,
                    Reply::BackedUp {
                        databases,
                        bodies,
                        bytes,
                    },
                ),
                Err(error) => broker.refuse(stream, &error),
            },
        });
        Ok(())
    }

    fn tell(&self, stream: StreamId, reply: Reply<'_>) {
        self.answer(stream, isthmus_protocol::Reply::State(reply), None);
    }

    fn refuse(&self, stream: StreamId, error: &dyn std::error::Error) {
        let failure = CallFailure::new(FailureKind::User, error.to_string());
        self.fail(stream, &failure, false);
    }
}

/// An operation that outlives its frame.
enum Asked {
    Stores(StoreKind),
    Backup(String),
}
