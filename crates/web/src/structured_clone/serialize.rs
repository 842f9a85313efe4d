//! `StructuredSerializeInternal`: <https://html.spec.whatwg.org/#structuredserializeinternal>.

use std::collections::HashMap;
use std::vec;

use bytes::Bytes;
use rquickjs::{Array, Atom, Ctx, Object, Result, Value};

use super::format::{HAS_CAUSE, HAS_MESSAGE, HAS_STACK, MAGIC, Tag, VERSION, Writer};
use super::{Kind, Language};
use crate::buffer_source::copy_bytes;
use crate::file_api::{self, BlobParts};

/// Writes one value.
pub(super) struct Serializer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    language: &'a Language<'js>,
    writer: Writer,
    /// The objects so far, by the numbers they are referred to.
    seen: HashMap<Value<'js>, u64>,
    /// The blobs that are handed on beside the bytes; `None` if the bytes have to stand alone.
    beside: Option<Vec<BlobParts>>,
    transfer: HashMap<Value<'js>, u64>,
    open: Vec<Frame<'js>>,
}

/// An object whose parts are being written.
enum Frame<'js> {
    /// Properties by their keys, then an end.
    Properties {
        object: Object<'js>,
        keys: vec::IntoIter<Atom<'js>>,
    },
    /// The elements of an array without holes.
    Elements {
        array: Array<'js>,
        next: usize,
        length: usize,
    },
    /// Values as they were when their map or set was met, then an end.
    List(vec::IntoIter<Value<'js>>),
}

