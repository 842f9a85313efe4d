//! A look at an object's properties without asking the engine for each: the short way of [`super::flags::detect`], and of
//! what a PyProxy inherits.
//!
//! QuickJS keeps the names of an object's own properties and its prototype in a *shape*. Reading the shapes along the
//! prototype chain tells which of the names that decide feature flags occur at all; for a plain object or function none
//! do, where asking for each walks the chain fifteen times. Only presence is read, and nothing is remembered
//! between looks, so that no change of an object or prototype can be missed; what is present is then asked of the
//! engine. [`inherited`] reads one property where it lies.
//!
//! The layout is the engine's own business: the structures below are those of one version. [`load`] compares the
//! version and checks the layout on objects it knows. If anything differs, all looks answer `None` ever after, and the
//! engine is asked for each name.

use std::ffi::CStr;

use rquickjs::qjs::{self, JS_UNDEFINED, JSAtom, JSContext, JSValue};

use crate::state::{self, Atoms};

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
    values: *const JSValue,
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

impl Shape {
    /// The first of the buckets, which are in descending order: the number, from 1, of the first property in each.
    #[inline(always)]
    unsafe fn buckets(this: *const Self) -> *const u32 {
        // SAFETY: the buckets follow the structure.
        unsafe { this.add(1).cast() }
    }

    #[inline(always)]
    unsafe fn properties(this: *const Self) -> *const Property {
        // SAFETY: the properties follow the buckets.
        unsafe { Self::buckets(this).add((*this).bucket_mask as usize + 1).cast() }
    }

    /// The property of that name with its place among the values.
    #[inline(always)]
    unsafe fn find(this: *const Self, atom: JSAtom) -> Option<(usize, *const Property)> {
        // SAFETY: the engine's own look-up: buckets and chains have numbers of properties only.
        unsafe {
            let last = u64::from((*this).bucket_mask);
            let hash = u64::from(atom).wrapping_mul(HASH_FACTOR) >> (1 + (last + 1).leading_zeros());
            let mut number = *Self::buckets(this).add((last - hash) as usize);
            while number != 0 {
                let property = Self::properties(this).add(number as usize - 1);
                if (*property).atom == atom {
                    return Some((number as usize - 1, property));
                }
                number = (*property).next_and_flags & IN_BUCKET;
            }
            None
        }
    }
}

/// What the hash of a property name is made with.
const HASH_FACTOR: u64 = 0x61C8_8646_80B5_83EB;
/// The number of the next property in the bucket.
const IN_BUCKET: u32 = (1 << 26) - 1;
/// What sort of property it is: none of these bits for one that just has a value.
const SORT: u32 = 3 << 30;

/// An object with more own properties is asked for each name instead.
const MANY: i32 = 96;

