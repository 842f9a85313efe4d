//! What a Python object can do, as far as its PyProxy shows it (`spec/ffi.md` §3).

use std::ptr;

use pyo3::ffi::{self, PyObject, PyTypeObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::lifetime::Held;
use crate::{jsproxy, state};

macro_rules! features {
    ($($name:ident = $bit:expr),+ $(,)?) => {
        $(pub(crate) const $name: u32 = 1 << $bit;)+

        /// Name and bit of every feature, for `support.js`.
        const ALL: &[(&str, u32)] = &[$((stringify!($name), $name),)+];
    };
}

features! {
    LENGTH = 0,
    GET = 1,
    SET = 2,
    HAS = 3,
    ITERABLE = 4,
    ITERATOR = 5,
    GENERATOR = 6,
    ASYNC_ITERABLE = 7,
    ASYNC_ITERATOR = 8,
    ASYNC_GENERATOR = 9,
    AWAITABLE = 10,
    BUFFER = 11,
    CALLABLE = 12,
    SEQUENCE = 13,
    MUTABLE_SEQUENCE = 14,
    DICT = 15,
    JSON_DICT = 16,
    JSON_SEQUENCE = 17,
}

/// What a sequence must have to be used as an array.
const ARRAY_LIKE: u32 = LENGTH | GET | HAS | ITERABLE;

/// The features of a proxy that adapts an object with the features `features` to JSON; the same without items.
pub(crate) fn adapted(features: u32) -> u32 {
    if features & (GET | SEQUENCE) == 0 {
        features
    } else if features & SEQUENCE != 0 {
        features | JSON_SEQUENCE
    } else {
        (features & !DICT) | JSON_DICT
    }
}

const SLOTS: usize = 128;

/// What was found out of a type. Its version changes when its slots or attributes do.
#[derive(Clone, Copy)]
struct Known {
    kind: *mut PyTypeObject,
    version: u32,
    features: u32,
    /// Whether the type has, and makes up, no attribute whose name decides a feature flag of a JsProxy.
    is_bare: bool,
}

struct Cache {
    slots: [Known; SLOTS],
    prototypes: Vec<Prototype>,
}

struct Prototype {
    features: u32,
    /// Owned.
    value: JSValue,
    /// An object that inherits from it; owned. The engine's description of such objects lives as long as one of them.
    heir: JSValue,
}

static mut CACHE: Cache = Cache {
    slots: [Known {
        kind: ptr::null_mut(),
        version: 0,
        features: 0,
        is_bare: false,
    }; SLOTS],
    prototypes: Vec::new(),
};

unsafe extern "C" {
    /// CPython's attribute look-up through the type cache; exported, though not documented.
    fn _PyType_Lookup(kind: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject;
}

/// The cache's place for a type.
#[inline(always)]
fn slot_of(kind: *mut PyTypeObject) -> *mut Known {
    let cache = &raw mut CACHE;
    // SAFETY: only an address is made; the index is in bounds.
    unsafe { &raw mut (*cache).slots[(kind as usize >> 5) & (SLOTS - 1)] }
}

/// The features of an object; `None` with a Python exception set.
///
/// # Safety
/// At home with the GIL.
#[inline]
pub(crate) unsafe fn of(object: *mut PyObject) -> Option<u32> {
    // SAFETY: the static is guarded by the GIL; no reference into it lives across `examine`.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let version = (*kind).tp_version_tag as u32;
        let slot = slot_of(kind);
        if version != 0 && (*slot).kind == kind && (*slot).version == version {
            return Some((*slot).features);
        }
        // Predicates run user code, which may give the object another class.
        let _kind = Held::new(kind.cast());
        let features = examine(object, kind)?;
        // A class shows what the class itself can do (`list[int]`), so its metatype doesn't decide.
        if ffi::PyType_Check(object) == 0 {
            let is_bare = is_bare_type(kind, features);
            *slot = Known {
                kind,
                version: (*kind).tp_version_tag as u32,
                features,
                is_bare,
            };
        }
        Some(features)
    }
}

/// Whether attributes of an object's type can't decide a feature flag: it has none of those names, and neither finds
/// attributes in a way of its own nor shows items as attributes.
unsafe fn is_bare_type(kind: *mut PyTypeObject, features: u32) -> bool {
    // SAFETY: the GIL is held, `kind` alive; nothing here runs user code.
    unsafe {
        let generic = (*kind).tp_getattro.map(|function| function as usize)
            == Some(ffi::PyObject_GenericGetAttr as *const () as usize);
        generic
            && features & DICT == 0
            && jsproxy::flags::PYTHON_NAMES.iter().all(|name| {
                let text = ffi::PyUnicode_InternFromString(name.as_ptr());
                if text.is_null() {
                    ffi::PyErr_Clear();
                    return false;
                }
                let missing = _PyType_Lookup(kind, text).is_null();
                ffi::Py_DECREF(text);
                missing
            })
    }
}

/// Whether no attribute of the object decides a feature flag of its proxy's JsProxy, so that only the prototype does.
/// False if that is not known.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn is_bare(object: *mut PyObject) -> bool {
    /// The instance's attributes are not in a dict of its own, or not yet.
    const MANAGED_DICT: u64 = 1 << 4;
    // SAFETY: as the caller promises; an offset that a type gives is that of a reference to a dict, or of null.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let known = slot_of(kind);
        let version = (*kind).tp_version_tag as u32;
        if version == 0 || (*known).kind != kind || (*known).version != version || !(*known).is_bare {
            return false;
        }
        if (*kind).tp_flags as u64 & MANAGED_DICT != 0 {
            return false;
        }
        match (*kind).tp_dictoffset {
            0 => true,
            offset if offset > 0 => {
                let dict = *object.byte_offset(offset).cast::<*mut PyObject>();
                dict.is_null() || ffi::PyDict_Size(dict) == 0
            }
            _ => false,
        }
    }
}

