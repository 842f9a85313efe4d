//! What a JavaScript object becomes in Python.

use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use crate::state;

/// What an object becomes.
pub(super) enum Kind {
    Array,
    Map,
    Set,
    Buffer,
    Plain,
    Other,
}

impl Kind {
    /// `Err` with a JavaScript exception set.
    #[inline]
    pub(super) unsafe fn of(value: JSValue) -> Result<Self, ()> {
        // SAFETY: at home with the GIL; `value` is an object.
        unsafe {
            if qjs::JS_IsArray(value) {
                return Ok(Self::Array);
            }
            if qjs::JS_IsMap(value) {
                return Ok(Self::Map);
            }
            if qjs::JS_IsSet(value) {
                return Ok(Self::Set);
            }
            if qjs::JS_GetTypedArrayType(value) >= 0
                || qjs::JS_IsArrayBuffer(value)
                || qjs::JS_IsDataView(value)
            {
                return Ok(Self::Buffer);
            }
            let context = state::context();
            if qjs::JS_IsProxy(value) {
                return Self::of_proxy(value);
            }
            let support = &raw const (*state::state()).support;
            // Most objects are literals: of the plain class, with the engine's own `Object` as constructor.
            if qjs::JS_GetClassID(value) == PLAIN_CLASS {
                let atoms = &raw const (*state::state()).atoms;
                let constructor = qjs::JS_GetProperty(context, value, (*atoms).constructor);
                let literal = qjs::JS_IsStrictEqual(context, constructor, (*support).Object);
                qjs::JS_FreeValue(context, constructor);
                if qjs::JS_IsException(constructor) {
                    return Err(());
                }
                if literal {
                    let tag = qjs::JS_GetProperty(context, value, (*atoms).to_string_tag);
                    let tagged = !qjs::JS_IsUndefined(tag);
                    qjs::JS_FreeValue(context, tag);
                    if qjs::JS_IsException(tag) {
                        return Err(());
                    }
                    if !tagged {
                        return Ok(Self::Plain);
                    }
                }
            }
            Self::by_asking(value)
        }
    }

    /// A proxy of an array is an array.
    #[cold]
    unsafe fn of_proxy(value: JSValue) -> Result<Self, ()> {
        // SAFETY: as for `of`.
        unsafe {
            let context = state::context();
            let mut target = qjs::JS_DupValue(context, value);
            while qjs::JS_IsProxy(target) {
                let inner = qjs::JS_GetProxyTarget(context, target);
                qjs::JS_FreeValue(context, target);
                target = inner;
            }
            let array = qjs::JS_IsArray(target);
            qjs::JS_FreeValue(context, target);
            if qjs::JS_IsException(target) {
                return Err(());
            }
            if array {
                Ok(Self::Array)
            } else {
                Self::by_asking(value)
            }
        }
    }

    #[cold]
    unsafe fn by_asking(value: JSValue) -> Result<Self, ()> {
        // SAFETY: as for `of`.
        unsafe {
            let context = state::context();
            let mut arguments = [value];
            let answer = qjs::JS_Call(
                context,
                (*state::state()).support.becomes_dict,
                JS_UNDEFINED,
                1,
                arguments.as_mut_ptr(),
            );
            if qjs::JS_IsException(answer) {
                return Err(());
            }
            let plain = qjs::JS_ToBool(context, answer) == 1;
            qjs::JS_FreeValue(context, answer);
            Ok(if plain { Self::Plain } else { Self::Other })
        }
    }
}

/// The class of plain objects: the first of the engine's enumeration, by its own comment.
const PLAIN_CLASS: qjs::JSClassID = 1;
