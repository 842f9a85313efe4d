//! The engine's start, and what Python sees of it: the class `isthmus._native.Embedded`.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use isthmus_bindings::modules::{LoadModules, ResolveModules};
use isthmus_bindings::{Events, install_workers};
use isthmus_bridge::{Engine, EngineHandle, Rejection};
use isthmus_protocol::StreamId;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rquickjs::{CatchResultExt, Ctx, Object};

use crate::jobs;
use crate::modules::Folders;
use crate::network::Network;
use crate::world::World;

thread_local! {
    /// The engine, on the thread it belongs to.
    static ENGINE: Cell<Option<EngineHandle>> = const { Cell::new(None) };
}

/// The engine of this process, as `isthmus._embed` uses it. On another thread than JavaScript's every method but
/// `is_home` and `entry_depth` raises `RuntimeError`.
#[pyclass(module = "isthmus._native", frozen)]
pub struct Embedded {
    entrypoint_helper: Py<PyAny>,
}

/// Starts the engine of this process; the calling thread becomes JavaScript's. `pump` is an `isthmus._embed.pump.Pump`,
/// `root` the folder that JavaScript's modules are looked for in, `packages` are folders of installed packages.
///
/// # Errors
/// `RuntimeError` if there is an engine already, or none can be made.
#[pyfunction]
#[pyo3(name = "start_embedded")]
pub fn start<'py>(
    py: Python<'py>,
    pump: Bound<'py, PyAny>,
    root: PathBuf,
    packages: Vec<PathBuf>,
) -> PyResult<Bound<'py, Embedded>> {
    let engine = Engine::new(py).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    isthmus_bridge::configure(&py.import("isthmus._runtime.crossing")?)?;
    engine.runtime().set_loader(
        ResolveModules(Folders { root, packages }),
        LoadModules(|path| std::fs::read(path)),
    );
    let world = World::new(pump.clone().unbind(), Network::new(pump.clone().unbind()));
    let entrypoint_helper = engine
        .with(py, |ctx| set_up(py, &ctx, world))
        .map_err(PyRuntimeError::new_err)?;
    isthmus_bridge::on_foreign_loop(&pump.getattr("wake")?, &pump.getattr("watch")?);
    ENGINE.set(Some(engine.handle()));
    // The engine lives until the process ends: proxies in user code outlive everything here.
    std::mem::forget(engine);
    Bound::new(py, Embedded { entrypoint_helper })
}

/// Fills a fresh context; returns the SDK's entrypoint helper.
fn set_up(py: Python<'_>, ctx: &Ctx<'_>, world: World) -> Result<Py<PyAny>, String> {
    isthmus_web::install(ctx, Rc::new(world))
        .catch(ctx)
        .map_err(|error| format!("the Web platform: {error}"))?;
    let events: Rc<dyn Events> = Rc::new(NoEvents);
    let workers = Object::new(ctx.clone())
        .and_then(|env| install_workers(ctx, &env, &events))
        .catch(ctx)
        .map_err(|error| format!("cloudflare:workers: {error}"))?;
    isthmus_bridge::wrap(py, workers.helper.as_value())
        .map(Bound::unbind)
        .map_err(|error| error.to_string())
}

/// No event is ever handled here.
struct NoEvents;

impl Events for NoEvents {
    fn begin(&self, _: StreamId) {}

    fn end(&self, _: StreamId, _: bool) {}

    fn current(&self) -> Option<StreamId> {
        None
    }
}

/// Works in the engine; RuntimeError on another thread.
fn with_engine<R>(py: Python<'_>, work: impl for<'js> FnOnce(Ctx<'js>) -> R) -> PyResult<R> {
    match ENGINE.get() {
        Some(engine) if isthmus_bridge::is_home(py) => Ok(engine.with(py, work)),
        _ => Err(PyRuntimeError::new_err(
            "JavaScript belongs to the thread that called isthmus.install()",
        )),
    }
}

#[pymethods]
impl Embedded {
    /// Whether the calling thread is JavaScript's.
    fn is_home(&self, py: Python<'_>) -> bool {
        isthmus_bridge::is_home(py)
    }

    /// How many JavaScript → Python entries are on the stack.
    fn entry_depth(&self) -> usize {
        isthmus_bridge::entry_depth()
    }

    /// Whether JavaScript jobs wait.
    fn jobs_pending(&self, py: Python<'_>) -> bool {
        isthmus_bridge::jobs_pending(py)
    }

    /// The microtask checkpoint. What jobs throw goes to the console, and rejections that nobody handles with `report`.
    #[pyo3(signature = (report = true))]
    fn run_jobs(&self, py: Python<'_>, report: bool) -> PyResult<()> {
        // Reporting can fail only for want of memory; then there is nothing left to report with.
        fn rejected<'js>(ctx: &Ctx<'js>, rejection: Rejection<'js>) {
            let Rejection {
                promise,
                reason,
                is_handled,
            } = rejection;
            let _ = isthmus_web::events::promise_rejected(ctx, promise, reason, is_handled);
        }
        let mut rejected = rejected;
        with_engine(py, |_| {
            let mut run = || {
                isthmus_bridge::run_jobs(
                    py,
                    &mut |ctx, thrown| {
                        let _ = isthmus_web::report_exception(ctx, thrown);
                    },
                    if report { Some(&mut rejected) } else { None },
                );
            };
            match Network::here() {
                Some(network) => network.gather(run),
                None => run(),
            }
        })
    }

    /// Frees what finalizers gave up.
    fn before_poll(&self) {
        isthmus_bridge::safe_point();
    }

    /// A timer is due: runs its callback.
    fn fire_timer(&self, py: Python<'_>, id: u32) -> PyResult<()> {
        with_engine(py, |ctx| {
            // What the callback throws is reported there; only want of memory comes out.
            let _ = isthmus_web::timers::fire(&ctx, id);
        })
    }

    /// Other threads have done some work: runs what is to come of it. How much more they work on.
    fn finish_jobs(&self, py: Python<'_>) -> PyResult<usize> {
        with_engine(py, |ctx| jobs::finish(&ctx))
    }

    /// The connection to the network has something to read, or room: goes on with what is under way.
    fn exchange(&self, py: Python<'_>) -> PyResult<()> {
        with_engine(py, |ctx| {
            if let Some(network) = Network::here() {
                network.exchange(&ctx);
            }
        })
    }

    /// In a forked child: random numbers other than the parent's, and no threads and no connection of its.
    fn after_fork(&self, py: Python<'_>) -> PyResult<()> {
        jobs::forget();
        with_engine(py, |ctx| {
            if let Some(network) = Network::here() {
                network.lose(&ctx);
            }
        })?;
        with_engine(py, |ctx| isthmus_web::crypto::reseed(&ctx))?
            .map_err(|error| PyRuntimeError::new_err(format!("fresh randomness: {error}")))
    }

    /// Enters a context, for a switch of greenlets.
    fn context_enter(&self, context: &Bound<'_, PyAny>) -> PyResult<()> {
        isthmus_bridge::context_enter(context)
    }

    /// Leaves a context, for a switch of greenlets.
    fn context_exit(&self, context: &Bound<'_, PyAny>) -> PyResult<()> {
        isthmus_bridge::context_exit(context)
    }

    /// `_pyodide_entrypoint_helper`.
    #[getter]
    fn entrypoint_helper(&self, py: Python<'_>) -> Py<PyAny> {
        self.entrypoint_helper.clone_ref(py)
    }
}
