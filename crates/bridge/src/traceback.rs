//! What is kept of a Python exception on its way to JavaScript, so that its traceback is formatted when somebody
//! reads it: most are caught and forgotten, and formatting takes twenty times as long as throwing.
//!
//! Neither the exception nor a frame is kept, only what the text is made of: names, the exception's own text (its `__str__`
//! runs now, as the program may expect), and per call the code object with the position in it. `format_kept` of
//! `_runtime/tracebacks.py` makes of it what `format_exception` would have made of the exception. Exceptions whose text needs
//! more (causes, notes, suggestions, groups) are formatted at once.

use std::ffi::CStr;
use std::os::raw::c_int;
use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};

use crate::lifetime::Held;
use crate::state;

unsafe extern "C" {
    /// CPython's attribute look-up through the type cache; exported, though not documented.
    fn _PyType_Lookup(kind: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject;
}

/// CPython's traceback entry, the same since 3.7; `line` is negative where it is still to be computed.
#[repr(C)]
struct Entry {
    base: PyObject,
    next: *mut Entry,
    frame: *mut ffi::PyFrameObject,
    instruction: c_int,
    line: c_int,
}

/// Longer tracebacks are shown in part: they are formatted at once.
const LONG: usize = 100;

/// How much of the result comes before the calls, and how much there is of each.
const HEAD: usize = 3;
const PER_CALL: usize = 3;

/// Attributes used here; the first five are what a traceback's text is read from, as far as a class might define it anew.
const NAMES: [&CStr; 11] = [
    c"__cause__",
    c"__context__",
    c"__suppress_context__",
    c"__traceback__",
    c"__notes__",
    c"__module__",
    c"co_filename",
    c"last_type",
    c"last_value",
    c"last_traceback",
    c"last_exc",
];
const READ: usize = 5;
const MODULE: usize = 5;
const FILE: usize = 6;
const LAST: usize = 7;

/// [`NAMES`] as interned strings, kept for good; null until first needed.
static mut INTERNED: [*mut PyObject; NAMES.len()] = [ptr::null_mut(); NAMES.len()];

/// The names; false with an exception set.
unsafe fn intern() -> bool {
    // SAFETY: the GIL guards the static.
    unsafe {
        let interned = &raw mut INTERNED;
        if !(*interned)[NAMES.len() - 1].is_null() {
            return true;
        }
        for (slot, name) in (*interned).iter_mut().zip(NAMES) {
            if slot.is_null() {
                *slot = ffi::PyUnicode_InternFromString(name.as_ptr());
            }
            if slot.is_null() {
                return false;
            }
        }
        true
    }
}

/// `(module, name, text, code, instruction, line, code, …)`, a new tuple; null without an exception set if the exception
/// (borrowed, an instance) must be formatted at once.
///
/// # Safety
/// At home with the GIL, no exception pending.
pub(crate) unsafe fn keep(exception: *mut PyObject) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let kept = if intern() && is_plain(exception) {
            keep_plain(exception)
        } else {
            ptr::null_mut()
        };
        if kept.is_null() {
            ffi::PyErr_Clear();
        }
        kept
    }
}

/// Has the interpreter keep an exception (borrowed) that leaves for JavaScript as the last one, as after an uncaught one.
///
/// # Safety
/// At home with the GIL, no exception pending.
pub(crate) unsafe fn remember(exception: *mut PyObject) {
    // SAFETY: as the caller promises; what is replaced is released by the dict.
    unsafe {
        let variables = (*state::state()).python.interpreter;
        if !variables.is_null() && intern() {
            let trace = ffi::PyException_GetTraceback(exception);
            let values = [
                ffi::Py_TYPE(exception).cast(),
                exception,
                if trace.is_null() { ffi::Py_None() } else { trace },
                exception,
            ];
            for (index, value) in values.into_iter().enumerate() {
                ffi::PyDict_SetItem(variables, INTERNED[LAST + index], value);
            }
            ffi::Py_XDECREF(trace);
        }
        ffi::PyErr_Clear();
    }
}

/// The exception that left last, a new reference; null without an exception set if there is none.
///
/// # Safety
/// As for [`remember`].
pub(crate) unsafe fn last() -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let variables = (*state::state()).python.interpreter;
        if variables.is_null() || !intern() {
            ffi::PyErr_Clear();
            return ptr::null_mut();
        }
        let last = ffi::PyDict_GetItemWithError(variables, INTERNED[LAST + 3]);
        ffi::Py_XINCREF(last);
        last
    }
}

/// Whether name, text and calls are all that its formatted traceback shows.
unsafe fn is_plain(exception: *mut PyObject) -> bool {
    // SAFETY: as for `keep`; an exception has the layout of its base class.
    unsafe {
        let special = (*state::state()).python.formatted_at_once;
        let kind = ffi::Py_TYPE(exception);
        if special.is_null()
            || ffi::Py_TYPE(kind.cast()) != &raw mut ffi::PyType_Type
            || ffi::PyErr_GivenExceptionMatches(kind.cast(), special) != 0
        {
            return false;
        }
        let base = exception.cast::<ffi::PyBaseExceptionObject>();
        // A byte, whatever type it is declared as.
        let suppressed = (&raw const (*base).suppress_context).cast::<u8>().read() != 0;
        if !(*base).cause.is_null() || !((*base).context.is_null() || suppressed) {
            return false;
        }
        let root = ffi::PyExc_BaseException.cast::<PyTypeObject>();
        (0..READ).all(|index| {
            let (name, own) = (INTERNED[index], (*base).dict);
            _PyType_Lookup(kind, name) == _PyType_Lookup(root, name)
                && (own.is_null() || ffi::PyDict_Contains(own, name) == 0)
        })
    }
}

