//! One deep conversion under way.
//!
//! It is used through a raw pointer, since converters (JavaScript or Python code) come back to it through
//! [`super::callbacks`] in the middle of a container. So containers may change under the walk, too: every step
//! asks for the length again and holds a reference to the item.
//!
//! Shared objects are found by address. An object that only its container refers to can be neither shared nor part
//! of a cycle, so it is not entered: rows of numbers pay nothing.

use std::collections::{HashMap, HashSet};

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSValue};

use super::callbacks;
use super::keys::Keys;
use super::options::Options;
use super::{DESTROYED, Raised, checked, raise_about, raised};
use crate::addresses::Addresses;
use crate::converters::Converters;
use crate::{buffer, pyproxy, python2js, state};

/// An ordinary property.
pub(super) const DATA: i32 = qjs::JS_PROP_C_W_E as i32;

/// A conversion; made by [`Conversion::new`], run once, then ended.
pub(super) struct Conversion {
    pub(super) options: Options,
    /// Levels left; negative for no limit.
    depth: i64,
    /// Whether `dict_converter` is the engine's own `Object.fromEntries`: its result is built at once.
    pub(super) from_entries: bool,
    /// Converted objects by address; each entry owns a reference to the object and its value.
    cache: HashMap<usize, Converted, Addresses>,
    /// Array elements that stand for a dict whose converter had not run yet.
    late: Vec<Late>,
    visited: HashSet<usize, Addresses>,
    callbacks: Option<Converters>,
    pub(super) keys: Keys,
}

/// What an object converts to.
pub(super) enum Item {
    /// Owned.
    Value(JSValue),
    /// The dict at this address, whose converter is at work further up: there is no value yet.
    UnderWay(usize),
}

/// What a container was converted to.
pub(super) enum Converted {
    /// Owned.
    Value(JSValue),
    /// A dict whose entries are being converted for a converter.
    UnderWay,
}

struct Late {
    /// Owned.
    array: JSValue,
    index: u32,
    /// The dict, which the cache keeps alive.
    target: usize,
}

