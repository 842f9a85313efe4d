//! `StructuredDeserialize`: <https://html.spec.whatwg.org/#structureddeserialize>.

use bytes::Bytes;
use rquickjs::object::Property;
use rquickjs::{Array, ArrayBuffer, Ctx, Object, Result, Value};

use super::format::{Corrupt, HAS_CAUSE, HAS_MESSAGE, HAS_STACK, MAGIC, Reader, Tag, VERSION};
use super::{Kind, Language};
use crate::file_api::{self, BlobParts, Rope};

/// How many classes `structured_clone.js` has for views, and for errors.
const VIEW_CLASSES: u8 = 13;
const ERROR_CLASSES: u8 = 7;

/// Reads one value.
pub(super) struct Deserializer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    language: &'a Language<'js>,
    reader: Reader,
    /// The objects so far, by their numbers; one whose parts come first is not there yet.
    seen: Vec<Option<Value<'js>>>,
    moved: &'a [Value<'js>],
    beside: &'a [BlobParts],
    open: Vec<Frame<'js>>,
}

/// An object whose parts are being read.
struct Frame<'js> {
    object: Object<'js>,
    parts: Parts<'js>,
}

/// What comes next of an object.
enum Parts<'js> {
    /// The value of the property of this key, or another key.
    Properties(Option<Value<'js>>),
    /// The element at `next`, of `length`.
    Elements { next: usize, length: usize },
    /// The value for this key, or another key.
    Map(Option<Value<'js>>),
    /// Another value.
    Set,
    /// The cause of an error, unless that has been read.
    Cause(bool),
}

impl<'a, 'js> Deserializer<'a, 'js> {
    /// `moved` and `beside` are what the bytes refer to, if they never left the process.
    pub(super) fn new(
        ctx: &'a Ctx<'js>,
        language: &'a Language<'js>,
        bytes: Bytes,
        moved: &'a [Value<'js>],
        beside: &'a [BlobParts],
    ) -> Self {
        Self {
            ctx,
            language,
            reader: Reader::new(bytes),
            seen: Vec::new(),
            moved,
            beside,
            open: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Value<'js>> {
        if self.reader.byte() != Ok(MAGIC) {
            return Err(self.language.fail("The bytes are no serialized value."));
        }
        if self.reader.byte() != Ok(VERSION) {
            return Err(self
                .language
                .fail("The value was serialized by an unknown version."));
        }
        let mut value = self.value()?;
        // A value that is complete goes to the object it is part of, which may be complete by it.
        while let Some(mut frame) = self.open.pop() {
            if let Some(value) = value.take() {
                self.put(&mut frame, value)?;
            }
            if self.wants_more(&mut frame)? {
                self.open.push(frame);
                value = self.value()?;
            } else {
                value = Some(frame.object.into_value());
            }
        }
        match value {
            Some(value) if self.reader.is_done() => Ok(value),
            _ => Err(self.corrupt(Corrupt)),
        }
    }

    fn corrupt(&self, _: Corrupt) -> rquickjs::Error {
        self.language.fail("The serialized value is damaged.")
    }

    fn read<T>(&mut self, part: impl FnOnce(&mut Reader) -> std::result::Result<T, Corrupt>) -> Result<T> {
        let read = part(&mut self.reader);
        read.map_err(|corrupt| self.corrupt(corrupt))
    }

    fn put(&self, frame: &mut Frame<'js>, value: Value<'js>) -> Result<()> {
        match &mut frame.parts {
            Parts::Properties(key) => match key.take() {
                Some(key) => frame
                    .object
                    .prop(key, Property::from(value).writable().enumerable().configurable()),
                None => Err(self.corrupt(Corrupt)),
            },
            Parts::Elements { next, .. } => {
                let index = *next as f64;
                *next += 1;
                frame.object.prop(
                    index,
                    Property::from(value).writable().enumerable().configurable(),
                )
            }
            Parts::Map(key) => match key.take() {
                None => {
                    *key = Some(value);
                    Ok(())
                }
                Some(key) => self
                    .language
                    .map_set
                    .call::<_, Value>((frame.object.clone(), key, value))
                    .map(drop),
            },
            Parts::Set => self
                .language
                .set_add
                .call::<_, Value>((frame.object.clone(), value))
                .map(drop),
            Parts::Cause(read) => {
                *read = true;
                frame
                    .object
                    .prop("cause", Property::from(value).writable().configurable())
            }
        }
    }

    /// Whether another value belongs to the object; what stands before that value is read.
    fn wants_more(&mut self, frame: &mut Frame<'js>) -> Result<bool> {
        match &mut frame.parts {
            Parts::Properties(key) => {
                if self.reader.skip(Tag::End) {
                    return Ok(false);
                }
                *key = Some(self.string()?);
                Ok(true)
            }
            Parts::Elements { next, length } => {
                while *next < *length && self.reader.skip(Tag::Hole) {
                    *next += 1;
                }
                if *next < *length {
                    return Ok(true);
                }
                // The last ones may be holes.
                frame.object.set("length", *length as f64)?;
                Ok(false)
            }
            Parts::Map(Some(_)) => Ok(true),
            Parts::Map(None) | Parts::Set => Ok(!self.reader.skip(Tag::End)),
            Parts::Cause(read) => {
                if !*read {
                    return Ok(true);
                }
                if self.reader.skip(Tag::End) {
                    return Ok(false);
                }
                Err(self.corrupt(Corrupt))
            }
        }
    }

    /// Opens an object; its parts follow.
    fn open(&mut self, object: Object<'js>, parts: Parts<'js>) -> Option<Value<'js>> {
        self.seen.push(Some(object.as_value().clone()));
        self.open.push(Frame { object, parts });
        None
    }

    /// Remembers a complete object.
    fn complete(&mut self, object: Value<'js>) -> Value<'js> {
        self.seen.push(Some(object.clone()));
        object
    }

    fn string(&mut self) -> Result<Value<'js>> {
        let tag = self.read(Reader::tag)?;
        self.string_of(tag)
    }

    fn string_of(&mut self, tag: Tag) -> Result<Value<'js>> {
        match tag {
            Tag::Text => {
                let text = self.read(Reader::text)?;
                Ok(rquickjs::String::from_str(self.ctx.clone(), &text)?.into_value())
            }
            Tag::Escaped => {
                let json = self.read(Reader::text)?;
                match self.ctx.json_parse(json) {
                    Ok(value) if value.is_string() => Ok(value),
                    Ok(_) => Err(self.corrupt(Corrupt)),
                    Err(error) => Err(self.replaced(error)),
                }
            }
            _ => Err(self.corrupt(Corrupt)),
        }
    }

    /// An exception that damaged bytes led to, as one that says so.
    fn replaced(&self, error: rquickjs::Error) -> rquickjs::Error {
        if error.is_exception() {
            drop(self.ctx.catch());
        }
        self.corrupt(Corrupt)
    }

    /// The value of a primitive.
    fn primitive(&mut self, tag: Tag) -> Result<Value<'js>> {
        let ctx = self.ctx.clone();
        Ok(match tag {
            Tag::Undefined => Value::new_undefined(ctx),
            Tag::Null => Value::new_null(ctx),
            Tag::True => Value::new_bool(ctx, true),
            Tag::False => Value::new_bool(ctx, false),
            Tag::Int => Value::new_int(ctx, self.read(Reader::int)?),
            Tag::Double => Value::new_float(ctx, self.read(Reader::double)?),
            Tag::BigInt => {
                let text = self.read(Reader::text)?;
                let digits = text.strip_prefix('-').unwrap_or(&text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(self.corrupt(Corrupt));
                }
                self.language.make_big_int.call((text,))?
            }
            tag => return self.string_of(tag),
        })
    }

    /// The next value; `None` if it is an object whose parts follow.
    fn value(&mut self) -> Result<Option<Value<'js>>> {
        let language = self.language;
        let tag = self.read(Reader::tag)?;
        let complete = match tag {
            Tag::Object => {
                let object = Object::new(self.ctx.clone())?;
                return Ok(self.open(object, Parts::Properties(None)));
            }
            Tag::Array | Tag::SparseArray => {
                let length = self.read(Reader::number)?;
                if length > u64::from(u32::MAX) {
                    return Err(self.corrupt(Corrupt));
                }
                let array = Array::new(self.ctx.clone())?.into_object();
                let parts = if tag == Tag::Array {
                    // No larger than a `u32`.
                    Parts::Elements {
                        next: 0,
                        length: length as usize,
                    }
                } else {
                    array.set("length", length as f64)?;
                    Parts::Properties(None)
                };
                return Ok(self.open(array, parts));
            }
            Tag::Map => {
                let map = language.make_map.call(())?;
                return Ok(self.open(map, Parts::Map(None)));
            }
            Tag::Set => {
                let set = language.make_set.call(())?;
                return Ok(self.open(set, Parts::Set));
            }
            Tag::Error => return self.error(),
            Tag::Exception => self.exception()?,
            Tag::Date => {
                let time = self.read(Reader::double)?;
                language.make_date.call((time,))?
            }
            Tag::RegExp => {
                let (source, flags) = (self.string()?, self.string()?);
                match language.make_regexp.call((source, flags)) {
                    Ok(regexp) => regexp,
                    Err(error) => return Err(self.replaced(error)),
                }
            }
            Tag::Boxed => {
                let tag = self.read(Reader::tag)?;
                let inner = self.primitive(tag)?;
                if inner.is_undefined() || inner.is_null() {
                    return Err(self.corrupt(Corrupt));
                }
                language.make_boxed.call((inner,))?
            }
            Tag::View => return self.view().map(Some),
            Tag::Blob | Tag::File => {
                let parts = self.blob(tag == Tag::File)?;
                file_api::new_blob(self.ctx, parts)?
            }
            Tag::SharedBlob => {
                let number = self.read(Reader::number)?;
                let parts = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.beside.get(number));
                match parts {
                    Some(parts) => file_api::new_blob(self.ctx, parts.clone())?,
                    None => return Err(self.corrupt(Corrupt)),
                }
            }
            Tag::Buffer | Tag::ResizableBuffer | Tag::Again | Tag::Transferred => {
                return self.buffer_or_earlier(tag).map(Some);
            }
            _ => return self.primitive(tag).map(Some),
        };
        Ok(Some(self.complete(complete)))
    }

    /// What a view may be of: a buffer, or an object that is there already.
    fn buffer_or_earlier(&mut self, tag: Tag) -> Result<Value<'js>> {
        match tag {
            Tag::Again => {
                let number = self.read(Reader::number)?;
                let seen = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.seen.get(number)?.clone());
                seen.ok_or_else(|| self.corrupt(Corrupt))
            }
            Tag::Transferred => {
                let number = self.read(Reader::number)?;
                let moved = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.moved.get(number));
                moved.cloned().ok_or_else(|| self.corrupt(Corrupt))
            }
            Tag::Buffer => {
                let bytes = self.read(Reader::block)?;
                let buffer = ArrayBuffer::new(self.ctx.clone(), bytes.to_vec())?;
                Ok(self.complete(buffer.into_value()))
            }
            Tag::ResizableBuffer => {
                let longest = self.read(Reader::number)?;
                let bytes = self.read(Reader::block)?;
                let bytes = ArrayBuffer::new(self.ctx.clone(), bytes.to_vec())?;
                match self.language.make_resizable.call((bytes, longest as f64)) {
                    Ok(buffer) => Ok(self.complete(buffer)),
                    Err(error) => Err(self.replaced(error)),
                }
            }
            _ => Err(self.corrupt(Corrupt)),
        }
    }

    fn view(&mut self) -> Result<Value<'js>> {
        // The view came before its buffer.
        let number = self.seen.len();
        self.seen.push(None);
        let class = self.read(Reader::byte)?;
        let offset = self.read(Reader::number)? as f64;
        let length = self.read(Reader::number)? as f64 - 1.0;
        let tag = self.read(Reader::tag)?;
        let buffer = self.buffer_or_earlier(tag)?;
        let is_buffer =
            buffer.as_object().and_then(|object| self.language.kind(object)) == Some(Kind::Buffer);
        if !is_buffer || class >= VIEW_CLASSES {
            return Err(self.corrupt(Corrupt));
        }
        let view: Value = match self.language.make_view.call((class, buffer, offset, length)) {
            Ok(view) => view,
            Err(error) => return Err(self.replaced(error)),
        };
        self.seen[number] = Some(view.clone());
        Ok(view)
    }

    fn error(&mut self) -> Result<Option<Value<'js>>> {
        let class = self.read(Reader::byte)?;
        let flags = self.read(Reader::byte)?;
        if class >= ERROR_CLASSES || flags > (HAS_MESSAGE | HAS_STACK | HAS_CAUSE) {
            return Err(self.corrupt(Corrupt));
        }
        let mut given = |flag: u8| match flags & flag {
            0 => Ok(Value::new_undefined(self.ctx.clone())),
            _ => self.string(),
        };
        let (message, stack) = (given(HAS_MESSAGE)?, given(HAS_STACK)?);
        let error: Object = self.language.make_error.call((class, message, stack))?;
        if flags & HAS_CAUSE != 0 {
            return Ok(self.open(error, Parts::Cause(false)));
        }
        Ok(Some(self.complete(error.into_value())))
    }

    fn exception(&mut self) -> Result<Value<'js>> {
        let (name, message) = (self.string()?, self.string()?);
        let stack = match self.read(Reader::byte)? {
            0 => Value::new_undefined(self.ctx.clone()),
            1 => self.string()?,
            _ => return Err(self.corrupt(Corrupt)),
        };
        self.language.make_exception.call((name, message, stack))
    }

    fn blob(&mut self, is_file: bool) -> Result<BlobParts> {
        let media_type = self.read(Reader::text)?;
        let file = if is_file {
            Some((self.read(Reader::text)?, self.read(Reader::double)?))
        } else {
            None
        };
        Ok(BlobParts {
            rope: Rope::from(self.read(Reader::block)?),
            media_type,
            file,
        })
    }
}
