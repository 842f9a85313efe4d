//! The classes behind `env.*`. Their names are upstream's, since the SDK decides by
//! `constructor.name` how to wrap a binding.

#![warn(missing_docs)]

mod broker;

pub use broker::{Broker, CallBody, CallDone};
