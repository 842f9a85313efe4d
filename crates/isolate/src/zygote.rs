//! The life of a zygote: boot, import the Worker, check itself, fork.
//!
//! A zygote has one thread and one socket, the control connection. It is single-minded on purpose: what it has when
//! it forks, every isolate has.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use isthmus_bindings::modules::{LoadModules, ResolveModules};
use isthmus_bridge::Engine;
use isthmus_protocol::control::{FromZygote, IsolateSpec, ToZygote};
use isthmus_protocol::{FailureKind, FrameReader, decode, encode};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustix::event::{PollFd, PollFlags, poll};

use crate::modules::Folders;
use crate::python::Isolate;
use crate::serve::serve;
use crate::shared::Shared;
use crate::workers;
use crate::world::World;

/// Runs the zygote on its control socket until the host closes it. Returns only in the zygote: an isolate, forked
/// inside, ends in `os._exit`.
///
/// # Errors
/// A Python exception where not even an answer to the host was possible.
pub fn run(py: Python<'_>, control: OwnedFd) -> PyResult<()> {
    let mut control = Control {
        socket: control,
        reader: FrameReader::new(),
        passed: Vec::new(),
    };
    let Some(ToZygote::Boot(spec)) = control.receive(py)? else {
        return Ok(());
    };
    isthmus_sandbox::keep_freed_memory();
    let engine = match Engine::new(py) {
        Ok(engine) => engine,
        Err(error) => {
            return control.send(&failed(
                FailureKind::Internal,
                "EngineError",
                &error.to_string(),
                "",
            ));
        }
    };
    let isolate = match set_up(py, &engine, &spec) {
        Ok(isolate) => isolate,
        Err(error) => return control.send(&failed_with(py, FailureKind::Internal, &error)),
    };
    // The engine lives until the process ends: proxies in user code outlive everything here.
    std::mem::forget(engine);
    let boot = py.import("isthmus._runtime.boot")?.getattr("Boot")?;
    let boot = boot.call1((&isolate, plain_spec(py, &spec)?, control.socket.as_raw_fd()))?;
    if !spec.fresh
        && let Err(error) = boot.call_method0("import_worker")
    {
        return control.send(&failed_with(py, FailureKind::User, &error));
    }
    let (entrypoints, fork_hazards) = if spec.fresh {
        (Vec::new(), Vec::new())
    } else {
        let found = settled_self_check(&control)?;
        let words = (found.threads, found.sockets, found.epolls);
        (
            boot.call_method0("entrypoints")?.extract()?,
            boot.call_method1("hazards", words)?.extract()?,
        )
    };
    boot.call_method0("freeze")?;
    control.send(&FromZygote::Booted {
        entrypoints,
        fork_hazards,
    })?;
    fork_loop(py, control, &isolate, &boot)
}

/// The self-check, with a moment's patience for threads: one that has been joined may still be listed by the kernel, and
/// while it goes the list may lack others. The count is exact.
fn settled_self_check(control: &Control) -> PyResult<isthmus_sandbox::Hazards> {
    for _ in 0..THREAD_PATIENCE {
        if isthmus_sandbox::counts()?.threads <= 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(isthmus_sandbox::self_check(&[control.socket.as_raw_fd()])?)
}

/// How often a thread is looked for again, 5 ms apart, before it counts.
const THREAD_PATIENCE: u32 = 20;

/// Makes the engine in this process, without a host: what a zygote has before it imports anything. For the tests of the
/// bridge and the Web platform, and for tools that look at memory. The engine lives as long as the process.
///
/// # Errors
/// The Python exception; `RuntimeError` if there is an engine already.
pub fn engine_here<'py>(py: Python<'py>, spec: &IsolateSpec) -> PyResult<Bound<'py, Isolate>> {
    let engine = Engine::new(py).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let isolate = set_up(py, &engine, spec)?;
    std::mem::forget(engine);
    Ok(isolate)
}

fn failed(kind: FailureKind, name: &str, message: &str, trace: &str) -> FromZygote {
    FromZygote::Failed {
        kind,
        name: name.to_owned(),
        message: message.to_owned(),
        trace: trace.to_owned(),
    }
}

