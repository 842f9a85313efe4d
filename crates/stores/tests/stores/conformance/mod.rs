//! What every engine behind a store must do, whatever it keeps the data in. A suite for each trait; each runs on SQLite
//! and, where that is cheap, on a simple model in memory, so that it tests itself.

pub(crate) mod d1;
mod kv;
mod queue;
pub(crate) mod r2;
