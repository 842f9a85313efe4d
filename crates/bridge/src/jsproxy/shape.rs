//! A look at an object's property names without asking the engine for each: the short way of [`super::flags::detect`].
//!
//! QuickJS keeps the names of an object's own properties and its prototype in a *shape*. Reading the shapes along the
//! prototype chain tells which of the names that decide feature flags occur at all; for a plain object or function none
//! do, where asking for each walks the chain fifteen times. Only presence is read, and nothing is remembered
//! between looks, so that no change of an object or prototype can be missed; what is present is then asked of the
//! engine.
//!
//! The layout is the engine's own business: the structures below are those of one version. [`load`] compares the
//! version and checks the layout on objects it knows. If anything differs, [`look`] answers `None` ever after, and the
//! engine is asked for each name.

use std::ffi::CStr;

use rquickjs::qjs::{self, JSAtom, JSContext, JSValue};

use crate::state::Atoms;

/// The version of QuickJS-ng whose structures these are.
const VERSION: &CStr = c"0.16.2";

/// `JSObject`, as far as it is read.
#[repr(C)]
struct Object {
    link: [usize; 2],
    bits: u8,
    more_bits: u8,
    class: u16,
    shape: *const Shape,
}

/// Some own properties are not in the shape …
const IS_EXOTIC: u8 = 1 << 3;
/// … but with this only those with integer names are not.
const IS_FAST_ARRAY: u8 = 1 << 4;

/// `JSShape`; the buckets of its hash table follow, then its properties.
#[repr(C)]
struct Shape {
    link: [usize; 2],
    is_hashed: u8,
    hash: u32,
    bucket_mask: u32,
    property_size: i32,
    property_count: i32,
    deleted_count: i32,
    next: *const Shape,
    prototype: *const Object,
}

/// `JSShapeProperty`: its place in a bucket with flags, and its name (0 if it was deleted).
#[repr(C)]
struct Property {
    next_and_flags: u32,
    atom: JSAtom,
}

/// An object with more own properties is asked for each name instead.
const MANY: i32 = 96;

macro_rules! names {
    ($($constant:ident = $field:ident),+ $(,)?) => {
        #[expect(clippy::upper_case_acronyms, non_camel_case_types, reason = "they number the constants of these names")]
        #[repr(u8)]
        enum Number { UNKNOWN, $($constant,)+ }

        $(pub(super) const $constant: u32 = 1 << Number::$constant as u8;)+

        fn numbered(atoms: &Atoms) -> impl Iterator<Item = (JSAtom, u8)> {
            [$((atoms.$field, Number::$constant as u8),)+].into_iter().filter(|&(atom, _)| atom != 0)
        }
    };
}

names! {
    THEN = then,
    NEXT = next,
    GET = get,
    SET = set,
    HAS = has,
    INCLUDES = includes,
    LENGTH = length,
    SIZE = size,
    NAME = name,
    MESSAGE = message,
    STACK = stack,
    ITERATOR = iterator,
    ASYNC_ITERATOR = async_iterator,
    DISPOSE = dispose,
    ASYNC_DISPOSE = async_dispose,
}

/// What a look found.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// The set of names that occur along the prototype chain; the bit of no name means nothing.
    pub(super) names: u32,
    /// The object's class, which is not that of a JavaScript `Proxy`.
    pub(super) class: u16,
}

/// The numbers of the names by their atoms. Empty while the layout is not known to be the one above.
static mut NUMBERS: Vec<u8> = Vec::new();

/// What occurs along the prototype chain of an object (borrowed); `None` if only the engine can tell.
///
/// # Safety
/// At home with the GIL; `value` is an object.
#[inline]
pub(super) unsafe fn look(value: JSValue) -> Option<Seen> {
    // SAFETY: as the caller promises; the class is read only if the layout is right.
    unsafe {
        let object = object(value);
        let names = names_from(object, IS_EXOTIC | IS_FAST_ARRAY)?;
        Some(Seen {
            names,
            class: (*object).class,
        })
    }
}

/// The names that occur along the prototype chain of an object with traps, whatever the traps would say.
///
/// # Safety
/// As for [`look`].
pub(super) unsafe fn look_past_traps(value: JSValue) -> Option<u32> {
    // SAFETY: as the caller promises.
    unsafe { names_from(object(value), 0) }
}

