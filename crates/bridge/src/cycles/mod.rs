//! Cycles that run through both heaps: a Python object holds a `JsProxy` of a JavaScript object that holds a PyProxy of
//! it, by whatever detours. Neither collector can free one, since each takes the other heap's references for roots.
//!
//! How one is found:
//!
//! 1. [`engine`] lists the *holders*, the JavaScript objects that own Python references (PyProxies, the reactions of
//!    awaited promises), from the marks that QuickJS's collector asks of them.
//! 2. [`python`] finds the Python objects that nothing but holders keeps alive, by trial deletion from the holders'
//!    objects: what has a reference that is not explained stays, and all that is reachable from it.
//! 3. What is left and leads to JavaScript again is mirrored by JavaScript objects, its *shadows*, and QuickJS's collector
//!    runs over the joined graph. Holders that it finds unreachable are garbage; it is kept from freeing them.
//! 4. `__del__` and its like run first, on intact objects, as in Python's own collections (PEP 442); if there were any,
//!    all is looked at anew. Then the holders give up their references, and reference counting does the rest.
//!
//! So nothing is ever freed below its users: a mistake could at worst destroy a PyProxy that is in use. A reference
//! that this module can't see (another thread's, a C extension's, a Rust closure's) keeps its object, and with it the
//! cycle. A collection looks at all that the holders' objects reach, without modules; it runs rarely, see [`born`]
//! and [`due_in_this_turn`].

mod engine;
mod leaves;
mod python;

use std::time::{Duration, Instant};

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JSRuntime, JSValue};

pub(crate) use engine::register_class;

use crate::lifetime::Pending;
use crate::state::{self, Entry};
use crate::{lifetime, promise, pyproxy};

/// Fewer holders call for no collection by their number.
const FEWEST: usize = 1024;
/// Where little garbage is found, collections take at most one part in this many of the time.
const SHARE: u32 = 20;
/// So many holders more than the last collection left call for another ...
const FEW: usize = 16;
/// ... if it was so long ago.
const PAUSE: Duration = Duration::from_secs(1);
/// How often finalizers may make a collection start over.
const ATTEMPTS: usize = 4;

struct Schedule {
    /// Live holders.
    holders: usize,
    /// So many call for a collection.
    threshold: usize,
    /// A collection is called for.
    due: bool,
    running: bool,
    /// The collector of this version of QuickJS does not work as expected.
    broken: bool,
    /// Holders that the last one left.
    left: usize,
    /// When the last one ended.
    ended: Option<Instant>,
    /// How long there is to be none after it, unless for the number of holders.
    rest: Duration,
}

static mut SCHEDULE: Schedule = Schedule {
    holders: 0,
    threshold: FEWEST,
    due: false,
    running: false,
    broken: false,
    left: 0,
    ended: None,
    rest: Duration::ZERO,
};

/// What a holder shows the collector.
pub(crate) struct References {
    /// Borrowed; null where there is none.
    pub(crate) objects: [*mut PyObject; 2],
    /// The holder's field for its number in the collection.
    pub(crate) number: *mut u32,
}

/// Counts a new holder. A collection is called for when there are twice as many as the last one left.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn born() {
    // SAFETY: as the caller promises.
    unsafe {
        let schedule = &raw mut SCHEDULE;
        (*schedule).holders += 1;
        if (*schedule).holders >= (*schedule).threshold {
            (*schedule).due = true;
        }
    }
}

/// Counts a holder less.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn died() {
    // SAFETY: as the caller promises.
    unsafe {
        let schedule = &raw mut SCHEDULE;
        (*schedule).holders -= 1;
    }
}

/// Whether a collection is called for.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn due() -> bool {
    // SAFETY: as the caller promises.
    unsafe { SCHEDULE.due }
}

/// Shows a holder's Python references to a collection under way; called by the marks of holders' classes.
///
/// # Safety
/// Called from a `gc_mark` of the engine with its arguments; the references are those that `value` owns.
#[inline(always)]
pub(crate) unsafe fn mark(
    runtime: *mut JSRuntime,
    value: JSValue,
    references: References,
    mark: qjs::JS_MarkFunc,
) {
    // SAFETY: as the caller promises.
    unsafe {
        if SCHEDULE.running {
            engine::mark_holder(runtime, value, references, mark);
        }
    }
}

/// The collection that was called for, if it is time.
///
/// # Safety
/// At home with the GIL, JavaScript and the bridge not in the middle of anything; may run any Python code.
#[cold]
pub(crate) unsafe fn collect_if_due() {
    // SAFETY: as the caller promises.
    unsafe {
        let schedule = &raw mut SCHEDULE;
        (*schedule).due = false;
        if (*schedule).running {
            return;
        }
        if (*schedule)
            .ended
            .is_some_and(|end| end.elapsed() < (*schedule).rest)
        {
            (*schedule).threshold = (*schedule).holders + (*schedule).holders / 4;
            return;
        }
        collect();
    }
}

