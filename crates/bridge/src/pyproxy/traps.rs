//! Property access on a PyProxy (`spec/ffi.md` §3 "traps").
//!
//! Names that the prototype has, and symbols, are JavaScript's. All else is a Python attribute, an index of a sequence,
//! or an item of an exact dict ([`super::items`]). Python attributes are read, written and deleted, but are no own
//! properties: only the items of dicts are. What JavaScript itself puts on the proxy (symbols, `defineProperty`) is an
//! ordinary property, which the engine finds before it asks here.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSAtom, JSClassExoticMethods, JSValue};

use super::lookup::attribute;
use super::{Cell, Context, cell_of, cell_of_trapped, features, items, keys, object_of, throw_destroyed};
use crate::lifetime::{self, Held, HeldValue};
use crate::state::Entry;
use crate::{atoms, error, js2python, jsproxy, state};

static mut METHODS: JSClassExoticMethods = JSClassExoticMethods {
    get_own_property: Some(get_own_property),
    get_own_property_names: Some(keys::own_property_names),
    delete_property: Some(delete_property),
    define_own_property: Some(define_own_property),
    has_property: Some(has_property),
    get_property: Some(get_property),
    set_property: Some(set_property),
};

/// The exotic methods of both classes.
pub(super) fn methods() -> *mut JSClassExoticMethods {
    &raw mut METHODS
}

/// What a name means for a proxy.
enum Meaning {
    /// The JavaScript side answers.
    JavaScript,
    /// An attribute or item of the object.
    Python(Asked),
}

/// An object and an attribute name of it, kept alive: user code may destroy the proxy and evict the name.
pub(super) struct Asked {
    pub(super) target: Held,
    pub(super) text: Held,
    /// The number that the property name spells.
    pub(super) number: Option<f64>,
    /// Whether the property name is `$` and `text`.
    pub(super) dollar: bool,
}

/// `Err` with a JavaScript exception set.
unsafe fn meaning(cell: *mut Cell, atom: JSAtom) -> Result<Meaning, ()> {
    // SAFETY: at home with the GIL; the cell is alive.
    unsafe {
        let features = (*cell).features;
        match atoms::attribute(atom, features, features::prototype(features))? {
            None => Ok(Meaning::JavaScript),
            Some(attribute) => {
                let object = object_of(cell);
                if object.is_null() {
                    throw_destroyed(cell);
                    return Err(());
                }
                Ok(Meaning::Python(Asked {
                    target: Held::new(object),
                    text: Held::new(attribute.text),
                    number: attribute.number,
                    dollar: attribute.dollar,
                }))
            }
        }
    }
}

/// What was asked for, if any name at all: `None` for symbols and for what an adapter to JSON leaves to JavaScript.
unsafe fn item_asked(cell: *mut Cell, atom: JSAtom) -> Result<Option<Asked>, ()> {
    // SAFETY: as for `meaning`; without a prototype to look at, each name is the object's.
    unsafe {
        let Some(attribute) = atoms::described(atom)? else {
            return Ok(None);
        };
        let text = Held::new(attribute.text);
        let object = object_of(cell);
        if object.is_null() {
            throw_destroyed(cell);
            return Err(());
        }
        Ok(Some(Asked {
            target: Held::new(object),
            text,
            number: attribute.number,
            dollar: attribute.dollar,
        }))
    }
}

fn is(cell: *mut Cell, feature: u32) -> bool {
    // SAFETY: the cells that traps get are alive.
    unsafe { (*cell).features & feature != 0 }
}

unsafe extern "C" fn get_property(_: Context, object: JSValue, atom: JSAtom, _receiver: JSValue) -> JSValue {
    // SAFETY: called by the engine at home under the GIL, on a live object of our class.
    unsafe {
        let Some(cell) = cell_of_trapped(object) else {
            return JS_UNDEFINED;
        };
        if atoms::is_inherited(atom, (*cell).features)
            && !is(cell, features::JSON_DICT)
            && let Some(value) = jsproxy::shape::inherited(object, atom)
        {
            return value;
        }
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        let _alive = HeldValue::new(object);
        let found = if is(cell, features::JSON_DICT) {
            adapted_item(cell, atom)
        } else {
            match meaning(cell, atom) {
                Err(()) => Err(()),
                Ok(Meaning::JavaScript) => Ok(None),
                Ok(Meaning::Python(asked)) => read(cell, &asked, atom),
            }
        };
        match found {
            Ok(Some(value)) => value,
            Ok(None) if is(cell, features::CALLABLE) && atoms::is_of_functions(atom) => JS_UNDEFINED,
            Ok(None) => inherited(object, atom),
            Err(()) => JS_EXCEPTION,
        }
    }
}

