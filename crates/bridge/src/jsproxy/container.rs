//! Length, truth, comparison, indexing and membership of JsProxies.

use std::os::raw::c_int;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSAtom, JSValue};

use super::{JsProxy, flags, value_of};
use crate::{error, js2python, python2js, state, wake};

/// Home and the value of `self`, or an exception.
macro_rules! enter {
    ($object:expr, $failed:expr) => {{
        if !state::at_home() {
            state::raise_not_home();
            return $failed;
        }
        (*$object.cast::<JsProxy>()).value
    }};
}

/// `len()`: a number-valued `size`, then `length`.
pub(crate) unsafe extern "C" fn length(object: *mut PyObject) -> ffi::Py_ssize_t {
    // SAFETY: called by the interpreter with the GIL on an object of our layout, kept alive by the caller.
    unsafe {
        let value = enter!(object, -1);
        let _turn = wake::AtEnd::new();
        let atoms = &raw const (*state::state()).atoms;
        let names = if (*object.cast::<JsProxy>()).flags & flags::ARRAY != 0 {
            [(*atoms).length, 0]
        } else {
            [(*atoms).size, (*atoms).length]
        };
        for name in names.into_iter().filter(|&name| name != 0) {
            match number_property(value, name) {
                Err(()) => return -1,
                Ok(None) => {}
                Ok(Some(number)) if number < 0.0 => {
                    raise_length(ffi::PyExc_ValueError, number, "negative");
                    return -1;
                }
                Ok(Some(number)) if number > f64::from(i32::MAX) => {
                    raise_length(
                        ffi::PyExc_OverflowError,
                        number,
                        "larger than INT_MAX (2147483647)",
                    );
                    return -1;
                }
                // Without its fraction; NaN is 0.
                Ok(Some(number)) => return number as isize,
            }
        }
        ffi::PyErr_SetString(
            ffi::PyExc_TypeError,
            c"object does not have a valid length".as_ptr(),
        );
        -1
    }
}

/// Raises that a length, spelled as JavaScript spells it, is `wrong`.
#[cold]
unsafe fn raise_length(class: *mut PyObject, length: f64, wrong: &str) {
    // SAFETY: at home with the GIL.
    unsafe {
        let length = error::describe(qjs::JS_NewFloat64(length));
        let text = format!("length {length} of object is {wrong}");
        let text = ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize);
        if !text.is_null() {
            ffi::PyErr_SetObject(class, text);
            ffi::Py_DECREF(text);
        }
    }
}

/// A property if it is a number; `Err` with a Python exception set.
unsafe fn number_property(value: JSValue, name: JSAtom) -> Result<Option<f64>, ()> {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let found = qjs::JS_GetProperty(context, value, name);
        if qjs::JS_IsException(found) {
            error::raise();
            return Err(());
        }
        let mut number = None;
        if qjs::JS_IsNumber(found) {
            let mut float = 0.0;
            qjs::JS_ToFloat64(context, &mut float, found);
            number = Some(float);
        }
        qjs::JS_FreeValue(context, found);
        Ok(number)
    }
}

/// `bool()`: false for an empty collection of the kinds that upstream counts (`spec/ffi.md` §2).
pub(crate) unsafe extern "C" fn truth(object: *mut PyObject) -> c_int {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, -1);
        let _turn = wake::AtEnd::new();
        let flags = (*object.cast::<JsProxy>()).flags;
        let support = &raw const (*state::state()).support;
        if qjs::JS_IsProxy(value) {
            return c_int::from(flags::asks(value, 0, (*support).proxy_truth));
        }
        if flags & flags::CALLABLE != 0 || !qjs::JS_IsObject(value) {
            return 1;
        }
        let atoms = &raw const (*state::state()).atoms;
        let names = match flags & (flags::ARRAY | flags::BUFFER) {
            flags::ARRAY => [(*atoms).length, 0],
            flags::BUFFER => [(*atoms).byte_length, 0],
            _ => [(*atoms).size, (*atoms).byte_length],
        };
        for name in names.into_iter().filter(|&name| name != 0) {
            match number_property(value, name) {
                // What can't be asked is false.
                Err(()) => {
                    ffi::PyErr_Clear();
                    return 0;
                }
                Ok(Some(0.0)) => {
                    let element = name == (*atoms).size && flags::asks(value, 0, (*support).is_element);
                    return c_int::from(element);
                }
                Ok(_) => {}
            }
        }
        1
    }
}

