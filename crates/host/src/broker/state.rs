//! The state folder as a whole: what commands of the command line ask beside what a Worker may.

use std::sync::Arc;

use isthmus_protocol::state::{Operation, Reply, StoreKind};
use isthmus_protocol::{Body, FailureKind, StreamId};
use isthmus_stores::sqlite::SqliteStores;

use super::{Broker, CallFailure};

impl Broker {
    /// Begins an operation.
    pub(super) fn begin_state(
        self: &Arc<Self>,
        stream: StreamId,
        stores: &Arc<SqliteStores>,
        operation: Operation,
        body: &Body<'_>,
    ) -> Result<(), CallFailure> {
        if !matches!(body, Body::None) {
            return Err(CallFailure::new(
                FailureKind::Internal,
                "the body of this call doesn't fit its operation",
            ));
        }
        let (broker, stores) = (self.clone(), stores.clone());
        // Folders are read, which may block.
        tokio::task::spawn_blocking(move || {
            let found = match operation {
                Operation::Stores(StoreKind::Kv) => stores.kv_ids(),
                Operation::Stores(StoreKind::R2) => stores.r2_names(),
                Operation::Stores(StoreKind::Queue) => stores.queue_names(),
            };
            match found {
                Ok(ids) => {
                    let ids = ids.iter().map(String::as_str).collect();
                    broker.answer(stream, isthmus_protocol::Reply::State(Reply::Stores(ids)), None);
                }
                Err(error) => broker.fail(
                    stream,
                    &CallFailure::new(FailureKind::User, error.to_string()),
                    false,
                ),
            }
        });
        Ok(())
    }
}