/// What the prototypes have, read from the proxy itself even where it is the prototype of another object.
unsafe fn inherited(object: JSValue, atom: JSAtom) -> JSValue {
    // SAFETY: as for `get_property`; each value is freed on every path.
    unsafe {
        let context = state::context();
        let mut at = qjs::JS_GetPrototype(context, object);
        loop {
            if !qjs::JS_IsObject(at) {
                return if qjs::JS_IsException(at) { at } else { JS_UNDEFINED };
            }
            let mut descriptor = std::mem::zeroed::<qjs::JSPropertyDescriptor>();
            let found = qjs::JS_GetOwnProperty(context, &mut descriptor, at, atom);
            if found != 0 {
                qjs::JS_FreeValue(context, at);
            }
            if found < 0 {
                return JS_EXCEPTION;
            }
            if found > 0 {
                if descriptor.flags as u32 & qjs::JS_PROP_GETSET == 0 {
                    return descriptor.value;
                }
                let value = if qjs::JS_IsUndefined(descriptor.getter) {
                    JS_UNDEFINED
                } else {
                    qjs::JS_Call(context, descriptor.getter, object, 0, ptr::null_mut())
                };
                qjs::JS_FreeValue(context, descriptor.getter);
                qjs::JS_FreeValue(context, descriptor.setter);
                return value;
            }
            let next = qjs::JS_GetPrototype(context, at);
            qjs::JS_FreeValue(context, at);
            at = next;
        }
    }
}

unsafe fn read(cell: *mut Cell, asked: &Asked, atom: JSAtom) -> Result<Option<JSValue>, ()> {
    // SAFETY: as for `get_property`.
    unsafe {
        if let Some(number) = asked.number
            && is(cell, features::SEQUENCE)
        {
            return items::of_sequence(cell, asked.target.as_ptr(), number);
        }
        if let Some(value) = attribute(cell, asked)? {
            return Ok(Some(value));
        }
        if is(cell, features::DICT) {
            return items::of_dict(cell, asked, atom);
        }
        Ok(None)
    }
}

/// An item of a mapping adapted to JSON; `None` where the JavaScript side answers.
unsafe fn adapted_item(cell: *mut Cell, atom: JSAtom) -> Result<Option<JSValue>, ()> {
    // SAFETY: as for `get_property`.
    unsafe {
        if keys::stays_on_adapters(atom) {
            return Ok(None);
        }
        match item_asked(cell, atom)? {
            None => Ok(None),
            Some(asked) => items::of_dict(cell, &asked, atom),
        }
    }
}

unsafe extern "C" fn has_property(context: Context, object: JSValue, atom: JSAtom) -> i32 {
    // SAFETY: as for `get_property`.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let answer = if is(cell, features::JSON_DICT) {
            match item_asked(cell, atom) {
                Err(()) => Err(()),
                Ok(None) => Ok(false),
                Ok(Some(asked)) => items::dict_has(&asked, atom),
            }
        } else {
            match own_or_inherited(context, cell, object, atom) {
                Err(()) => Err(()),
                Ok(None) => Ok(true),
                Ok(Some(None)) => Ok(false),
                Ok(Some(Some(asked))) => has_in_python(cell, &asked, atom),
            }
        };
        answer.map_or(-1, i32::from)
    }
}

/// `None` if the JavaScript side has the property, else what to ask of Python, if anything.
#[expect(
    clippy::option_option,
    reason = "the outer one is the answer, the inner one whether there is more to ask"
)]
unsafe fn own_or_inherited(
    context: Context,
    cell: *mut Cell,
    object: JSValue,
    atom: JSAtom,
) -> Result<Option<Option<Asked>>, ()> {
    // SAFETY: as for `get_property`. The engine looks for ordinary properties before it calls the trap.
    unsafe {
        let asked = match meaning(cell, atom)? {
            Meaning::Python(asked) => Some(asked),
            Meaning::JavaScript => None,
        };
        if is(cell, features::CALLABLE) && atom == (*state::state()).atoms.prototype {
            return Ok(None);
        }
        match qjs::JS_GetOwnProperty(context, ptr::null_mut(), object, atom) {
            found if found < 0 => return Err(()),
            0 => {}
            _ => return Ok(None),
        }
        if asked.is_some() {
            return Ok(Some(asked));
        }
        let prototype = qjs::JS_GetPrototype(context, object);
        let has = if qjs::JS_IsObject(prototype) {
            qjs::JS_HasProperty(context, prototype, atom)
        } else {
            0
        };
        qjs::JS_FreeValue(context, prototype);
        match has {
            has if has < 0 => Err(()),
            0 => Ok(Some(None)),
            _ => Ok(None),
        }
    }
}

