//! QuickJS's collector as an oracle: which holders it would take for garbage, were the Python objects that only holders
//! keep alive part of its heap.
//!
//! Nothing of the engine's insides is touched; what is used is how its collector asks `gc_mark` functions for children:
//!
//! 1. For every object, with a function that takes a reference off each child. What has none left is set aside.
//! 2. For every object not set aside, with a function that gives the references back. A child set aside comes to the end
//!    of the queue and is asked in turn.
//! 3. For what is still set aside (the garbage), with a third function; then it is freed.
//!
//! A function is known by its address. Two *sentinels* that take each other off and put each other back are asked again
//! and again during 2: after more rounds than there are objects, nothing else can be left in the queue, and the holders not
//! asked yet are the garbage. Giving each a reference then, in the manner of 2, keeps it and all it leads to.
//! A *control* of known outcome (a chain that must be reached and a cycle that must not) goes along with each
//! run: should a version of QuickJS work in another way, then nothing is collected any more ([`Unexpected`]).

use std::ffi::c_void;

use pyo3::ffi::PyObject;
use rquickjs::qjs::{self, JS_UNDEFINED, JSClassID, JSMemoryUsage, JSRuntime, JSValue};

use super::References;
use super::python::{Graph, NONE};
use crate::state;

/// The engine's collector does not work as described above.
pub(super) struct Unexpected;

/// A JavaScript object that owns Python references.
pub(super) struct Holder {
    /// Borrowed.
    value: JSValue,
    /// Borrowed, null where there is none.
    pub(super) objects: [*mut PyObject; 2],
    /// The objects' shadows.
    pub(super) shadows: [u32; 2],
    /// Reached from what is in use.
    pub(super) live: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Off,
    List,
    Trace,
}

/// A step of the collector's, in its order.
#[derive(PartialEq)]
enum Step {
    TakeOff,
    GiveBack,
    Garbage,
}

/// How many objects the control's chain has.
const CHAIN: usize = 16;
/// What the opaque pointers of our objects say: the two sentinels, the control's chain and its cycle, then shadows.
const SENTINELS: usize = 1;
const CONTROL: usize = 3;
const CYCLE: usize = CONTROL + CHAIN;
const SHADOWS: usize = CYCLE + 2;

struct Run {
    mode: Mode,
    take_off: qjs::JS_MarkFunc,
    give_back: qjs::JS_MarkFunc,
    holders: *mut Vec<Holder>,
    graph: *const Graph,
    /// Our objects by what their opaque pointers say.
    objects: Vec<JSValue>,
    /// Holders not reached yet.
    unreached: usize,
    rounds: usize,
    decided: bool,
    chain_reached: bool,
    unexpected: bool,
}

static mut RUN: Run = Run {
    mode: Mode::Off,
    take_off: None,
    give_back: None,
    holders: std::ptr::null_mut(),
    graph: std::ptr::null(),
    objects: Vec::new(),
    unreached: 0,
    rounds: 0,
    decided: false,
    chain_reached: false,
    unexpected: false,
};

static mut CLASS: JSClassID = 0;

/// Makes the class of shadows and sentinels known to the runtime.
///
/// # Safety
/// The runtime is alive, at home, and has no such class yet.
pub(crate) unsafe fn register_class(runtime: *mut JSRuntime) {
    // SAFETY: as the caller promises; the definition is copied.
    unsafe {
        CLASS = 0;
        qjs::JS_NewClassID(runtime, &raw mut CLASS);
        let class = qjs::JSClassDef {
            class_name: c"Shadow".as_ptr(),
            finalizer: None,
            gc_mark: Some(mark_own),
            call: None,
            exotic: std::ptr::null_mut(),
        };
        qjs::JS_NewClass(runtime, CLASS, &class);
    }
}

/// Keeps the engine from collecting by itself while it lives.
pub(super) struct Quiet(usize);

impl Quiet {
    /// # Safety
    /// At home with the GIL, and so when it is dropped.
    pub(super) unsafe fn new() -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let runtime = (*state::state()).runtime;
            let threshold = qjs::JS_GetGCThreshold(runtime);
            qjs::JS_SetGCThreshold(runtime, usize::MAX as _);
            Self(threshold as usize)
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as `new`'s caller promises.
        unsafe { qjs::JS_SetGCThreshold((*state::state()).runtime, self.0 as _) };
    }
}

