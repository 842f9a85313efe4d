//! The binding classes in a real engine, over the real store.

mod bucket;
mod d1;
mod d1_reference;
mod d1_worker;
mod engine;
mod env;
mod kv;
mod link;
mod queue;
mod r2;
mod recorded;
mod reference;
mod store_broker;
mod worker;
