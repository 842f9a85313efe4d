//! WebSockets: <https://www.rfc-editor.org/rfc/rfc6455>. The host speaks the protocol; the isolate has messages.
//!
//! | file | subject |
//! |---|---|
//! | `handshake.rs` | the opening handshake |
//! | `frame.rs` | heads of frames, masking |
//! | `decoder.rs` | bytes → messages, and what is wrong with them |
//! | `encoder.rs` | messages → bytes |
//! | `deflate.rs` | compression |
//! | `queue.rs` | messages from an isolate |
//! | `connection.rs` | the task between the other side and the isolate |

mod connection;
mod decoder;
mod deflate;
mod encoder;
mod frame;
mod handshake;
mod queue;

pub(crate) use connection::{Carrier, Connection, Link};
pub(crate) use deflate::Agreement;
pub(crate) use handshake::{answer, ask, check, is_asked_for, new_key};
pub(crate) use queue::{Gone, MessageQueue};

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The other side is a client.
    Server,
    /// The other side is a server.
    Client,
}
