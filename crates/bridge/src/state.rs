//! The one engine of this process, as the raw hot path sees it.

use std::collections::BTreeMap;
use std::ptr;

use pyo3::ffi::{self, PyObject, PyThreadState};
use rquickjs::qjs::{self, JS_UNDEFINED, JSAtom, JSClassID, JSContext, JSRuntime, JSValue};

use crate::atoms::{AtomCache, NameCache};

/// Everything the hot path needs, at a fixed address. Filled by [`crate::Engine::new`], emptied when the
/// engine goes. Guarded by the GIL and used on the home thread only, but for `dropped_values`, to which
/// other threads append under the GIL.
pub(crate) struct State {
    pub(crate) runtime: *mut JSRuntime,
    pub(crate) context: *mut JSContext,
    /// The Python thread state of the thread JavaScript belongs to; null without an engine.
    pub(crate) home: *mut PyThreadState,
    /// JavaScript → Python entries on the stack.
    pub(crate) depth: usize,
    /// The address below which the C stack must not grow in recursions of our own.
    pub(crate) stack_floor: usize,
    pub(crate) names: NameCache,
    pub(crate) attributes: AtomCache,
    pub(crate) atoms: Atoms,
    pub(crate) support: Support,
    pub(crate) python: Python,
    /// The class of the PyProxy of something that is not callable.
    pub(crate) pyproxy_class: JSClassID,
    /// The class of the PyProxy of a callable: its `typeof` is "function".
    pub(crate) pyproxy_function_class: JSClassID,
    /// The class of the iterations over PyProxies.
    pub(crate) iteration_class: JSClassID,
    /// Python references given up by the finalizers of PyProxies.
    pub(crate) dropped_objects: Vec<*mut PyObject>,
    /// Python buffers given up by the finalizers of `ArrayBuffer`s; owned.
    pub(crate) dropped_buffers: Vec<*mut ffi::Py_buffer>,
    /// JavaScript values given up on other threads.
    pub(crate) dropped_values: Vec<JSValue>,
    /// Property atoms that the caches evicted; a frame below may still use them, so they go at depth 0.
    pub(crate) dropped_atoms: Vec<JSAtom>,
    /// Futures of promises that were settled already, to be resolved with the next jobs.
    pub(crate) settled: Vec<Settled>,
    /// Rejected promises that nobody handles yet, by their addresses.
    pub(crate) rejections: BTreeMap<usize, Unhandled>,
    /// Live PyProxy cells, for leak tests.
    pub(crate) live_pyproxies: usize,
    /// Live JsProxy objects, for leak tests.
    pub(crate) live_jsproxies: usize,
    /// Where the characters of a JavaScript string begin ([`crate::strings::probe`]); 0 if that is unknown.
    pub(crate) string_header: usize,
    /// Called when jobs wait and the event loop is not ours; owned, null in isolates (see `wake.rs`).
    pub(crate) wake: *mut PyObject,
    /// Called with a future that JavaScript waits for and the callback; owned, null in isolates.
    pub(crate) watch: *mut PyObject,
    /// `pyodide.setDebug`: destroyed proxies say what they were.
    pub(crate) debug: bool,
    /// `setPyProxyToStringMethod`: `toString()` of a PyProxy is its `repr`.
    pub(crate) to_string_repr: bool,
    /// `pyodide.setInterruptBuffer` ([`crate::interrupt`]); owned, undefined without one.
    pub(crate) interrupt_buffer: JSValue,
}

/// A rejected promise that nobody handles yet.
pub(crate) struct Unhandled {
    /// Counts rejections, so that they are reported in their order.
    pub(crate) number: u64,
    /// Owned.
    pub(crate) promise: JSValue,
    /// Owned.
    pub(crate) reason: JSValue,
    /// It was reported, and is handled now.
    pub(crate) is_late: bool,
}

