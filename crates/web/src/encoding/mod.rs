//! `TextEncoder` and `TextDecoder`, for every label of the standard. <https://encoding.spec.whatwg.org/>
//!
//! The script converts arguments; the bytes are handled here. A decoder is a closure that owns the
//! state between the chunks of a stream.

use std::cell::RefCell;

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, UTF_8};
use rquickjs::{Array, Ctx, Exception, Function, Result, TypedArray, Value};

use crate::{buffer_source, script};

/// Adds `TextEncoder` and `TextDecoder`.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "encoding.js", include_str!("encoding.js"), |native| {
        native.set("encode", Function::new(ctx.clone(), encode)?)?;
        native.set("encodeInto", Function::new(ctx.clone(), encode_into)?)?;
        native.set("decoder", Function::new(ctx.clone(), decoder)?)
    })
}

/// Adds `TextEncoderStream` and `TextDecoderStream`. Needs streams.
pub(crate) fn install_streams(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(ctx, "encoding/streams.js", include_str!("streams.js"), |_| Ok(()))
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

/// As much of `text` as fits into `capacity` bytes: `[UTF-16 units read, bytes]`.
fn encode_into<'js>(ctx: Ctx<'js>, text: String, capacity: usize) -> Result<Array<'js>> {
    let mut end = text.len().min(capacity);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let fitting = &text[..end];
    let result = Array::new(ctx.clone())?;
    result.set(0, fitting.chars().map(char::len_utf16).sum::<usize>())?;
    result.set(1, TypedArray::<u8>::new_copy(ctx, fitting.as_bytes())?)?;
    Ok(result)
}

/// `[name, decode(bytes, stream)]` for a label, or nothing if there is no such label.
fn decoder<'js>(ctx: Ctx<'js>, label: String, fatal: bool, ignore_bom: bool) -> Result<Option<Array<'js>>> {
    let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) else {
        return Ok(None);
    };
    let state = RefCell::new(TextState {
        encoding,
        fatal,
        ignore_bom,
        decoder: None,
    });
    let decode = Function::new(
        ctx.clone(),
        move |ctx: Ctx<'js>, bytes: Value<'js>, stream: bool| {
            let Some(bytes) = bytes_of(&bytes) else {
                return Err(Exception::throw_type(&ctx, "The buffer to decode is detached."));
            };
            match state.borrow_mut().decode(bytes, stream) {
                Ok(text) => Ok(text),
                Err(Malformed) => Err(Exception::throw_type(&ctx, "Failed to decode input.")),
            }
        },
    )?;
    let result = Array::new(ctx)?;
    result.set(0, encoding.name().to_ascii_lowercase())?;
    result.set(1, decode)?;
    Ok(Some(result))
}

fn bytes_of(value: &Value<'_>) -> Option<Vec<u8>> {
    if value.is_undefined() {
        Some(Vec::new())
    } else {
        buffer_source::copy_bytes(value)
    }
}

/// The input is not what the encoding allows, and the decoder is a fatal one.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// The state of a `TextDecoder`.
struct TextState {
    encoding: &'static Encoding,
    fatal: bool,
    ignore_bom: bool,
    /// Present between the chunks of a stream.
    decoder: Option<Decoder>,
}

impl TextState {
    fn decode(&mut self, bytes: Vec<u8>, stream: bool) -> std::result::Result<String, Malformed> {
        let bytes = if self.encoding == UTF_8 && self.decoder.is_none() && !stream {
            match self.whole_utf8(bytes) {
                Ok(text) => return Ok(text),
                Err(bytes) => bytes,
            }
        } else {
            bytes
        };
        let mut decoder = self.decoder.take().unwrap_or_else(|| self.fresh());
        let text = if self.fatal {
            decode_strictly(&mut decoder, &bytes, !stream)?
        } else {
            decode_leniently(&mut decoder, &bytes, !stream)
        };
        if stream {
            self.decoder = Some(decoder);
        }
        Ok(text)
    }

    fn fresh(&self) -> Decoder {
        if self.ignore_bom {
            self.encoding.new_decoder_without_bom_handling()
        } else {
            self.encoding.new_decoder_with_bom_removal()
        }
    }

    /// The common case without a decoder and without copying; gives malformed input back.
    fn whole_utf8(&self, mut bytes: Vec<u8>) -> std::result::Result<String, Vec<u8>> {
        if !self.ignore_bom && bytes.starts_with(b"\xEF\xBB\xBF") {
            if std::str::from_utf8(&bytes).is_err() {
                return Err(bytes);
            }
            bytes.drain(..3);
        }
        String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes)
    }
}

fn decode_strictly(
    decoder: &mut Decoder,
    bytes: &[u8],
    last: bool,
) -> std::result::Result<String, Malformed> {
    let mut text = String::new();
    let mut read = 0;
    loop {
        let rest = &bytes[read..];
        text.reserve(
            decoder
                .max_utf8_buffer_length_without_replacement(rest.len())
                .unwrap_or(rest.len()),
        );
        let (result, consumed) = decoder.decode_to_string_without_replacement(rest, &mut text, last);
        read += consumed;
        match result {
            DecoderResult::InputEmpty => return Ok(text),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(Malformed),
        }
    }
}

fn decode_leniently(decoder: &mut Decoder, bytes: &[u8], last: bool) -> String {
    let mut text = String::new();
    let mut read = 0;
    loop {
        let rest = &bytes[read..];
        text.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()));
        let (result, consumed, _) = decoder.decode_to_string(rest, &mut text, last);
        read += consumed;
        match result {
            CoderResult::InputEmpty => return text,
            CoderResult::OutputFull => {}
        }
    }
}
