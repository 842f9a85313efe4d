//! Structured cloning: <https://html.spec.whatwg.org/#structured-cloning>.
//!
//! A value is written as bytes and read again, within a process by `structuredClone()` and across them by
//! [`serialize`] and [`deserialize`], whose bytes may be stored (`format.rs`). Neither direction recurses, so no depth
//! of nesting is too much. What is done with the value's parts in the language itself, at the hands of user code or not,
//! is in `structured_clone.js`.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::class::Trace;
use rquickjs::{Array, Class, Ctx, Error, Exception, Function, JsLifetime, Object, Result, Value};

use crate::class_id::class_id;
use crate::file_api::BlobParts;
use crate::script;

mod deserialize;
mod format;
mod serialize;

use deserialize::Deserializer;
use serialize::Serializer;

/// What an object was made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Array,
    Error,
    Exception,
    Date,
    RegExp,
    Map,
    Set,
    Boxed,
    Buffer,
    View,
}

macro_rules! language {
    ($($field:ident: $name:literal,)*) => {
        /// The functions of `structured_clone.js`, and what tells objects apart.
        #[derive(JsLifetime)]
        struct Language<'js> {
            kinds: HashMap<u32, Kind>,
            object_prototype: Object<'js>,
            $($field: Function<'js>,)*
        }

        impl<'js> Language<'js> {
            fn new(functions: &Object<'js>, kinds: HashMap<u32, Kind>, object_prototype: Object<'js>) -> Result<Self> {
                Ok(Self { kinds, object_prototype, $($field: functions.get($name)?,)* })
            }
        }
    };
}

language! {
    refuse: "refuse",
    interface_name: "interfaceName",
    has_own: "hasOwn",
    date_time: "dateTime",
    big_int_text: "bigIntText",
    regexp_parts: "regExpParts",
    unbox: "unbox",
    map_list: "mapList",
    set_list: "setList",
    error_parts: "errorParts",
    exception_parts: "exceptionParts",
    buffer_parts: "bufferParts",
    view_parts: "viewParts",
    make_big_int: "makeBigInt",
    make_boxed: "makeBoxed",
    make_date: "makeDate",
    make_regexp: "makeRegExp",
    make_map: "makeMap",
    make_set: "makeSet",
    map_set: "mapSet",
    set_add: "setAdd",
    make_error: "makeError",
    make_exception: "makeException",
    make_resizable: "makeResizable",
    make_view: "makeView",
    is_transferable: "isTransferable",
    transfer: "transfer",
    fail: "fail",
}

impl<'js> Language<'js> {
    fn of(ctx: &Ctx<'js>) -> Result<Rc<Self>> {
        match ctx.userdata::<Rc<Self>>() {
            Some(language) => Ok(Rc::clone(&language)),
            None => Err(Exception::throw_internal(
                ctx,
                "Structured cloning is not installed in this context",
            )),
        }
    }

    fn kind(&self, object: &Object<'js>) -> Option<Kind> {
        self.kinds.get(&class_id(object)).copied()
    }

    /// A `DataCloneError`.
    fn fail(&self, text: &str) -> Error {
        match self.fail.call::<_, ()>((text,)) {
            Err(error) => error,
            Ok(()) => Error::Unknown,
        }
    }
}

/// Adds `structuredClone`. Needs the File API.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    script::evaluate(
        ctx,
        "structured_clone/structured_clone.js",
        include_str!("structured_clone.js"),
        |native| {
            native.set("clone", Function::new(ctx.clone(), clone)?)?;
            native.set("pack", Function::new(ctx.clone(), pack)?)?;
            native.set("size", Function::new(ctx.clone(), size)?)?;
            native.set("unpack", Function::new(ctx.clone(), unpack)?)
        },
    )?;
    let shared = script::shared(ctx)?;
    let functions: Object = shared.get("structuredClone")?;
    let samples: Array = functions.get("samples")?;
    let mut kinds = HashMap::new();
    for index in (0..samples.len()).step_by(2) {
        let kind = match samples.get::<String>(index)?.as_str() {
            "plain" => Kind::Plain,
            "array" => Kind::Array,
            "error" => Kind::Error,
            "exception" => Kind::Exception,
            "date" => Kind::Date,
            "regExp" => Kind::RegExp,
            "map" => Kind::Map,
            "set" => Kind::Set,
            "boxed" => Kind::Boxed,
            "buffer" => Kind::Buffer,
            _ => Kind::View,
        };
        kinds.insert(class_id(&samples.get(index + 1)?), kind);
    }
    let primordials: Object = shared.get("primordials")?;
    let language = Language::new(&functions, kinds, primordials.get("objectPrototype")?)?;
    ctx.store_userdata(Rc::new(language))
        .map_err(|_| Exception::throw_internal(ctx, "Structured cloning is in use and cannot be replaced"))?;
    Ok(())
}

