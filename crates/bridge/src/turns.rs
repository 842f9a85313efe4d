//! The inner loop of an isolate's event loop (`isthmus._runtime.loop`): what it does for every callback.
//!
//! Callbacks are `asyncio.Handle`s, made and read at the places where that class keeps its attributes, which its member
//! descriptors tell; where they don't, by name. JavaScript jobs run after every callback. A callback may park the greenlet
//! that runs it, so that [`run_turn`] is on several stacks at once: it keeps nothing but references, and no frame of PyO3's
//! lies below a callback.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{mem, ptr};

use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::member;
use crate::slot::Slot;

/// What an event loop of asyncio keeps for every callback; the base of `IsolateLoop`.
#[pyclass(subclass, frozen, module = "isthmus._native.ffi")]
pub(crate) struct Turns {
    ready: Slot,
    failed: Slot,
    is_closed: AtomicBool,
    is_debug: AtomicBool,
}

#[pymethods]
impl Turns {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyAny>>) -> Self {
        Self {
            ready: Slot::new(None),
            failed: Slot::new(None),
            is_closed: AtomicBool::new(false),
            is_debug: AtomicBool::new(false),
        }
    }

    /// The callbacks to run, a `deque`.
    #[getter(_ready)]
    fn ready<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.ready.get(py)
    }

    #[setter(_ready)]
    fn set_ready(&self, py: Python<'_>, ready: Py<PyAny>) {
        self.ready.set(py, Some(ready));
    }

    #[getter(_closed)]
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    #[setter(_closed)]
    fn set_closed(&self, closed: bool) {
        self.is_closed.store(closed, Ordering::Relaxed);
    }

    #[getter(_debug)]
    fn is_debug(&self) -> bool {
        self.is_debug.load(Ordering::Relaxed)
    }

    #[setter(_debug)]
    fn set_is_debug(&self, debug: &Bound<'_, PyAny>) -> PyResult<()> {
        self.is_debug.store(debug.is_truthy()?, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the loop is in asyncio's debug mode.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// Runs `callback(*args)` in the next turn; RuntimeError if the loop is closed.
    #[pyo3(signature = (callback, *args, context = None))]
    fn call_soon<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let turns = slf.get();
        let ready = turns.ready.get(py);
        let (Some(ready), false, false) = (ready, turns.is_closed(), turns.is_debug()) else {
            return slf.call_method1(intern!(py, "_call_soon_checked"), (callback, args, context));
        };
        // SAFETY: the tokens prove the GIL; each call returns a new reference, or null with an exception set.
        let handle = unsafe {
            let context = match context {
                Some(context) => context.clone(),
                None => Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())?,
            };
            Bound::from_owned_ptr_or_err(py, new_handle(slf.as_any(), callback, args, &context))?
        };
        ready.call_method1(intern!(py, "append"), (&handle,))?;
        Ok(handle)
    }

    /// The handle whose callback raised what `run_turn` did, given up; None if something else raised it.
    fn take_failed<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let failed = self.failed.get(py);
        self.failed.set(py, None);
        failed
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.ready.traverse(&visit)?;
        self.failed.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.ready.set(py, None);
        self.failed.set(py, None);
    }
}

/// Where `asyncio.Handle` keeps its attributes, in bytes from an object's start.
#[derive(Clone, Copy)]
struct Places {
    callback: usize,
    args: usize,
    context: usize,
    event_loop: usize,
    cancelled: usize,
}

/// The classes of handles. The class that is made, its base and the one of timers keep their attributes at the same places.
struct Handles {
    made: *mut PyTypeObject,
    base: *mut PyTypeObject,
    timer: *mut PyTypeObject,
    places: Option<Places>,
}

/// Set once, when the module of the event loop is imported; owned for good.
static mut HANDLES: Handles = Handles {
    made: ptr::null_mut(),
    base: ptr::null_mut(),
    timer: ptr::null_mut(),
    places: None,
};

