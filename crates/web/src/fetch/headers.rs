//! `Headers`: <https://fetch.spec.whatwg.org/#headers-class>.

use std::cell::{Cell, RefCell};

use rquickjs::class::{JsClass, Readable, Trace};
use rquickjs::function::{Constructor, Params};
use rquickjs::object::Filter;
use rquickjs::{Array, Atom, Class, Ctx, Exception, Function, JsLifetime, Object, Result, Symbol, Value};

use super::Fetch;
use super::header_list::{HeaderList, Invalid, normalize_name, normalize_value};
use super::headers_iterator::{self, Kind};
use super::interface::{
    Interface, argument, byte_string, construct, from_byte_string, latin1, receiver, require_new, required,
    string,
};
use crate::{BytePair, script};

/// A `Headers` object. Upstream knows no forbidden names, so all guards but `immutable` are one.
#[derive(Trace, JsLifetime)]
pub(super) struct Headers {
    #[qjs(skip_trace)]
    pub(super) list: RefCell<HeaderList>,
    #[qjs(skip_trace)]
    pub(super) immutable: Cell<bool>,
    /// Counts the changes, so that iterators know when to sort again.
    #[qjs(skip_trace)]
    version: Cell<u32>,
}

impl<'js> JsClass<'js> for Headers {
    const NAME: &'static str = "Headers";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

pub(super) fn install(ctx: &Ctx<'_>) -> Result<()> {
    let interface = Interface::new::<Headers>(ctx, 0, new)?;
    interface
        .operation("append", 2, append)?
        .operation("delete", 1, delete)?
        .operation("get", 1, get)?
        .operation("has", 1, has)?
        .operation("set", 2, set)?
        .operation("getSetCookie", 0, get_set_cookie)?
        .operation("getAll", 1, get_all)?
        .operation("entries", 0, entries)?
        .operation("keys", 0, keys)?
        .operation("values", 0, values)?;
    // `forEach` and @@iterator are added by fetch.js.
    interface.expose("Headers")
}

impl Headers {
    pub(super) fn new(list: HeaderList, immutable: bool) -> Self {
        Self {
            list: RefCell::new(list),
            immutable: Cell::new(immutable),
            version: Cell::new(0),
        }
    }

    /// A number that changes with the headers.
    pub(super) fn version(&self) -> u32 {
        self.version.get()
    }

    /// The version, and what an iteration shows of it: sorted and combined.
    pub(super) fn view(&self) -> (u32, Vec<(String, Vec<u8>)>) {
        (self.version(), self.list.borrow().sorted())
    }

    fn change(&self, change: impl FnOnce(&mut HeaderList)) {
        change(&mut self.list.borrow_mut());
        self.version.set(self.version.get().wrapping_add(1));
    }
}

fn new<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    require_new(params, "Headers")?;
    let init = argument(params, 0);
    let list = if init.is_undefined() {
        HeaderList::default()
    } else {
        fill(
            params.ctx(),
            &init,
            "Failed to construct 'Headers': constructor parameter 1",
        )?
    };
    construct(params, Headers::new(list, false))
}

fn refuse(ctx: &Ctx<'_>, invalid: Invalid) -> rquickjs::Error {
    Exception::throw_type(ctx, &invalid.to_string())
}

fn name_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    // A name that is no byte string is no token either, and is refused below.
    let name = latin1(&byte_string(ctx, value)?);
    normalize_name(name).map_err(|invalid| refuse(ctx, invalid))
}

fn value_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    normalize_value(byte_string(ctx, value)?).map_err(|invalid| refuse(ctx, invalid))
}

