//! The characters of strings on their way across, both ways.
//!
//! QuickJS keeps a string as bytes (Latin-1) or as 16-bit units, CPython as bytes, 16-bit or 32-bit units: all that has
//! to be done is to find the widest character and copy. QuickJS's interface only gives copies, the fastest of them
//! 16 bits wide, so bytes and units are read where they lie. How a string lies in memory is not part of that interface:
//! [`probe`] looks at strings of every kind when the engine starts, and if one isn't as expected, copies are used.

use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_EXCEPTION, JSContext, JSValue};

use crate::{error, state};

/// Characters are looked at in blocks of this many, so that the compiler uses vector instructions.
const BLOCK: usize = 16;
/// Up to this many characters CPython's own function is as fast, and it shares strings of one character.
const SHORT: usize = 32;

/// How QuickJS 0.16 lays a string out: the first word of its header is the length, and this bit for 16-bit units.
const WIDE: u32 = 1 << 31;
/// In the second word: 0 if the characters follow the header (else they lie in another string).
const KIND: u32 = 3 << 28;
/// More than the header of a string can have; how much it has depends on how the engine was compiled.
const LARGEST_HEADER: usize = 64;

/// The characters of a JavaScript string.
enum Units<'a> {
    Bytes(&'a [u8]),
    Words(&'a [u16]),
}

/// The characters of a string; `None` if they are not behind its header, or the layout is unknown.
///
/// # Safety
/// At home with the GIL. `value` has the tag `JS_TAG_STRING` and outlives the result.
#[inline(always)]
unsafe fn units<'a>(value: JSValue) -> Option<Units<'a>> {
    // SAFETY: as the caller promises; the length is that of the characters behind the header.
    unsafe {
        let header = (*state::state()).string_header;
        if header == 0 {
            return None;
        }
        let start = qjs::JS_VALUE_GET_PTR(value).cast::<u8>();
        let words = start.cast::<u32>();
        if *words.add(1) & KIND != 0 {
            return None;
        }
        let length = (*words & !WIDE) as usize;
        let characters = start.add(header);
        Some(if *words & WIDE == 0 {
            Units::Bytes(std::slice::from_raw_parts(characters, length))
        } else {
            Units::Words(std::slice::from_raw_parts(characters.cast(), length))
        })
    }
}

/// The size of a string's header in bytes; 0 if the engine lays strings out otherwise than [`units`] expects.
///
/// # Safety
/// `context` is alive and at home.
pub(crate) unsafe fn probe(context: *mut JSContext) -> usize {
    // SAFETY: as the caller promises; a string has at least two words.
    unsafe {
        let plain = [b'x'; 96];
        let accented = "é".repeat(96);
        let words: Vec<u16> = (0x4E00..0x5600).collect();
        let narrow = qjs::JS_NewStringLen(context, plain.as_ptr().cast(), plain.len() as _);
        let latin1 = qjs::JS_NewStringLen(context, accented.as_ptr().cast(), accented.len() as _);
        let wide = qjs::JS_NewStringUTF16(context, words.as_ptr(), words.len() as _);
        let header = header_size(context, narrow);
        let expected: Vec<u8> = words[..16].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let known = header > 0
            && is_laid_out(narrow, header, 96, &plain[..32])
            && is_laid_out(latin1, header, 96, &[0xE9; 32])
            && is_laid_out(wide, header, words.len() as u32 | WIDE, &expected)
            && part_is_marked(context, wide);
        for value in [narrow, latin1, wide] {
            qjs::JS_FreeValue(context, value);
        }
        if known { header } else { 0 }
    }
}

/// Where the characters of a string begin: for one of ASCII the engine's answer is the string's own memory. 0 if not.
unsafe fn header_size(context: *mut JSContext, ascii: JSValue) -> usize {
    // SAFETY: as for `probe`; addresses are only compared.
    unsafe {
        if qjs::JS_VALUE_GET_TAG(ascii) != qjs::JS_TAG_STRING {
            return 0;
        }
        let mut length = 0;
        let text = qjs::JS_ToCStringLen2(context, &mut length, ascii, false);
        let header = (text as usize).wrapping_sub(qjs::JS_VALUE_GET_PTR(ascii) as usize);
        qjs::JS_FreeCString(context, text);
        if header.is_multiple_of(8) && (8..=LARGEST_HEADER).contains(&header) {
            header
        } else {
            0
        }
    }
}

/// Whether a string has the first word and, behind its header, the characters that are expected.
unsafe fn is_laid_out(value: JSValue, header: usize, word: u32, expected: &[u8]) -> bool {
    // SAFETY: as for `probe`. The first word is right before more is read: then the string has more characters than are
    // compared.
    unsafe {
        let start = qjs::JS_VALUE_GET_PTR(value).cast::<u8>();
        qjs::JS_VALUE_GET_TAG(value) == qjs::JS_TAG_STRING
            && *start.cast::<u32>() == word
            && *start.cast::<u32>().add(1) & KIND == 0
            && std::slice::from_raw_parts(start.add(header), expected.len()) == expected
    }
}

/// Whether a long part of a string, which has its characters there, is marked as such.
unsafe fn part_is_marked(context: *mut JSContext, whole: JSValue) -> bool {
    // SAFETY: as for `probe`; a string has at least two words.
    unsafe {
        let name = qjs::JS_NewAtomLen(context, c"slice".as_ptr(), 5);
        let mut bounds = [
            qjs::JS_MKVAL(qjs::JS_TAG_INT, 1),
            qjs::JS_MKVAL(qjs::JS_TAG_INT, 2000),
        ];
        let part = qjs::JS_Invoke(context, whole, name, 2, bounds.as_mut_ptr());
        qjs::JS_FreeAtom(context, name);
        let marked = qjs::JS_VALUE_GET_TAG(part) == qjs::JS_TAG_STRING && {
            let header = qjs::JS_VALUE_GET_PTR(part).cast::<u32>();
            *header == 1999 | WIDE && *header.add(1) & KIND != 0
        };
        qjs::JS_FreeValue(context, part);
        marked
    }
}

/// A JavaScript string (borrowed) as a `str`: pairs joined, lone surrogates kept as code points. Null with a Python
/// exception set.
///
/// # Safety
/// At home with the GIL; `value` is a string.
#[inline]
pub(crate) unsafe fn to_python(value: JSValue) -> *mut PyObject {
    // SAFETY: as the caller promises; nothing runs that could free the string.
    unsafe {
        if qjs::JS_VALUE_GET_TAG(value) == qjs::JS_TAG_STRING
            && let Some(units) = units(value)
        {
            return match units {
                Units::Bytes(bytes) => from_latin1(bytes),
                Units::Words(words) => from_utf16(words),
            };
        }
        elsewhere(value)
    }
}

/// A string whose characters can't be read where they are: a rope is made flat, others are copied.
#[inline(never)]
unsafe fn elsewhere(value: JSValue) -> *mut PyObject {
    // SAFETY: as for `to_python`; the flat string and the copy are freed before returning.
    unsafe {
        let context = state::context();
        if qjs::JS_VALUE_GET_TAG(value) == qjs::JS_TAG_STRING_ROPE && (*state::state()).string_header != 0 {
            let flat = qjs::JS_ToString(context, value);
            if qjs::JS_VALUE_GET_TAG(flat) == qjs::JS_TAG_STRING {
                let text = to_python(flat);
                qjs::JS_FreeValue(context, flat);
                return text;
            }
            error::raise();
            return ptr::null_mut();
        }
        let mut length = 0;
        let words = qjs::JS_ToCStringLenUTF16(context, &mut length, value);
        if words.is_null() {
            error::raise();
            return ptr::null_mut();
        }
        let text = from_utf16(std::slice::from_raw_parts(words, length as usize));
        qjs::JS_FreeCStringUTF16(context, words);
        text
    }
}

#[inline(always)]
unsafe fn from_latin1(bytes: &[u8]) -> *mut PyObject {
    // SAFETY: the GIL is held; a fresh str of `length` bytes is filled before anybody sees it.
    unsafe {
        let length = bytes.len() as isize;
        if bytes.len() <= SHORT {
            return ffi::PyUnicode_FromKindAndData(
                ffi::PyUnicode_1BYTE_KIND as i32,
                bytes.as_ptr().cast(),
                length,
            );
        }
        let text = ffi::PyUnicode_New(length, if bytes.is_ascii() { 0x7F } else { 0xFF });
        if !text.is_null() {
            ptr::copy_nonoverlapping(bytes.as_ptr(), ffi::PyUnicode_DATA(text).cast(), bytes.len());
        }
        text
    }
}

/// Units of UTF-16 as a `str`.
unsafe fn from_utf16(words: &[u16]) -> *mut PyObject {
    // SAFETY: as for `from_latin1`; the number of characters and the widest of them are exact.
    unsafe {
        let length = words.len() as isize;
        let (bits, surrogates) = words.iter().fold((0, false), |(bits, surrogates), &word| {
            (bits | word, surrogates | is_surrogate(word))
        });
        let pairs = if surrogates { count_pairs(words) } else { 0 };
        if pairs > 0 {
            let text = ffi::PyUnicode_New(length - pairs as isize, 0x10_FFFF);
            if !text.is_null() {
                join_pairs(words, ffi::PyUnicode_DATA(text).cast());
            }
            return text;
        }
        if words.len() <= SHORT {
            return ffi::PyUnicode_FromKindAndData(
                ffi::PyUnicode_2BYTE_KIND as i32,
                words.as_ptr().cast(),
                length,
            );
        }
        let text = ffi::PyUnicode_New(length, u32::from(bits).max(0x7F));
        if text.is_null() {
            return text;
        }
        let data = ffi::PyUnicode_DATA(text);
        if bits < 0x100 {
            for (index, &word) in words.iter().enumerate() {
                *data.cast::<u8>().add(index) = word as u8;
            }
        } else {
            ptr::copy_nonoverlapping(words.as_ptr(), data.cast(), words.len());
        }
        text
    }
}

#[inline(always)]
fn is_surrogate(word: u16) -> bool {
    word & 0xF800 == 0xD800
}

#[inline(always)]
fn is_high(word: u16) -> bool {
    word & 0xFC00 == 0xD800
}

#[inline(always)]
fn is_low(word: u16) -> bool {
    word & 0xFC00 == 0xDC00
}

/// How many pairs of surrogates there are: a unit is part of one at most, whatever stands before it.
fn count_pairs(words: &[u16]) -> usize {
    let Some(seconds) = words.get(1..) else { return 0 };
    // Counted in 16 bits, as long as that is enough, since the compiler then counts as many at a time as it compares.
    let chunks = words.chunks(1 << 15).zip(seconds.chunks(1 << 15));
    let count = |(firsts, seconds): (&[u16], &[u16])| {
        let pairs = firsts
            .iter()
            .zip(seconds)
            .map(|(&high, &low)| u16::from(is_high(high) & is_low(low)));
        usize::from(pairs.sum::<u16>())
    };
    chunks.map(count).sum()
}

/// Writes the code points of `words`.
///
/// # Safety
/// There is room for as many as `words` has, the pairs counted once.
unsafe fn join_pairs(words: &[u16], mut out: *mut u32) {
    // SAFETY: as the caller promises: one is written for each unit or pair.
    unsafe {
        let mut index = 0;
        while index < words.len() {
            if let Some(block) = words.get(index..index + BLOCK)
                && !block
                    .iter()
                    .fold(false, |found, &word| found | is_surrogate(word))
            {
                for (at, &word) in block.iter().enumerate() {
                    *out.add(at) = u32::from(word);
                }
                out = out.add(BLOCK);
                index += BLOCK;
                continue;
            }
            // As far as the block goes, so that blocks with surrogates are not looked at again and again.
            let end = (index + BLOCK).min(words.len());
            while index < end {
                let word = *words.get_unchecked(index);
                index += 1;
                let mut point = u32::from(word);
                if is_surrogate(word)
                    && is_high(word)
                    && let Some(&low) = words.get(index)
                    && is_low(low)
                {
                    point = 0x1_0000 + ((point - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                    index += 1;
                }
                *out = point;
                out = out.add(1);
            }
        }
    }
}

/// A `str` (borrowed) as a JavaScript string. Lone surrogates stay what they are; code points beyond the BMP become
/// pairs. `JS_EXCEPTION` with a JavaScript exception set.
///
/// # Safety
/// At home with the GIL; `object` is a `str`.
#[inline]
pub(crate) unsafe fn to_javascript(object: *mut PyObject) -> JSValue {
    // SAFETY: as the caller promises; the character data is read before anything else can happen.
    unsafe {
        let context = state::context();
        let length = ffi::PyUnicode_GET_LENGTH(object) as usize;
        if ffi::PyUnicode_IS_COMPACT_ASCII(object) != 0 {
            return qjs::JS_NewStringLen(context, ffi::PyUnicode_DATA(object).cast(), length as _);
        }
        let data = ffi::PyUnicode_DATA(object);
        match ffi::PyUnicode_KIND(object) {
            ffi::PyUnicode_1BYTE_KIND => {
                let latin1 = std::slice::from_raw_parts(data.cast::<u8>(), length);
                let words: Vec<u16> = latin1.iter().map(|&byte| u16::from(byte)).collect();
                qjs::JS_NewStringUTF16(context, words.as_ptr(), words.len() as _)
            }
            ffi::PyUnicode_2BYTE_KIND => qjs::JS_NewStringUTF16(context, data.cast(), length as _),
            _ => from_points(context, std::slice::from_raw_parts(data.cast(), length)),
        }
    }
}

/// Code points as a JavaScript string.
unsafe fn from_points(context: *mut JSContext, points: &[u32]) -> JSValue {
    // SAFETY: at home with the GIL; the buffer has room for every code point and the second halves of the wide ones.
    unsafe {
        let wide_ones =
            |points: &[u32]| points.iter().map(|&point| u32::from(point > 0xFFFF)).sum::<u32>() as usize;
        let wide: usize = points.chunks(1 << 20).map(wide_ones).sum();
        let length = points.len() + wide;
        if length > i32::MAX as usize {
            qjs::JS_ThrowOutOfMemory(context);
            return JS_EXCEPTION;
        }
        let mut words: Vec<u16> = Vec::with_capacity(length);
        split_points(points, words.as_mut_ptr());
        words.set_len(length);
        qjs::JS_NewStringUTF16(context, words.as_ptr(), length as _)
    }
}

/// Writes the UTF-16 units of `points`.
///
/// # Safety
/// There is room for them.
unsafe fn split_points(points: &[u32], mut out: *mut u16) {
    // SAFETY: as the caller promises.
    unsafe {
        for block in points.chunks(BLOCK) {
            if block.iter().fold(0, |bits, &point| bits | point) <= 0xFFFF {
                for (at, &point) in block.iter().enumerate() {
                    *out.add(at) = point as u16;
                }
                out = out.add(block.len());
                continue;
            }
            for &point in block {
                if point <= 0xFFFF {
                    *out = point as u16;
                    out = out.add(1);
                } else {
                    let offset = point - 0x1_0000;
                    *out = 0xD800 | (offset >> 10) as u16;
                    *out.add(1) = 0xDC00 | (offset & 0x3FF) as u16;
                    out = out.add(2);
                }
            }
        }
    }
}