unsafe fn examine(object: *mut PyObject, kind: *mut PyTypeObject) -> Option<u32> {
    // SAFETY: the GIL is held; slots of a ready type are read.
    unsafe {
        let mut features = 0;
        let mut set = |feature, condition: bool| {
            if condition {
                features |= feature;
            }
        };
        let mapping = (*kind).tp_as_mapping;
        let sequence = (*kind).tp_as_sequence;
        let (mut item, mut length) = (false, false);
        if !mapping.is_null() {
            length |= (*mapping).mp_length.is_some();
            item |= (*mapping).mp_subscript.is_some();
            set(SET, (*mapping).mp_ass_subscript.is_some());
        }
        if !sequence.is_null() {
            length |= (*sequence).sq_length.is_some();
            item |= (*sequence).sq_item.is_some();
            set(SET, (*sequence).sq_ass_item.is_some());
            set(HAS, (*sequence).sq_contains.is_some());
        }
        set(LENGTH, length);
        if ffi::PyType_Check(object) != 0 {
            let generic = ffi::PyObject_GetAttrString(object, c"__class_getitem__".as_ptr());
            set(GET, item || !generic.is_null());
            if generic.is_null() {
                ffi::PyErr_Clear();
            }
            ffi::Py_XDECREF(generic);
        } else {
            set(GET, item);
        }
        set(
            ITERABLE,
            (*kind).tp_iter.is_some() || ffi::PySequence_Check(object) != 0,
        );
        set(ITERATOR, ffi::PyIter_Check(object) != 0);
        let asynchronous = (*kind).tp_as_async;
        if !asynchronous.is_null() {
            set(AWAITABLE, (*asynchronous).am_await.is_some());
            set(ASYNC_ITERABLE, (*asynchronous).am_aiter.is_some());
            set(ASYNC_ITERATOR, (*asynchronous).am_anext.is_some());
        }
        set(BUFFER, ffi::PyObject_CheckBuffer(object) != 0);
        set(CALLABLE, ffi::PyCallable_Check(object) != 0);
        set(DICT, ffi::PyDict_CheckExact(object) != 0);
        let python = &raw const (*state::state()).python;
        if features & ITERATOR != 0
            && (ffi::PyGen_CheckExact(object) != 0 || check((*python).is_generator, object)?)
        {
            features |= GENERATOR;
        }
        if features & ASYNC_ITERATOR != 0 && check((*python).is_async_generator, object)? {
            features |= ASYNC_GENERATOR;
        }
        if ffi::PyList_CheckExact(object) != 0 {
            features |= SEQUENCE | MUTABLE_SEQUENCE;
        } else if ffi::PyTuple_CheckExact(object) != 0 {
            features |= SEQUENCE;
        } else if features & ARRAY_LIKE == ARRAY_LIKE
            && features & DICT == 0
            && ffi::PyType_Check(object) == 0
            && check((*python).is_sequence, object)?
        {
            features |= SEQUENCE;
            if features & SET != 0 && check((*python).is_mutable_sequence, object)? {
                features |= MUTABLE_SEQUENCE;
            }
        }
        Some(features)
    }
}

