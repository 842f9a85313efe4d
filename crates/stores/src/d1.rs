//! D1 databases: the platform's rules ([`D1Database`]) over an engine that runs statements ([`D1Store`]).
//!
//! Messages are upstream's; `tests/d1_reference` holds its recorded answers, `spec/workers.md` §B4 the rest.

mod database;
mod sql;
mod store;

pub use database::D1Database;
pub use sql::{Piece, pieces};
pub use store::{D1Answer, D1Error, D1Future, D1Request, D1Store};
