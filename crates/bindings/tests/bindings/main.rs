//! The binding classes in a real engine, over the real store.

mod env;
mod kv;
mod reference;
mod store_broker;
mod worker;
