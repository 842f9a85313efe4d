//! The engine: one QuickJS runtime and context, joined to this interpreter.

use std::ptr::{self, NonNull};

use pyo3::prelude::*;
use pyo3::{ffi, types::PyModule};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};
use rquickjs::{Context, Ctx, Runtime, Value};

use crate::state::{Atoms, Support};
use crate::{cycles, jsproxy, lifetime, promise, pyproxy, state, strings};

/// JavaScript's stack limit in bytes where there is room: within the 8 MiB that a main thread usually has, with room
/// for what Python and Rust need below and above.
const STACK_SIZE: usize = 4 * 1024 * 1024;

/// The stack limit for the calling thread: at most half of what it has left.
fn stack_size() -> usize {
    stack_left().map_or(STACK_SIZE, |left| STACK_SIZE.min(left / 2))
}

/// How much stack the calling thread has left, in bytes.
#[cfg(target_os = "linux")]
fn stack_left() -> Option<usize> {
    /// At least as large as any C library's `pthread_attr_t`.
    type Attributes = [u64; 16];
    unsafe extern "C" {
        fn pthread_self() -> usize;
        fn pthread_getattr_np(thread: usize, attributes: *mut Attributes) -> i32;
        fn pthread_attr_getstack(
            attributes: *const Attributes,
            lowest: *mut *mut std::ffi::c_void,
            size: *mut usize,
        ) -> i32;
        fn pthread_attr_destroy(attributes: *mut Attributes) -> i32;
    }
    let mut attributes: Attributes = [0; 16];
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised by the first call that succeeds and destroyed once.
    let known = unsafe {
        if pthread_getattr_np(pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let known = pthread_attr_getstack(&attributes, &mut lowest, &mut size) == 0;
        pthread_attr_destroy(&mut attributes);
        known
    };
    let here = (&raw const attributes) as usize;
    known.then(|| here.saturating_sub(lowest as usize))
}

/// Not known on other systems.
#[cfg(not(target_os = "linux"))]
fn stack_left() -> Option<usize> {
    None
}

/// Why there is no engine.
#[derive(Debug)]
pub enum EngineError {
    /// This process has one already, or still has objects of an earlier one.
    Exists,
    /// This is not the process's main interpreter.
    Subinterpreter,
    /// QuickJS could not be set up; the text says how far it came.
    Failed(String),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exists => formatter.write_str("this process has a JavaScript engine already"),
            Self::Subinterpreter => {
                formatter.write_str("JavaScript runs in the main interpreter only, not in subinterpreters")
            }
            Self::Failed(text) => write!(formatter, "the JavaScript engine could not be set up: {text}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// A promise that was rejected with nobody to handle it by the end of the turn.
pub struct Rejection<'js> {
    /// The promise.
    pub promise: Value<'js>,
    /// The reason.
    pub reason: Value<'js>,
    /// It was told of before, and somebody handles it after all.
    pub is_handled: bool,
}

/// QuickJS, joined to this interpreter. It belongs to the thread that made it.
///
/// The context is never locked through `rquickjs::Context::with` after the set-up: JavaScript → Python →
/// JavaScript re-entry would panic there. [`Engine::with`] enters it as often as needed.
pub struct Engine {
    runtime: Runtime,
    context: Context,
    raw: NonNull<qjs::JSContext>,
}

const SUPPORT: &[u8] = concat!(include_str!("support.js"), "\0").as_bytes();
const CLASSES: &[u8] = concat!(include_str!("pyproxy/classes.js"), "\0").as_bytes();

impl Engine {
    /// Makes the engine of this process; the calling thread becomes its home.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn new(_py: Python<'_>) -> Result<Self, EngineError> {
        // SAFETY: `_py` proves the GIL, so there is a current interpreter.
        if unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) } != 0 {
            return Err(EngineError::Subinterpreter);
        }
        // SAFETY: `_py` proves the GIL.
        if unsafe { !(*state::state()).context.is_null() || (*state::state()).live_jsproxies > 0 } {
            return Err(EngineError::Exists);
        }
        let failed = |error: rquickjs::Error| EngineError::Failed(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        let stack_size = stack_size();
        runtime.set_max_stack_size(stack_size);
        let context = Context::full(&runtime).map_err(failed)?;
        let raw = context.with(|ctx| ctx.as_raw());
        // SAFETY: the runtime and context are fresh and owned by the result, which outlives their use through
        // the state (`Drop` empties it first).
        unsafe {
            let state = state::state();
            (*state).context = raw.as_ptr();
            (*state).runtime = qjs::JS_GetRuntime(raw.as_ptr());
            (*state).home = ffi::PyThreadState_Get();
            jsproxy::spare::open();
            (*state).depth = 0;
            (*state).stack_floor = ((&raw const stack_size) as usize).saturating_sub(stack_size);
            pyproxy::register_classes((*state).runtime);
            promise::register_class((*state).runtime);
            cycles::register_class((*state).runtime);
            (*state).atoms = Atoms::load(raw.as_ptr());
            jsproxy::shape::load(raw.as_ptr(), &(*state).atoms, (*state).pyproxy_class);
            let support = match Self::load_support() {
                Ok(support) => support,
                Err(text) => {
                    (*state).context = ptr::null_mut();
                    (*state).runtime = ptr::null_mut();
                    (*state).home = ptr::null_mut();
                    // What was made in it so far is not worth finding: it is left to the process's end.
                    std::mem::forget((runtime, context));
                    return Err(EngineError::Failed(text));
                }
            };
            (*state).support = Support::load(raw.as_ptr(), support);
            (*state).string_header = strings::probe(raw.as_ptr());
            qjs::JS_FreeValue(raw.as_ptr(), support);
            qjs::JS_SetHostPromiseRejectionTracker(
                (*state).runtime,
                Some(promise::track_rejection),
                ptr::null_mut(),
            );
        }
        Ok(Self {
            runtime,
            context,
            raw,
        })
    }

    /// Runs `support.js`; the result is owned.
    unsafe fn load_support() -> Result<JSValue, String> {
        // SAFETY: at home with the GIL, the state is set.
        unsafe {
            let context = state::context();
            let evaluated = |source: &'static [u8]| {
                qjs::JS_Eval(
                    context,
                    source.as_ptr().cast(),
                    (source.len() - 1) as _,
                    c"isthmus:bridge".as_ptr(),
                    qjs::JS_EVAL_TYPE_GLOBAL as i32,
                )
            };
            let function = evaluated(SUPPORT);
            let mut arguments = [evaluated(CLASSES), pyproxy::api::natives(context)];
            let support = qjs::JS_Call(context, function, JS_UNDEFINED, 2, arguments.as_mut_ptr());
            for value in arguments {
                qjs::JS_FreeValue(context, value);
            }
            qjs::JS_FreeValue(context, function);
            if qjs::JS_IsException(support) {
                let thrown = qjs::JS_GetException(context);
                let text = crate::error::describe(thrown);
                qjs::JS_FreeValue(context, thrown);
                return Err(text);
            }
            Ok(support)
        }
    }

    /// The runtime, for a module loader.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Enters the context; may be nested in any way on the home thread.
    ///
    /// # Panics
    /// On another thread.
    pub fn with<R>(&self, _py: Python<'_>, work: impl for<'js> FnOnce(Ctx<'js>) -> R) -> R {
        // SAFETY: `_py` proves the GIL, which is the only lock; the context lives as long as `self`. The
        // lifetime of `Ctx` can't leave the closure.
        unsafe {
            assert!(
                state::at_home(),
                "the JavaScript engine belongs to another thread"
            );
            work(Ctx::from_raw(self.raw))
        }
    }

    /// A handle that enters the engine from anywhere in this process without owning it.
    pub fn handle(&self) -> EngineHandle {
        EngineHandle { raw: self.raw }
    }

    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// Enters the engine without owning it, for callbacks from Python. Only valid while the [`Engine`] lives:
/// entering after its end panics.
#[derive(Clone, Copy)]
pub struct EngineHandle {
    raw: NonNull<qjs::JSContext>,
}

impl EngineHandle {
    /// As [`Engine::with`].
    ///
    /// # Panics
    /// On another thread, and after the engine's end.
    pub fn with<R>(&self, _py: Python<'_>, work: impl for<'js> FnOnce(Ctx<'js>) -> R) -> R {
        // SAFETY: as in `Engine::with`; that the engine still lives follows from the state naming its context.
        unsafe {
            assert!(
                state::at_home() && state::context() == self.raw.as_ptr(),
                "the JavaScript engine belongs to another thread, or is gone"
            );
            work(Ctx::from_raw(self.raw))
        }
    }
}

/// Whether JavaScript jobs or settled promises wait, or a collection. Event loops ask in each turn.
pub fn jobs_pending(_py: Python<'_>) -> bool {
    // SAFETY: `_py` proves the GIL; a null runtime (no engine) has no jobs.
    unsafe {
        let state = state::state();
        !(*state).runtime.is_null()
            && (!(*state).settled.is_empty()
                || !(*state).rejections.is_empty()
                || qjs::JS_IsJobPending((*state).runtime)
                || cycles::due_in_this_turn())
    }
}

/// Told of a promise that was rejected with nobody to handle it, and again when somebody does so late.
pub type OnRejection<'a> = dyn for<'js> FnMut(&Ctx<'js>, Rejection<'js>) + 'a;

/// The microtask checkpoint: runs all JavaScript jobs and resolves the futures of settled promises, until there
/// are none left. What a job throws goes to `thrown`, promises rejected with nobody to handle them to `rejected`; without
/// that they are kept.
///
/// # Panics
/// Off the home thread.
pub fn run_jobs(
    _py: Python<'_>,
    thrown: &mut dyn for<'js> FnMut(&Ctx<'js>, Value<'js>),
    rejected: Option<&mut OnRejection<'_>>,
) {
    // SAFETY: `_py` proves the GIL, the assertion home. The context pointer is not null at home.
    unsafe {
        assert!(
            state::at_home(),
            "JavaScript jobs run on the thread that JavaScript belongs to"
        );
        let state = state::state();
        // Jobs and what settles with them run below this frame: no greenlet may leave it.
        let entry = state::Entry::new();
        loop {
            let mut context = ptr::null_mut();
            loop {
                match qjs::JS_ExecutePendingJob((*state).runtime, &mut context) {
                    0 => break,
                    done if done > 0 => {}
                    _ => {
                        let error = qjs::JS_GetException((*state).context);
                        let ctx = Ctx::from_raw(NonNull::new_unchecked((*state).context));
                        let value = Value::from_raw(ctx.clone(), error);
                        thrown(&ctx, value);
                    }
                }
            }
            if !promise::resolve_settled() {
                break;
            }
        }
        if let Some(rejected) = rejected
            && !(*state).rejections.is_empty()
        {
            let ctx = Ctx::from_raw(NonNull::new_unchecked((*state).context));
            let mut unhandled: Vec<_> = std::mem::take(&mut (*state).rejections).into_values().collect();
            unhandled.sort_unstable_by_key(|unhandled| unhandled.number);
            for unhandled in unhandled {
                let promise = Value::from_raw(ctx.clone(), unhandled.promise);
                let rejection = Rejection {
                    promise: promise.clone(),
                    reason: Value::from_raw(ctx.clone(), unhandled.reason),
                    is_handled: unhandled.is_late,
                };
                rejected(&ctx, rejection);
                if !unhandled.is_late {
                    // Handling it while it is told of is not late.
                    promise::forget_rejection(promise.as_raw());
                }
            }
        }
        drop(entry);
        lifetime::safe_point_at_home();
    }
}

impl Drop for Engine {
    /// Frees what the bridge holds of the engine and closes it to Python. The runtime itself is left to the process's
    /// end: proxies, futures, iterators and native classes may hold values of it, and freeing it below them would be a
    /// use after free.
    fn drop(&mut self) {
        std::mem::forget(self.runtime.clone());
        std::mem::forget(self.context.clone());
        Python::attach(|_py| {
            // SAFETY: the GIL is held; the engine can't be entered again once the state is empty. With JavaScript on
            // the stack, or on another thread, all stays as it is.
            unsafe {
                let state = state::state();
                if !state::at_home() || (*state).depth > 0 {
                    return;
                }
                let buffer = std::mem::replace(&mut (*state).interrupt_buffer, JS_UNDEFINED);
                qjs::JS_FreeValue((*state).context, buffer);
                lifetime::safe_point_at_home();
                for settled in std::mem::take(&mut (*state).settled) {
                    qjs::JS_FreeValue((*state).context, settled.value);
                    for value in settled.temporaries {
                        qjs::JS_FreeValue((*state).context, value);
                    }
                    ffi::Py_DECREF(settled.future);
                    ffi::Py_XDECREF(settled.converter);
                }
                for unhandled in std::mem::take(&mut (*state).rejections).into_values() {
                    qjs::JS_FreeValue((*state).context, unhandled.promise);
                    qjs::JS_FreeValue((*state).context, unhandled.reason);
                }
                let (names, attributes) = (&raw mut (*state).names, &raw mut (*state).attributes);
                (*names).clear();
                (*attributes).clear();
                pyproxy::features::clear();
                jsproxy::shape::unload();
                jsproxy::flags::clear();
                let (atoms, support) = ((*state).atoms, (*state).support);
                atoms.free((*state).context);
                support.free((*state).context);
                qjs::JS_RunGC((*state).runtime);
                lifetime::safe_point_at_home();
                (*state).home = ptr::null_mut();
                (*state).context = ptr::null_mut();
                (*state).runtime = ptr::null_mut();
                jsproxy::spare::clear();
            }
        });
    }
}

/// Hands the bridge the Python objects that it returns or calls (`isthmus._runtime.crossing`).
///
/// # Errors
/// The Python exception if the module lacks one.
pub fn configure(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // SAFETY: the Bound proves the GIL.
    unsafe {
        let python = &raw mut (*state::state()).python;
        if (*python).load(module.as_ptr()) < 0 {
            return Err(PyErr::fetch(module.py()));
        }
    }
    Ok(())
}
