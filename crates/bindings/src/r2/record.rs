//! What the host says of an object, as `objects.js` makes objects of it: little of it is asked for, of a thousand in a list.

use isthmus_protocol::r2;
use rquickjs::class::{JsClass, Readable, Trace};
use rquickjs::function::Constructor;
use rquickjs::object::Property;
use rquickjs::{Array, ArrayBuffer, Class, Ctx, Function, IntoJs, JsLifetime, Object, Result, Value};

/// An object without its value.
#[derive(Trace, JsLifetime)]
pub(super) struct Record {
    #[qjs(skip_trace)]
    key: String,
    #[qjs(skip_trace)]
    version: String,
    #[qjs(skip_trace)]
    etag: String,
    #[qjs(skip_trace)]
    storage_class: Option<String>,
    #[qjs(skip_trace)]
    size: u64,
    #[qjs(skip_trace)]
    uploaded: i64,
    #[qjs(skip_trace)]
    range: Option<(u64, u64)>,
    /// The number of the algorithm, and the digest.
    #[qjs(skip_trace)]
    checksums: Vec<(u8, Vec<u8>)>,
    /// The five texts of HTTP metadata, if there is one among them.
    #[qjs(skip_trace)]
    http: Option<Box<[Option<String>; 5]>>,
    #[qjs(skip_trace)]
    cache_expiry: Option<i64>,
    #[qjs(skip_trace)]
    custom: Vec<(String, String)>,
}

impl<'js> JsClass<'js> for Record {
    const NAME: &'static str = "R2Record";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

impl Record {
    pub(super) fn new<'js>(ctx: &Ctx<'js>, object: &r2::Object<'_>) -> Result<Class<'js, Self>> {
        let metadata = &object.metadata;
        let texts = [
            metadata.http.content_type,
            metadata.http.content_language,
            metadata.http.content_disposition,
            metadata.http.content_encoding,
            metadata.http.cache_control,
        ];
        let checksums = object.checksums.iter();
        let custom = metadata.custom.iter();
        let record = Self {
            key: object.key.to_owned(),
            version: object.version.to_owned(),
            etag: object.etag.to_owned(),
            storage_class: metadata.storage_class.map(str::to_owned),
            size: object.size,
            uploaded: object.uploaded,
            range: object.range,
            checksums: checksums
                .map(|checksum| (checksum.algorithm as u8, checksum.digest.to_vec()))
                .collect(),
            http: texts
                .iter()
                .any(Option::is_some)
                .then(|| Box::new(texts.map(|text| text.map(str::to_owned)))),
            cache_expiry: metadata.http.cache_expiry,
            custom: custom
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        Class::instance(ctx.clone(), record)
    }
}

/// Adds the functions by which `objects.js` reads records.
pub(super) fn fill<'js>(native: &Object<'js>) -> Result<()> {
    let ctx = native.ctx();
    native.set("defineFirst", Function::new(ctx.clone(), define_first)?)?;
    native.set("defineLast", Function::new(ctx.clone(), define_last)?)?;
    native.set("checksums", Function::new(ctx.clone(), checksums)?)?;
    native.set("http", Function::new(ctx.clone(), http)?)?;
    native.set("custom", Function::new(ctx.clone(), custom)?)?;
    let uploaded = |record: Class<'js, Record>| record.borrow().uploaded as f64;
    native.set("uploaded", Function::new(ctx.clone(), uploaded)?)
}

/// Gives an object a property that can be read and listed, and removed.
fn define<'js>(object: &Object<'js>, name: &str, value: impl IntoJs<'js>) -> Result<()> {
    object.prop(name, Property::from(value).enumerable().configurable())
}

/// The properties in upstream's order: these, then those that are made when they are asked for, then [`define_last`]'s.
fn define_first<'js>(ctx: Ctx<'js>, object: Object<'js>, record: Class<'js, Record>) -> Result<()> {
    let record = record.borrow();
    let undefined = || Value::new_undefined(ctx.clone());
    define(&object, "ssecKeyMd5", undefined())?;
    define(
        &object,
        "storageClass",
        record.storage_class.as_deref().unwrap_or("Standard"),
    )?;
    let Some((offset, length)) = record.range else {
        return define(&object, "range", undefined());
    };
    let range = Object::new(ctx.clone())?;
    let entry = |name: &str, value: Value<'js>| {
        range.prop(name, Property::from(value).writable().enumerable().configurable())
    };
    // Far below 2^53.
    entry("offset", Value::new_number(ctx.clone(), offset as f64))?;
    entry("length", Value::new_number(ctx.clone(), length as f64))?;
    entry("suffix", undefined())?;
    define(&object, "range", range)
}

fn define_last<'js>(object: Object<'js>, record: Class<'js, Record>) -> Result<()> {
    let record = record.borrow();
    define(&object, "httpEtag", format!("\"{}\"", record.etag))?;
    define(&object, "etag", &*record.etag)?;
    define(&object, "size", record.size as f64)?;
    define(&object, "version", &*record.version)?;
    define(&object, "key", &*record.key)
}

/// Algorithm, digest and its hexadecimal digits, for each in turn.
fn checksums<'js>(ctx: Ctx<'js>, record: Class<'js, Record>) -> Result<Array<'js>> {
    let checksums = Array::new(ctx.clone())?;
    for (index, (algorithm, digest)) in record.borrow().checksums.iter().enumerate() {
        checksums.set(index * 3, *algorithm)?;
        checksums.set(index * 3 + 1, ArrayBuffer::new(ctx.clone(), digest.clone())?)?;
        checksums.set(index * 3 + 2, hex(digest))?;
    }
    Ok(checksums)
}

/// Five texts and a moment, each of which may be undefined.
fn http<'js>(ctx: Ctx<'js>, record: Class<'js, Record>) -> Result<Array<'js>> {
    let record = record.borrow();
    let http = Array::new(ctx)?;
    for index in 0..5 {
        let text = record.http.as_ref().and_then(|texts| texts[index].as_deref());
        http.set(index, text)?;
    }
    http.set(5, record.cache_expiry.map(|moment| moment as f64))?;
    Ok(http)
}

/// Names and values in turn.
fn custom<'js>(ctx: Ctx<'js>, record: Class<'js, Record>) -> Result<Array<'js>> {
    let custom = Array::new(ctx)?;
    for (index, (name, value)) in record.borrow().custom.iter().enumerate() {
        custom.set(index * 2, &**name)?;
        custom.set(index * 2 + 1, &**value)?;
    }
    Ok(custom)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