#[inline(always)]
unsafe fn object(value: JSValue) -> *const Object {
    // SAFETY: the value is an object, so that it has an address.
    unsafe { qjs::JS_VALUE_GET_PTR(value).cast::<Object>().cast_const() }
}

/// The names that occur from this object on; `traps` are the bits of the first that are looked at, [`IS_EXOTIC`] alone
/// among them ends the look.
#[inline(always)]
unsafe fn names_from(first: *const Object, traps: u8) -> Option<u32> {
    // SAFETY: the static is filled only if the layout is right, and guarded by the GIL. Nothing is called here, so
    // that the objects of the chain, kept alive by the first, stay as they are.
    unsafe {
        let numbers = (&raw const NUMBERS).as_ref()?.as_slice();
        if numbers.is_empty() {
            return None;
        }
        let (mut names, mut object, mut traps) = (0_u32, first, traps);
        while !object.is_null() {
            let shape = (*object).shape;
            let count = (*shape).property_count;
            if (*object).bits & traps == IS_EXOTIC || count > MANY {
                return None;
            }
            traps = IS_EXOTIC | IS_FAST_ARRAY;
            let buckets = shape.add(1).cast::<u32>();
            let properties = buckets.add((*shape).bucket_mask as usize + 1).cast::<Property>();
            for index in 0..count as usize {
                let atom = (*properties.add(index)).atom as usize;
                if let Some(number) = numbers.get(atom) {
                    names |= 1 << number;
                }
            }
            object = (*shape).prototype;
        }
        Some(names)
    }
}

/// Begins to look, if this is the engine whose layout is known.
///
/// # Safety
/// At home with the GIL; the context is set up, `exotic` a class of it with exotic methods, and no user code ran.
pub(crate) unsafe fn load(context: *mut JSContext, atoms: &Atoms, exotic: qjs::JSClassID) {
    // SAFETY: as the caller promises. The layout is checked before it is relied on: with the version as expected,
    // nothing read in the check can be out of bounds.
    unsafe {
        unload();
        let last = numbered(atoms).map(|(atom, _)| atom as usize).max().unwrap_or(0);
        let is_known = cfg!(target_pointer_width = "64") && CStr::from_ptr(qjs::JS_GetVersion()) == VERSION;
        if !is_known || last >= usize::from(u16::MAX) {
            return;
        }
        let mut numbers = vec![Number::UNKNOWN as u8; last + 1];
        for (atom, number) in numbered(atoms) {
            numbers[atom as usize] = number;
        }
        NUMBERS = numbers;
        if !is_as_expected(context, atoms, exotic) {
            unload();
        }
    }
}

/// Ends looking, when the engine goes.
///
/// # Safety
/// The GIL is held.
pub(crate) unsafe fn unload() {
    // SAFETY: the GIL guards the static; no reference into it lives.
    unsafe { NUMBERS = Vec::new() };
}

/// Compares what is seen of a few objects with what they are.
unsafe fn is_as_expected(context: *mut JSContext, atoms: &Atoms, exotic: qjs::JSClassID) -> bool {
    // SAFETY: as for `load`.
    unsafe {
        let sees = |value: JSValue, expected: Option<u32>| {
            let seen = look(value);
            let known = 1 << Number::UNKNOWN as u8;
            seen.map(|seen| seen.names & !known) == expected
                && seen.is_none_or(|seen| u32::from(seen.class) == qjs::JS_GetClassID(value) as u32)
        };
        let parent = qjs::JS_NewObject(context);
        let plain = sees(parent, Some(0));
        qjs::JS_SetProperty(context, parent, atoms.then, qjs::JS_TRUE);
        let child = qjs::JS_NewObjectProto(context, parent);
        qjs::JS_SetProperty(context, child, atoms.async_iterator, qjs::JS_TRUE);
        qjs::JS_SetProperty(context, child, atoms.value, qjs::JS_TRUE);
        let inherited = sees(child, Some(THEN | ASYNC_ITERATOR));
        qjs::JS_DeleteProperty(context, child, atoms.async_iterator, 0);
        let deleted = sees(child, Some(THEN));
        let array = qjs::JS_NewArray(context);
        let of_array = sees(array, Some(LENGTH | ITERATOR | INCLUDES));
        let elsewhere = qjs::JS_NewObjectClass(context, exotic);
        let of_exotic = sees(elsewhere, None);
        for value in [parent, child, array, elsewhere] {
            qjs::JS_FreeValue(context, value);
        }
        plain && inherited && deleted && of_array && of_exotic
    }
}