impl Conversion {
    /// # Safety
    /// At home with the GIL; the values in `options` outlive the conversion.
    pub(super) unsafe fn new(options: &Options) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let from_entries = !qjs::JS_IsUndefined(options.dict_converter)
                && qjs::JS_IsStrictEqual(
                    state::context(),
                    options.dict_converter,
                    (*state::state()).support.from_entries,
                );
            Self {
                options: *options,
                depth: options.depth,
                from_entries,
                cache: HashMap::default(),
                late: Vec::new(),
                visited: HashSet::default(),
                callbacks: None,
                keys: Keys::new(),
            }
        }
    }

    /// Converts `object` (borrowed).
    ///
    /// # Safety
    /// At home with the GIL; `this` stays where it is.
    pub(super) unsafe fn run(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as the caller promises.
        unsafe {
            if has((*this).options.default_converter) || has((*this).options.eager_converter) {
                (*this).callbacks =
                    Some(Converters::new(this, callbacks::convert, callbacks::cache).map_err(|()| raised())?);
            }
            let value = match Self::value(this, object)? {
                Item::Value(value) => value,
                Item::UnderWay(_) => JS_UNDEFINED,
            };
            if let Err(raised) = Self::fill_late(this) {
                qjs::JS_FreeValue(state::context(), value);
                return Err(raised);
            }
            Ok(value)
        }
    }

    /// Puts the values of dicts that are known by now where only a place was kept.
    unsafe fn fill_late(this: *mut Self) -> Result<(), Raised> {
        // SAFETY: as for `run`; what is left after a failure is freed by `end`.
        unsafe {
            let context = state::context();
            while let Some(Late { array, index, target }) = (*this).late.pop() {
                let value = match (*this).cache.get(&target) {
                    Some(Converted::Value(value)) => qjs::JS_DupValue(context, *value),
                    _ => JS_UNDEFINED,
                };
                let done = qjs::JS_DefinePropertyValueUint32(context, array, index, value, DATA);
                qjs::JS_FreeValue(context, array);
                if done < 0 {
                    return Err(raised());
                }
            }
            Ok(())
        }
    }

    /// Frees what the conversion holds.
    ///
    /// # Safety
    /// At home with the GIL. A pending exception survives.
    pub(super) unsafe fn end(&mut self) {
        // SAFETY: as the caller promises; the tables are taken first, since `__del__` may run.
        unsafe {
            let context = state::context();
            if let Some(callbacks) = self.callbacks.take() {
                callbacks.end();
            }
            for late in std::mem::take(&mut self.late) {
                qjs::JS_FreeValue(context, late.array);
            }
            self.keys.clear();
            for (address, converted) in std::mem::take(&mut self.cache) {
                if let Converted::Value(value) = converted {
                    qjs::JS_FreeValue(context, value);
                }
                ffi::Py_DECREF(address as *mut PyObject);
            }
        }
    }

    /// Converts any object (borrowed).
    ///
    /// # Safety
    /// As for [`Conversion::run`].
    #[inline]
    pub(super) unsafe fn value(this: *mut Self, object: *mut PyObject) -> Result<Item, Raised> {
        // SAFETY: as the caller promises.
        unsafe {
            if let Some(value) = python2js::implicit(object) {
                return checked(value).map(Item::Value);
            }
            if !state::enter_recursion(c" while converting a Python object to JavaScript") {
                return Err(Raised);
            }
            let result = Self::object(this, object);
            ffi::Py_LeaveRecursiveCall();
            result
        }
    }

    unsafe fn object(this: *mut Self, object: *mut PyObject) -> Result<Item, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            if !(*this).cache.is_empty() {
                match (*this).cache.get(&(object as usize)) {
                    Some(Converted::Value(value)) => {
                        return Ok(Item::Value(qjs::JS_DupValue(state::context(), *value)));
                    }
                    Some(Converted::UnderWay) => return Ok(Item::UnderWay(object as usize)),
                    None => {}
                }
            }
            if (*this).depth == 0 {
                return Self::fallback(this, object).map(Item::Value);
            }
            (*this).depth -= 1;
            let converter = (*this).options.eager_converter;
            let result = if has(converter) && (*this).visited.insert(object as usize) {
                Self::ask(this, converter, object).and_then(|value| Self::noted_steal(this, value))
            } else {
                Self::container(this, object)
            };
            (*this).depth += 1;
            result.map(Item::Value)
        }
    }

    unsafe fn container(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            if ffi::PyList_CheckExact(object) != 0 {
                return Self::sequence(
                    this,
                    object,
                    |list| Some(ffi::PyList_GET_SIZE(list)),
                    |list, index| new_reference(ffi::PyList_GET_ITEM(list, index)),
                );
            }
            if ffi::PyTuple_CheckExact(object) != 0 {
                return Self::sequence(
                    this,
                    object,
                    |tuple| Some(ffi::PyTuple_GET_SIZE(tuple)),
                    |tuple, index| new_reference(ffi::PyTuple_GET_ITEM(tuple, index)),
                );
            }
            if ffi::PyDict_Check(object) != 0 {
                return Self::dict(this, object);
            }
            if ffi::PyList_Check(object) != 0 || ffi::PyTuple_Check(object) != 0 {
                return Self::sequence(
                    this,
                    object,
                    |sequence| Some(ffi::PySequence_Size(sequence)).filter(|&size| size >= 0),
                    |sequence, index| ffi::PySequence_GetItem(sequence, index),
                );
            }
            if ffi::PySet_Check(object) != 0 {
                return Self::set(this, object);
            }
            if ffi::PyObject_CheckBuffer(object) != 0 {
                return checked(buffer::typed_array_copy(object));
            }
            Self::fallback(this, object)
        }
    }

    /// A sequence as an Array. `size` is `None` and `item` (a new reference) null with an exception set.
    #[inline(always)]
    unsafe fn sequence(
        this: *mut Self,
        object: *mut PyObject,
        size: impl Fn(*mut PyObject) -> Option<isize>,
        item: impl Fn(*mut PyObject, isize) -> *mut PyObject,
    ) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`. `values` are owned until the array takes them.
        unsafe {
            let context = state::context();
            let length = size(object).ok_or(Raised)?;
            // The length is what a subclass says: it may be no true one.
            let mut values: Vec<JSValue> = Vec::with_capacity(length.min(1 << 16) as usize);
            let mut index = 0;
            // The plain values at the beginning (often all) go in as one block; no code of others runs here.
            let mut rest = None;
            while values.len() < i32::MAX as usize {
                match size(object) {
                    Some(now) if index < now.min(length) => {}
                    Some(_) => break,
                    None => {
                        free_all(&values);
                        return Err(Raised);
                    }
                }
                let element = item(object, index);
                if element.is_null() {
                    free_all(&values);
                    return Err(Raised);
                }
                match python2js::implicit(element) {
                    Some(value) => {
                        ffi::Py_DECREF(element);
                        if qjs::JS_IsException(value) {
                            free_all(&values);
                            return Err(raised());
                        }
                        values.push(value);
                    }
                    None => {
                        rest = Some(element);
                        break;
                    }
                }
                index += 1;
            }
            let array = match checked(qjs::JS_NewArrayFrom(
                context,
                values.len() as i32,
                values.as_ptr(),
            )) {
                Ok(array) => array,
                Err(raised) => {
                    ffi::Py_XDECREF(rest.unwrap_or(std::ptr::null_mut()));
                    return Err(raised);
                }
            };
            drop(values);
            Self::remember(this, object, array);
            let mut element = rest.unwrap_or(std::ptr::null_mut());
            loop {
                if element.is_null() {
                    match size(object) {
                        None => break Err(Raised),
                        Some(now) if index >= now.min(length) => break Ok(array),
                        Some(_) => element = item(object, index),
                    }
                    if element.is_null() {
                        break Err(Raised);
                    }
                }
                let value = Self::value(this, element);
                ffi::Py_DECREF(element);
                element = std::ptr::null_mut();
                if let Err(raised) = Self::append(this, array, index, value) {
                    break Err(raised);
                }
                index += 1;
            }
            .inspect_err(|_| qjs::JS_FreeValue(context, array))
        }
    }

    #[inline]
    unsafe fn append(
        this: *mut Self,
        array: JSValue,
        index: isize,
        item: Result<Item, Raised>,
    ) -> Result<(), Raised> {
        // SAFETY: as for `value`; `array` is borrowed.
        unsafe {
            let context = state::context();
            let item = item?;
            let Ok(index) = u32::try_from(index) else {
                if let Item::Value(value) = item {
                    qjs::JS_FreeValue(context, value);
                }
                ffi::PyErr_SetString(
                    ffi::PyExc_OverflowError,
                    c"the sequence is longer than a JavaScript Array can be".as_ptr(),
                );
                return Err(Raised);
            };
            let value = match item {
                Item::Value(value) => value,
                Item::UnderWay(target) => {
                    let array = qjs::JS_DupValue(context, array);
                    (*this).late.push(Late { array, index, target });
                    JS_UNDEFINED
                }
            };
            if qjs::JS_DefinePropertyValueUint32(context, array, index, value, DATA) < 0 {
                return Err(raised());
            }
            Ok(())
        }
    }

    /// What has no conversion: the default converter, else a proxy.
    unsafe fn fallback(this: *mut Self, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            let value = if has((*this).options.default_converter) {
                let converter = (*this).options.default_converter;
                Self::ask(this, converter, object)?
            } else if (*this).options.create_pyproxies {
                checked(pyproxy::new(object, pyproxy::Origin::OWNED))?
            } else {
                return Err(raise_about(c"No conversion known for x.", object));
            };
            Self::noted_steal(this, value)
        }
    }

    /// Passes a value on; a PyProxy is added to the caller's list.
    unsafe fn noted_steal(this: *mut Self, value: JSValue) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`.
        unsafe {
            let list = (*this).options.pyproxies;
            if !has(list) || pyproxy::cell_of(value).is_none() {
                return Ok(value);
            }
            let context = state::context();
            let mut length = 0;
            if qjs::JS_GetLength(context, list, &mut length) < 0
                || qjs::JS_SetPropertyInt64(context, list, length, qjs::JS_DupValue(context, value)) < 0
            {
                qjs::JS_FreeValue(context, value);
                return Err(raised());
            }
            Ok(value)
        }
    }

    /// Calls a converter with a temporary proxy of the object, `convert` and `cache`.
    unsafe fn ask(this: *mut Self, converter: JSValue, object: *mut PyObject) -> Result<JSValue, Raised> {
        // SAFETY: as for `value`; the functions live until the conversion ends.
        unsafe {
            let context = state::context();
            let proxy = checked(pyproxy::new(object, pyproxy::Origin::OWNED))?;
            let (convert, cache) = match &(*this).callbacks {
                Some(callbacks) => (callbacks.convert, callbacks.cache),
                None => (JS_UNDEFINED, JS_UNDEFINED),
            };
            let mut arguments = [proxy, convert, cache];
            let value = qjs::JS_Call(context, converter, JS_UNDEFINED, 3, arguments.as_mut_ptr());
            let value = checked(value);
            // A converter that hands the proxy back keeps it.
            let handed_back = matches!(value, Ok(value) if qjs::JS_IsStrictEqual(context, value, proxy));
            if !handed_back {
                pyproxy::destroy(proxy, DESTROYED);
            }
            qjs::JS_FreeValue(context, proxy);
            value
        }
    }

    /// Enters a container's value (borrowed), if anybody else can refer to the container.
    ///
    /// # Safety
    /// As for [`Conversion::run`].
    #[inline(always)]
    pub(super) unsafe fn remember(this: *mut Self, object: *mut PyObject, value: JSValue) {
        // SAFETY: as for `value`.
        unsafe {
            if ffi::Py_REFCNT(object) > 1 {
                let value = qjs::JS_DupValue(state::context(), value);
                Self::remember_steal(this, object, value);
            }
        }
    }

    /// From now on `object` (borrowed) converts to the value, which is taken.
    ///
    /// # Safety
    /// As for [`Conversion::run`].
    pub(super) unsafe fn remember_steal(this: *mut Self, object: *mut PyObject, value: JSValue) {
        // SAFETY: as the caller promises.
        unsafe { Self::enter(this, object, Converted::Value(value)) }
    }

    /// Enters what an object (borrowed) is converted to, which is taken.
    ///
    /// # Safety
    /// As for [`Conversion::run`].
    pub(super) unsafe fn enter(this: *mut Self, object: *mut PyObject, converted: Converted) {
        // SAFETY: as for `value`. The entry is complete before anything is released.
        unsafe {
            match (*this).cache.insert(object as usize, converted) {
                None => ffi::Py_INCREF(object),
                Some(Converted::Value(old)) => qjs::JS_FreeValue(state::context(), old),
                Some(Converted::UnderWay) => {}
            }
        }
    }
}

/// Whether an option was given.
#[inline(always)]
pub(super) fn has(value: JSValue) -> bool {
    // SAFETY: only the tag is looked at.
    unsafe { !qjs::JS_IsUndefined(value) && !qjs::JS_IsNull(value) }
}

#[inline(always)]
unsafe fn new_reference(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a valid object.
    unsafe { ffi::Py_INCREF(object) };
    object
}

/// Frees values that the caller owns.
pub(super) unsafe fn free_all(values: &[JSValue]) {
    // SAFETY: the caller owns the values and forgets them.
    unsafe {
        for &value in values {
            qjs::JS_FreeValue(state::context(), value);
        }
    }
}