/// The headers that `init` describes: a `Headers`, an iterable of pairs or a record. `what` begins the text of
/// the error if it is none of these.
pub(super) fn fill<'js>(ctx: &Ctx<'js>, init: &Value<'js>, what: &str) -> Result<HeaderList> {
    let Some(object) = init.as_object() else {
        let text = format!("{what} is not of type 'Headers or Sequence or object'.");
        return Err(Exception::throw_type(ctx, &text));
    };
    if let Some(pairs) = script::host(ctx)?.byte_pairs(init) {
        return of_pairs(ctx, pairs);
    }
    let iterator: Value = object.get(Symbol::iterator(ctx.clone()))?;
    let flat: Array = if iterator.is_undefined() || iterator.is_null() {
        let symbols = Filter::new().symbol().enum_only();
        if !object.as_value().is_proxy() && object.own_keys::<Atom>(symbols).next().is_none() {
            return of_record(ctx, object);
        }
        let record: Function = Fetch::of(ctx)?.record.clone();
        record.call((object.clone(),))?
    } else if let Some(headers) = Class::<Headers>::from_object(object)
        && Fetch::of(ctx)?.headers_iterator == iterator
    {
        return Ok(headers.borrow().list.borrow().clone());
    } else {
        let pairs: Function = Fetch::of(ctx)?.pairs.clone();
        pairs.call((object.clone(), iterator))?
    };
    let mut list = HeaderList::default();
    for index in (0..flat.len()).step_by(2) {
        let name = name_of(ctx, &flat.get(index)?)?;
        list.append(name, value_of(ctx, &flat.get(index + 1)?)?);
    }
    Ok(list)
}

/// The headers of a record that is no proxy, so that nobody can tell when it is asked for its keys, and has no symbols
/// among them, which are refused in their turn.
fn of_record<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> Result<HeaderList> {
    let keys = object
        .own_keys::<Value>(Filter::default())
        .collect::<Result<Vec<_>>>()?;
    // All are converted before any is judged.
    let mut pairs = Vec::with_capacity(keys.len());
    for key in keys {
        let name = byte_string(ctx, &key)?;
        let value: Value = object.get(key.clone())?;
        // A getter may have removed it.
        if !value.is_undefined() || object.contains_key(key)? {
            pairs.push((name, byte_string(ctx, &value)?));
        }
    }
    of_pairs(ctx, pairs)
}

/// The headers of names and values that are byte strings already.
fn of_pairs(ctx: &Ctx<'_>, pairs: impl IntoIterator<Item = BytePair>) -> Result<HeaderList> {
    let mut list = HeaderList::default();
    for (name, value) in pairs {
        // Outside of ASCII it is no token, and is refused.
        let name = String::from_utf8(name).map_err(|_| refuse(ctx, Invalid::Name))?;
        let name = normalize_name(name).map_err(|invalid| refuse(ctx, invalid))?;
        let value = normalize_value(value).map_err(|invalid| refuse(ctx, invalid))?;
        list.append(name, value);
    }
    Ok(list)
}

fn mutable<'js>(params: &Params<'_, 'js>) -> Result<Class<'js, Headers>> {
    let headers = receiver::<Headers>(params)?;
    if headers.borrow().immutable.get() {
        return Err(Exception::throw_type(
            params.ctx(),
            "Can't modify immutable headers.",
        ));
    }
    Ok(headers)
}

fn append<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver::<Headers>(params)?;
    let value = required(params, 1, "'append' on 'Headers'", "string")?;
    let name = name_of(ctx, &argument(params, 0))?;
    let value = value_of(ctx, &value)?;
    mutable(params)?;
    headers.borrow().change(|list| list.append(name, value));
    Ok(Value::new_undefined(ctx.clone()))
}

fn set<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver::<Headers>(params)?;
    let value = required(params, 1, "'set' on 'Headers'", "string")?;
    let name = name_of(ctx, &argument(params, 0))?;
    let value = value_of(ctx, &value)?;
    mutable(params)?;
    headers.borrow().change(|list| list.set(name, value));
    Ok(Value::new_undefined(ctx.clone()))
}

fn delete<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver::<Headers>(params)?;
    let name = name_of(ctx, &required(params, 0, "'delete' on 'Headers'", "string")?)?;
    mutable(params)?;
    headers.borrow().change(|list| list.delete(&name));
    Ok(Value::new_undefined(ctx.clone()))
}

fn get<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver::<Headers>(params)?;
    let name = name_of(ctx, &required(params, 0, "'get' on 'Headers'", "string")?)?;
    let headers = headers.borrow();
    match headers.list.borrow().get(&name) {
        Some(value) => from_byte_string(ctx, &value),
        None => Ok(Value::new_null(ctx.clone())),
    }
}

