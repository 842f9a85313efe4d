//! CPython and QuickJS in one process: the foreign function interface of Pyodide, natively.
//!
//! File names are Pyodide's nouns. Values that cross by themselves (numbers, strings …) are converted by
//! [`js2python`] and [`python2js`]; all else crosses as a proxy: a JavaScript object becomes a Python
//! object of a type of [`jsproxy`], a Python object a JavaScript object of a class of [`pyproxy`].
//! `../../../shared/spec/ffi.md` is the semantics. The hot path uses the raw C interfaces of both engines;
//! behaviour that need not be native is Python (`isthmus._runtime.mixins`, the package `pyodide`).
//!
//! # Invariants of the whole crate
//!
//! - **One home.** There is one engine in a process ([`state`]). It belongs to the thread that made it; every
//!   entry from Python checks for it ([`state::at_home`]), elsewhere it raises `RuntimeError`.
//! - **The GIL** is held whenever code of this crate runs. It is the only lock.
//! - **Finalizers enqueue.** The finalizer of a PyProxy runs inside QuickJS's free or collection, so it
//!   only puts the Python reference on a list; `JsProxy` objects dropped on another thread are put on a list
//!   too. [`lifetime::safe_point`] empties both, with neither engine in the middle of anything.
//! - **Ownership of values.** A function named `*_steal` or documented "takes" consumes the `JSValue` it is
//!   given, on success and failure alike; others borrow. A returned `*mut PyObject` is a new reference, null
//!   with a Python exception set; a returned `JSValue` is owned, `JS_EXCEPTION` with a JavaScript exception set.
//! - **Depth.** [`state::State::depth`] counts the JavaScript → Python entries on the stack, so that `run_sync`
//!   never parks a JavaScript frame.

mod addresses;
mod api;
mod atoms;
mod buffer;
mod converters;
mod cycles;
mod engine;
mod error;
mod interrupt;
mod js2python;
mod jsbind;
mod jsproxy;
mod lent;
mod lifetime;
mod member;
mod module;
mod own_properties;
mod pairs;
mod promise;
mod pyproxy;
mod python2js;
mod slot;
mod state;
mod strings;
mod to_js;
mod to_py;
mod traceback;
mod turns;
mod wake;
mod words;

pub use engine::{
    Engine, EngineError, EngineHandle, OnRejection, Rejection, configure, jobs_pending, run_jobs,
};
pub use error::raise_pending as raise;
pub use jsproxy::{js_value, wrap};
pub use lent::lend_bytes;
pub use lifetime::safe_point;
pub use module::{context_enter, context_exit, register};
pub use pairs::{BytePair, byte_pairs};
pub use state::{entry_depth, is_home};
pub use wake::{calling_python, on_foreign_loop};