/// A future whose promise was settled when it was made.
pub(crate) struct Settled {
    /// Owned.
    pub(crate) future: *mut PyObject,
    /// The result or the reason; owned.
    pub(crate) value: JSValue,
    pub(crate) rejected: bool,
    /// The `Js2PyConverter` of the result; owned, null for the implicit conversion.
    pub(crate) converter: *mut PyObject,
    /// Proxies made for the call that gave the promise; owned, destroyed once the future is resolved.
    pub(crate) temporaries: Vec<JSValue>,
}

static mut STATE: State = State {
    runtime: ptr::null_mut(),
    context: ptr::null_mut(),
    home: ptr::null_mut(),
    depth: 0,
    stack_floor: 0,
    names: NameCache::new(),
    attributes: AtomCache::new(),
    atoms: Atoms::new(),
    support: Support::new(),
    python: Python::new(),
    pyproxy_class: 0,
    pyproxy_function_class: 0,
    iteration_class: 0,
    dropped_objects: Vec::new(),
    dropped_buffers: Vec::new(),
    dropped_values: Vec::new(),
    dropped_atoms: Vec::new(),
    settled: Vec::new(),
    rejections: BTreeMap::new(),
    live_pyproxies: 0,
    live_jsproxies: 0,
    string_header: 0,
    wake: ptr::null_mut(),
    watch: ptr::null_mut(),
    debug: false,
    to_string_repr: false,
    interrupt_buffer: JS_UNDEFINED,
};

/// The state. Dereferencing it needs the GIL; no reference to a field may live across a call into either
/// engine, since that may re-enter.
#[inline(always)]
pub(crate) fn state() -> *mut State {
    &raw mut STATE
}

/// The context of the engine.
///
/// # Safety
/// The GIL is held.
#[inline(always)]
pub(crate) unsafe fn context() -> *mut JSContext {
    // SAFETY: the caller holds the GIL.
    unsafe { (*state()).context }
}

/// Whether this thread may touch JavaScript.
///
/// # Safety
/// The GIL is held.
#[inline(always)]
pub(crate) unsafe fn at_home() -> bool {
    // SAFETY: the caller holds the GIL, so there is a current thread state.
    unsafe { ffi::PyThreadState_Get() == (*state()).home }
}

/// Whether the calling thread is the one that JavaScript belongs to.
pub fn is_home(_py: pyo3::Python<'_>) -> bool {
    // SAFETY: `_py` proves the GIL.
    unsafe { at_home() }
}

/// Raises what an access from another thread, or without an engine, deserves.
#[cold]
pub(crate) unsafe fn raise_not_home() {
    // SAFETY: the caller holds the GIL.
    unsafe {
        let text = if (*state()).home.is_null() && (*state()).live_jsproxies == 0 {
            c"JavaScript is not running in this process: isthmus.install() starts it."
        } else if (*state()).home.is_null() {
            c"JavaScript has been shut down: its objects can't be used any more."
        } else {
            c"JavaScript belongs to the thread that runs the event loop: a JavaScript object can't be used on \
              another thread. Pass plain Python values to threads, or call back with loop.call_soon_threadsafe()."
        };
        ffi::PyErr_SetString(ffi::PyExc_RuntimeError, text.as_ptr());
    }
}

/// How many JavaScript → Python entries are on the stack: `run_sync` may switch only at 0.
pub fn entry_depth() -> usize {
    // SAFETY: a plain read of a word; callers hold the GIL (they are Python functions).
    unsafe { (*state()).depth }
}

/// Begins one level more of a recursion of our own, to be ended with `Py_LeaveRecursiveCall`; false with
/// `RecursionError` set. Python's own count is no measure of the C stack since 3.12, so that is looked at too.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn enter_recursion(doing: &std::ffi::CStr) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if stack_is_low() {
            ffi::PyErr_Format(
                ffi::PyExc_RecursionError,
                c"maximum recursion depth exceeded%s".as_ptr(),
                doing.as_ptr(),
            );
            return false;
        }
        ffi::Py_EnterRecursiveCall(doing.as_ptr()) == 0
    }
}

