//! `PyProxy`: a Python object in JavaScript (`spec/ffi.md` §3).
//!
//! A PyProxy is an object of one of two classes (callables have `typeof` "function") whose opaque pointer is
//! a [`Cell`]. What it can do follows from the Python type ([`features`]) and decides its prototype
//! (`support.js`); attribute access goes through [`traps`].

pub(crate) mod api;
mod call;
pub(crate) mod features;
mod iterate;
mod iteration;
mod methods;
mod traps;

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JSAtom, JSContext, JSRuntime, JSValue};

use crate::lifetime::{self, Held};
use crate::{cycles, error, state};

/// What stands behind a PyProxy. Owned by the JavaScript object, freed by its finalizer.
pub(crate) struct Cell {
    /// The Python object; owned, null once destroyed.
    object: *mut PyObject,
    /// What it can do: a set of [`features`].
    features: u32,
    origin: Origin,
    /// What a use after the destruction says.
    message: Message,
    /// Proxies of methods handed out, so that `p.f === p.f`.
    attributes: Vec<Cached>,
    /// The future that awaits the object, once `then` was asked for; owned.
    future: *mut PyObject,
    /// For [`cycles`].
    number: u32,
}

struct Cached {
    /// The name; owned.
    name: JSAtom,
    /// The attribute of the type that it came from (not owned: only compared).
    method: *mut PyObject,
    /// The proxy; owned.
    value: JSValue,
}

enum Message {
    Default,
    Fixed(&'static str),
    Given(String),
}

/// How a proxy was made.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// Coming back to Python it stays a proxy (`create_proxy`'s default).
    pub(crate) roundtrip: bool,
    /// It can be called once (`create_once_callable`).
    pub(crate) once: bool,
    /// It passes `this` as first argument.
    pub(crate) capture_this: bool,
}

impl Origin {
    /// A proxy made by an implicit conversion.
    pub(crate) const OWNED: Self = Self {
        roundtrip: false,
        once: false,
        capture_this: false,
    };
}

const DESTROYED: &str = "Object has already been destroyed";
const ONCE_CALLED: &str = "OnceProxy can only be called once";
const ONCE_DESTROYED: &str = "OnceProxy has already been destroyed";
const ATTRIBUTE_DESTROYED: &str = "This borrowed attribute proxy was automatically destroyed in the process of \
                                   destroying the proxy it was borrowed from. Try using the 'copy' method.";

/// Makes the classes known to the runtime.
///
/// # Safety
/// The runtime is alive, at home, and has no such classes yet.
pub(crate) unsafe fn register_classes(runtime: *mut JSRuntime) {
    // SAFETY: as the caller promises; the definitions are copied, the exotic tables are static.
    unsafe {
        let state = state::state();
        (*state).pyproxy_class = 0;
        (*state).pyproxy_function_class = 0;
        qjs::JS_NewClassID(runtime, &raw mut (*state).pyproxy_class);
        qjs::JS_NewClassID(runtime, &raw mut (*state).pyproxy_function_class);
        let plain = qjs::JSClassDef {
            class_name: c"PyProxy".as_ptr(),
            finalizer: Some(finalize),
            gc_mark: Some(mark),
            call: None,
            exotic: traps::methods(),
        };
        qjs::JS_NewClass(runtime, (*state).pyproxy_class, &plain);
        let function = qjs::JSClassDef {
            class_name: c"PyProxy".as_ptr(),
            finalizer: Some(finalize),
            gc_mark: Some(mark),
            call: Some(call::call),
            exotic: traps::methods(),
        };
        qjs::JS_NewClass(runtime, (*state).pyproxy_function_class, &function);
        iteration::register_class(runtime);
    }
}

/// A new PyProxy of a borrowed object.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn new(object: *mut PyObject, origin: Origin) -> JSValue {
    // SAFETY: as the caller promises; the cell goes to the object, which frees it.
    unsafe {
        let Some(features) = features::of(object) else {
            return error::throw();
        };
        let prototype = features::prototype(features);
        if qjs::JS_IsException(prototype) {
            return JS_EXCEPTION;
        }
        let class = if features & features::CALLABLE != 0 {
            (*state::state()).pyproxy_function_class
        } else {
            (*state::state()).pyproxy_class
        };
        let value = qjs::JS_NewObjectProtoClass(state::context(), prototype, class);
        if qjs::JS_IsException(value) {
            return value;
        }
        ffi::Py_INCREF(object);
        let cell = Box::new(Cell {
            object,
            features,
            origin,
            message: Message::Default,
            attributes: Vec::new(),
            future: ptr::null_mut(),
            number: 0,
        });
        qjs::JS_SetOpaque(value, Box::into_raw(cell).cast());
        (*state::state()).live_pyproxies += 1;
        cycles::born();
        value
    }
}

