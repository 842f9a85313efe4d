//! How commands of the command line reach the stores.
//!
//! A running `isthmus dev` listens on a socket in its state folder (`socket`). A command connects to it, or, if nobody
//! listens, opens the stores in its own process; both ways end in the same code (`serve`), which hands the connection to a
//! [`Broker`](crate::broker) whose channels are what the command asked for. So there are no two processes that fight for
//! a store, a running `dev` notices what a command does, and a command's rules are the Worker's. The command's side is
//! [`StoresClient`]; what travels is [`isthmus_protocol::shell`].

mod answer;
mod client;
mod link;
mod serve;
mod socket;

pub use answer::Answer;
pub use client::{Access, CallError, ConnectError, StoresClient, Upload};
pub use isthmus_protocol::shell::Resource;
pub use isthmus_protocol::{ChannelId, FailureKind, Operation, Reply, d1, kv, queue, r2, state};
pub use isthmus_stores::d1::{Piece, pieces};
pub use isthmus_stores::state::{RestoreError, Restored, restore};

pub(crate) use serve::serve;
pub(crate) use socket::{NotListening, listen};
