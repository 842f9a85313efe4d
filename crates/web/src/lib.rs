//! The Web platform on QuickJS, a module (or folder) per specification.
//!
//! Everything reaches the world through [`Host`]. Nothing here knows Python, Workers' bindings or the
//! protocol between processes.

#![warn(missing_docs)]

pub mod body;
mod host;

pub use host::{Host, LogLevel, TimerId};
