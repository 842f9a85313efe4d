//! `PyProxy`: a Python object in JavaScript (`spec/ffi.md` §3).
//!
//! A PyProxy is an object of one of two classes (callables have `typeof` "function") whose opaque pointer is
//! a [`Cell`]. What it can do follows from the Python type ([`features`]) and decides its prototype
//! (`support.js`); attribute access goes through [`traps`].

pub(crate) mod api;
mod attributes;
mod bound;
mod call;
pub(crate) mod coroutines;
pub(crate) mod features;
mod items;
mod iterate;
mod iteration;
mod keys;
mod lookup;
mod methods;
mod sequence;
mod traps;

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSContext, JSRuntime, JSValue};

pub(crate) use iterate::answer as iteration_of;

use crate::lifetime::{self, Held, HeldValue};
use crate::{cycles, error, state};

/// What stands behind a PyProxy. Owned by the JavaScript object, freed by its finalizer.
pub(crate) struct Cell {
    /// The Python object; owned, null once destroyed and in a twin.
    object: *mut PyObject,
    /// The `contextvars.Context` that coroutines of its calls run in; owned, null where they run in a copy of the
    /// caller's, as everything but what `create_proxy` made of a coroutine function does.
    context: *mut PyObject,
    /// What it can do: a set of [`features`].
    features: u32,
    origin: Origin,
    /// What a use after the destruction says.
    message: Message,
    /// The proxies of attributes handed out, so that `p.f === p.f`.
    table: Option<attributes::Shared>,
    /// Those among them that live as long as this; owned.
    kept: Vec<JSValue>,
    /// Where this stands in the table of the proxy it is an attribute of.
    place: Option<attributes::Place>,
    /// The promise of the object's result, once `then` was asked for; owned.
    promise: JSValue,
    /// The proxy whose object and life this shares (`bind`, `captureThis`, `asJsJson`), itself no twin; owned,
    /// undefined if this has its own.
    twin: JSValue,
    /// What `bind` bound.
    bound: Option<Box<bound::Bound>>,
    /// For [`cycles`].
    number: u32,
}

enum Message {
    /// The usual text, and how to learn more.
    Default,
    /// Another text, and how to learn more.
    Fixed(&'static str),
    /// All there is to say.
    Complete(String),
}

/// How a proxy was made.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// Coming back to Python it stays a proxy (`create_proxy`'s default).
    pub(crate) roundtrip: bool,
    /// It passes `this` as first argument.
    pub(crate) capture_this: bool,
}

impl Origin {
    /// A proxy made by an implicit conversion.
    pub(crate) const OWNED: Self = Self {
        roundtrip: false,
        capture_this: false,
    };
}

impl Cell {
    fn new(object: *mut PyObject, features: u32, origin: Origin) -> Self {
        Self {
            object,
            context: ptr::null_mut(),
            features,
            origin,
            message: Message::Default,
            table: None,
            kept: Vec::new(),
            place: None,
            promise: JS_UNDEFINED,
            twin: JS_UNDEFINED,
            bound: None,
            number: 0,
        }
    }
}

/// What a destroyed proxy says if nobody said anything else.
pub(crate) const DESTROYED: &str = "Object has already been destroyed";
const ASK_FOR_MORE: &str = "For more information about the cause of this error, use `pyodide.setDebug(true)`";
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
        match features::of(object) {
            None => error::throw(),
            Some(features) => with_features(object, features, origin),
        }
    }
}

/// A new proxy of a borrowed object that adapts it to JSON, if it has items.
unsafe fn adapter(object: *mut PyObject) -> JSValue {
    // SAFETY: as for `new`.
    unsafe {
        match features::of(object) {
            None => error::throw(),
            Some(features) => with_features(object, features::adapted(features), Origin::OWNED),
        }
    }
}

#[inline(always)]
unsafe fn with_features(object: *mut PyObject, features: u32, origin: Origin) -> JSValue {
    // SAFETY: as for `new`.
    unsafe {
        let value = with_cell(features, || Cell::new(object, features, origin));
        if !qjs::JS_IsException(value) {
            ffi::Py_INCREF(object);
        }
        value
    }
}

/// A new JavaScript object of the class and prototype for these features, around the cell that `make` gives.
#[inline(always)]
unsafe fn with_cell(features: u32, make: impl FnOnce() -> Cell) -> JSValue {
    // SAFETY: at home with the GIL; the cell goes to the object, which frees it.
    unsafe {
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
        if !qjs::JS_IsException(value) {
            qjs::JS_SetOpaque(value, Box::into_raw(Box::new(make())).cast());
            (*state::state()).live_pyproxies += 1;
            cycles::born();
        }
        value
    }
}

