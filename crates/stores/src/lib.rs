//! The stores behind the bindings: what they keep and what they answer, with the platform's limits and
//! messages. Only the host uses this crate; no store knows of an isolate, a socket or a Worker.
//!
//! # For the host
//!
//! ```no_run
//! # async fn host() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use isthmus_protocol::kv::Operation;
//! use isthmus_stores::{Durability, sqlite::{SqliteOptions, SqliteStores}};
//!
//! // Once per process: the root folder of everything that is kept.
//! let options = SqliteOptions { durability: Durability::Full, ..Default::default() };
//! let stores = SqliteStores::new(".isthmus/state".into(), options);
//! // Per grant: cheap, and the same database for the same id however often it is asked for.
//! let namespace = stores.kv("0f2ac74b498b48028cb68387c421e279")?;
//!
//! // Per call. A put's value may come in pieces; `begin_put` refuses early what cannot succeed.
//! let operation = Operation::Put { key: "bar", expiration: None, expiration_ttl: None, metadata: None };
//! let mut put = namespace.begin_put(&operation, Some(3))?;
//! put.push(Bytes::from_static(b"baz")).await?;
//! put.finish().await?; // durable from here on
//!
//! let operation = Operation::Get { key: "bar", cache_ttl: None };
//! match namespace.execute(&operation, Bytes::new()).await {
//!     Ok(mut answer) => {
//!         let _body = answer.take_body(); // the reply's body: `Some` iff a `get` found the key
//!         let _reply = answer.reply(); // `protocol::kv::Reply`, borrowing from `answer`
//!     }
//!     Err(error) => {
//!         let _message = error.message_of(&operation); // "KV GET failed: 400 …", name "Error"
//!         let _is_ours = error.is_internal(); // `FailureKind::Internal` rather than `User`
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! `execute` runs inside a tokio runtime. Small reads are answered within the first poll; lists are read on tokio's blocking
//! threads, long values as they are asked for; writes wait for their group commit, but for [`d1::D1Database::execute_ahead`]. Dropping the future of a
//! write does not undo it. Dropping the last handle of a namespace writes what is queued, then closes the file
//! (a blocking moment, at shutdown).

#![warn(missing_docs)]

mod beside;
mod body;
mod body_files;
pub mod cache;
mod clock;
pub mod d1;
mod error;
mod folders;
pub mod kv;
pub mod queue;
pub mod r2;
mod rate_limit;
pub mod sqlite;
pub mod state;
mod sync_point;
mod sync_schedule;
mod told;

pub use body::{StoredBody, StoredPiece};
pub use clock::{Clock, SystemClock};
pub use error::{StoreError, WHAT_TO_DO};
pub use rate_limit::RateLimiter;
pub use sync_point::{NotDurable, SyncPoint};
pub use told::Told;

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of any process and loss of power: it is on disk before it is acknowledged.
    #[default]
    Full,
    /// The end of any process (`kill -9` too), but not loss of power.
    Process,
}