/// Whether a collection is called for in this turn of the event loop; that holders have become more for a while calls for
/// one too.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn due_in_this_turn() -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let schedule = &raw mut SCHEDULE;
        if (*schedule).holders >= (*schedule).left + FEW {
            let pause = PAUSE.max((*schedule).rest);
            (*schedule).due |= (*schedule).ended.get_or_insert_with(Instant::now).elapsed() >= pause;
        }
        (*schedule).due && (*state::state()).depth == 0
    }
}

/// Runs both collectors' common part now; returns how many holders were garbage, `None` where the engine's collector
/// does not work as this module expects.
///
/// # Safety
/// As for [`collect_if_due`].
pub(crate) unsafe fn collect() -> Option<usize> {
    // SAFETY: as the caller promises; `running` keeps this from being entered twice.
    unsafe {
        let schedule = &raw mut SCHEDULE;
        if (*schedule).running {
            return Some(0);
        }
        if (*schedule).broken {
            return None;
        }
        let (start, before) = (Instant::now(), (*schedule).holders);
        let mut released = Some(0);
        {
            let _pending = Pending::take();
            let _entry = Entry::new();
            for _ in 0..ATTEMPTS {
                match attempt() {
                    Ok(Found::Finalized) => {}
                    Ok(Found::Released(count)) => {
                        released = Some(count);
                        break;
                    }
                    Err(engine::Unexpected) => {
                        (*schedule).broken = true;
                        released = None;
                        break;
                    }
                }
            }
        }
        let worthwhile = released.is_some_and(|count| count >= before / 4);
        (*schedule).left = (*schedule).holders;
        (*schedule).threshold = FEWEST.max((*schedule).left * 2);
        (*schedule).rest = if worthwhile {
            Duration::ZERO
        } else {
            start.elapsed() * SHARE
        };
        (*schedule).ended = Some(Instant::now());
        released
    }
}

enum Found {
    /// Finalizers ran, so that all may be different now.
    Finalized,
    /// So many holders gave up their references.
    Released(usize),
}

/// Looks for garbage, and finalizes it or else releases it.
unsafe fn attempt() -> Result<Found, engine::Unexpected> {
    // SAFETY: as for `collect`. Between the listing and the end of `garbage` no foreign code runs: automatic
    // collections are off, and nothing is released.
    unsafe {
        qjs::JS_RunGC((*state::state()).runtime);
        lifetime::release_dropped();
        let (dead, finalizable) = {
            let _quiet = engine::Quiet::new();
            SCHEDULE.running = true;
            let found = garbage();
            SCHEDULE.running = false;
            found?
        };
        if finalizable.is_empty() {
            return Ok(Found::Released(release(dead)));
        }
        for holder in dead {
            qjs::JS_FreeValue(state::context(), holder);
        }
        for &object in &finalizable {
            ffi::PyObject_CallFinalizer(object);
        }
        for object in finalizable {
            ffi::Py_DECREF(object);
        }
        Ok(Found::Finalized)
    }
}

/// The holders that are garbage (owned), and the Python objects among the garbage whose finalizers have not run (owned).
unsafe fn garbage() -> Result<(Vec<JSValue>, Vec<*mut PyObject>), engine::Unexpected> {
    // SAFETY: as for `attempt`.
    unsafe {
        let mut holders = engine::list()?;
        let none = (Vec::new(), Vec::new());
        if holders.is_empty() {
            return Ok(none);
        }
        let Some(graph) = python::Graph::new(&mut holders) else {
            return Ok(none);
        };
        let dead = engine::trace(&mut holders, &graph)?;
        if dead.is_empty() {
            return Ok(none);
        }
        let finalizable = graph.finalizable(&holders);
        for &object in &finalizable {
            ffi::Py_INCREF(object);
        }
        Ok((dead, finalizable))
    }
}

/// Has the holders (taken) give up their references.
unsafe fn release(dead: Vec<JSValue>) -> usize {
    // SAFETY: as for `collect`. Every holder is in order before the first object is released, which may run any code.
    unsafe {
        let count = dead.len();
        let mut objects = Vec::new();
        for &holder in &dead {
            pyproxy::give_up(holder, &mut objects);
            promise::give_up(holder, &mut objects);
        }
        for holder in dead {
            qjs::JS_FreeValue(state::context(), holder);
        }
        for object in objects {
            ffi::Py_DECREF(object);
        }
        if count > 0 {
            // What is left of the cycles lies in the engine's heap alone.
            qjs::JS_RunGC((*state::state()).runtime);
            lifetime::release_dropped();
        }
        count
    }
}
