//! `FormData`: <https://xhr.spec.whatwg.org/#interface-formdata>, and forms as bodies.
//!
//! The class is JavaScript (`form_data.js`). A form becomes a body in `encode.rs`, its files shared with it, and a
//! body a form in `parse.rs`.

use bytes::Bytes;
use rquickjs::{Array, Ctx, Exception, Function, JsLifetime, Object, Result, Value};
use url::form_urlencoded;

use crate::file_api::{self, BlobParts, Rope};
use crate::mime_type::MimeType;
use crate::script;

mod encode;
mod parse;

/// One entry of a form.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: EntryValue,
}

/// The value of an entry.
#[derive(Clone, Debug)]
pub(crate) enum EntryValue {
    /// A string.
    Text(String),
    /// A file.
    File {
        /// Its `name`.
        file_name: String,
        /// Its `type`, perhaps empty.
        media_type: String,
        /// Its bytes.
        rope: Rope,
    },
}

/// What Rust calls in `form_data.js`.
#[derive(JsLifetime)]
struct Forms<'js> {
    entries: Function<'js>,
    make: Function<'js>,
}

/// Adds `FormData`. Needs the File API.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "form_data/form_data.js",
        include_str!("form_data.js"),
        |_| Ok(()),
    )?;
    let functions: Object = script::shared(ctx)?.get("formData")?;
    let state = Forms {
        entries: functions.get("entries")?,
        make: functions.get("make")?,
    };
    ctx.store_userdata(state)
        .map_err(|_| Exception::throw_internal(ctx, "Forms are in use and cannot be replaced"))?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of forms.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Forms<'_>>());
}

fn function<'js>(ctx: &Ctx<'js>, choose: impl FnOnce(&Forms<'js>) -> Function<'js>) -> Result<Function<'js>> {
    match ctx.userdata::<Forms<'js>>() {
        Some(state) => Ok(choose(&state)),
        None => Err(Exception::throw_internal(
            ctx,
            "Forms are not installed in this context",
        )),
    }
}

/// A form as a body: its bytes, and the `Content-Type` that goes with them. `None` if `value` is no `FormData`.
pub(crate) fn encode<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<(Rope, String)>> {
    let list: Option<Array> = function(ctx, |state| state.entries.clone())?.call((value.clone(),))?;
    let Some(list) = list else { return Ok(None) };
    let mut entries = Vec::with_capacity(list.len() / 2);
    for index in (0..list.len()).step_by(2) {
        let value: Value = list.get(index + 1)?;
        let value = match file_api::blob_parts(ctx, &value)? {
            None => EntryValue::Text(value.get()?),
            Some(BlobParts {
                rope,
                media_type,
                file,
            }) => EntryValue::File {
                file_name: file.map(|(name, _)| name).unwrap_or_default(),
                media_type,
                rope,
            },
        };
        entries.push(Entry {
            name: list.get(index)?,
            value,
        });
    }
    let boundary = boundary(ctx)?;
    let rope = encode::multipart(&entries, &boundary);
    Ok(Some((rope, format!("multipart/form-data; boundary={boundary}"))))
}

/// A text that no file has in it, but by an accident of 1 in 2^128.
fn boundary(ctx: &Ctx<'_>) -> Result<String> {
    let mut bytes = [0_u8; 16];
    script::host(ctx)?.fill_random(&mut bytes);
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The `FormData` that a body of this type stands for. Throws a `TypeError` if it is no form.
pub(crate) fn decode<'js>(ctx: &Ctx<'js>, mime: Option<&MimeType>, bytes: &Bytes) -> Result<Value<'js>> {
    let refuse = |text: &str| Err(Exception::throw_type(ctx, text));
    let Some(mime) = mime else {
        return refuse("Parsing a Body as FormData requires a Content-Type header.");
    };
    let entries = match mime.essence() {
        "multipart/form-data" => {
            let Some(boundary) = mime.parameter("boundary").filter(|boundary| !boundary.is_empty()) else {
                return refuse(
                    "No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary \
                     parameter, e.g. 'Content-Type: multipart/form-data; boundary=\"abcd\"'. See RFC 7578, section 4.",
                );
            };
            match parse::multipart(bytes, boundary) {
                Ok(entries) => entries,
                Err(malformed) => return refuse(&malformed.to_string()),
            }
        }
        "application/x-www-form-urlencoded" => form_urlencoded::parse(bytes)
            .map(|(name, value)| Entry {
                name: name.into_owned(),
                value: EntryValue::Text(value.into_owned()),
            })
            .collect(),
        _ => {
            return refuse(
                "Unrecognized Content-Type header value. FormData can only parse the following MIME types: \
                 multipart/form-data, application/x-www-form-urlencoded",
            );
        }
    };
    new_form(ctx, entries)
}

/// A new `FormData`.
fn new_form<'js>(ctx: &Ctx<'js>, entries: Vec<Entry>) -> Result<Value<'js>> {
    let list = Array::new(ctx.clone())?;
    let now: f64 = if entries
        .iter()
        .any(|entry| matches!(entry.value, EntryValue::File { .. }))
    {
        let primordials: Object = script::shared(ctx)?.get("primordials")?;
        primordials.get::<_, Function>("dateNow")?.call(())?
    } else {
        0.0
    };
    for (index, entry) in entries.into_iter().enumerate() {
        list.set(2 * index, entry.name)?;
        match entry.value {
            EntryValue::Text(text) => list.set(2 * index + 1, text)?,
            EntryValue::File {
                file_name,
                media_type,
                rope,
            } => {
                let parts = BlobParts {
                    rope,
                    media_type,
                    file: Some((file_name, now)),
                };
                list.set(2 * index + 1, file_api::new_blob(ctx, parts)?)?;
            }
        }
    }
    function(ctx, |state| state.make.clone())?.call((list,))
}