/// Runs the engine's collector and lists the holders that are left.
///
/// # Safety
/// At home with the GIL; the list is good until anything is freed.
pub(super) unsafe fn list() -> Result<Vec<Holder>, Unexpected> {
    // SAFETY: as the caller promises.
    unsafe {
        let mut holders = Vec::new();
        run(Mode::List, &mut holders, std::ptr::null())?;
        Ok(holders)
    }
}

/// The holders (owned) that nothing in use leads to, in either heap. The others are marked as live.
///
/// # Safety
/// At home with the GIL; nothing was freed since `holders` were listed and `graph` was made.
pub(super) unsafe fn trace(holders: &mut Vec<Holder>, graph: &Graph) -> Result<Vec<JSValue>, Unexpected> {
    // SAFETY: as the caller promises. The collector gave each holder that is not live a reference, see `decide`.
    unsafe {
        run(Mode::Trace, holders, graph)?;
        Ok(holders
            .iter()
            .filter(|holder| !holder.live)
            .map(|holder| holder.value)
            .collect())
    }
}

unsafe fn run(mode: Mode, holders: &mut Vec<Holder>, graph: *const Graph) -> Result<(), Unexpected> {
    // SAFETY: at home with the GIL; `holders` and `graph` outlive the run, and nothing else uses them meanwhile.
    unsafe {
        let runtime = (*state::state()).runtime;
        let shadows = if graph.is_null() { 0 } else { (*graph).shadows() };
        let objects = make_objects(SHADOWS + shadows)?;
        for shadow in 0..shadows {
            // One reference for each that a holder or another shadow has: its first was made with it.
            for _ in 1..(*graph).references(shadow) {
                qjs::JS_DupValue(state::context(), objects[SHADOWS + shadow]);
            }
        }
        let mut usage: JSMemoryUsage = std::mem::zeroed();
        qjs::JS_ComputeMemoryUsage(runtime, &mut usage);
        let run = &raw mut RUN;
        *run = Run {
            mode,
            take_off: None,
            give_back: None,
            holders,
            graph,
            objects,
            unreached: (*holders).len(),
            rounds: usage.malloc_count as usize + 1,
            decided: false,
            chain_reached: false,
            unexpected: false,
        };
        qjs::JS_RunGC(runtime);
        (*run).mode = Mode::Off;
        let objects = std::mem::take(&mut (*run).objects);
        let chain = mode == Mode::List || (*run).chain_reached;
        if !(*run).decided || !chain || (*run).unexpected {
            // Who knows what became of our objects: they are left alone.
            return Err(Unexpected);
        }
        // None has children any more. The control's cycle was garbage, so it is gone.
        for &object in &objects[SENTINELS..CYCLE] {
            qjs::JS_FreeValue(state::context(), object);
        }
        for shadow in 0..shadows {
            for _ in 0..(*graph).references(shadow) {
                qjs::JS_FreeValue(state::context(), objects[SHADOWS + shadow]);
            }
        }
        Ok(())
    }
}

/// So many of our objects, the sentinels last, since the collector goes by age.
unsafe fn make_objects(count: usize) -> Result<Vec<JSValue>, Unexpected> {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let mut objects = vec![JS_UNDEFINED; count];
        for at in (SENTINELS..count).rev() {
            let object = qjs::JS_NewObjectProtoClass(context, qjs::JS_NULL, CLASS);
            if qjs::JS_IsException(object) {
                crate::error::discard();
                for object in objects {
                    qjs::JS_FreeValue(context, object);
                }
                return Err(Unexpected);
            }
            qjs::JS_SetOpaque(object, at as *mut c_void);
            objects[at] = object;
        }
        Ok(objects)
    }
}

impl Run {
    /// The step that a mark function belongs to.
    fn step(&mut self, mark: qjs::JS_MarkFunc) -> Step {
        let address = |function: qjs::JS_MarkFunc| function.map_or(0, |function| function as usize);
        if self.take_off.is_none() {
            self.take_off = mark;
        }
        if address(mark) == address(self.take_off) {
            return Step::TakeOff;
        }
        if self.give_back.is_none() {
            self.give_back = mark;
        }
        if address(mark) == address(self.give_back) {
            Step::GiveBack
        } else {
            Step::Garbage
        }
    }
}