/// A failed boot, with the traceback as `isthmus._runtime.boot` formats it.
fn failed_with(py: Python<'_>, kind: FailureKind, error: &PyErr) -> FromZygote {
    let value = error.value(py);
    let name = value
        .get_type()
        .qualname()
        .map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let message = value
        .str()
        .map_or_else(|_| String::new(), |text| text.to_string());
    let trace = py
        .import("isthmus._runtime.tracebacks")
        .and_then(|module| module.call_method1("format_exception", (value,)))
        .and_then(|text| text.extract::<String>())
        .unwrap_or_else(|_| error.to_string());
    failed(kind, &name, &message, &trace)
}

/// Fills the engine and Python's side of it.
fn set_up<'py>(py: Python<'py>, engine: &Engine, spec: &IsolateSpec) -> PyResult<Bound<'py, Isolate>> {
    let crossing = py.import("isthmus._runtime.crossing")?;
    isthmus_bridge::configure(&crossing)?;
    let shared = Shared::new(engine.handle());
    let packages = spec
        .python_modules
        .iter()
        .map(Into::into)
        .chain(environment_packages(py)?)
        .collect();
    let folders = Folders {
        root: (&spec.module_root).into(),
        packages,
    };
    engine
        .runtime()
        .set_loader(ResolveModules(folders), LoadModules(|path| std::fs::read(path)));
    let workers = engine
        .with(py, |ctx| {
            isthmus_web::install(
                &ctx,
                std::rc::Rc::new(World::new(std::rc::Rc::clone(&shared), &spec.flags)),
            )
            .map_err(|error| format!("the Web platform: {error}: {:?}", ctx.catch()))?;
            isthmus_web::console::set_position_hook(&ctx, std::rc::Rc::new(python_position));
            workers::install(py, &ctx, &shared, &spec.bindings)
        })
        .map_err(PyRuntimeError::new_err)?;
    Bound::new(py, Isolate { shared, workers })
}

/// `file:line` of the Python code that called into JavaScript; `None` where only our own is running, as in a timer.
fn python_position() -> Option<String> {
    Python::attach(|py| {
        let position = py
            .import("isthmus._runtime.tracebacks")
            .ok()?
            .call_method0("caller_position")
            .ok()?;
        position.extract().ok()?
    })
}

/// The folders of installed packages.
fn environment_packages(py: Python<'_>) -> PyResult<Vec<std::path::PathBuf>> {
    let paths: Vec<String> = py.import("sys")?.getattr("path")?.extract()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.ends_with("-packages"))
        .map(Into::into)
        .collect())
}

/// The parts of the spec that Python needs, as a dict.
fn plain_spec<'py>(py: Python<'py>, spec: &IsolateSpec) -> PyResult<Bound<'py, PyDict>> {
    let plain = PyDict::new(py);
    plain.set_item("name", &spec.name)?;
    plain.set_item("main", &spec.main)?;
    plain.set_item("module_root", &spec.module_root)?;
    plain.set_item("python_modules", spec.python_modules.as_deref())?;
    let flags = PyDict::new(py);
    for (flag, on) in &spec.flags {
        flags.set_item(flag, on)?;
    }
    plain.set_item("flags", flags)?;
    plain.set_item("fresh", spec.fresh)?;
    plain.set_item("startup_timeout", spec.startup_timeout_ms as f64 / 1000.0)?;
    Ok(plain)
}