/// A proxy (borrowed, not destroyed) once more: of its object and with its attributes, but with a life of its own.
unsafe fn copy(cell: *mut Cell) -> JSValue {
    // SAFETY: at home with the GIL, the cell alive.
    unsafe {
        let source = source(cell);
        let origin = Origin { ..(*cell).origin };
        let object = (*source).object;
        let context = (*source).context;
        let table = attributes::table_of(source);
        let bound = (*cell).bound.as_deref().map(|bound| Box::new(bound.duplicate()));
        let value = with_cell((*cell).features, || {
            attributes::join(&table);
            Cell {
                context,
                table: Some(table),
                bound,
                ..Cell::new(object, (*cell).features, origin)
            }
        });
        if !qjs::JS_IsException(value) {
            ffi::Py_INCREF(object);
            ffi::Py_XINCREF(context);
        }
        value
    }
}

/// A proxy that shares object and life of the proxy `of` (borrowed, with the cell `cell`), but may do other things.
unsafe fn twin(
    of: JSValue,
    cell: *mut Cell,
    features: u32,
    origin: Origin,
    bound: Option<Box<bound::Bound>>,
) -> JSValue {
    // SAFETY: at home with the GIL; the cell is that of `of`, which the twin keeps alive.
    unsafe {
        let first = if qjs::JS_IsUndefined((*cell).twin) {
            of
        } else {
            (*cell).twin
        };
        with_cell(features, || Cell {
            twin: qjs::JS_DupValue(state::context(), first),
            bound,
            ..Cell::new(ptr::null_mut(), features, origin)
        })
    }
}

/// The cell that has the object: of the proxy itself, or of the one it is a twin of.
#[inline(always)]
unsafe fn source(cell: *mut Cell) -> *mut Cell {
    // SAFETY: `cell` is alive, and with it its twin, which is a PyProxy.
    unsafe {
        if qjs::JS_IsUndefined((*cell).twin) {
            cell
        } else {
            cell_of((*cell).twin).unwrap_or(cell)
        }
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
        let mut class = 0;
        let cell = qjs::JS_GetAnyOpaque(value, &mut class).cast::<Cell>();
        let state = state::state();
        if class != (*state).pyproxy_class && class != (*state).pyproxy_function_class {
            return None;
        }
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
    unsafe { (!(*cell).origin.roundtrip).then(|| (*source(cell)).object) }
}

/// The object behind a PyProxy (borrowed), whatever its origin; null if destroyed.
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn object_of(cell: *mut Cell) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe { (*source(cell)).object }
}

/// Whether `typeof` of the proxy is "function".
///
/// # Safety
/// `cell` is alive.
#[inline(always)]
pub(crate) unsafe fn is_callable(cell: *mut Cell) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*cell).features & features::CALLABLE != 0 }
}

/// The cell of an object that the engine calls a trap on; `None` while it is being made.
///
/// # Safety
/// `object` is of one of our two classes.
#[inline(always)]
unsafe fn cell_of_trapped(object: JSValue) -> Option<*mut Cell> {
    let mut class = 0;
    // SAFETY: as the caller promises.
    let cell = unsafe { qjs::JS_GetAnyOpaque(object, &mut class) }.cast::<Cell>();
    (!cell.is_null()).then_some(cell)
}

/// Whether the proxy was destroyed.
///
/// # Safety
/// `cell` is alive.
pub(crate) unsafe fn is_destroyed(cell: *mut Cell) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*source(cell)).object.is_null() }
}

/// Throws what a use of a destroyed proxy deserves.
///
/// # Safety
/// At home with the GIL; `cell` is alive.
#[cold]
pub(crate) unsafe fn throw_destroyed(cell: *mut Cell) -> JSValue {
    // SAFETY: as the caller promises.
    unsafe {
        let cell = source(cell);
        let text = match &(*cell).message {
            Message::Default => format!("{DESTROYED}\n{ASK_FOR_MORE}"),
            Message::Fixed(text) => format!("{text}\n{ASK_FOR_MORE}"),
            Message::Complete(text) => text.clone(),
        };
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
        let cell = source(cell);
        let object = std::mem::replace(&mut (*cell).object, ptr::null_mut());
        if object.is_null() {
            return;
        }
        let context = std::mem::replace(&mut (*cell).context, ptr::null_mut());
        (*cell).message = if (*state::state()).debug {
            with_details(message, object)
        } else {
            message
        };
        let kept = std::mem::take(&mut (*cell).kept);
        let attributes = (*cell)
            .table
            .take()
            .map_or_else(Vec::new, |table| attributes::leave(&table));
        for attribute in attributes {
            destroy(attribute, ATTRIBUTE_DESTROYED);
            qjs::JS_FreeValue(state::context(), attribute);
        }
        for attribute in kept {
            qjs::JS_FreeValue(state::context(), attribute);
        }
        ffi::Py_DECREF(object);
        ffi::Py_XDECREF(context);
    }
}

