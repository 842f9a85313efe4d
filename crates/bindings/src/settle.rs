//! Promises that an answer from the host settles.
//!
//! What waits for an answer is a closure that the isolate keeps, and may drop at any time: inside the engine's
//! garbage collection, or after the engine's end. It must hold no JavaScript value then. So a [`Settler`] is a mere
//! number; the functions it stands for are kept in the runtime's user data, which ends with the runtime.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use rquickjs::{Ctx, Error, Exception, Function, IntoJs, JsLifetime, Promise, Result, Value};

/// The promises that wait.
#[derive(Default, JsLifetime)]
struct Waiting<'js> {
    functions: RefCell<HashMap<u64, Ends<'js>>>,
    next: Cell<u64>,
    abandoned: Rc<RefCell<Vec<u64>>>,
}

#[derive(JsLifetime)]
struct Ends<'js> {
    resolve: Function<'js>,
    reject: Function<'js>,
}

/// Settles one promise. Dropping it instead leaves the promise pending for ever.
pub(crate) struct Settler {
    id: u64,
    abandoned: Rc<RefCell<Vec<u64>>>,
}

/// Makes room for promises that wait; they need it in this runtime.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<()> {
    if ctx.userdata::<Waiting<'_>>().is_some() {
        return Ok(());
    }
    match ctx.store_userdata(Waiting::default()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Exception::throw_internal(
            ctx,
            "The runtime's user data is in use",
        )),
    }
}

impl Settler {
    /// A promise and what settles it.
    pub(crate) fn promise<'js>(ctx: &Ctx<'js>) -> Result<(Promise<'js>, Self)> {
        let (promise, resolve, reject) = ctx.promise()?;
        let Some(waiting) = ctx.userdata::<Waiting<'js>>() else {
            return Err(Exception::throw_internal(ctx, "This runtime has no bindings"));
        };
        let forgotten = waiting.abandoned.take();
        let mut functions = waiting.functions.borrow_mut();
        // Dropped after the table is released: that may run finalizers.
        let freed: Vec<_> = forgotten.iter().filter_map(|id| functions.remove(id)).collect();
        let id = waiting.next.get();
        waiting.next.set(id + 1);
        functions.insert(id, Ends { resolve, reject });
        drop(functions);
        let abandoned = Rc::clone(&waiting.abandoned);
        drop(waiting);
        drop(freed);
        Ok((promise, Self { id, abandoned }))
    }

    /// A function that rejects the promise with its argument, if `when` agrees then. It may be called at any time,
    /// and never throws.
    pub(crate) fn rejector<'js>(
        &self,
        ctx: &Ctx<'js>,
        when: impl Fn() -> bool + 'js,
    ) -> Result<Function<'js>> {
        let id = self.id;
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, reason: Value<'js>| {
            if let Some(ends) = when().then(|| take(&ctx, id)).flatten() {
                ends.reject(&ctx, reason);
            }
        })
    }

    /// Resolves with the value, or rejects with the exception, of `result`.
    pub(crate) fn settle<'js>(self, ctx: &Ctx<'js>, result: Result<impl IntoJs<'js>>) {
        let ends = take(ctx, self.id);
        let settled = result.and_then(|value| {
            let value = value.into_js(ctx)?;
            ends.as_ref().map_or(Ok(()), |ends| ends.resolve.call((value,)))
        });
        // Also if nobody waits any more: the exception must not stay behind.
        let reason = settled.err().and_then(|error| exception(ctx, error));
        if let (Some(ends), Some(reason)) = (ends, reason) {
            ends.reject(ctx, reason);
        }
    }
}

impl<'js> Ends<'js> {
    fn reject(&self, ctx: &Ctx<'js>, reason: Value<'js>) {
        if self.reject.call::<_, ()>((reason,)).is_err() {
            // The engine is out of memory, or was told to stop: there is nobody to tell.
            drop(ctx.catch());
        }
    }
}

/// The ends of a promise, unless it was settled before.
fn take<'js>(ctx: &Ctx<'js>, id: u64) -> Option<Ends<'js>> {
    let waiting = ctx.userdata::<Waiting<'js>>()?;
    waiting.functions.borrow_mut().remove(&id)
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.abandoned.borrow_mut().push(self.id);
    }
}

/// What `body` returns, or a promise rejected with what it throws.
pub(crate) fn rejecting<'js>(
    ctx: &Ctx<'js>,
    body: impl FnOnce() -> Result<Promise<'js>>,
) -> Result<Promise<'js>> {
    body().or_else(|error| {
        let Some(reason) = exception(ctx, error) else {
            return Err(Error::Exception);
        };
        let (promise, _, reject) = ctx.promise()?;
        reject.call::<_, ()>((reason,))?;
        Ok(promise)
    })
}

/// An `Error` of any length; rquickjs cuts those it throws itself at 255 bytes.
pub(crate) fn error<'js>(ctx: &Ctx<'js>, name: &str, message: &str) -> Error {
    let made = Exception::from_message(ctx.clone(), message).and_then(|error| {
        if name != "Error" {
            error.set("name", name)?;
        }
        Ok(error)
    });
    made.map_or_else(|error| error, Exception::throw)
}

/// The JavaScript value of an error; `None` if the engine was told to stop, which no JavaScript may see and which
/// stays thrown.
fn exception<'js>(ctx: &Ctx<'js>, failure: Error) -> Option<Value<'js>> {
    if !failure.is_exception() {
        // One of rquickjs's own: a string or a number that could not be converted.
        drop(error(ctx, "Error", &failure.to_string()));
    }
    let thrown = ctx.catch();
    if thrown.is_uncatchable_error() {
        ctx.throw(thrown);
        return None;
    }
    Some(thrown)
}
