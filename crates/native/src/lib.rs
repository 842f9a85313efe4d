//! The extension module `isthmus._native`: the roles of the one wheel, and what Python needs of the bridge.

use std::ffi::OsString;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use isthmus_protocol::control::{CONTROL_FD, IsolateSpec};
use pyo3::prelude::*;

/// The command line; returns the exit code.
#[pyfunction]
fn cli_main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<i32> {
    let python: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
    // The host runs no Python: without the GIL its threads never wait for this one.
    Ok(py.detach(|| {
        isthmus_cli::run(isthmus_cli::Invocation {
            args: arguments,
            python,
        })
    }))
}

/// The life of a zygote, started by the host with the control socket as descriptor 3.
#[pyfunction]
fn zygote_main(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the host starts a zygote with this descriptor, and nobody else in this process knows it. If
    // there is no such descriptor (somebody ran `isthmus zygote` by hand), every use of it fails with EBADF.
    let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    isthmus_isolate::zygote::run(py, control)
}

/// The life of the process that speaks to the network for a program in plain CPython, `program`; standard input is the
/// connection to it.
#[pyfunction]
fn companion_main(py: Python<'_>, program: i32) -> PyResult<()> {
    let connection = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(py.detach(|| isthmus_host::accompany(connection, program))?)
}

/// Makes a JavaScript engine in this process, without a host: for tests of the bridge.
#[pyfunction]
fn start_engine(py: Python<'_>) -> PyResult<Bound<'_, isthmus_isolate::python::Isolate>> {
    isthmus_isolate::zygote::engine_here(py, &IsolateSpec::default())
}

/// `isthmus._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(cli_main, module)?)?;
    module.add_function(wrap_pyfunction!(zygote_main, module)?)?;
    module.add_function(wrap_pyfunction!(companion_main, module)?)?;
    module.add_function(wrap_pyfunction!(start_engine, module)?)?;
    module.add_function(wrap_pyfunction!(isthmus_isolate::python::process_counts, module)?)?;
    module.add_function(wrap_pyfunction!(isthmus_embed::start, module)?)?;
    module.add_class::<isthmus_isolate::python::Isolate>()?;
    module.add_class::<isthmus_embed::Embedded>()?;
    let ffi = PyModule::new(py, "isthmus._native.ffi")?;
    isthmus_bridge::register(&ffi)?;
    module.add_submodule(&ffi)?;
    py.import("sys")?
        .getattr("modules")?
        .set_item("isthmus._native.ffi", &ffi)?;
    Ok(())
}