/// Equality is `===`; order is JavaScript's, between two proxies only.
pub(crate) unsafe extern "C" fn richcompare(
    object: *mut PyObject,
    other: *mut PyObject,
    operation: c_int,
) -> *mut PyObject {
    // SAFETY: as for `length`; `object` may be an exception too, hence `value_of`.
    unsafe {
        let (Some(left), Some(right)) = (value_of(object), value_of(other)) else {
            let answer = match operation {
                ffi::Py_EQ => ffi::Py_False(),
                ffi::Py_NE => ffi::Py_True(),
                _ => ffi::Py_NotImplemented(),
            };
            ffi::Py_INCREF(answer);
            return answer;
        };
        if !state::at_home() {
            if operation == ffi::Py_EQ || operation == ffi::Py_NE {
                let same = object == other;
                return ffi::PyBool_FromLong(i64::from(same == (operation == ffi::Py_EQ)));
            }
            state::raise_not_home();
            return ptr::null_mut();
        }
        let context = state::context();
        match operation {
            ffi::Py_EQ | ffi::Py_NE => {
                let equal = qjs::JS_IsStrictEqual(context, left, right);
                ffi::PyBool_FromLong(i64::from(equal == (operation == ffi::Py_EQ)))
            }
            _ => {
                let _turn = wake::AtEnd::new();
                let mut arguments = [left, right, qjs::JS_MKVAL(qjs::JS_TAG_INT, operation)];
                let result = qjs::JS_Call(
                    context,
                    (*state::state()).support.compare,
                    JS_UNDEFINED,
                    3,
                    arguments.as_mut_ptr(),
                );
                js2python::convert_steal(result, JS_UNDEFINED)
            }
        }
    }
}

/// An index of a sequence: negative ones count from the end. `Err` with an exception set.
unsafe fn index_of(object: *mut PyObject, key: *mut PyObject) -> Result<Option<i64>, ()> {
    // SAFETY: at home with the GIL; `object` has our layout.
    unsafe {
        let index = ffi::PyNumber_AsSsize_t(key, ffi::PyExc_IndexError);
        if index == -1 && !ffi::PyErr_Occurred().is_null() {
            return Err(());
        }
        if index >= 0 {
            return Ok(Some(index as i64));
        }
        let proxy = object.cast::<JsProxy>();
        let mut end = 0;
        let own_length = (*proxy).flags & flags::TYPEDARRAY != 0 || qjs::JS_IsArray((*proxy).value);
        if !own_length {
            // Which may be anything.
            end = length(object) as i64;
            if end < 0 {
                return Err(());
            }
        } else if qjs::JS_GetLength(state::context(), (*proxy).value, &mut end) < 0 {
            error::raise();
            return Err(());
        }
        let index = index as i64 + end;
        Ok((index >= 0).then_some(index))
    }
}

unsafe fn call_method(
    object: *mut PyObject,
    name: &std::ffi::CStr,
    arguments: &[*mut PyObject],
) -> *mut PyObject {
    // SAFETY: the GIL is held; the arguments are valid.
    unsafe {
        let method = ffi::PyObject_GetAttrString(object, name.as_ptr());
        if method.is_null() {
            return method;
        }
        let result = ffi::PyObject_Vectorcall(method, arguments.as_ptr(), arguments.len(), ptr::null_mut());
        ffi::Py_DECREF(method);
        result
    }
}

