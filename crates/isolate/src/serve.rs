//! What a forked child does first: confine itself, forget the zygote's descriptors, draw fresh randomness, connect.

use std::os::fd::{AsRawFd, OwnedFd};

use isthmus_bindings::link::Connection;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::python::Isolate;

/// Makes this child an isolate and serves until the host closes the connections. Never returns but by an
/// exception; the caller ends the process either way.
pub(crate) fn serve(
    py: Python<'_>,
    isolate: &Bound<'_, Isolate>,
    boot: &Bound<'_, PyAny>,
    events: OwnedFd,
    broker: OwnedFd,
) -> PyResult<()> {
    isthmus_sandbox::settle_isolate([events.as_raw_fd(), broker.as_raw_fd()])
        .map_err(|error| PyOSError::new_err(error.to_string()))?;
    let shared = std::rc::Rc::clone(&isolate.borrow().shared);
    shared.connect(Connection::new(events)?, Connection::new(broker)?);
    shared
        .engine
        .with(py, |ctx| isthmus_web::crypto::reseed(&ctx))
        .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(format!("fresh randomness: {error}")))?;
    boot.call_method0("serve")?;
    Ok(())
}