/// The cell of a value if it is a PyProxy, destroyed or not.
///
/// # Safety
/// At home with the GIL. The cell lives as long as the value.
#[inline(always)]
pub(crate) unsafe fn cell_of(value: JSValue) -> Option<*mut Cell> {
    // SAFETY: as the caller promises.
    unsafe {
        if !qjs::JS_IsObject(value) {
            return None;
        }
        let class = qjs::JS_GetClassID(value);
        let state = state::state();
        if class != (*state).pyproxy_class && class != (*state).pyproxy_function_class {
            return None;
        }
        let cell = qjs::JS_GetOpaque(value, class).cast::<Cell>();
        (!cell.is_null()).then_some(cell)
    }
}

/// The object (borrowed, null if destroyed) that a PyProxy turns back into; `None` if it stays a proxy.
///
/// # Safety
/// `cell` is alive.
#[inline(always)]
pub(crate) unsafe fn unwrap(cell: *mut Cell) -> Option<*mut PyObject> {
    // SAFETY: as the caller promises.
    unsafe { (!(*cell).origin.roundtrip).then_some((*cell).object) }
}

/// The object behind a PyProxy (borrowed), whatever its origin; null if destroyed.
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn object_of(cell: *mut Cell) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe { (*cell).object }
}

/// Whether the proxy was destroyed.
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn is_destroyed(cell: *mut Cell) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*cell).object.is_null() }
}

/// What the proxy can do: a set of [`features`].
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn features_of(cell: *mut Cell) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { (*cell).features }
}

/// Whether the proxy can be called only once.
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn is_once(cell: *mut Cell) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*cell).origin.once }
}

/// Throws what a use of a destroyed proxy deserves.
///
/// # Safety
/// At home with the GIL; `cell` is alive.
#[cold]
pub(crate) unsafe fn throw_destroyed(cell: *mut Cell) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let mut text = match &(*cell).message {
            Message::Default => DESTROYED.to_owned(),
            Message::Fixed(text) => (*text).to_owned(),
            Message::Given(text) => text.clone(),
        };
        if !(*cell).origin.once && !(*state::state()).debug {
            text.push_str(
                "\nFor more information about the cause of this error, use `pyodide.setDebug(true)`",
            );
        }
        let text = std::ffi::CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
        error::throw_error(c"Error", &text)
    }
}

/// Destroys a PyProxy (borrowed); silent if it is destroyed already or no PyProxy.
///
/// # Safety
/// At home with the GIL, neither engine inside a free or collection: this may run `__del__`.
pub(crate) unsafe fn destroy(value: JSValue, message: &'static str) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(cell) = cell_of(value) {
            end(cell, Message::Fixed(message));
        }
    }
}

unsafe fn end(cell: *mut Cell, message: Message) {
    // SAFETY: as for `destroy`. The cell is consistent before foreign code can run.
    unsafe {
        let object = std::mem::replace(&mut (*cell).object, ptr::null_mut());
        if object.is_null() {
            return;
        }
        let message = if (*state::state()).debug {
            with_details(message, object)
        } else {
            message
        };
        (*cell).message = if (*cell).origin.once && matches!(message, Message::Fixed(ONCE_CALLED)) {
            message
        } else if (*cell).origin.once {
            Message::Fixed(ONCE_DESTROYED)
        } else {
            message
        };
        let future = std::mem::replace(&mut (*cell).future, ptr::null_mut());
        for cached in std::mem::take(&mut (*cell).attributes) {
            destroy(cached.value, ATTRIBUTE_DESTROYED);
            qjs::JS_FreeAtom(state::context(), cached.name);
            qjs::JS_FreeValue(state::context(), cached.value);
        }
        ffi::Py_XDECREF(future);
        ffi::Py_DECREF(object);
    }
}