macro_rules! names {
    ($($constant:ident = $field:ident),+ $(,)?) => {
        #[expect(clippy::upper_case_acronyms, non_camel_case_types, reason = "they number the constants of these names")]
        #[repr(u8)]
        enum Number { $($constant,)+ }

        $(pub(super) const $constant: u32 = 1 << Number::$constant as u8;)+

        fn numbered(atoms: &Atoms) -> impl Iterator<Item = (JSAtom, u16)> {
            [$((atoms.$field, $constant as u16),)+].into_iter().filter(|&(atom, _)| atom != 0)
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
    /// The set of names that may occur along the prototype chain; no other does.
    pub(super) names: u32,
    /// The object's class, which is not that of a JavaScript `Proxy`.
    pub(super) class: u16,
}

/// The bits of the names by the remainders of their atoms: another name may share one, which costs a question.
static mut BITS: [u16; ATOMS] = [0; ATOMS];
const ATOMS: usize = 1024;

/// Whether the layout is known to be the one above.
static mut KNOWN: bool = false;

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
    // SAFETY: the layout is known, and the statics are guarded by the GIL. Nothing is called here, so that the objects
    // of the chain, kept alive by the first, stay as they are.
    unsafe {
        if !KNOWN {
            return None;
        }
        let bits = &raw const BITS;
        let (mut names, mut object, mut traps) = (0_u16, first, traps);
        while !object.is_null() {
            let shape = (*object).shape;
            let count = (*shape).property_count;
            if (*object).bits & traps == IS_EXOTIC || count > MANY {
                return None;
            }
            traps = IS_EXOTIC | IS_FAST_ARRAY;
            let properties = std::slice::from_raw_parts(Shape::properties(shape), count as usize);
            let bit = |property: &Property| (*bits)[property.atom as usize % ATOMS];
            let blocks = properties.chunks_exact(4);
            names |= blocks
                .remainder()
                .iter()
                .fold(0, |names, property| names | bit(property));
            for block in blocks {
                names |= bit(&block[0]) | bit(&block[1]) | bit(&block[2]) | bit(&block[3]);
            }
            object = (*shape).prototype;
        }
        Some(u32::from(names))
    }
}

/// What an object (borrowed) inherits under a name, undefined if nothing; owned. `None` where the engine has to be asked:
/// for accessors, and where an object along the prototype chain has properties elsewhere.
///
/// # Safety
/// At home with the GIL; `value` is an object.
#[inline(always)]
pub(crate) unsafe fn inherited(value: JSValue, atom: JSAtom) -> Option<JSValue> {
    // SAFETY: as for `names_from`; an ordinary property's value has the place of the property.
    unsafe {
        if !KNOWN {
            return None;
        }
        let mut at = (*(*object(value)).shape).prototype;
        while !at.is_null() {
            if (*at).bits & IS_EXOTIC != 0 {
                return None;
            }
            if let Some((place, property)) = Shape::find((*at).shape, atom) {
                if (*property).next_and_flags & SORT != 0 {
                    return None;
                }
                return Some(qjs::JS_DupValue(state::context(), *(*at).values.add(place)));
            }
            at = (*(*at).shape).prototype;
        }
        Some(JS_UNDEFINED)
    }
}

/// Whether it is sure that an object (borrowed) inherits nothing under a name.
///
/// # Safety
/// At home with the GIL; `value` is an object.
#[inline(always)]
pub(crate) unsafe fn inherits_nothing(value: JSValue, atom: JSAtom) -> bool {
    // SAFETY: as for `inherited`.
    unsafe {
        if !KNOWN {
            return false;
        }
        let mut at = (*(*object(value)).shape).prototype;
        while !at.is_null() {
            if (*at).bits & IS_EXOTIC != 0 || Shape::find((*at).shape, atom).is_some() {
                return false;
            }
            at = (*(*at).shape).prototype;
        }
        true
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
        let is_version = cfg!(target_pointer_width = "64") && CStr::from_ptr(qjs::JS_GetVersion()) == VERSION;
        if !is_version || numbered(atoms).any(|(atom, _)| atom as usize >= ATOMS) {
            return;
        }
        for (atom, bit) in numbered(atoms) {
            BITS[atom as usize] = bit;
        }
        KNOWN = true;
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
    // SAFETY: the GIL guards the statics; no reference into them lives.
    unsafe {
        KNOWN = false;
        BITS = [0; ATOMS];
    }
}

/// Compares what is seen of a few objects with what they are.
unsafe fn is_as_expected(context: *mut JSContext, atoms: &Atoms, exotic: qjs::JSClassID) -> bool {
    // SAFETY: as for `load`.
    unsafe {
        let sees = |value: JSValue, expected: Option<u32>| {
            let seen = look(value);
            seen.map(|seen| seen.names) == expected
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
        let read = inherits_as_expected(context, atoms, child, array);
        for value in [parent, child, array, elsewhere] {
            qjs::JS_FreeValue(context, value);
        }
        plain && inherited && deleted && of_array && of_exotic && read
    }
}

/// Compares what is read of prototypes with what they have: `child` inherits `then` from an object of its own, `array`'s
/// prototype is one with elements.
unsafe fn inherits_as_expected(
    context: *mut JSContext,
    atoms: &Atoms,
    child: JSValue,
    array: JSValue,
) -> bool {
    // SAFETY: as for `is_as_expected`.
    unsafe {
        let heir = qjs::JS_NewObjectProto(context, child);
        let names = [
            atoms.length,
            atoms.size,
            atoms.get,
            atoms.set,
            atoms.has,
            atoms.iterator,
            atoms.copy,
            atoms.keys,
            atoms.name,
        ];
        for (number, &name) in names.iter().enumerate() {
            qjs::JS_SetProperty(
                context,
                child,
                name,
                qjs::JS_MKVAL(qjs::JS_TAG_INT, number as i32),
            );
        }
        let function = qjs::JS_GetProperty(context, array, atoms.includes);
        let getset =
            (qjs::JS_PROP_HAS_GET | qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_HAS_CONFIGURABLE) as i32;
        qjs::JS_DefineProperty(
            context,
            child,
            atoms.delete,
            JS_UNDEFINED,
            function,
            JS_UNDEFINED,
            getset,
        );
        qjs::JS_DeleteProperty(context, child, atoms.size, 0);
        let reads = |name: JSAtom| inherited(heir, name).map(|value| (qjs::JS_VALUE_GET_TAG(value), value));
        let is_number = |name: JSAtom, number: i32| {
            reads(name)
                .is_some_and(|(tag, value)| tag == qjs::JS_TAG_INT && qjs::JS_VALUE_GET_INT(value) == number)
        };
        let numbers = names
            .iter()
            .enumerate()
            .all(|(number, &name)| name == atoms.size || is_number(name, number as i32));
        let is_expected = numbers
            && reads(atoms.then).is_some_and(|(tag, _)| tag == qjs::JS_TAG_BOOL)
            && reads(atoms.size).is_some_and(|(tag, _)| tag == qjs::JS_TAG_UNDEFINED)
            && reads(atoms.message).is_some_and(|(tag, _)| tag == qjs::JS_TAG_UNDEFINED)
            && inherited(heir, atoms.delete).is_none()
            && inherited(array, atoms.then).is_none()
            && !inherits_nothing(heir, atoms.delete)
            && !inherits_nothing(heir, atoms.then)
            && inherits_nothing(heir, atoms.size);
        qjs::JS_FreeValue(context, function);
        qjs::JS_FreeValue(context, heir);
        is_expected
    }
}