/// The tuple; null with an exception set.
unsafe fn keep_plain(exception: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `keep`. The traceback is held, and with it its entries, unless Python code sets their `tb_next`:
    // none runs while they are counted or filled in.
    unsafe {
        let text = ffi::PyObject_Str(exception);
        if text.is_null() {
            return text;
        }
        let kind = ffi::Py_TYPE(exception).cast::<PyObject>();
        let module = ffi::PyObject_GetAttr(kind, INTERNED[MODULE]);
        let name = ffi::PyType_GetQualName(kind.cast());
        let traceback = ffi::PyException_GetTraceback(exception);
        // Futures set None as the traceback of an exception that was not raised yet.
        let first = if traceback.is_null() || ffi::PyTraceBack_Check(traceback) == 0 {
            ptr::null_mut()
        } else {
            traceback.cast::<Entry>()
        };
        let mut kept = ptr::null_mut();
        if !module.is_null()
            && !name.is_null()
            && ffi::PyUnicode_CheckExact(module) != 0
            && note_sources(first)
        {
            let length = length_of(first);
            if length <= LONG {
                kept = ffi::PyTuple_New((HEAD + PER_CALL * length) as isize);
            }
            // Making the tuple may have run finalizers, and they may have changed the traceback.
            if !kept.is_null() && length_of(first) != length {
                ffi::Py_DECREF(kept);
                kept = ptr::null_mut();
            }
            if !kept.is_null() {
                for (index, item) in [module, name, text].into_iter().enumerate() {
                    ffi::Py_INCREF(item);
                    ffi::PyTuple_SET_ITEM(kept, index as isize, item);
                }
                kept = with_calls(kept, first);
            }
        }
        ffi::Py_XDECREF(module);
        ffi::Py_XDECREF(name);
        ffi::Py_XDECREF(traceback);
        ffi::Py_DECREF(text);
        kept
    }
}

unsafe fn length_of(first: *mut Entry) -> usize {
    let (mut entry, mut length) = (first, 0);
    while !entry.is_null() && length <= LONG {
        // SAFETY: an entry of a traceback that is held.
        entry = unsafe { (*entry).next };
        length += 1;
    }
    length
}

/// Fills the calls in; takes and returns the tuple, or null with an exception set.
unsafe fn with_calls(kept: *mut PyObject, first: *mut Entry) -> *mut PyObject {
    // SAFETY: as for `keep_plain`; the tuple is new and has room for the calls.
    unsafe {
        let mut entry = first;
        let mut index = HEAD as isize;
        while !entry.is_null() {
            let items = [
                ffi::PyFrame_GetCode((*entry).frame).cast::<PyObject>(),
                ffi::PyLong_FromLong((*entry).instruction.into()),
                ffi::PyLong_FromLong((*entry).line.into()),
            ];
            let failed = items.iter().any(|item| item.is_null());
            for item in items {
                // What is null stays so.
                ffi::PyTuple_SET_ITEM(kept, index, item);
                index += 1;
            }
            if failed {
                ffi::Py_DECREF(kept);
                return ptr::null_mut();
            }
            entry = (*entry).next;
        }
        kept
    }
}

/// Has `linecache` note where the source of each call's module comes from, for which it needs the module's globals. False
/// with an exception set.
unsafe fn note_sources(first: *mut Entry) -> bool {
    // SAFETY: as for `keep_plain`; noting may run Python code, so the entry is held meanwhile.
    unsafe {
        let held = |entry: *mut Entry| (!entry.is_null()).then(|| Held::new(entry.cast()));
        let mut current = held(first);
        for _ in 0..=LONG {
            let Some(entry) = &current else { break };
            let entry = entry.as_ptr().cast::<Entry>();
            if !note_source((*entry).frame) {
                return false;
            }
            // The next one is held before this one is given up.
            current = held((*entry).next);
        }
        true
    }
}

/// As [`note_sources`] for the module of one frame.
unsafe fn note_source(frame: *mut ffi::PyFrameObject) -> bool {
    // SAFETY: as for `keep_plain`; the frame is alive.
    unsafe {
        let python = &raw const (*state::state()).python;
        let code = ffi::PyFrame_GetCode(frame);
        let file = ffi::PyObject_GetAttr(code.cast(), INTERNED[FILE]);
        ffi::Py_DECREF(code.cast());
        if file.is_null() {
            return false;
        }
        // A str of a class of its own may refuse to be looked up.
        let known = if is_generated(file) {
            1
        } else {
            ffi::PyDict_Contains((*python).source_cache, file)
        };
        let mut noted = known >= 0;
        if known == 0 {
            let globals = ffi::PyFrame_GetGlobals(frame);
            let arguments = [file, globals];
            let done =
                ffi::PyObject_Vectorcall((*python).note_source, arguments.as_ptr(), 2, ptr::null_mut());
            ffi::Py_XDECREF(globals);
            ffi::Py_XDECREF(done);
            noted = !done.is_null();
        }
        ffi::Py_DECREF(file);
        noted
    }
}

/// Whether a file name is one like `<exec>`, which no module's source can be found by.
unsafe fn is_generated(file: *mut PyObject) -> bool {
    // SAFETY: `co_filename` is a str.
    unsafe {
        let length = ffi::PyUnicode_GetLength(file);
        length == 0
            || (ffi::PyUnicode_ReadChar(file, 0) == u32::from(b'<')
                && ffi::PyUnicode_ReadChar(file, length - 1) == u32::from(b'>'))
    }
}
