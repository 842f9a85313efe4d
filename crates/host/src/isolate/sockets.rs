//! Events that became WebSockets.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use isthmus_protocol::{Message, StreamId};

use super::{Isolate, Outgoing, Violation};
use crate::streams::lock;
use crate::websocket::{Carrier, MessageQueue};

impl Carrier for Isolate {
    fn outgoing(&self) -> &Outgoing {
        &self.events
    }
}

impl Isolate {
    /// Takes a message.
    ///
    /// # Errors
    /// [`Violation`] if no honest isolate would send it.
    pub(super) fn take_message(
        &self,
        raw: &Bytes,
        stream: StreamId,
        message: &Message<'_>,
    ) -> Result<(), Violation> {
        let queue = {
            let table = lock(&self.table);
            // It may have crossed with the end of the connection, or of its event.
            let Some(state) = table.open.get(&stream) else {
                return Ok(());
            };
            if !state.upgraded && state.cancelled.is_none() {
                return Err(Violation(
                    "a message that an isolate may not send on its events connection: there is no WebSocket"
                        .into(),
                ));
            }
            state.socket.clone()
        };
        match queue {
            Some(queue) => Ok(queue.push(raw, message)?),
            None => Ok(()),
        }
    }

    /// What an isolate sends on a connection.
    pub(super) fn socket(&self, stream: StreamId) -> Option<Arc<MessageQueue>> {
        lock(&self.table)
            .open
            .get(&stream)
            .and_then(|state| state.socket.clone())
    }

    /// The connection of an event is over; the isolate has been told.
    pub(super) fn socket_closed(&self, stream: StreamId) {
        let over;
        {
            let mut table = lock(&self.table);
            let Entry::Occupied(mut entry) = table.open.entry(stream) else {
                return;
            };
            let state = entry.get_mut();
            state.socket = None;
            over = state.is_over();
            if over {
                entry.remove().close();
            }
            self.open.store(table.open.len(), Ordering::Relaxed);
        }
        if over {
            self.broker.event_is_over(stream);
        }
    }
}