/// In debug mode the message says what the object was.
#[cold]
unsafe fn with_details(message: Message, object: *mut PyObject) -> Message {
    // SAFETY: the GIL is held, `object` alive; a repr that raises is left out.
    unsafe {
        let start = match message {
            Message::Default => DESTROYED.to_owned(),
            Message::Fixed(text) => text.to_owned(),
            Message::Given(text) => text,
        };
        let repr = ffi::PyObject_Repr(object);
        let mut length = 0;
        let text = if repr.is_null() {
            ptr::null()
        } else {
            ffi::PyUnicode_AsUTF8AndSize(repr, &mut length)
        };
        let shown = if text.is_null() {
            ffi::PyErr_Clear();
            "an object whose repr raised".to_owned()
        } else {
            String::from_utf8_lossy(std::slice::from_raw_parts(text.cast::<u8>(), length as usize))
                .into_owned()
        };
        ffi::Py_XDECREF(repr);
        let kind = std::ffi::CStr::from_ptr((*ffi::Py_TYPE(object)).tp_name).to_string_lossy();
        Message::Given(format!(
            "{start}\nThe object was of type \"{kind}\" and had repr \"{shown}\""
        ))
    }
}

/// The finalizer: inside QuickJS's free or collection, so it only enqueues.
unsafe extern "C" fn finalize(runtime: *mut JSRuntime, value: JSValue) {
    // SAFETY: called once per object by the engine, on the home thread, under the GIL.
    unsafe {
        let mut class = 0;
        let cell = qjs::JS_GetAnyOpaque(value, &mut class).cast::<Cell>();
        if cell.is_null() {
            return;
        }
        let mut cell = Box::from_raw(cell);
        for cached in cell.attributes.drain(..) {
            qjs::JS_FreeAtomRT(runtime, cached.name);
            qjs::JS_FreeValueRT(runtime, cached.value);
        }
        lifetime::drop_object(cell.object);
        lifetime::drop_object(cell.future);
        (*state::state()).live_pyproxies -= 1;
        cycles::died();
    }
}

/// Shows the collector the values that a cell owns.
unsafe extern "C" fn mark(runtime: *mut JSRuntime, value: JSValue, mark: qjs::JS_MarkFunc) {
    // SAFETY: called by the collector on live objects of our classes.
    unsafe {
        let mut class = 0;
        let cell = qjs::JS_GetAnyOpaque(value, &mut class).cast::<Cell>();
        if !cell.is_null() {
            for cached in &(*cell).attributes {
                qjs::JS_MarkValue(runtime, cached.value, mark);
            }
            let references = cycles::References {
                objects: [(*cell).object, (*cell).future],
                number: &raw mut (*cell).number,
            };
            cycles::mark(runtime, value, references, mark);
        }
    }
}

/// Has a proxy (borrowed) that is garbage give up what it owns: its Python references go to `objects`. Other values are
/// left alone.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn give_up(value: JSValue, objects: &mut Vec<*mut PyObject>) {
    // SAFETY: as the caller promises; finalizers that this sets off only enqueue.
    unsafe {
        let Some(cell) = cell_of(value) else { return };
        for reference in [&raw mut (*cell).object, &raw mut (*cell).future] {
            let object = std::mem::replace(&mut *reference, ptr::null_mut());
            if !object.is_null() {
                objects.push(object);
            }
        }
        for cached in std::mem::take(&mut (*cell).attributes) {
            qjs::JS_FreeAtom(state::context(), cached.name);
            qjs::JS_FreeValue(state::context(), cached.value);
        }
    }
}

/// The cell of `this` and its object, kept alive even if user code destroys the proxy; `Err` with a JavaScript
/// exception set.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn receiver(this: JSValue) -> Result<(*mut Cell, Held), JSValue> {
    // SAFETY: as the caller promises.
    unsafe {
        match cell_of(this) {
            None => Err(error::throw_error(c"TypeError", c"Expected a PyProxy")),
            Some(cell) if (*cell).object.is_null() => Err(throw_destroyed(cell)),
            Some(cell) => Ok((cell, Held::new((*cell).object))),
        }
    }
}

/// What the engine passes to callbacks.
pub(crate) type Context = *mut JSContext;
