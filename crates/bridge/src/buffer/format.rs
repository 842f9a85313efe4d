//! Element formats: the codes of Python's `struct` against the kinds of typed arrays.

use std::ffi::CStr;

use rquickjs::qjs;

/// One byte per element, the kind of plain bytes.
pub(super) const UINT8: qjs::JSTypedArrayEnum = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8;
const FLOAT16: qjs::JSTypedArrayEnum = qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_FLOAT16;

/// A kind of typed array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) kind: qjs::JSTypedArrayEnum,
    /// In bytes.
    pub(crate) size: usize,
    /// The format of a memoryview of it.
    pub(crate) format: &'static CStr,
    /// The name of the class in JavaScript.
    pub(crate) class: &'static str,
}

const fn element(
    kind: qjs::JSTypedArrayEnum,
    size: usize,
    format: &'static CStr,
    class: &'static str,
) -> Element {
    Element {
        kind,
        size,
        format,
        class,
    }
}

const ELEMENTS: [Element; 12] = [
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8C,
        1,
        c"B",
        "Uint8ClampedArray",
    ),
    element(qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_INT8, 1, c"b", "Int8Array"),
    element(UINT8, 1, c"B", "Uint8Array"),
    element(qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_INT16, 2, c"h", "Int16Array"),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT16,
        2,
        c"H",
        "Uint16Array",
    ),
    element(qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_INT32, 4, c"i", "Int32Array"),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT32,
        4,
        c"I",
        "Uint32Array",
    ),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_BIG_INT64,
        8,
        c"q",
        "BigInt64Array",
    ),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_BIG_UINT64,
        8,
        c"Q",
        "BigUint64Array",
    ),
    element(FLOAT16, 2, c"e", "Float16Array"),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_FLOAT32,
        4,
        c"f",
        "Float32Array",
    ),
    element(
        qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_FLOAT64,
        8,
        c"d",
        "Float64Array",
    ),
];

impl Element {
    /// The element of a typed array, by its kind.
    pub(super) fn of_array(kind: qjs::JSTypedArrayEnum) -> Option<Self> {
        ELEMENTS.into_iter().find(|element| element.kind == kind)
    }

    /// The element that `getBuffer(type)` names; `Some(None)` for a `DataView`, `None` for an unknown name.
    pub(super) fn named(name: &[u8]) -> Option<Option<Self>> {
        let class = match name {
            b"i8" => "Int8Array",
            b"u8" => "Uint8Array",
            b"u8clamped" => "Uint8ClampedArray",
            b"i16" => "Int16Array",
            b"u16" => "Uint16Array",
            b"i32" => "Int32Array",
            b"u32" => "Uint32Array",
            b"i64" => "BigInt64Array",
            b"u64" => "BigUint64Array",
            b"f32" => "Float32Array",
            b"f64" => "Float64Array",
            b"dataview" => return Some(None),
            _ => return None,
        };
        ELEMENTS
            .into_iter()
            .find(|element| element.class == class)
            .map(Some)
    }
}

/// What the elements of a Python buffer become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) element: Element,
    pub(super) big_endian: bool,
    /// The `struct` code, without the byte order.
    pub(super) code: u8,
}

/// Reads a `struct` format of one element. `itemsize` decides between the sizes that the C types of a 64-bit
/// machine may have.
///
/// # Errors
/// Upstream's text. `hint` is added where upstream adds one.
pub(super) fn parse(format: &[u8], itemsize: isize, hint: &str) -> Result<Format, String> {
    let shown = || String::from_utf8_lossy(format).into_owned();
    if format.len() > 2 {
        return Err(format!(
            "Expected format string to have length <= 2, got '{}'.{hint}",
            shown()
        ));
    }
    let Some((&code, order)) = format.split_last() else {
        return Err(format!("Unrecognized format character ''.{hint}"));
    };
    let big_endian = match order {
        b"!" | b">" => true,
        b"<" | b"@" | b"=" | b"" => false,
        _ => {
            let order = String::from_utf8_lossy(order).into_owned();
            return Err(format!("Unrecognized alignment character {order}.{hint}"));
        }
    };
    let by_size = |short: &'static str, long: &'static str| if itemsize == 8 { long } else { short };
    let class = match code {
        b'b' => "Int8Array",
        b's' | b'p' | b'c' | b'B' | b'?' => "Uint8Array",
        b'h' => "Int16Array",
        b'H' => "Uint16Array",
        b'i' | b'l' | b'n' => by_size("Int32Array", "BigInt64Array"),
        b'I' | b'L' | b'N' | b'P' => by_size("Uint32Array", "BigUint64Array"),
        b'q' => "BigInt64Array",
        b'Q' => "BigUint64Array",
        b'f' => "Float32Array",
        b'd' => "Float64Array",
        b'e' => return Err("Javascript has no Float16 support.".to_owned()),
        _ => {
            let code = String::from_utf8_lossy(&format[format.len() - 1..]).into_owned();
            return Err(format!("Unrecognized format character '{code}'.{hint}"));
        }
    };
    match ELEMENTS.into_iter().find(|element| element.class == class) {
        Some(element) => Ok(Format {
            element,
            big_endian,
            code,
        }),
        None => Err(format!("Unrecognized format '{}'.{hint}", shown())),
    }
}
