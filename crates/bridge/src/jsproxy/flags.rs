//! The feature flags of a JavaScript object (`spec/ffi.md` §2): they decide the type of its proxy.
//!
//! Every probe survives hostile objects: a getter or trap that throws counts as "no".

use rquickjs::qjs::{self, JSAtom, JSValue};

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
        let context = state::context();
        let atoms = &raw const (*state::state()).atoms;
        let callable = qjs::JS_IsFunction(context, value);
        let mut flags = if callable { CALLABLE } else { 0 };
        if let Some(cell) = pyproxy::cell_of(value) {
            if pyproxy::is_destroyed(cell) {
                return 0;
            }
            flags |= DOUBLE_PROXY;
        }
        let array = qjs::JS_IsArray(value);
        if method(value, (*atoms).then) {
            flags |= AWAITABLE;
        }
        let iterable = method(value, (*atoms).iterator);
        let async_iterable = method(value, (*atoms).async_iterator);
        if iterable {
            flags |= ITERABLE;
        }
        if async_iterable {
            flags |= ASYNC_ITERABLE;
        }
        if !array && method(value, (*atoms).next) {
            if iterable || !async_iterable {
                flags |= ITERATOR;
            }
            if !iterable || async_iterable {
                flags |= ASYNC_ITERATOR;
            }
            if tag_is(value, b"Generator") {
                flags |= GENERATOR;
            } else if tag_is(value, b"AsyncGenerator") {
                flags |= ASYNC_GENERATOR;
            }
        }
        let view = qjs::JS_GetTypedArrayType(value) >= 0;
        if view || qjs::JS_IsArrayBuffer(value) || qjs::JS_IsDataView(value) {
            flags |= BUFFER;
        }
        if view {
            flags |= TYPEDARRAY;
        }
        if array {
            flags |= ARRAY | HAS_LENGTH;
        } else if (!callable && property(value, (*atoms).length)) || property(value, (*atoms).size) {
            flags |= HAS_LENGTH;
            if !callable
                && flags & (ITERABLE | ITERATOR | TYPEDARRAY) == ITERABLE
                && property(value, (*atoms).length)
            {
                flags |= ARRAY_LIKE;
            }
        }
        if method(value, (*atoms).get) {
            flags |= HAS_GET;
        }
        if method(value, (*atoms).set) {
            flags |= HAS_SET;
        }
        if method(value, (*atoms).has) {
            flags |= HAS_HAS;
        }
        if method(value, (*atoms).includes) {
            flags |= HAS_INCLUDES;
        }
        if (*atoms).dispose != 0 && method(value, (*atoms).dispose) {
            flags |= HAS_DISPOSE;
        }
        if (*atoms).async_dispose != 0 && method(value, (*atoms).async_dispose) {
            flags |= HAS_ASYNC_DISPOSE;
        }
        if !callable && flags & BUFFER == 0 && is_error(value) {
            flags |= ERROR;
        }
        flags
    }
}

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
        property(value, (*atoms).message) && property(value, (*atoms).name) && property(value, (*atoms).stack)
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