/// A holder is asked for its children, see [`super::mark`].
///
/// # Safety
/// As for [`super::mark`].
pub(super) unsafe fn mark_holder(
    runtime: *mut JSRuntime,
    value: JSValue,
    references: References,
    mark: qjs::JS_MarkFunc,
) {
    // SAFETY: as the caller promises; `RUN` points to what `run` keeps alive.
    unsafe {
        let run = &raw mut RUN;
        let step = (*run).step(mark);
        let holders = (*run).holders;
        match (*run).mode {
            Mode::Off => {}
            Mode::List => {
                if step == Step::GiveBack {
                    *references.number = (*holders).len() as u32;
                    (*holders).push(Holder {
                        value,
                        objects: references.objects,
                        shadows: [NONE; 2],
                        live: false,
                    });
                }
            }
            Mode::Trace => {
                let known = (&mut (*holders))
                    .get_mut(*references.number as usize)
                    .filter(|holder| {
                        qjs::JS_VALUE_GET_PTR(holder.value) == qjs::JS_VALUE_GET_PTR(value)
                            && holder.objects == references.objects
                    });
                let Some(holder) = known else {
                    (*run).unexpected = true;
                    return;
                };
                match step {
                    Step::GiveBack if !holder.live && !(*run).decided => {
                        holder.live = true;
                        (*run).unreached -= 1;
                    }
                    Step::Garbage => (*run).unexpected = true,
                    _ => {}
                }
                for shadow in holder.shadows {
                    if shadow != NONE {
                        qjs::JS_MarkValue(runtime, object(run, SHADOWS + shadow as usize), mark);
                    }
                }
            }
        }
    }
}

/// One of our objects is asked for its children.
unsafe extern "C" fn mark_own(runtime: *mut JSRuntime, value: JSValue, mark: qjs::JS_MarkFunc) {
    // SAFETY: called by the collector at home under the GIL; `RUN` points to what `run` keeps alive.
    unsafe {
        let run = &raw mut RUN;
        if (*run).mode == Mode::Off {
            return;
        }
        let mut class = 0;
        let at = qjs::JS_GetAnyOpaque(value, &mut class) as usize;
        let step = (*run).step(mark);
        if at >= SHADOWS {
            (*(*run).graph).children(
                at - SHADOWS,
                |child| qjs::JS_MarkValue(runtime, child, mark),
                |shadow| {
                    qjs::JS_MarkValue(runtime, object(run, SHADOWS + shadow), mark);
                },
            );
        } else if at >= CYCLE {
            let other = if at == CYCLE { CYCLE + 1 } else { CYCLE };
            (*run).unexpected |= step == Step::GiveBack;
            qjs::JS_MarkValue(runtime, object(run, other), mark);
        } else if at == CYCLE - 1 {
            (*run).chain_reached |= step == Step::GiveBack && !(*run).decided;
        } else if at >= CONTROL {
            qjs::JS_MarkValue(runtime, object(run, at + 1), mark);
        } else if at >= SENTINELS && step == Step::GiveBack && !(*run).decided {
            next_round(
                run,
                runtime,
                if at == SENTINELS { SENTINELS + 1 } else { SENTINELS },
            );
        }
    }
}

/// The value of one of our objects, by what its opaque pointer says; borrowed.
unsafe fn object(run: *const Run, at: usize) -> JSValue {
    // SAFETY: `run` is alive, and nothing changes the list during a run.
    unsafe { (&(*run).objects)[at] }
}

/// A sentinel's turn: puts the other one at the end of the queue, or decides when the queue must be empty.
unsafe fn next_round(run: *mut Run, runtime: *mut JSRuntime, other: usize) {
    // SAFETY: as for `mark_own`. The other sentinel has one reference, ours: taken off it is at none, given back it is
    // put at the end of the queue. A holder not reached is at none as well.
    unsafe {
        let tracing = (*run).mode == Mode::Trace;
        if tracing && (*run).rounds > 0 && !((*run).unreached == 0 && (*run).chain_reached) {
            (*run).rounds -= 1;
            let other = object(run, other);
            qjs::JS_MarkValue(runtime, other, (*run).take_off);
            qjs::JS_MarkValue(runtime, other, (*run).give_back);
            return;
        }
        (*run).decided = true;
        if tracing {
            for holder in (*(*run).holders).iter().filter(|holder| !holder.live) {
                qjs::JS_MarkValue(runtime, holder.value, (*run).give_back);
            }
        }
    }
}