unsafe fn has_in_python(cell: *mut Cell, asked: &Asked, atom: JSAtom) -> Result<bool, ()> {
    // SAFETY: as for `get_property`.
    unsafe {
        if let Some(number) = asked.number
            && is(cell, features::SEQUENCE)
        {
            return items::sequence_has(asked.target.as_ptr(), number);
        }
        if ffi::PyObject_HasAttr(asked.target.as_ptr(), asked.text.as_ptr()) != 0 {
            return Ok(true);
        }
        if is(cell, features::DICT) {
            return items::dict_has(asked, atom);
        }
        Ok(false)
    }
}

/// Own properties are what JavaScript defined (the engine finds those by itself) and the items of dicts.
unsafe extern "C" fn get_own_property(
    _: Context,
    descriptor: *mut qjs::JSPropertyDescriptor,
    object: JSValue,
    atom: JSAtom,
) -> i32 {
    // SAFETY: as for `get_property`. `JS_UNDEFINED` fields need no freeing.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        if !is(cell, features::DICT | features::JSON_DICT) {
            return 0;
        }
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let found = match item_asked(cell, atom) {
            Err(()) => Err(()),
            Ok(None) => Ok(None),
            Ok(Some(asked)) => items::of_dict(cell, &asked, atom),
        };
        match found {
            Err(()) => -1,
            Ok(None) => 0,
            Ok(Some(value)) => {
                if descriptor.is_null() {
                    qjs::JS_FreeValue(state::context(), value);
                } else {
                    (*descriptor).flags = qjs::JS_PROP_C_W_E as i32;
                    (*descriptor).value = value;
                    (*descriptor).getter = JS_UNDEFINED;
                    (*descriptor).setter = JS_UNDEFINED;
                }
                1
            }
        }
    }
}

unsafe extern "C" fn set_property(
    context: Context,
    object: JSValue,
    atom: JSAtom,
    value: JSValue,
    _receiver: JSValue,
    flags: i32,
) -> i32 {
    // SAFETY: as for `get_property`; `value` is borrowed.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let asked = if is(cell, features::JSON_DICT) {
            match item_asked(cell, atom) {
                Err(()) => return -1,
                Ok(None) => return refuse(context, atom, flags),
                Ok(Some(asked)) => asked,
            }
        } else {
            match meaning(cell, atom) {
                Err(()) => return -1,
                Ok(Meaning::JavaScript) => return set_ordinary(context, object, atom, value, flags),
                Ok(Meaning::Python(asked)) => asked,
            }
        };
        let new = js2python::convert(value);
        if new.is_null() {
            error::throw();
            return -1;
        }
        let done = write(cell, &asked, atom, new);
        lifetime::release_object(new);
        match done {
            Ok(true) => 1,
            Ok(false) => refuse(context, atom, flags),
            Err(()) => -1,
        }
    }
}

/// Sets (or, with a null `new`, deletes) an attribute or item; `Ok(false)` if there is none to set.
unsafe fn write(cell: *mut Cell, asked: &Asked, atom: JSAtom, new: *mut PyObject) -> Result<bool, ()> {
    // SAFETY: as for `get_property`.
    unsafe {
        let (target, text) = (asked.target.as_ptr(), asked.text.as_ptr());
        if let Some(number) = asked.number
            && is(cell, features::SEQUENCE)
        {
            return items::write_sequence(target, number, new);
        }
        let adapted = is(cell, features::JSON_DICT);
        if adapted || (is(cell, features::DICT) && ffi::PyObject_HasAttr(target, text) == 0) {
            return items::write_dict(asked, atom, new);
        }
        if ffi::PyObject_SetAttr(target, text, new) == 0 {
            return Ok(true);
        }
        error::throw();
        Err(())
    }
}

