//! The feature flags of a JavaScript object (`spec/ffi.md` §2): they decide the type of its proxy.
//!
//! Every probe survives hostile objects: a getter or trap that throws counts as "no".

use std::ffi::CStr;

use rquickjs::qjs::{self, JSAtom, JSValue};

use super::shape;
use crate::{error, pyproxy, state};

macro_rules! flags {
    ($($name:ident = $bit:expr),+ $(,)?) => {
        $(pub(crate) const $name: u32 = 1 << $bit;)+

        /// Name and mask of every flag, for `isthmus._native`.
        pub(crate) const ALL: &[(&str, u32)] = &[$((stringify!($name), $name),)+];
    };
}

flags! {
    CALLABLE = 0,
    AWAITABLE = 1,
    ITERABLE = 2,
    ITERATOR = 3,
    ASYNC_ITERABLE = 4,
    ASYNC_ITERATOR = 5,
    HAS_LENGTH = 6,
    HAS_GET = 7,
    HAS_SET = 8,
    HAS_HAS = 9,
    HAS_INCLUDES = 10,
    HAS_DISPOSE = 11,
    HAS_ASYNC_DISPOSE = 12,
    BUFFER = 13,
    TYPEDARRAY = 14,
    ARRAY = 15,
    ARRAY_LIKE = 16,
    GENERATOR = 17,
    ASYNC_GENERATOR = 18,
    DOUBLE_PROXY = 19,
    ERROR = 20,
    OBJECT_MAP = 21,
    PY_JSON_DICT = 22,
    PY_JSON_SEQUENCE = 23,
    HEREDITARY = 24,
}

/// The flags of a value (borrowed); 0 for symbols and destroyed PyProxies.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn detect(value: JSValue) -> u32 {
    // SAFETY: as the caller promises; probes leave no exception pending.
    unsafe {
        if !qjs::JS_IsObject(value) {
            return 0;
        }
        if let Some(cell) = pyproxy::cell_of(value) {
            return double_proxy(value, cell);
        }
        match shape::look(value) {
            Some(seen) => by_names(value, seen.names, kind_of_class(seen.class, value)),
            None => by_names(value, u32::MAX, kind_of(value)),
        }
    }
}

/// The Python spelling of the names that decide flags.
pub(crate) const PYTHON_NAMES: &[&CStr] = &[
    c"then",
    c"next",
    c"get",
    c"set",
    c"has",
    c"includes",
    c"length",
    c"size",
    c"name",
    c"message",
    c"stack",
];

/// The flags of a PyProxy. Its properties are also what Python's object has, unless that has none that matter.
unsafe fn double_proxy(value: JSValue, cell: *mut pyproxy::Cell) -> u32 {
    // SAFETY: as for `detect`; `cell` is that of `value`.
    unsafe {
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return 0;
        }
        let names = if pyproxy::features::is_bare(object) {
            shape::look_past_traps(value)
        } else {
            None
        };
        let kind = if pyproxy::is_callable(cell) { CALLABLE } else { 0 };
        by_names(value, names.unwrap_or(u32::MAX), kind | DOUBLE_PROXY)
    }
}

/// The flags that follow from the class alone; `ERROR` if it is an error's.
unsafe fn kind_of(value: JSValue) -> u32 {
    // SAFETY: as for `detect`.
    unsafe {
        if qjs::JS_IsFunction(state::context(), value) {
            CALLABLE
        } else if is_array(value) {
            ARRAY | HAS_LENGTH
        } else if qjs::JS_GetTypedArrayType(value) >= 0 {
            BUFFER | TYPEDARRAY
        } else if qjs::JS_IsArrayBuffer(value) || qjs::JS_IsDataView(value) {
            BUFFER
        } else if qjs::JS_IsError(value) {
            ERROR
        } else {
            0
        }
    }
}

/// [`kind_of`] by class: the same for all objects of a class but `Proxy`.
static mut KINDS: [u32; 256] = [UNKNOWN; 256];