/// Whether the C stack is as deep as a recursion through both languages may get.
///
/// # Safety
/// The GIL is held and this is the home thread.
#[inline(always)]
pub(crate) unsafe fn stack_is_low() -> bool {
    let here = 0_u8;
    // SAFETY: as the caller promises; the address is only compared.
    unsafe { ((&raw const here) as usize) < (*state()).stack_floor }
}

/// Counts an entry from JavaScript into Python for as long as it lives.
pub(crate) struct Entry(());

impl Entry {
    /// As [`Entry::new`], unless the C stack is too deep for it: then `Err` with a `RangeError` thrown. The engine checks
    /// its stack where it runs a function of its own, Python counts frames up to any limit: a recursion that runs no
    /// function of JavaScript (a getter in Python that asks its own proxy) is seen by neither.
    ///
    /// # Safety
    /// The GIL is held and this is the home thread.
    #[inline(always)]
    pub(crate) unsafe fn checked() -> Result<Self, ()> {
        // SAFETY: as the caller promises.
        unsafe {
            if stack_is_low() {
                throw_stack_overflow();
                return Err(());
            }
            Ok(Self::new())
        }
    }

    /// # Safety
    /// The GIL is held and this is the home thread.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: as the caller promises.
        unsafe { (*state()).depth += 1 };
        Self(())
    }
}

#[cold]
#[inline(never)]
unsafe fn throw_stack_overflow() {
    // SAFETY: called by `Entry::checked`, at home with the GIL.
    unsafe { qjs::JS_ThrowRangeError(context(), c"Maximum call stack size exceeded".as_ptr()) };
}

impl Drop for Entry {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: made under the GIL on the home thread, and it never leaves its stack frame.
        unsafe { (*state()).depth -= 1 };
    }
}

macro_rules! atoms {
    ($($field:ident = $text:literal),+ ; $($symbol:ident = $description:literal),+ $(,)?) => {
        /// Property names that the bridge itself asks for; owned by the engine.
        #[derive(Clone, Copy)]
        pub(crate) struct Atoms { $(pub(crate) $field: JSAtom,)+ $(pub(crate) $symbol: JSAtom,)+ }

        impl Atoms {
            const fn new() -> Self { Self { $($field: 0,)+ $($symbol: 0,)+ } }

            /// # Safety
            /// `context` is alive and at home.
            pub(crate) unsafe fn load(context: *mut JSContext) -> Self {
                // SAFETY: as the caller promises; every atom made here is freed in `free`.
                unsafe {
                    let global = qjs::JS_GetGlobalObject(context);
                    let constructor = qjs::JS_GetPropertyStr(context, global, c"Symbol".as_ptr());
                    let symbol = |name: &std::ffi::CStr| {
                        let value = qjs::JS_GetPropertyStr(context, constructor, name.as_ptr());
                        let atom = qjs::JS_ValueToAtom(context, value);
                        qjs::JS_FreeValue(context, value);
                        atom
                    };
                    let atoms = Self {
                        $($field: qjs::JS_NewAtomLen(context, $text.as_ptr().cast(), $text.len() as _),)+
                        $($symbol: symbol($description),)+
                    };
                    qjs::JS_FreeValue(context, constructor);
                    qjs::JS_FreeValue(context, global);
                    atoms
                }
            }

            /// # Safety
            /// `context` is the one they were loaded from, alive.
            pub(crate) unsafe fn free(self, context: *mut JSContext) {
                // SAFETY: each atom was made in `load` and is freed once.
                unsafe {
                    $(qjs::JS_FreeAtom(context, self.$field);)+
                    $(qjs::JS_FreeAtom(context, self.$symbol);)+
                }
            }
        }
    };
}

