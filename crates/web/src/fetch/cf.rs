//! The `cf` object of requests and responses, an extension of upstream. It is data: what is given is copied, and so
//! are the objects of clones.

use std::cell::RefCell;

use rquickjs::class::{Trace, Tracer};
use rquickjs::{Ctx, JsLifetime, Result, Value};

/// A `cf` object; its JSON until somebody asks for it.
#[derive(Default, JsLifetime)]
pub(super) struct Cf<'js>(RefCell<State<'js>>);

#[derive(Clone, Default, JsLifetime)]
enum State<'js> {
    #[default]
    None,
    Json(String),
    Object(Value<'js>),
}

impl<'js> Trace<'js> for Cf<'js> {
    fn trace<'a>(&self, tracer: Tracer<'a, 'js>) {
        // What is borrowed during a collection counts as held from outside, which errs on the safe side.
        if let Ok(state) = self.0.try_borrow()
            && let State::Object(object) = &*state
        {
            object.trace(tracer);
        }
    }
}

impl<'js> Cf<'js> {
    /// The one that comes from outside, if there is one.
    pub(super) fn from_json(json: Option<String>) -> Self {
        Self(RefCell::new(json.map_or(State::None, State::Json)))
    }

    /// A copy of what user code gives. Throws if that cannot be said in JSON.
    pub(super) fn given(ctx: &Ctx<'js>, object: Value<'js>) -> Result<Self> {
        let json = ctx.json_stringify(object)?;
        Ok(Self::from_json(json.map(|json| json.to_string()).transpose()?))
    }

    /// The attribute: always the same object, or `undefined`.
    pub(super) fn object(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let json = match &*self.0.borrow() {
            State::None => return Ok(Value::new_undefined(ctx.clone())),
            State::Object(object) => return Ok(object.clone()),
            State::Json(json) => json.clone(),
        };
        let object = ctx.json_parse(json)?;
        *self.0.borrow_mut() = State::Object(object.clone());
        Ok(object)
    }

    /// What it is now, as JSON. Throws if user code has put something in that cannot be said so.
    pub(super) fn to_json(&self, ctx: &Ctx<'js>) -> Result<Option<String>> {
        let state = self.0.borrow().clone();
        match state {
            State::None => Ok(None),
            State::Json(json) => Ok(Some(json)),
            State::Object(object) => ctx
                .json_stringify(object)?
                .map(|json| json.to_string())
                .transpose(),
        }
    }

    /// A copy, as it is now. Throws as [`Cf::to_json`] does.
    pub(super) fn copy(&self, ctx: &Ctx<'js>) -> Result<Self> {
        Ok(Self::from_json(self.to_json(ctx)?))
    }
}