/// An assignment to a name of the JavaScript side makes an ordinary property, unless an accessor is in the way.
unsafe fn set_ordinary(context: Context, object: JSValue, atom: JSAtom, value: JSValue, flags: i32) -> i32 {
    // SAFETY: as for `get_property`; each value is freed on every path.
    unsafe {
        let mut at = qjs::JS_GetPrototype(context, object);
        while qjs::JS_IsObject(at) {
            let mut descriptor = std::mem::zeroed::<qjs::JSPropertyDescriptor>();
            let found = qjs::JS_GetOwnProperty(context, &mut descriptor, at, atom);
            let next = if found == 0 {
                qjs::JS_GetPrototype(context, at)
            } else {
                JS_UNDEFINED
            };
            qjs::JS_FreeValue(context, at);
            at = next;
            if found < 0 {
                return -1;
            }
            if found > 0 {
                let has = descriptor.flags as u32;
                qjs::JS_FreeValue(context, descriptor.value);
                qjs::JS_FreeValue(context, descriptor.getter);
                if has & qjs::JS_PROP_GETSET != 0 {
                    let setter = descriptor.setter;
                    if qjs::JS_IsUndefined(setter) {
                        return refuse(context, atom, flags);
                    }
                    let mut arguments = [value];
                    let done = qjs::JS_Call(context, setter, object, 1, arguments.as_mut_ptr());
                    qjs::JS_FreeValue(context, setter);
                    qjs::JS_FreeValue(context, done);
                    return if qjs::JS_IsException(done) { -1 } else { 1 };
                }
                if has & qjs::JS_PROP_WRITABLE == 0 {
                    return refuse(context, atom, flags);
                }
                break;
            }
        }
        qjs::JS_FreeValue(context, at);
        let throwing = flags & (qjs::JS_PROP_THROW | qjs::JS_PROP_THROW_STRICT) as i32;
        let all = qjs::JS_PROP_C_W_E
            | qjs::JS_PROP_HAS_VALUE
            | qjs::JS_PROP_HAS_CONFIGURABLE
            | qjs::JS_PROP_HAS_WRITABLE
            | qjs::JS_PROP_HAS_ENUMERABLE
            | qjs::JS_PROP_NO_EXOTIC;
        qjs::JS_DefineProperty(
            context,
            object,
            atom,
            value,
            JS_UNDEFINED,
            JS_UNDEFINED,
            all as i32 | throwing,
        )
    }
}

/// What an assignment that can't be gives: false, or a TypeError where the code is strict, which only the engine knows.
unsafe fn refuse(context: Context, atom: JSAtom, flags: i32) -> i32 {
    // SAFETY: at home; a property is defined on a frozen object of our own, which the engine refuses as it should.
    unsafe {
        let throwing = flags & (qjs::JS_PROP_THROW | qjs::JS_PROP_THROW_STRICT) as i32;
        qjs::JS_DefineProperty(
            context,
            (*state::state()).support.frozen,
            atom,
            JS_UNDEFINED,
            JS_UNDEFINED,
            JS_UNDEFINED,
            qjs::JS_PROP_HAS_VALUE as i32 | throwing,
        )
    }
}

unsafe extern "C" fn define_own_property(
    context: Context,
    object: JSValue,
    atom: JSAtom,
    value: JSValue,
    getter: JSValue,
    setter: JSValue,
    flags: i32,
) -> i32 {
    // SAFETY: as for `get_property`.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let is_index = is(cell, features::SEQUENCE)
            && match atoms::described(atom) {
                Err(()) => return -1,
                Ok(attribute) => attribute.is_some_and(|attribute| attribute.number.is_some()),
            };
        // The engine would find an ordinary property of that name before it asks for the item.
        if is_index && flags as u32 & qjs::JS_PROP_HAS_VALUE != 0 {
            return set_property(context, object, atom, value, object, flags);
        }
        let plain = flags | qjs::JS_PROP_NO_EXOTIC as i32;
        qjs::JS_DefineProperty(context, object, atom, value, getter, setter, plain)
    }
}

unsafe extern "C" fn delete_property(_: Context, object: JSValue, atom: JSAtom) -> i32 {
    // SAFETY: as for `get_property`; where this gives 0, the engine throws if the code is strict.
    unsafe {
        let Some(cell) = cell_of(object) else { return 0 };
        let Ok(_entry) = Entry::checked() else { return -1 };
        let _alive = HeldValue::new(object);
        let asked = if is(cell, features::JSON_DICT) {
            match item_asked(cell, atom) {
                Err(()) => return -1,
                Ok(None) => return 0,
                Ok(Some(asked)) => asked,
            }
        } else {
            if is(cell, features::CALLABLE) && atom == (*state::state()).atoms.prototype {
                return 0;
            }
            match meaning(cell, atom) {
                Err(()) => return -1,
                Ok(Meaning::JavaScript) => return 1,
                Ok(Meaning::Python(asked)) => asked,
            }
        };
        write(cell, &asked, atom, ptr::null_mut()).map_or(-1, i32::from)
    }
}