/// The classes of handles: `made` is what `call_soon` makes, without attributes of its own but those of its base `base`;
/// `timer` is another of its heirs.
#[pyfunction]
pub(crate) fn use_handles(made: Bound<'_, PyType>, base: Bound<'_, PyType>, timer: Bound<'_, PyType>) {
    let place = |name| member::place_of(&base, name, member::Kind::Object);
    let places = (|| {
        Some(Places {
            callback: place("_callback")?,
            args: place("_args")?,
            context: place("_context")?,
            event_loop: place("_loop")?,
            cancelled: place("_cancelled")?,
        })
    })();
    // SAFETY: the tokens prove the GIL, which guards the static; the classes are kept alive for good.
    unsafe {
        HANDLES = Handles {
            made: made.into_ptr().cast(),
            base: base.into_ptr().cast(),
            timer: timer.into_ptr().cast(),
            places,
        };
    }
}

/// The reference that an object keeps at a place.
unsafe fn at(object: *mut PyObject, place: usize) -> *mut *mut PyObject {
    // SAFETY: the caller knows the object's layout.
    unsafe { object.cast::<u8>().add(place).cast() }
}

/// A handle; a new reference, null with an exception set.
unsafe fn new_handle(
    event_loop: &Bound<'_, PyAny>,
    callback: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    context: &Bound<'_, PyAny>,
) -> *mut PyObject {
    // SAFETY: the tokens prove the GIL. A fresh object's slots are null; nobody sees it before they are filled, and filling
    // them runs no code.
    unsafe {
        let handles = &raw const HANDLES;
        let Some(places) = (*handles).places else {
            let arguments = [
                callback.as_ptr(),
                args.as_ptr(),
                event_loop.as_ptr(),
                context.as_ptr(),
            ];
            return ffi::PyObject_Vectorcall((*handles).base.cast(), arguments.as_ptr(), 4, ptr::null_mut());
        };
        let handle = ffi::PyType_GenericAlloc((*handles).made, 0);
        if handle.is_null() {
            return handle;
        }
        *at(handle, places.callback) = callback.clone().into_ptr();
        *at(handle, places.args) = args.clone().into_ptr();
        *at(handle, places.context) = context.clone().into_ptr();
        *at(handle, places.event_loop) = event_loop.clone().into_ptr();
        ffi::Py_INCREF(ffi::Py_False());
        *at(handle, places.cancelled) = ffi::Py_False();
        handle
    }
}

/// A reference of our own, given up at the end.
struct Own(*mut PyObject);

impl Own {
    /// Takes one more reference. `None` for null.
    unsafe fn more(object: *mut PyObject) -> Option<Self> {
        if object.is_null() {
            return None;
        }
        // SAFETY: the GIL is held, `object` valid.
        unsafe { ffi::Py_INCREF(object) };
        Some(Self(object))
    }

    /// Takes over a reference. `None` for null.
    fn over(object: *mut PyObject) -> Option<Self> {
        (!object.is_null()).then(|| Self(object))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: the GIL is held where these live, and the reference is ours.
        unsafe { ffi::Py_DECREF(self.0) };
    }
}

/// `run_turn(turns, popleft, jobs_pending, run_jobs, leave_jobs)`: runs callbacks until one of the ready queue is cancelled,
/// which is returned: the marks of the event loop look so. `jobs_pending` is None where the engine of this process is asked.
/// `leave_jobs` is called at the end of a callback that leaves jobs, in its context; None for nothing.
///
/// What a callback raises is raised, with its handle in `turns.take_failed()`.
pub(crate) unsafe extern "C" fn run_turn(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by the interpreter with the GIL; the caller keeps the arguments alive.
    unsafe {
        if count != 5 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"run_turn takes five arguments".as_ptr());
            return ptr::null_mut();
        }
        let [turns, pop, pending, run_jobs, leave_jobs] = [0, 1, 2, 3, 4].map(|index| *arguments.add(index));
        loop {
            match jobs_pending(pending) {
                0 => {}
                1 => {
                    if Own::over(ffi::PyObject_CallNoArgs(run_jobs)).is_none() {
                        return ptr::null_mut();
                    }
                }
                _ => return ptr::null_mut(),
            }
            let Some(handle) = Own::over(ffi::PyObject_CallNoArgs(pop)) else {
                return ptr::null_mut();
            };
            match run_handle(handle.0, pending, leave_jobs) {
                Some(true) => {}
                Some(false) => {
                    let object = handle.0;
                    mem::forget(handle);
                    return object;
                }
                None => {
                    keep_failed(turns, &handle);
                    return ptr::null_mut();
                }
            }
        }
    }
}

