//! The stores through their public interface.

mod cache;
mod conformance;
mod kv_files;
mod kv_model;
mod kv_rules;
mod queue_rules;
mod r2_memory;
mod r2_sqlite;
mod sqlite_d1;
mod sqlite_files;
mod sqlite_writer;
mod state;
mod support;
