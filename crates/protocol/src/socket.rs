//! Records of TCP and TLS connections to the outside world. The stream's body goes to the other side, the reply's comes from it
//! (held: nothing is read that nobody asks for). The two end on their own.

use serde::{Deserialize, Serialize};

use crate::StreamId;

/// What is asked for; the answer is [`crate::Reply::Connected`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// A connection.
    Connect {
        /// A name, or an address; IPv6 perhaps in brackets.
        host: &'a str,
        /// The port.
        port: u16,
        /// TLS from the beginning; the certificate must be for `host`.
        tls: bool,
    },
    /// TLS on a connection that has none, after all that was sent so far. The connection's own stream is over with it.
    StartTls {
        /// The connection's stream.
        connection: StreamId,
        /// Whom the certificate must be for.
        host: &'a str,
    },
}
