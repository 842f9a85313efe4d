//! Making a body of what user code gives: <https://fetch.spec.whatwg.org/#bodyinit-unions>.

use std::borrow::Cow;

use rquickjs::{Ctx, Exception, Function, Result, Value};

use super::Fetch;
use super::body::Body;
use super::header_list::HeaderList;
use super::interface::usv_string;
use crate::file_api::{self, Rope};
use crate::{form_data, streams};

/// The media type of a body made of a string.
const TEXT: &str = "text/plain;charset=UTF-8";
/// The media type of a body made of a `URLSearchParams`.
const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";

/// A body, and the media type that goes with it unless the headers name one.
pub(super) struct Extracted<'js> {
    pub(super) body: Body<'js>,
    media_type: Option<Cow<'static, str>>,
}

impl<'js> Extracted<'js> {
    fn text(text: String, media_type: &'static str) -> Self {
        Self {
            body: Body::of_bytes(text.into_bytes().into()),
            media_type: Some(Cow::Borrowed(media_type)),
        }
    }

    fn rope(rope: Rope, media_type: String) -> Self {
        Self {
            body: rope.into_body().into(),
            media_type: Some(media_type)
                .filter(|media_type| !media_type.is_empty())
                .map(Cow::Owned),
        }
    }

    /// Adds the media type to `headers`.
    pub(super) fn describe(self, headers: &mut HeaderList) -> Body<'js> {
        if let Some(media_type) = self.media_type
            && !headers.has("content-type")
        {
            headers.append("content-type".to_owned(), media_type.as_bytes().to_vec());
        }
        self.body
    }
}

/// The body that `init` describes: a string, a stream, a buffer, a `Blob`, a `FormData`, a `URLSearchParams` or, as
/// upstream has it, an iterable of buffers; anything else as its string. `undefined` and `null` stand for none. Buffers are copied.
pub(super) fn extract<'js>(ctx: &Ctx<'js>, init: &Value<'js>) -> Result<Extracted<'js>> {
    if init.is_undefined() || init.is_null() {
        return Ok(Extracted {
            body: Body::default(),
            media_type: None,
        });
    }
    let Some(object) = init.as_object() else {
        return Ok(Extracted::text(usv_string(ctx, init)?, TEXT));
    };
    if streams::is_readable_stream(init) {
        let status = streams::status(ctx, object)?;
        if status.disturbed {
            return Err(Exception::throw_type(
                ctx,
                "This ReadableStream is disturbed (has already been read from), and cannot be used as a body.",
            ));
        }
        if status.locked {
            return Err(Exception::throw_type(
                ctx,
                "This ReadableStream is locked to a reader, and cannot be used as a body.",
            ));
        }
        return Ok(Extracted {
            body: Body::of_stream(ctx, object.clone())?,
            media_type: None,
        });
    }
    if let Some(bytes) = streams::buffer_bytes(ctx, init)? {
        return Ok(Extracted {
            body: Body::of_bytes(bytes.into()),
            media_type: None,
        });
    }
    if let Some(blob) = file_api::blob_parts(ctx, init)? {
        return Ok(Extracted::rope(blob.rope, blob.media_type));
    }
    if let Some((rope, media_type)) = form_data::encode(ctx, init)? {
        return Ok(Extracted::rope(rope, media_type));
    }
    let search_params: Function = Fetch::of(ctx)?.search_params.clone();
    let serialized: Value = search_params.call((init.clone(),))?;
    if serialized.is_string() {
        return Ok(Extracted::text(usv_string(ctx, &serialized)?, FORM));
    }
    let from_iterable: Function = Fetch::of(ctx)?.body_from_iterable.clone();
    let stream: Value = from_iterable.call((init.clone(),))?;
    if let Some(stream) = stream.into_object() {
        return Ok(Extracted {
            body: Body::of_stream(ctx, stream)?,
            media_type: None,
        });
    }
    Ok(Extracted::text(usv_string(ctx, init)?, TEXT))
}