/// `x[key]` of arrays, array-likes and typed arrays.
pub(crate) unsafe extern "C" fn sequence_subscript(
    object: *mut PyObject,
    key: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, ptr::null_mut());
        let _turn = wake::AtEnd::new();
        if ffi::PyIndex_Check(key) != 0 {
            let context = state::context();
            let Ok(index) = index_of(object, key) else {
                return ptr::null_mut();
            };
            if let Some(index) = index {
                let item = qjs::JS_GetPropertyInt64(context, value, index);
                if !qjs::JS_IsUndefined(item) {
                    return js2python::convert_steal(item, JS_UNDEFINED);
                }
                if has_index(value, index) {
                    return js2python::convert_steal(JS_UNDEFINED, JS_UNDEFINED);
                }
            }
            ffi::PyErr_SetObject(ffi::PyExc_IndexError, key);
            return ptr::null_mut();
        }
        if ffi::PySlice_Check(key) != 0 {
            return call_method(object, c"_get_slice", &[key]);
        }
        raise_index_type(key);
        ptr::null_mut()
    }
}

unsafe fn has_index(value: JSValue, index: i64) -> bool {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let Ok(index) = u32::try_from(index) else {
            return false;
        };
        let atom = qjs::JS_NewAtomUInt32(context, index);
        let has = qjs::JS_HasProperty(context, value, atom);
        qjs::JS_FreeAtom(context, atom);
        if has < 0 {
            error::discard();
        }
        has > 0
    }
}

unsafe fn raise_index_type(key: *mut PyObject) {
    // SAFETY: the GIL is held.
    unsafe {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"list indices must be integers or slices, not %.200s".as_ptr(),
            (*ffi::Py_TYPE(key)).tp_name,
        );
    }
}

/// `sq_item`, for C code that takes any sequence (`from module import *` reads `__all__` that way).
pub(crate) unsafe extern "C" fn sequence_item(
    object: *mut PyObject,
    index: ffi::Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: as for `sequence_subscript`.
    unsafe {
        let index = ffi::PyLong_FromSsize_t(index);
        if index.is_null() {
            return index;
        }
        let item = sequence_subscript(object, index);
        ffi::Py_DECREF(index);
        item
    }
}

/// `x[key] = item` and `del x[key]` of arrays and typed arrays.
pub(crate) unsafe extern "C" fn sequence_ass_subscript(
    object: *mut PyObject,
    key: *mut PyObject,
    item: *mut PyObject,
) -> c_int {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, -1);
        let _turn = wake::AtEnd::new();
        let proxy = object.cast::<JsProxy>();
        if item.is_null() && (*proxy).flags & flags::ARRAY == 0 {
            ffi::PyErr_SetString(
                ffi::PyExc_TypeError,
                c"object doesn't support item deletion".as_ptr(),
            );
            return -1;
        }
        if ffi::PySlice_Check(key) != 0 || (item.is_null() && ffi::PyIndex_Check(key) != 0) {
            let result = if item.is_null() {
                call_method(object, c"_delete", &[key])
            } else {
                call_method(object, c"_set_slice", &[key, item])
            };
            if result.is_null() {
                return -1;
            }
            ffi::Py_DECREF(result);
            return 0;
        }
        if ffi::PyIndex_Check(key) == 0 {
            raise_index_type(key);
            return -1;
        }
        let context = state::context();
        let Ok(index) = index_of(object, key) else {
            return -1;
        };
        // An array grows; the memory of a typed array doesn't.
        let mut end = LONGEST_ARRAY;
        if (*proxy).flags & flags::ARRAY == 0 && qjs::JS_GetLength(context, value, &mut end) < 0 {
            error::raise();
            return -1;
        }
        let Some(index) = index.filter(|&index| index < end) else {
            ffi::PyErr_SetString(
                ffi::PyExc_IndexError,
                c"list assignment index out of range".as_ptr(),
            );
            return -1;
        };
        let item = python2js::convert(item);
        if qjs::JS_IsException(item) || qjs::JS_SetPropertyInt64(context, value, index, item) < 0 {
            error::raise();
            return -1;
        }
        0
    }
}