atoms! {
    length = "length", size = "size", byte_length = "byteLength", then = "then", next = "next", get = "get",
    set = "set", has = "has", includes = "includes", name = "name", message = "message", stack = "stack",
    constructor = "constructor", value = "value", done = "done", keys = "keys", delete = "delete",
    type_ = "type", error_address = "__error_address", return_ = "return", throw = "throw",
    copy = "copy", destroy = "destroy", to_string = "toString", prototype = "prototype", caller = "caller", arguments = "arguments";
    iterator = c"iterator", async_iterator = c"asyncIterator", dispose = c"dispose",
    async_dispose = c"asyncDispose", to_string_tag = c"toStringTag",
}

macro_rules! values {
    ($(#[$doc:meta])* $owner:ident { $($field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[expect(non_snake_case, reason = "the fields have the names of the properties they hold")]
        pub(crate) struct $owner { $(pub(crate) $field: JSValue,)+ }

        impl $owner {
            const fn new() -> Self { Self { $($field: JS_UNDEFINED,)+ } }

            /// Takes each from the property of its name of `object`.
            ///
            /// # Safety
            /// `context` is alive and at home, `object` an object without accessors.
            pub(crate) unsafe fn load(context: *mut JSContext, object: JSValue) -> Self {
                // SAFETY: as the caller promises; the values are freed in `free`.
                unsafe {
                    Self { $($field: qjs::JS_GetPropertyStr(
                        context, object, concat!(stringify!($field), "\0").as_ptr().cast(),
                    ),)+ }
                }
            }

            /// # Safety
            /// `context` is the one they were loaded from, alive.
            pub(crate) unsafe fn free(self, context: *mut JSContext) {
                // SAFETY: each value is owned and freed once.
                unsafe { $(qjs::JS_FreeValue(context, self.$field);)+ }
            }
        }
    };
}

values! {
    /// The functions and prototypes that `support.js` returns, under its names.
    Support {
        bigint_from_hex, bigint_to_hex, PythonError, python_error_key, read_message, write_message, PyProxy, make_error, describe_thrown, prototype_for, object_keys,
        object_values, object_entries, compare, to_string, is_array, generator_with, has_property, is_dom_exception, is_element, proxy_truth, delete_property, property_names, is_plain_object,
        from_entries, eval, array_values, Object, make_set, map_entries, set_values, becomes_dict, make_data_view, data_view_parts, typed_array_parts,
        PyBufferView, buffer_view_key, iteration_prototype, proxy_symbol, frozen, classes, once,
    }
}

macro_rules! objects {
    ($($field:ident),+ $(,)?) => {
        /// Python objects that the bridge hands out or calls; strong references, set by
        /// [`crate::configure`], null until then.
        #[expect(non_snake_case, reason = "the fields have the names of the objects they hold")]
        pub(crate) struct Python { $(pub(crate) $field: *mut PyObject,)+ }

        impl Python {
            const fn new() -> Self { Self { $($field: ptr::null_mut(),)+ } }

            /// Sets each from the attribute of its name.
            ///
            /// # Safety
            /// The GIL is held; on failure (-1, an exception set) some may be set already.
            pub(crate) unsafe fn load(&mut self, module: *mut PyObject) -> i32 {
                // SAFETY: as the caller promises; an older reference is released.
                unsafe {
                    $(
                        let value = ffi::PyObject_GetAttrString(
                            module, concat!(stringify!($field), "\0").as_ptr().cast(),
                        );
                        if value.is_null() { return -1; }
                        let old = std::mem::replace(&mut self.$field, value);
                        ffi::Py_XDECREF(old);
                    )+
                }
                0
            }
        }
    };
}

objects! {
    jsnull, JsBigInt, ConversionError, InternalError, format_exception, format_kept, formatted_at_once, source_cache,
    note_source, interpreter,
    create_future, ensure_future, task_context, mixins_for, is_sequence, is_mutable_sequence, is_coroutine_function, is_generator,
    is_async_generator, call_with, compare_key, async_step, async_throw, star_names, jsbind,
}
