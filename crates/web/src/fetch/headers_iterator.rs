//! What `entries()`, `keys()` and `values()` of `Headers` give:
//! <https://webidl.spec.whatwg.org/#es-iterators>.
//!
//! The iteration is live: each step goes by the headers as they are then, sorted anew only if they have changed.

use std::cell::{Cell, RefCell};

use rquickjs::atom::PredefinedAtom;
use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::{Constructor, Params};
use rquickjs::{Array, Class, Ctx, Exception, JsLifetime, Object, Result, Value};

use super::headers::Headers;
use super::interface::{define_operation, from_byte_string, receiver, string};

/// What a step gives.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The name.
    Key,
    /// The value.
    Value,
    /// An array of both.
    Entry,
}

/// An iteration under way.
#[derive(JsLifetime)]
pub(super) struct HeadersIterator<'js> {
    /// `None` once it is over.
    headers: RefCell<Option<Class<'js, Headers>>>,
    kind: Kind,
    index: Cell<usize>,
    sorted: RefCell<Vec<(String, Vec<u8>)>>,
    /// The version of the headers that `sorted` is of.
    version: Cell<u32>,
}

impl<'js> Trace<'js> for HeadersIterator<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        if let Ok(headers) = self.headers.try_borrow()
            && let Some(headers) = headers.as_ref()
        {
            headers.trace(tracer);
        }
    }
}

impl<'js> JsClass<'js> for HeadersIterator<'js> {
    const NAME: &'static str = "Headers Iterator";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

/// The prototype with its `next`, for fetch.js to finish.
pub(super) fn prototype<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let prototype = Class::<HeadersIterator>::prototype(ctx)?
        .ok_or_else(|| Exception::throw_internal(ctx, "The class has no prototype"))?;
    define_operation(&prototype, "next", 0, next)?;
    Ok(prototype)
}

/// Begins an iteration over the receiver of an operation.
pub(super) fn begin<'js>(params: &Params<'_, 'js>, kind: Kind) -> Result<Value<'js>> {
    let headers = receiver::<Headers>(params)?;
    let (version, sorted) = headers.borrow().view();
    let iterator = HeadersIterator {
        headers: RefCell::new(Some(headers)),
        kind,
        index: Cell::new(0),
        sorted: RefCell::new(sorted),
        version: Cell::new(version),
    };
    Ok(Class::instance(params.ctx().clone(), iterator)?.into_value())
}

fn next<'js>(params: &Params<'_, 'js>) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let iterator = receiver::<HeadersIterator>(params)?;
    let item = iterator.borrow().step(ctx)?;
    let result = Object::new(ctx.clone())?;
    result.set(PredefinedAtom::Done, item.is_none())?;
    result.set(
        PredefinedAtom::Value,
        item.unwrap_or_else(|| Value::new_undefined(ctx.clone())),
    )?;
    Ok(result.into_value())
}

impl<'js> HeadersIterator<'js> {
    /// The next item; `None` at the end, and ever after.
    fn step(&self, ctx: &Ctx<'js>) -> Result<Option<Value<'js>>> {
        let mut headers = self.headers.borrow_mut();
        let Some(of) = headers.as_ref() else {
            return Ok(None);
        };
        if of.borrow().version() != self.version.get() {
            let (version, sorted) = of.borrow().view();
            self.version.set(version);
            self.sorted.replace(sorted);
        }
        let sorted = self.sorted.borrow();
        let Some((name, value)) = sorted.get(self.index.get()) else {
            *headers = None;
            return Ok(None);
        };
        self.index.set(self.index.get() + 1);
        Ok(Some(match self.kind {
            Kind::Key => string(ctx, name)?,
            Kind::Value => from_byte_string(ctx, value)?,
            Kind::Entry => {
                let pair = Array::new(ctx.clone())?;
                pair.set(0, string(ctx, name)?)?;
                pair.set(1, from_byte_string(ctx, value)?)?;
                pair.into_value()
            }
        }))
    }
}