/// The largest length that an array can have.
const LONGEST_ARRAY: i64 = u32::MAX as i64;

/// Calls a method of the object with converted arguments; the result is owned.
unsafe fn invoke(value: JSValue, name: JSAtom, objects: &[*mut PyObject]) -> JSValue {
    // SAFETY: at home with the GIL.
    unsafe {
        let context = state::context();
        let mut arguments = [JS_UNDEFINED; 2];
        for (slot, &object) in arguments.iter_mut().zip(objects) {
            *slot = python2js::convert(object);
            if qjs::JS_IsException(*slot) {
                for argument in arguments {
                    qjs::JS_FreeValue(context, argument);
                }
                return qjs::JS_EXCEPTION;
            }
        }
        let result = qjs::JS_Invoke(
            context,
            value,
            name,
            objects.len() as c_int,
            arguments.as_mut_ptr(),
        );
        for argument in arguments {
            qjs::JS_FreeValue(context, argument);
        }
        result
    }
}

/// `x[key]` of objects with a `get` method.
pub(crate) unsafe extern "C" fn map_subscript(object: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, ptr::null_mut());
        let _turn = wake::AtEnd::new();
        let atoms = &raw const (*state::state()).atoms;
        let context = state::context();
        let item = invoke(value, (*atoms).get, &[key]);
        if qjs::JS_IsUndefined(item) && (*object.cast::<JsProxy>()).flags & flags::HAS_HAS != 0 {
            let has = invoke(value, (*atoms).has, &[key]);
            if qjs::JS_IsException(has) {
                error::raise();
                return ptr::null_mut();
            }
            let has_it = qjs::JS_ToBool(context, has) == 1;
            qjs::JS_FreeValue(context, has);
            if !has_it {
                ffi::PyErr_SetObject(ffi::PyExc_KeyError, key);
                return ptr::null_mut();
            }
        }
        js2python::convert_steal(item, JS_UNDEFINED)
    }
}

/// `x[key] = item` and `del x[key]` of objects with a `set` method.
pub(crate) unsafe extern "C" fn map_ass_subscript(
    object: *mut PyObject,
    key: *mut PyObject,
    item: *mut PyObject,
) -> c_int {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, -1);
        let _turn = wake::AtEnd::new();
        let atoms = &raw const (*state::state()).atoms;
        let context = state::context();
        let result = if item.is_null() {
            invoke(value, (*atoms).delete, &[key])
        } else {
            invoke(value, (*atoms).set, &[key, item])
        };
        if qjs::JS_IsException(result) {
            error::raise();
            return -1;
        }
        let truthy = qjs::JS_ToBool(context, result) == 1;
        qjs::JS_FreeValue(context, result);
        if item.is_null() && !truthy {
            ffi::PyErr_SetObject(ffi::PyExc_KeyError, key);
            return -1;
        }
        0
    }
}

/// `item in x`: `has` wins over `includes`.
pub(crate) unsafe extern "C" fn contains(object: *mut PyObject, item: *mut PyObject) -> c_int {
    // SAFETY: as for `length`.
    unsafe {
        let value = enter!(object, -1);
        let _turn = wake::AtEnd::new();
        let atoms = &raw const (*state::state()).atoms;
        let by = if (*object.cast::<JsProxy>()).flags & flags::HAS_HAS != 0 {
            (*atoms).has
        } else {
            (*atoms).includes
        };
        let result = invoke(value, by, &[item]);
        if qjs::JS_IsException(result) {
            error::raise();
            return -1;
        }
        let truthy = qjs::JS_ToBool(state::context(), result);
        qjs::JS_FreeValue(state::context(), result);
        truthy
    }
}