/// Lets go of every JavaScript value that Rust holds on behalf of structured cloning.
pub(crate) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    drop(ctx.remove_userdata::<Rc<Language<'_>>>());
}

/// A value as bytes that may be stored, and read by any later version.
///
/// Throws a `DataCloneError` for what cannot be cloned, and whatever a getter throws.
pub fn serialize<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Bytes> {
    let language = Language::of(ctx)?;
    let (bytes, _) = Serializer::new(ctx, &language, None).run(value)?;
    Ok(bytes)
}

/// The value that [`serialize`] wrote. Throws a `DataCloneError` if it wrote no such bytes.
pub fn deserialize<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<Value<'js>> {
    let language = Language::of(ctx)?;
    Deserializer::new(ctx, &language, bytes, &[], &[]).run()
}

/// `structuredClone`; `transfer` are objects.
fn clone<'js>(ctx: Ctx<'js>, value: Value<'js>, transfer: Array<'js>) -> Result<Value<'js>> {
    if !value.is_object() && transfer.is_empty() && !value.is_symbol() {
        return Ok(value);
    }
    let language = Language::of(&ctx)?;
    let (packed, moved) = pack_up(&ctx, &language, &value, &transfer)?;
    Deserializer::new(&ctx, &language, packed.bytes, &moved, &packed.blobs).run()
}

/// A value on its way within the process.
#[derive(Trace, JsLifetime)]
struct Packed {
    #[qjs(skip_trace)]
    bytes: Bytes,
    #[qjs(skip_trace)]
    blobs: Vec<BlobParts>,
}

hidden_class!(Packed, "PackedValue");

/// `StructuredSerializeWithTransfer`: <https://html.spec.whatwg.org/#structuredserializewithtransfer>; what takes the
/// place of the transferred objects comes second.
fn pack_up<'js>(
    ctx: &Ctx<'js>,
    language: &Language<'js>,
    value: &Value<'js>,
    transfer: &Array<'js>,
) -> Result<(Packed, Vec<Value<'js>>)> {
    let transfer = transfer.iter::<Object>().collect::<Result<Vec<_>>>()?;
    let mut seen = HashSet::new();
    for object in &transfer {
        let transferable = language.kind(object) == Some(Kind::Buffer)
            || language.is_transferable.call::<_, bool>((object.clone(),))?;
        if !transferable {
            return Err(language.fail("An object in the transfer list is not transferable."));
        }
        if !seen.insert(object) {
            return Err(language.fail("An object is twice in the transfer list."));
        }
    }
    let (bytes, blobs) = Serializer::new(ctx, language, Some(&transfer)).run(value)?;
    let moved = transfer
        .into_iter()
        .map(|object| language.transfer.call((object,)))
        .collect::<Result<Vec<Value>>>()?;
    Ok((Packed { bytes, blobs }, moved))
}

/// `[packed, moved]`
fn pack<'js>(ctx: Ctx<'js>, value: Value<'js>, transfer: Array<'js>) -> Result<Array<'js>> {
    let language = Language::of(&ctx)?;
    let (packed, moved) = pack_up(&ctx, &language, &value, &transfer)?;
    let list = Array::new(ctx.clone())?;
    for (index, object) in moved.into_iter().enumerate() {
        list.set(index, object)?;
    }
    let pair = Array::new(ctx.clone())?;
    pair.set(0, Class::instance(ctx, packed)?)?;
    pair.set(1, list)?;
    Ok(pair)
}

/// How many bytes a packed value has, its blobs apart.
fn size(packed: Class<'_, Packed>) -> usize {
    packed.borrow().bytes.len()
}

fn unpack<'js>(ctx: Ctx<'js>, packed: Class<'js, Packed>, moved: Array<'js>) -> Result<Value<'js>> {
    let language = Language::of(&ctx)?;
    let moved = moved.iter::<Value>().collect::<Result<Vec<_>>>()?;
    let packed = packed.borrow();
    Deserializer::new(&ctx, &language, packed.bytes.clone(), &moved, &packed.blobs).run()
}