fn has<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver::<Headers>(params)?;
    let name = name_of(ctx, &required(params, 0, "'has' on 'Headers'", "string")?)?;
    let has = headers.borrow().list.borrow().has(&name);
    Ok(Value::new_bool(ctx.clone(), has))
}

fn values_of<'js>(ctx: &Ctx<'js>, headers: &Class<'js, Headers>, name: &str) -> Result<Value<'js>> {
    let array = Array::new(ctx.clone())?;
    for (index, value) in headers.borrow().list.borrow().all(name).enumerate() {
        array.set(index, from_byte_string(ctx, value)?)?;
    }
    Ok(array.into_value())
}

fn get_set_cookie<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    values_of(params.ctx(), &receiver(params)?, "set-cookie")
}

/// An extension of upstream, for `Set-Cookie` alone.
fn get_all<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let headers = receiver(params)?;
    let name = name_of(ctx, &required(params, 0, "'getAll' on 'Headers'", "string")?)?;
    if name != "set-cookie" {
        return Err(Exception::throw_type(
            ctx,
            "getAll() can only be used with the header name \"Set-Cookie\".",
        ));
    }
    values_of(ctx, &headers, &name)
}

fn entries<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    headers_iterator::begin(params, Kind::Entry)
}

fn keys<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    headers_iterator::begin(params, Kind::Key)
}

fn values<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    headers_iterator::begin(params, Kind::Value)
}

/// For fetch.js: the value as a byte string.
pub(super) fn to_byte_string<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    from_byte_string(&ctx, &byte_string(&ctx, &value)?)
}

/// For fetch.js: a number that changes with the headers.
pub(super) fn version(ctx: Ctx<'_>, headers: Value<'_>) -> Result<u32> {
    match headers.as_object().and_then(Class::<Headers>::from_object) {
        Some(headers) => Ok(headers.borrow().version()),
        None => Err(Exception::throw_type(&ctx, "Illegal invocation")),
    }
}

/// For fetch.js: the names and values in turn, sorted and combined.
pub(super) fn flat<'js>(ctx: Ctx<'js>, headers: Class<'js, Headers>) -> Result<Array<'js>> {
    let sorted = headers.borrow().list.borrow().sorted();
    let array = Array::new(ctx.clone())?;
    for (index, (name, value)) in sorted.iter().enumerate() {
        array.set(2 * index, string(&ctx, name)?)?;
        array.set(2 * index + 1, from_byte_string(&ctx, value)?)?;
    }
    Ok(array)
}

/// The `headers` of a request or response: a plain list until JavaScript asks for the object.
#[derive(JsLifetime)]
pub(super) enum Slot<'js> {
    List { list: HeaderList, immutable: bool },
    Object(Class<'js, Headers>),
}

impl<'js> Trace<'js> for Slot<'js> {
    fn trace<'a>(&self, tracer: rquickjs::class::Tracer<'a, 'js>) {
        if let Slot::Object(object) = self {
            object.trace(tracer);
        }
    }
}

impl<'js> Slot<'js> {
    pub(super) fn new(list: HeaderList, immutable: bool) -> Self {
        Slot::List { list, immutable }
    }

    /// The object, always the same.
    pub(super) fn object(slot: &RefCell<Self>, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let mut slot = slot.borrow_mut();
        let (list, immutable) = match &mut *slot {
            Slot::Object(object) => return Ok(object.clone().into_value()),
            Slot::List { list, immutable } => (std::mem::take(list), *immutable),
        };
        let object = Class::instance(ctx.clone(), Headers::new(list, immutable))?;
        *slot = Slot::Object(object.clone());
        Ok(object.into_value())
    }

    pub(super) fn with<R>(&self, read: impl FnOnce(&HeaderList) -> R) -> R {
        match self {
            Slot::List { list, .. } => read(list),
            Slot::Object(object) => read(&object.borrow().list.borrow()),
        }
    }

    /// A slot with the same headers and guard, but apart from this one.
    pub(super) fn copy(&self) -> Self {
        let immutable = match self {
            Slot::List { immutable, .. } => *immutable,
            Slot::Object(object) => object.borrow().immutable.get(),
        };
        Slot::List {
            list: self.with(HeaderList::clone),
            immutable,
        }
    }
}