/// Notes the handle whose callback failed.
#[cold]
unsafe fn keep_failed(turns: *mut PyObject, handle: &Own) {
    // SAFETY: the GIL is held, both are alive. The pending exception must survive the end of an older handle.
    unsafe {
        let _pending = crate::lifetime::Pending::take();
        let py = Python::assume_attached();
        if let Ok(turns) = Bound::from_borrowed_ptr(py, turns).cast::<Turns>() {
            turns
                .get()
                .failed
                .set(py, Some(Bound::from_borrowed_ptr(py, handle.0).unbind()));
        }
    }
}

/// 1 if jobs wait, 0 if not, -1 with an exception set.
unsafe fn jobs_pending(ask: *mut PyObject) -> i32 {
    // SAFETY: as for `run_turn`.
    unsafe {
        if ask == ffi::Py_None() {
            return i32::from(crate::jobs_pending(Python::assume_attached()));
        }
        match Own::over(ffi::PyObject_CallNoArgs(ask)) {
            Some(answer) => ffi::PyObject_IsTrue(answer.0),
            None => -1,
        }
    }
}

/// Calls `leave_jobs` if jobs wait.
unsafe fn tell_of_jobs(pending: *mut PyObject, leave_jobs: *mut PyObject) {
    // SAFETY: as for `run_turn`; what the callback raised stays set.
    unsafe {
        if pending == ffi::Py_None() && !crate::jobs_pending(Python::assume_attached()) {
            return;
        }
        let _raised = crate::lifetime::Pending::take();
        if jobs_pending(pending) == 1 {
            drop(Own::over(ffi::PyObject_CallNoArgs(leave_jobs)));
        }
        ffi::PyErr_Clear();
    }
}

/// Runs a callback in its context: `Some(true)` if it did, `Some(false)` if it is cancelled, `None` if it raised.
unsafe fn run_handle(
    handle: *mut PyObject,
    pending: *mut PyObject,
    leave_jobs: *mut PyObject,
) -> Option<bool> {
    // SAFETY: as for `run_turn`. The references are our own while the callback runs, which may cancel its handle.
    unsafe {
        let handles = &raw const HANDLES;
        let kind = ffi::Py_TYPE(handle);
        let (callback, args, context) = match (*handles).places {
            Some(places)
                if kind == (*handles).made || kind == (*handles).base || kind == (*handles).timer =>
            {
                if *at(handle, places.cancelled) != ffi::Py_False() {
                    return Some(false);
                }
                let [callback, args, context] =
                    [places.callback, places.args, places.context].map(|place| Own::more(*at(handle, place)));
                (callback, args, context)
            }
            _ => {
                let attribute =
                    |name: &std::ffi::CStr| Own::over(ffi::PyObject_GetAttrString(handle, name.as_ptr()));
                match ffi::PyObject_IsTrue(attribute(c"_cancelled")?.0) {
                    0 => {}
                    1 => return Some(false),
                    _ => return None,
                }
                (
                    attribute(c"_callback"),
                    attribute(c"_args"),
                    attribute(c"_context"),
                )
            }
        };
        let (Some(callback), Some(args), Some(context)) = (callback, args, context) else {
            if ffi::PyErr_Occurred().is_null() {
                ffi::PyErr_SetString(ffi::PyExc_AttributeError, c"the handle is not complete".as_ptr());
            }
            return None;
        };
        if ffi::PyContext_Enter(context.0) < 0 {
            return None;
        }
        let returned = if ffi::PyTuple_CheckExact(args.0) != 0 {
            let first = (&raw const (*args.0.cast::<ffi::PyTupleObject>()).ob_item).cast();
            let count = ffi::PyTuple_GET_SIZE(args.0) as usize;
            ffi::PyObject_Vectorcall(callback.0, first, count, ptr::null_mut())
        } else {
            match Own::over(ffi::PySequence_Tuple(args.0)) {
                Some(args) => ffi::PyObject_Call(callback.0, args.0, ptr::null_mut()),
                None => ptr::null_mut(),
            }
        };
        let returned = Own::over(returned);
        if leave_jobs != ffi::Py_None() {
            tell_of_jobs(pending, leave_jobs);
        }
        // With an exception set, as `Context.run` does it.
        if ffi::PyContext_Exit(context.0) < 0 {
            return None;
        }
        returned.map(|_| true)
    }
}
