//! The events open in the isolate: what their calls need to know of them, the bodies of their requests, and what ends with
//! them.

use std::sync::Arc;

use isthmus_protocol::StreamId;

use super::{Broker, CallState, HeldBody, lock};
use crate::client_body::ClientBody;

/// What is said of the body of a request that the host holds no more.
pub(crate) const GONE: &str = "the request's body is gone: its client went away, or its event is over";

/// Where an event comes from, as far as its own requests need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Through how many Workers its request came.
    pub(crate) depth: u32,
    /// Its client takes bodies in the codings `gzip` and `br`. An answer may be passed on to it as it comes.
    pub(crate) gzip: bool,
    pub(crate) brotli: bool,
}

/// An event that is not over.
pub(super) struct OpenEvent {
    pub(super) origin: Origin,
    /// The body of its request, until somebody wants it.
    request: Option<Box<ClientBody>>,
}

impl Broker {
    /// An event begins.
    pub(crate) fn event_begins(&self, event: StreamId, origin: Origin, request: Option<Box<ClientBody>>) {
        let mut calls = lock(&self.calls);
        if !calls.closed {
            calls.events.insert(event, OpenEvent { origin, request });
        }
    }

    /// Gives out the body of an event's request, if the host holds it still.
    pub(crate) fn take_request(&self, event: StreamId) -> Option<Box<ClientBody>> {
        lock(&self.calls).events.get_mut(&event)?.request.take()
    }

    /// An event is over: what it asked of the network is given up.
    pub(crate) fn event_is_over(self: &Arc<Self>, event: StreamId) {
        let (over, connections, _unread) = {
            let mut calls = lock(&self.calls);
            let Some(ended) = calls.events.remove(&event) else {
                return;
            };
            if calls.open.is_empty() && calls.connections.is_empty() {
                drop(calls);
                return;
            }
            // A body of which nothing was read may be about to become another event's answer; it is let go of when
            // the isolate does. Not so a connection.
            let of_event = |state: &CallState| match state {
                CallState::Fetching { event: of, .. }
                | CallState::Sending { event: of, .. }
                | CallState::Socket { event: of, .. }
                | CallState::Held {
                    body: HeldBody::Tcp(_),
                    event: of,
                } => *of == Some(event),
                _ => false,
            };
            // Made in the course of no event, as by a timer of the top level: such a connection ends with the last one.
            let is_last = calls.events.is_empty();
            let is_over = |of: Option<StreamId>| of.map_or(is_last, |of| of == event);
            let connections: Vec<_> = calls
                .connections
                .iter()
                .filter(|(_, connection)| is_over(connection.event))
                .map(|(stream, _)| *stream)
                .collect();
            let over: Vec<_> = calls
                .open
                .iter()
                .filter(|(stream, state)| of_event(state) && !connections.contains(stream))
                .map(|(stream, _)| *stream)
                .collect();
            (over, connections, ended)
        };
        for stream in over {
            self.end_call(stream);
        }
        if !connections.is_empty() {
            self.end_connections(connections);
        }
    }
}
