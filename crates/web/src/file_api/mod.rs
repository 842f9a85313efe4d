//! `Blob` and `File`: <https://w3c.github.io/FileAPI/>.
//!
//! The classes are JavaScript (`file_api.js`), each object with a [`Data`] in a private field; its bytes are a
//! [`Rope`], shared by slices, files, bodies and clones. Workers have no `FileReader` and no object URLs.

use rquickjs::class::Trace;
use rquickjs::{Array, Class, Ctx, Exception, Function, JsLifetime, Object, Result, Value};

use crate::{buffer_source, script, streams};

mod rope;

pub(crate) use rope::{Builder, Rope};

/// The bytes of a blob, as JavaScript holds them.
#[derive(Trace, JsLifetime)]
pub(crate) struct Data {
    #[qjs(skip_trace)]
    pub(crate) rope: Rope,
}

hidden_class!(Data, "BlobData");

impl Data {
    pub(crate) fn new<'js>(ctx: &Ctx<'js>, rope: Rope) -> Result<Class<'js, Self>> {
        Class::instance(ctx.clone(), Self { rope })
    }
}

/// What a `Blob` or `File` is made of.
#[derive(Clone, Debug)]
pub(crate) struct BlobParts {
    /// Its bytes.
    pub(crate) rope: Rope,
    /// Its `type`.
    pub(crate) media_type: String,
    /// Its `name` and `lastModified`, if it is a file.
    pub(crate) file: Option<(String, f64)>,
}

/// What Rust calls in `file_api.js`.
#[derive(JsLifetime)]
struct FileApi<'js> {
    make: Function<'js>,
    take_apart: Function<'js>,
}

/// Adds `Blob` and `File`. Needs streams.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "file_api/file_api.js",
        include_str!("file_api.js"),
        |native| {
            native.set("mediaType", Function::new(ctx.clone(), media_type)?)?;
            native.set("join", Function::new(ctx.clone(), join)?)?;
            native.set("size", Function::new(ctx.clone(), size)?)?;
            native.set("slice", Function::new(ctx.clone(), slice)?)?;
            native.set("stream", Function::new(ctx.clone(), stream)?)?;
            native.set("arrayBuffer", Function::new(ctx.clone(), array_buffer)?)?;
            native.set("bytes", Function::new(ctx.clone(), bytes)?)?;
            native.set("text", Function::new(ctx.clone(), text)?)
        },
    )?;
    let functions: Object = script::shared(ctx)?.get("fileApi")?;
    let state = FileApi {
        make: functions.get("make")?,
        take_apart: functions.get("takeApart")?,
    };
    ctx.store_userdata(state)
        .map_err(|_| Exception::throw_internal(ctx, "The File API is in use and cannot be replaced"))?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of the File API.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<FileApi<'_>>());
}

fn function<'js>(
    ctx: &Ctx<'js>,
    choose: impl FnOnce(&FileApi<'js>) -> Function<'js>,
) -> Result<Function<'js>> {
    match ctx.userdata::<FileApi<'js>>() {
        Some(state) => Ok(choose(&state)),
        None => Err(Exception::throw_internal(
            ctx,
            "The File API is not installed in this context",
        )),
    }
}

/// A new `Blob`, or `File` if `parts` name one. `media_type` is taken as it is.
pub(crate) fn new_blob<'js>(ctx: &Ctx<'js>, parts: BlobParts) -> Result<Value<'js>> {
    let make = function(ctx, |state| state.make.clone())?;
    let data = Data::new(ctx, parts.rope)?;
    match parts.file {
        None => make.call((data, parts.media_type)),
        Some((name, last_modified)) => make.call((data, parts.media_type, name, last_modified)),
    }
}

/// What `value` is made of, if it is a `Blob` or a `File`. Runs no user code.
pub(crate) fn blob_parts<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<BlobParts>> {
    if !value.is_object() {
        return Ok(None);
    }
    let parts: Option<Array> = function(ctx, |state| state.take_apart.clone())?.call((value.clone(),))?;
    let Some(parts) = parts else { return Ok(None) };
    let data: Class<Data> = parts.get(0)?;
    let name: Option<String> = parts.get(2)?;
    Ok(Some(BlobParts {
        rope: data.borrow().rope.clone(),
        media_type: parts.get(1)?,
        file: match name {
            Some(name) => Some((name, parts.get(3)?)),
            None => None,
        },
    }))
}

/// A `type` in lower case; empty if it has other characters than the printable ones of ASCII.
fn media_type(text: rquickjs::String<'_>) -> String {
    match text.to_string() {
        Ok(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => text.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// The bytes of the parts of a blob: strings, buffers (as `shared.webidl.bytes` has them) and [`Data`].
fn join<'js>(ctx: Ctx<'js>, parts: Array<'js>, native_endings: bool) -> Result<Class<'js, Data>> {
    let mut builder = Builder::default();
    for part in parts.iter::<Value>() {
        let part = part?;
        if let Some(string) = part.as_string() {
            let string = string.to_string()?;
            if native_endings {
                builder.copy(with_native_endings(&string).as_bytes());
            } else {
                builder.share(string.into_bytes().into());
            }
        } else if let Some(data) = part.as_object().and_then(Class::<Data>::from_object) {
            builder.append(&data.borrow().rope);
        } else {
            // One that was detached meanwhile is empty.
            builder.share(buffer_source::copy_bytes(&part).unwrap_or_default().into());
        }
    }
    Data::new(&ctx, builder.finish())
}

/// Every line ending as the platform has it, which is a line feed.
fn with_native_endings(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn size(data: Class<'_, Data>) -> f64 {
    // Far below 2^53.
    data.borrow().rope.len() as f64
}

/// `start` and `end` are whole numbers within the size, in order.
fn slice<'js>(ctx: Ctx<'js>, data: Class<'js, Data>, start: f64, end: f64) -> Result<Class<'js, Data>> {
    let rope = data.borrow().rope.slice(start as u64, end as u64);
    Data::new(&ctx, rope)
}

fn stream<'js>(ctx: Ctx<'js>, data: Class<'js, Data>) -> Result<Object<'js>> {
    let rope = data.borrow().rope.clone();
    let length = rope.len();
    streams::readable(&ctx, std::rc::Rc::new(rope.into_source()), Some(length))
}

fn array_buffer<'js>(ctx: Ctx<'js>, data: Class<'js, Data>) -> Result<rquickjs::ArrayBuffer<'js>> {
    let bytes = data.borrow().rope.to_bytes();
    rquickjs::ArrayBuffer::new(ctx, Vec::from(bytes))
}

fn bytes<'js>(ctx: Ctx<'js>, data: Class<'js, Data>) -> Result<Value<'js>> {
    let bytes = data.borrow().rope.to_bytes();
    streams::chunk(&ctx, bytes)
}

fn text(data: Class<'_, Data>) -> String {
    utf8_decode(data.borrow().rope.to_bytes())
}

/// `UTF-8 decode`: <https://encoding.spec.whatwg.org/#utf-8-decode>.
pub(crate) fn utf8_decode(bytes: bytes::Bytes) -> String {
    let bytes = Vec::from(bytes);
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => String::from_utf8_lossy(rest).into_owned(),
        None => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}