/// Forks on request and reports children that ended.
fn fork_loop(
    py: Python<'_>,
    mut control: Control,
    isolate: &Bound<'_, Isolate>,
    boot: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let os = py.import("os")?;
    let mut children: HashMap<i32, (u32, Option<OwnedFd>)> = HashMap::new();
    loop {
        for (pid, status) in isthmus_sandbox::reap() {
            if let Some((isolate, _)) = children.remove(&pid) {
                control.send(&FromZygote::Exited {
                    isolate,
                    status: status.to_string(),
                })?;
            }
        }
        let Some(message) = control.receive_while(py, &children)? else {
            continue;
        };
        let number = match message {
            Message::Closed => return Ok(()),
            Message::Control(ToZygote::Fork { isolate }) => isolate,
            Message::Control(ToZygote::Boot(_)) => continue,
        };
        let mut passed = std::mem::take(&mut control.passed).into_iter();
        let (Some(events), Some(broker), None) = (passed.next(), passed.next(), passed.next()) else {
            let error = "two descriptors must go with a fork".to_owned();
            control.send(&FromZygote::ForkFailed {
                isolate: number,
                error,
            })?;
            continue;
        };
        let pid: i32 = match os.call_method0("fork").and_then(|pid| pid.extract()) {
            Ok(pid) => pid,
            Err(error) => {
                control.send(&FromZygote::ForkFailed {
                    isolate: number,
                    error: error.to_string(),
                })?;
                continue;
            }
        };
        if pid == 0 {
            // The descriptors that `settle_isolate` closes by number must not be closed by their owners too.
            std::mem::forget(control);
            std::mem::forget(children);
            let ended = serve(py, isolate, boot, events, broker);
            let arguments = PyTuple::new(py, [ended.err().map(|error| error.into_value(py))])?;
            boot.call_method1("exit", arguments)?;
            return Ok(());
        }
        drop((events, broker));
        // Without a pidfd (an old kernel) the end is noticed with the next message.
        let pidfd = rustix::process::Pid::from_raw(pid)
            .and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok());
        children.insert(pid, (number, pidfd));
        control.send(&FromZygote::Forked { isolate: number, pid })?;
    }
}

/// What woke the fork loop.
enum Message {
    Control(ToZygote),
    Closed,
}

/// The control connection.
struct Control {
    socket: OwnedFd,
    reader: FrameReader,
    /// Descriptors that came and were not taken yet.
    passed: Vec<OwnedFd>,
}

impl Control {
    fn send(&self, message: &FromZygote) -> PyResult<()> {
        let mut bytes = Vec::new();
        encode(message, &mut bytes).map_err(|error| PyOSError::new_err(error.to_string()))?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let written = isthmus_sandbox::send_with_fds(self.socket.as_fd(), rest, &[])?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Waits for a message; `None` at the end of the connection.
    fn receive(&mut self, py: Python<'_>) -> PyResult<Option<ToZygote>> {
        loop {
            match self.receive_while(py, &HashMap::new())? {
                Some(Message::Control(message)) => return Ok(Some(message)),
                Some(Message::Closed) => return Ok(None),
                None => {}
            }
        }
    }

    /// Waits for a message or the end of a child (`None`).
    fn receive_while(
        &mut self,
        py: Python<'_>,
        children: &HashMap<i32, (u32, Option<OwnedFd>)>,
    ) -> PyResult<Option<Message>> {
        loop {
            let frame = self
                .reader
                .next_frame()
                .map_err(|error| PyOSError::new_err(error.to_string()))?;
            if let Some(frame) = frame {
                let message = decode(&frame).map_err(|error| PyOSError::new_err(error.to_string()))?;
                return Ok(Some(Message::Control(message)));
            }
            let mut watched: Vec<PollFd<'_>> =
                vec![PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
            for (_, pidfd) in children.values() {
                if let Some(pidfd) = pidfd {
                    watched.push(PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN));
                }
            }
            let polled = py.detach(|| poll(&mut watched, None));
            match polled {
                Err(rustix::io::Errno::INTR) => {
                    py.check_signals()?;
                    continue;
                }
                Err(error) => return Err(PyOSError::new_err(error.to_string())),
                Ok(_) => {}
            }
            if watched[0].revents().is_empty() {
                return Ok(None);
            }
            let mut buffer = [0; 16 * 1024];
            let count = isthmus_sandbox::recv_with_fds(self.socket.as_fd(), &mut buffer, &mut self.passed)?;
            if count == 0 {
                return Ok(Some(Message::Closed));
            }
            self.reader.buffer().extend_from_slice(&buffer[..count]);
        }
    }
}