/// No flag.
const UNKNOWN: u32 = 1 << 31;

#[inline(always)]
unsafe fn kind_of_class(class: u16, value: JSValue) -> u32 {
    // SAFETY: as for `detect`; the GIL guards the static.
    unsafe {
        let kinds = &raw mut KINDS;
        let Some(known) = (*kinds).get_mut(usize::from(class)) else {
            return kind_of(value);
        };
        if *known == UNKNOWN {
            *known = kind_of(value);
        }
        *known
    }
}

/// Forgets the classes, when the engine goes.
///
/// # Safety
/// The GIL is held.
pub(crate) unsafe fn clear() {
    // SAFETY: the GIL guards the static.
    unsafe { KINDS = [UNKNOWN; 256] };
}

/// The flags of an object of this kind; `names` are those that it may have.
unsafe fn by_names(value: JSValue, names: u32, kind: u32) -> u32 {
    // SAFETY: as for `detect`.
    unsafe {
        let atoms = &raw const (*state::state()).atoms;
        let mut flags = kind & !ERROR;
        let callable = flags & CALLABLE != 0;
        let array = flags & ARRAY != 0;
        let has_method = |bit: u32, name: JSAtom| names & bit != 0 && method(value, name);
        let has_property = |bit: u32, name: JSAtom| names & bit != 0 && property(value, name);
        // A function's length is no flag.
        let mattering = if callable {
            MATTERING & !shape::LENGTH
        } else {
            MATTERING
        };
        if names & mattering != 0 {
            if has_method(shape::THEN, (*atoms).then) {
                flags |= AWAITABLE;
            }
            let iterable = has_method(shape::ITERATOR, (*atoms).iterator);
            let async_iterable = has_method(shape::ASYNC_ITERATOR, (*atoms).async_iterator);
            if iterable {
                flags |= ITERABLE;
            }
            if async_iterable {
                flags |= ASYNC_ITERABLE;
            }
            if has_method(shape::NEXT, (*atoms).next) {
                if iterable || !async_iterable {
                    flags |= ITERATOR;
                }
                if !iterable || async_iterable {
                    flags |= ASYNC_ITERATOR;
                }
                // The tag decides of which kind of iterators it is.
                if tag_is(value, b"Generator") {
                    flags = flags & !ASYNC_ITERATOR | GENERATOR | ITERABLE | ITERATOR;
                } else if tag_is(value, b"AsyncGenerator") {
                    flags = flags & !ITERATOR | ASYNC_GENERATOR | ASYNC_ITERABLE | ASYNC_ITERATOR;
                }
            }
            let length = |names| !callable && names & shape::LENGTH != 0 && property(value, (*atoms).length);
            if !array && (length(names) || has_property(shape::SIZE, (*atoms).size)) {
                flags |= HAS_LENGTH;
                if flags & (ITERABLE | ITERATOR | TYPEDARRAY) == ITERABLE && length(names) {
                    flags |= ARRAY_LIKE;
                }
            }
            for (bit, name, flag) in [
                (shape::GET, (*atoms).get, HAS_GET),
                (shape::SET, (*atoms).set, HAS_SET),
                (shape::HAS, (*atoms).has, HAS_HAS),
                (shape::INCLUDES, (*atoms).includes, HAS_INCLUDES),
                (shape::DISPOSE, (*atoms).dispose, HAS_DISPOSE),
                (shape::ASYNC_DISPOSE, (*atoms).async_dispose, HAS_ASYNC_DISPOSE),
            ] {
                if name != 0 && has_method(bit, name) {
                    flags |= flag;
                }
            }
        }
        let error = kind & ERROR != 0
            || (names & LIKE_AN_ERROR == LIKE_AN_ERROR
                && flags & (CALLABLE | BUFFER | DOUBLE_PROXY) == 0
                && is_error(value));
        if error {
            flags |= ERROR;
        }
        flags
    }
}