unsafe fn check(predicate: *mut PyObject, object: *mut PyObject) -> Option<bool> {
    // SAFETY: the GIL is held.
    unsafe {
        if predicate.is_null() {
            return Some(false);
        }
        // The object's `__class__` may be code that hands its like to JavaScript.
        if !state::enter_recursion(c" while making a PyProxy") {
            return None;
        }
        let answer = ffi::PyObject_CallOneArg(predicate, object);
        ffi::Py_LeaveRecursiveCall();
        if answer.is_null() {
            return None;
        }
        let is = answer == ffi::Py_True();
        ffi::Py_DECREF(answer);
        Some(is)
    }
}

/// The object of all features by name, for `support.js` and `api.js`; owned.
///
/// # Safety
/// `context` is alive and at home.
pub(crate) unsafe fn table(context: *mut qjs::JSContext) -> JSValue {
    // SAFETY: as the caller promises; the atom is freed here.
    unsafe {
        let table = qjs::JS_NewObject(context);
        for (name, bit) in ALL {
            let atom = qjs::JS_NewAtomLen(context, name.as_ptr().cast(), name.len() as _);
            qjs::JS_SetProperty(context, table, atom, qjs::JS_MKVAL(qjs::JS_TAG_INT, *bit as i32));
            qjs::JS_FreeAtom(context, atom);
        }
        table
    }
}

/// The prototype of proxies with these features (borrowed); `JS_EXCEPTION` with an exception set.
///
/// # Safety
/// At home with the GIL.
#[inline]
pub(crate) unsafe fn prototype(features: u32) -> JSValue {
    // SAFETY: the static is guarded by the GIL; the call runs our own JavaScript only.
    unsafe {
        let cache = &raw mut CACHE;
        let prototypes = &raw mut (*cache).prototypes;
        if let Some(found) = (*prototypes).iter().find(|known| known.features == features) {
            return found.value;
        }
        let mut arguments = [qjs::JS_MKVAL(qjs::JS_TAG_INT, features as i32)];
        let made = qjs::JS_Call(
            state::context(),
            (*state::state()).support.prototype_for,
            JS_UNDEFINED,
            1,
            arguments.as_mut_ptr(),
        );
        if !qjs::JS_IsException(made) {
            let heir = qjs::JS_NewObjectProto(state::context(), made);
            if qjs::JS_IsException(heir) {
                qjs::JS_FreeValue(state::context(), made);
                return heir;
            }
            (*prototypes).push(Prototype {
                features,
                value: made,
                heir,
            });
        }
        made
    }
}

/// Forgets the prototypes, when the engine goes.
///
/// # Safety
/// At home with the GIL, the context alive.
pub(crate) unsafe fn clear() {
    // SAFETY: as the caller promises; each prototype is owned and freed once.
    unsafe {
        let cache = &raw mut CACHE;
        for known in std::mem::take(&mut (*cache).prototypes) {
            qjs::JS_FreeValue(state::context(), known.heir);
            qjs::JS_FreeValue(state::context(), known.value);
        }
    }
}