impl<'a, 'js> Serializer<'a, 'js> {
    /// `transfer` are the objects to be transferred, for a value that does not leave the process.
    pub(super) fn new(
        ctx: &'a Ctx<'js>,
        language: &'a Language<'js>,
        transfer: Option<&[Object<'js>]>,
    ) -> Self {
        let numbered = |(object, number): (&Object<'js>, u64)| (object.as_value().clone(), number);
        Self {
            ctx,
            language,
            writer: Writer::default(),
            seen: HashMap::new(),
            beside: transfer.map(|_| Vec::new()),
            transfer: transfer
                .unwrap_or_default()
                .iter()
                .zip(0..)
                .map(numbered)
                .collect(),
            open: Vec::new(),
        }
    }

    /// The bytes, and the blobs beside them.
    pub(super) fn run(mut self, value: &Value<'js>) -> Result<(Bytes, Vec<BlobParts>)> {
        self.writer.byte(MAGIC);
        self.writer.byte(VERSION);
        self.value(value)?;
        while let Some(frame) = self.open.pop() {
            self.step(frame)?;
        }
        Ok((self.writer.bytes.into(), self.beside.unwrap_or_default()))
    }

    /// Writes the next part of an object, and puts the object back unless that was the last.
    fn step(&mut self, frame: Frame<'js>) -> Result<()> {
        match frame {
            Frame::Properties { object, mut keys } => {
                let Some(key) = keys.next() else {
                    self.writer.tag(Tag::End);
                    return Ok(());
                };
                let value: Value = object.get(key.clone())?;
                // A getter may have removed it.
                let gone = value.is_undefined() && !self.has_own(&object, &key)?;
                self.open.push(Frame::Properties { object, keys });
                if gone {
                    return Ok(());
                }
                self.string(&key.to_value()?)?;
                self.value(&value)
            }
            Frame::Elements { array, next, length } => {
                if next == length {
                    return Ok(());
                }
                let value: Value = array.get(next)?;
                let gone = value.is_undefined()
                    && !self.has_own(array.as_object(), &Atom::from_f64(self.ctx.clone(), next as f64)?)?;
                self.open.push(Frame::Elements {
                    array,
                    next: next + 1,
                    length,
                });
                if gone {
                    self.writer.tag(Tag::Hole);
                    return Ok(());
                }
                self.value(&value)
            }
            Frame::List(mut values) => {
                let Some(value) = values.next() else {
                    self.writer.tag(Tag::End);
                    return Ok(());
                };
                self.open.push(Frame::List(values));
                self.value(&value)
            }
        }
    }

    fn has_own(&self, object: &Object<'js>, key: &Atom<'js>) -> Result<bool> {
        self.language.has_own.call((object.clone(), key.to_value()?))
    }

    fn text(&mut self, text: &str) {
        self.writer.tag(Tag::Text);
        self.writer.block(text.as_bytes());
    }

    fn string(&mut self, value: &Value<'js>) -> Result<()> {
        if let Some(Ok(text)) = value.as_string().map(rquickjs::String::to_string) {
            self.text(&text);
        } else if let Some(json) = self.ctx.json_stringify(value.clone())? {
            // JSON escapes lone surrogates, which UTF-8 cannot say.
            self.writer.tag(Tag::Escaped);
            self.writer.block(json.to_string()?.as_bytes());
        }
        Ok(())
    }

    /// Writes a primitive; `false` if it is none that can be cloned.
    fn primitive(&mut self, value: &Value<'js>) -> Result<bool> {
        if value.is_undefined() {
            self.writer.tag(Tag::Undefined);
        } else if value.is_null() {
            self.writer.tag(Tag::Null);
        } else if let Some(bool) = value.as_bool() {
            self.writer.tag(if bool { Tag::True } else { Tag::False });
        } else if let Some(int) = value.as_int() {
            self.writer.tag(Tag::Int);
            self.writer.int(int);
        } else if let Some(double) = value.as_float() {
            self.writer.tag(Tag::Double);
            self.writer.double(double);
        } else if value.is_string() {
            self.string(value)?;
        } else if value.is_big_int() {
            let text: String = self.language.big_int_text.call((value.clone(),))?;
            self.writer.tag(Tag::BigInt);
            self.writer.block(text.as_bytes());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Throws for a value that cannot be cloned.
    fn refuse(&self, value: &Value<'js>) -> Result<()> {
        self.language.refuse.call((value.clone(),))
    }

    fn value(&mut self, value: &Value<'js>) -> Result<()> {
        let Some(object) = value.as_object() else {
            if self.primitive(value)? {
                return Ok(());
            }
            return self.refuse(value);
        };
        if let Some(&number) = self.transfer.get(value) {
            self.writer.tag(Tag::Transferred);
            self.writer.number(number);
            return Ok(());
        }
        if let Some(&number) = self.seen.get(value) {
            self.writer.tag(Tag::Again);
            self.writer.number(number);
            return Ok(());
        }
        let number = self.seen.len() as u64;
        self.seen.insert(value.clone(), number);
        match self.language.kind(object) {
            None => self.refuse(value),
            Some(Kind::Plain) => self.plain(object),
            Some(Kind::Array) => self.array(object),
            Some(Kind::Error) => self.error(object),
            Some(Kind::Exception) => self.exception(object),
            Some(Kind::Date) => {
                let time: f64 = self.language.date_time.call((object.clone(),))?;
                self.writer.tag(Tag::Date);
                self.writer.double(time);
                Ok(())
            }
            Some(Kind::RegExp) => {
                let parts: Array = self.language.regexp_parts.call((object.clone(),))?;
                self.writer.tag(Tag::RegExp);
                self.string(&parts.get(0)?)?;
                self.string(&parts.get(1)?)
            }
            Some(Kind::Map) => {
                let list: Array = self.language.map_list.call((object.clone(),))?;
                self.list(Tag::Map, &list)
            }
            Some(Kind::Set) => {
                let list: Array = self.language.set_list.call((object.clone(),))?;
                self.list(Tag::Set, &list)
            }
            Some(Kind::Boxed) => {
                let inner: Value = self.language.unbox.call((object.clone(),))?;
                self.writer.tag(Tag::Boxed);
                self.primitive(&inner)?;
                Ok(())
            }
            Some(Kind::Buffer) => self.buffer(object),
            Some(Kind::View) => self.view(object),
        }
    }

    fn plain(&mut self, object: &Object<'js>) -> Result<()> {
        let prototype = object.get_prototype();
        if prototype.is_some_and(|prototype| prototype != self.language.object_prototype) {
            let interface: Option<String> = self.language.interface_name.call((object.clone(),))?;
            if interface.is_some() {
                return match file_api::blob_parts(self.ctx, object.as_value())? {
                    Some(parts) => {
                        self.blob(parts);
                        Ok(())
                    }
                    None => self.refuse(object.as_value()),
                };
            }
        }
        let keys: Vec<Atom> = object.own_keys(Default::default()).collect::<Result<_>>()?;
        self.writer.tag(Tag::Object);
        self.open.push(Frame::Properties {
            object: object.clone(),
            keys: keys.into_iter(),
        });
        Ok(())
    }

    fn array(&mut self, object: &Object<'js>) -> Result<()> {
        let Some(array) = object.clone().into_array() else {
            return self.refuse(object.as_value());
        };
        // Not by `Array::len`, which panics for lengths beyond 2^31.
        let length = object.get::<_, f64>("length")?;
        let keys: Vec<Atom> = object.own_keys(Default::default()).collect::<Result<_>>()?;
        // Indices come first and in order: if the last of so many keys is the last index, there is nothing else.
        let dense = keys.len() as f64 == length
            && match keys.last() {
                None => true,
                Some(last) => *last == Atom::from_f64(self.ctx.clone(), length - 1.0)?,
            };
        if dense {
            self.writer.tag(Tag::Array);
            self.writer.number(length as u64);
            self.open.push(Frame::Elements {
                array,
                next: 0,
                length: keys.len(),
            });
        } else {
            self.writer.tag(Tag::SparseArray);
            self.writer.number(length as u64);
            self.open.push(Frame::Properties {
                object: object.clone(),
                keys: keys.into_iter(),
            });
        }
        Ok(())
    }

    fn list(&mut self, tag: Tag, list: &Array<'js>) -> Result<()> {
        let values: Vec<Value> = list.iter().collect::<Result<_>>()?;
        self.writer.tag(tag);
        self.open.push(Frame::List(values.into_iter()));
        Ok(())
    }

    fn error(&mut self, error: &Object<'js>) -> Result<()> {
        let parts: Array = self.language.error_parts.call((error.clone(),))?;
        let class: u8 = parts.get(0)?;
        let (message, stack): (Value, Value) = (parts.get(1)?, parts.get(2)?);
        let caused: bool = parts.get(3)?;
        let flag = |given: bool, flag: u8| if given { flag } else { 0 };
        self.writer.tag(Tag::Error);
        self.writer.byte(class);
        self.writer.byte(
            flag(message.is_string(), HAS_MESSAGE)
                | flag(stack.is_string(), HAS_STACK)
                | flag(caused, HAS_CAUSE),
        );
        for text in [message, stack] {
            if text.is_string() {
                self.string(&text)?;
            }
        }
        if caused {
            // A list of one, so that the depth of causes is not ours.
            self.open.push(Frame::List(vec![parts.get(4)?].into_iter()));
        }
        Ok(())
    }

    fn exception(&mut self, exception: &Object<'js>) -> Result<()> {
        let parts: Array = self.language.exception_parts.call((exception.clone(),))?;
        let stack: Value = parts.get(2)?;
        self.writer.tag(Tag::Exception);
        self.string(&parts.get(0)?)?;
        self.string(&parts.get(1)?)?;
        self.writer.byte(u8::from(stack.is_string()));
        if stack.is_string() {
            self.string(&stack)?;
        }
        Ok(())
    }

    fn buffer(&mut self, buffer: &Object<'js>) -> Result<()> {
        let parts: Array = self.language.buffer_parts.call((buffer.clone(),))?;
        let longest: f64 = parts.get(1)?;
        let bytes = copy_bytes(buffer.as_value()).unwrap_or_default();
        if longest < 0.0 {
            self.writer.tag(Tag::Buffer);
        } else {
            self.writer.tag(Tag::ResizableBuffer);
            // A length: whole, and not negative.
            self.writer.number(longest as u64);
        }
        self.writer.block(&bytes);
        Ok(())
    }

    fn view(&mut self, view: &Object<'js>) -> Result<()> {
        let parts: Array = self.language.view_parts.call((view.clone(),))?;
        let class: u8 = parts.get(0)?;
        let buffer: Value = parts.get(1)?;
        let (offset, length): (f64, f64) = (parts.get(2)?, parts.get(3)?);
        self.writer.tag(Tag::View);
        self.writer.byte(class);
        // Both are whole, the length perhaps -1.
        self.writer.number(offset as u64);
        self.writer.number((length + 1.0) as u64);
        self.value(&buffer)
    }

    fn blob(&mut self, parts: BlobParts) {
        if let Some(beside) = &mut self.beside {
            self.writer.tag(Tag::SharedBlob);
            self.writer.number(beside.len() as u64);
            beside.push(parts);
            return;
        }
        let BlobParts {
            rope,
            media_type,
            file,
        } = parts;
        self.writer
            .tag(if file.is_some() { Tag::File } else { Tag::Blob });
        self.writer.block(media_type.as_bytes());
        if let Some((name, last_modified)) = file {
            self.writer.block(name.as_bytes());
            self.writer.double(last_modified);
        }
        self.writer.block(&rope.to_bytes());
    }
}