/// In debug mode the message says what the object was (as `toString()` does, though it speaks of the repr).
#[cold]
unsafe fn with_details(message: Message, object: *mut PyObject) -> Message {
    // SAFETY: the GIL is held, `object` alive; a repr that raises is left out.
    unsafe {
        let start = match message {
            Message::Default => DESTROYED.to_owned(),
            Message::Fixed(text) => text.to_owned(),
            Message::Complete(text) => text,
        };
        let repr = if (*state::state()).to_string_repr {
            ffi::PyObject_Repr(object)
        } else {
            ffi::PyObject_Str(object)
        };
        let mut length = 0;
        let text = if repr.is_null() {
            ptr::null()
        } else {
            ffi::PyUnicode_AsUTF8AndSize(repr, &mut length)
        };
        let shown = if text.is_null() || length == 0 {
            ffi::PyErr_Clear();
            "an error was raised when trying to generate its repr".to_owned()
        } else {
            let shown = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
            format!("had repr \"{}\"", String::from_utf8_lossy(shown))
        };
        ffi::Py_XDECREF(repr);
        let kind = std::ffi::CStr::from_ptr((*ffi::Py_TYPE(object)).tp_name).to_string_lossy();
        Message::Complete(format!("{start}\nThe object was of type \"{kind}\" and {shown}"))
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
        if let Some(place) = cell.place.take() {
            place.leave(&raw const *cell);
        }
        if let Some(table) = cell.table.take() {
            attributes::abandon(&table);
        }
        for attribute in cell.kept.drain(..) {
            qjs::JS_FreeValueRT(runtime, attribute);
        }
        if let Some(bound) = cell.bound.take() {
            bound.free(runtime);
        }
        qjs::JS_FreeValueRT(runtime, cell.promise);
        qjs::JS_FreeValueRT(runtime, cell.twin);
        lifetime::drop_object(cell.object);
        lifetime::drop_object(cell.context);
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
            for &attribute in &(*cell).kept {
                qjs::JS_MarkValue(runtime, attribute, mark);
            }
            if let Some(bound) = &(*cell).bound {
                bound.mark(runtime, mark);
            }
            qjs::JS_MarkValue(runtime, (*cell).promise, mark);
            qjs::JS_MarkValue(runtime, (*cell).twin, mark);
            let references = cycles::References {
                objects: [(*cell).object, (*cell).context],
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
        let object = std::mem::replace(&mut (*cell).object, ptr::null_mut());
        let context = std::mem::replace(&mut (*cell).context, ptr::null_mut());
        objects.extend([object, context].into_iter().filter(|given| !given.is_null()));
        for attribute in std::mem::take(&mut (*cell).kept) {
            qjs::JS_FreeValue(state::context(), attribute);
        }
    }
}

/// The proxy that a method is called on, kept alive with its object even if user code destroys it.
pub(crate) struct Receiver {
    cell: *mut Cell,
    value: JSValue,
    object: Held,
    /// Where the proxy is not `this` itself, which the caller keeps alive.
    _alive: Option<HeldValue>,
}

impl Receiver {
    /// The object, borrowed.
    pub(crate) fn as_ptr(&self) -> *mut PyObject {
        self.object.as_ptr()
    }
}

/// The PyProxy that `this` is, or that it inherits from or is a JavaScript Proxy of; `Err` with a JavaScript exception
/// set.
///
/// # Safety
/// At home with the GIL.
#[inline(always)]
pub(crate) unsafe fn receiver(this: JSValue) -> Result<Receiver, JSValue> {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(cell) = cell_of(this) {
            let object = object_of(cell);
            if !object.is_null() {
                return Ok(Receiver {
                    cell,
                    value: this,
                    object: Held::new(object),
                    _alive: None,
                });
            }
        }
        receiver_behind(this)
    }
}

/// As [`receiver`] where `this` is something else, or destroyed.
#[cold]
#[inline(never)]
unsafe fn receiver_behind(this: JSValue) -> Result<Receiver, JSValue> {
    // SAFETY: as for `receiver`.
    unsafe {
        match proxy_behind(this)? {
            None => Err(error::throw_error(c"TypeError", c"Expected a PyProxy")),
            Some((cell, _, _)) if is_destroyed(cell) => Err(throw_destroyed(cell)),
            Some((cell, value, alive)) => Ok(Receiver {
                cell,
                value,
                object: Held::new(object_of(cell)),
                _alive: Some(alive),
            }),
        }
    }
}

/// The PyProxy, destroyed or not, that methods called on `value` are about: a private symbol finds it through JavaScript
/// proxies and heirs.
unsafe fn proxy_behind(value: JSValue) -> Result<Option<(*mut Cell, JSValue, HeldValue)>, JSValue> {
    // SAFETY: at home with the GIL.
    unsafe {
        if let Some(cell) = cell_of(value) {
            return Ok(Some((cell, value, HeldValue::new(value))));
        }
        if !qjs::JS_IsObject(value) {
            return Ok(None);
        }
        let context = state::context();
        let atom = qjs::JS_ValueToAtom(context, (*state::state()).support.proxy_symbol);
        let found = qjs::JS_GetProperty(context, value, atom);
        qjs::JS_FreeAtom(context, atom);
        if qjs::JS_IsException(found) {
            return Err(JS_EXCEPTION);
        }
        let alive = HeldValue::new(found);
        qjs::JS_FreeValue(context, found);
        Ok(cell_of(found).map(|cell| (cell, found, alive)))
    }
}

/// What the engine passes to callbacks.
pub(crate) type Context = *mut JSContext;