/// The names that decide any flag but `ERROR`.
const MATTERING: u32 = !(shape::NAME | shape::MESSAGE | shape::STACK);
const LIKE_AN_ERROR: u32 = shape::NAME | shape::MESSAGE;

/// Whether `value` (borrowed) counts as an error: it has a name, a message and a stack.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn is_error(value: JSValue) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if !qjs::JS_IsObject(value) || pyproxy::cell_of(value).is_some() {
            return false;
        }
        if qjs::JS_IsError(value) {
            return true;
        }
        let atoms = &raw const (*state::state()).atoms;
        property(value, (*atoms).message)
            && property(value, (*atoms).name)
            && (property(value, (*atoms).stack) || asks(value, 0, (*state::state()).support.is_dom_exception))
    }
}

/// `Array.isArray`, false for a revoked Proxy.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn is_array(value: JSValue) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        qjs::JS_IsArray(value)
            || (qjs::JS_IsProxy(value) && asks(value, 0, (*state::state()).support.is_array))
    }
}

/// What a predicate of ours says of a value, and of a name if it isn't 0; false if it throws.
///
/// # Safety
/// At home with the GIL.
#[cold]
#[inline(never)]
pub(crate) unsafe fn asks(value: JSValue, name: JSAtom, predicate: JSValue) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        let mut arguments = [value, qjs::JS_UNDEFINED];
        let mut count = 1;
        if name != 0 {
            arguments[1] = qjs::JS_AtomToValue(context, name);
            count = 2;
        }
        let answer = qjs::JS_Call(
            context,
            predicate,
            qjs::JS_UNDEFINED,
            count,
            arguments.as_mut_ptr(),
        );
        qjs::JS_FreeValue(context, arguments[1]);
        if qjs::JS_IsException(answer) {
            error::discard();
            return false;
        }
        let yes = qjs::JS_ToBool(context, answer) == 1;
        qjs::JS_FreeValue(context, answer);
        yes
    }
}

/// Whether `typeof value[name]` is "function".
///
/// # Safety
/// At home with the GIL.
#[inline]
pub(crate) unsafe fn method(value: JSValue, name: JSAtom) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        let found = qjs::JS_GetProperty(context, value, name);
        match qjs::JS_VALUE_GET_TAG(found) {
            qjs::JS_TAG_OBJECT => {
                let is = qjs::JS_IsFunction(context, found);
                qjs::JS_FreeValue(context, found);
                is
            }
            qjs::JS_TAG_EXCEPTION => {
                error::discard();
                false
            }
            _ => {
                qjs::JS_FreeValue(context, found);
                false
            }
        }
    }
}

/// Whether `value` or an object of its prototype chain has the property.
unsafe fn property(value: JSValue, name: JSAtom) -> bool {
    // SAFETY: as for `method`.
    unsafe {
        if qjs::JS_IsProxy(value) {
            return asks(value, name, (*state::state()).support.has_property);
        }
        match qjs::JS_HasProperty(state::context(), value, name) {
            0 => false,
            found if found > 0 => true,
            _ => {
                error::discard();
                false
            }
        }
    }
}

unsafe fn tag_is(value: JSValue, expected: &[u8]) -> bool {
    // SAFETY: as for `method`.
    unsafe {
        let context = state::context();
        let tag = qjs::JS_GetProperty(context, value, (*state::state()).atoms.to_string_tag);
        if qjs::JS_IsException(tag) {
            error::discard();
            return false;
        }
        let mut is = false;
        if qjs::JS_IsString(tag) {
            let mut length = 0;
            let text = qjs::JS_ToCStringLen(context, &mut length, tag);
            if !text.is_null() {
                is = std::slice::from_raw_parts(text.cast::<u8>(), length) == expected;
                qjs::JS_FreeCString(context, text);
            }
        }
        qjs::JS_FreeValue(context, tag);
        is
    }
}
