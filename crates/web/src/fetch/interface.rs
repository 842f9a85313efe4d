//! Interfaces of the Web platform that are Rust classes, shaped as Web IDL asks:
//! <https://webidl.spec.whatwg.org/#js-interfaces>.

use rquickjs::class::JsClass;
use rquickjs::function::{IntoJsFunc, ParamRequirement, Params};
use rquickjs::object::Property;
use rquickjs::{Class, Ctx, Error, Exception, Function, Object, Result, Value};

use crate::script;

/// The body of an operation, an attribute or a constructor.
pub(super) type Operation<'js> = for<'a> fn(&Params<'a, 'js>) -> Result<Value<'js>>;

struct Native<'js>(Operation<'js>);

impl<'js> IntoJsFunc<'js, Native<'js>> for Native<'js> {
    fn param_requirements() -> ParamRequirement {
        ParamRequirement::any()
    }

    fn call<'a>(&self, params: Params<'a, 'js>) -> Result<Value<'js>> {
        (self.0)(&params)
    }
}

/// An interface in the making.
pub(super) struct Interface<'js> {
    constructor: Function<'js>,
    prototype: Object<'js>,
    define: Function<'js>,
}

fn function<'js>(ctx: &Ctx<'js>, name: &str, length: usize, body: Operation<'js>) -> Result<Function<'js>> {
    Function::new(ctx.clone(), Native(body))?
        .with_name(name)?
        .with_length(length)
}

impl<'js> Interface<'js> {
    /// The interface named [`JsClass::NAME`], whose constructor has `length` required parameters.
    pub(super) fn new<C: JsClass<'js>>(ctx: &Ctx<'js>, length: usize, body: Operation<'js>) -> Result<Self> {
        let prototype = Class::<C>::prototype(ctx)?
            .ok_or_else(|| Exception::throw_internal(ctx, "The class has no prototype"))?;
        let constructor = function(ctx, C::NAME, length, body)?.with_constructor(true);
        constructor.prop("prototype", Property::from(prototype.clone()))?;
        prototype.prop(
            "constructor",
            Property::from(constructor.clone()).writable().configurable(),
        )?;
        let primordials: Object = script::shared(ctx)?.get("primordials")?;
        Ok(Self {
            constructor,
            prototype,
            define: primordials.get("defineProperty")?,
        })
    }

    /// A regular operation.
    pub(super) fn operation(&self, name: &str, length: usize, body: Operation<'js>) -> Result<&Self> {
        define_operation(&self.prototype, name, length, body)?;
        Ok(self)
    }

    /// A static operation.
    pub(super) fn static_operation(&self, name: &str, length: usize, body: Operation<'js>) -> Result<&Self> {
        define_operation(&self.constructor, name, length, body)?;
        Ok(self)
    }

    /// A read-only attribute.
    pub(super) fn attribute(&self, name: &str, body: Operation<'js>) -> Result<&Self> {
        let ctx = self.prototype.ctx();
        let descriptor = Object::new_proto(ctx.clone(), None)?;
        descriptor.set("get", function(ctx, &format!("get {name}"), 0, body)?)?;
        descriptor.set("enumerable", true)?;
        descriptor.set("configurable", true)?;
        let _: bool = self.define.call((self.prototype.clone(), name, descriptor))?;
        Ok(self)
    }

    /// Tags the prototype and makes the interface a global.
    pub(super) fn expose(&self, name: &str) -> Result<()> {
        let webidl: Object = script::shared(self.prototype.ctx())?.get("webidl")?;
        let expose: Function = webidl.get("expose")?;
        expose.call((self.constructor.clone(), name))
    }
}

/// Defines a regular operation on a prototype or a constructor.
pub(super) fn define_operation<'js>(
    target: &Object<'js>,
    name: &str,
    length: usize,
    body: Operation<'js>,
) -> Result<()> {
    let function = function(target.ctx(), name, length, body)?;
    target.prop(
        name,
        Property::from(function).writable().enumerable().configurable(),
    )
}

/// A new object of class `C`, for the constructor being called: of the prototype that `new.target` asks for.
/// Throws if the call is none with `new`.
pub(super) fn construct<'js, C: JsClass<'js>>(params: &Params<'_, 'js>, value: C) -> Result<Value<'js>> {
    let ctx = params.ctx();
    let target = params.this();
    if target != params.function()
        && let Some(prototype) = target
            .as_object()
            .map(|target| target.get::<_, Value>("prototype"))
            .transpose()?
        && let Some(prototype) = prototype.into_object()
    {
        return Ok(Class::instance_proto(value, prototype)?.into_value());
    }
    Ok(Class::instance(ctx.clone(), value)?.into_value())
}

/// Throws unless the call is one with `new`.
pub(super) fn require_new(params: &Params<'_, '_>, name: &str) -> Result<()> {
    if params.is_constructor() {
        return Ok(());
    }
    let text = format!("Failed to construct '{name}': Please use the 'new' operator");
    Err(Exception::throw_type(params.ctx(), &text))
}

/// The receiver of an operation. Throws if it is not of class `C`.
pub(super) fn receiver<'js, C: JsClass<'js>>(params: &Params<'_, 'js>) -> Result<Class<'js, C>> {
    match params.this().as_object().and_then(Class::from_object) {
        Some(class) => Ok(class),
        None => Err(Exception::throw_type(params.ctx(), "Illegal invocation")),
    }
}

/// An argument; `undefined` if it was not given.
pub(super) fn argument<'js>(params: &Params<'_, 'js>, index: usize) -> Value<'js> {
    params
        .arg(index)
        .unwrap_or_else(|| Value::new_undefined(params.ctx().clone()))
}

/// An argument that must be given.
pub(super) fn required<'js>(
    params: &Params<'_, 'js>,
    index: usize,
    operation: &str,
    kind: &str,
) -> Result<Value<'js>> {
    params.arg(index).ok_or_else(|| {
        let text = format!(
            "Failed to execute {operation}: parameter {} is not of type '{kind}'.",
            index + 1
        );
        Exception::throw_type(params.ctx(), &text)
    })
}

/// Whether a dictionary member counts as left out. Python's `None` arrives as `null`.
pub(super) fn absent(value: &Value<'_>) -> bool {
    value.is_undefined() || value.is_null()
}

/// The value as a string whose lone surrogates are U+FFFD. May run user code.
pub(super) fn usv_string<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    if let Some(string) = value.as_string() {
        match string.to_string() {
            // The only way a string can fail to be UTF-8.
            Err(Error::Utf8(_)) => {}
            other => return other,
        }
    }
    let webidl: Object = script::shared(ctx)?.get("webidl")?;
    let usv: Function = webidl.get("usv")?;
    usv.call((value.clone(),))
}

/// The value as a string of code points up to U+00FF, one byte each. May run user code.
pub(super) fn byte_string<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    let text = usv_string(ctx, value)?;
    if text.is_ascii() {
        return Ok(text.into_bytes());
    }
    text.chars()
        .map(|c| {
            u8::try_from(c).map_err(|_| {
                let text = format!(
                    "Cannot convert to a byte string: the character '{c}' has the code point {}, which is greater than 255.",
                    u32::from(c)
                );
                Exception::throw_type(ctx, &text)
            })
        })
        .collect()
}

/// A string of one code point per byte.
pub(super) fn from_byte_string<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => rquickjs::String::from_str(ctx.clone(), text)?,
        _ => rquickjs::String::from_str(ctx.clone(), &latin1(bytes))?,
    };
    Ok(text.into_value())
}

/// One code point per byte.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// A JavaScript string.
pub(super) fn string<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    Ok(rquickjs::String::from_str(ctx.clone(), text)?.into_value())
}

/// The JavaScript value that an error stands for, no longer pending.
pub(super) fn thrown<'js>(ctx: &Ctx<'js>, error: Error) -> Value<'js> {
    if !error.is_exception() {
        // Leaves a TypeError pending, as rquickjs itself does at the end of a call.
        let _ = Exception::throw_type(ctx, &error.to_string());
    }
    ctx.catch()
}

/// A promise of the outcome.
pub(super) fn settled<'js>(ctx: &Ctx<'js>, outcome: Result<Value<'js>>) -> Result<Value<'js>> {
    let (promise, resolve, reject) = ctx.promise()?;
    match outcome {
        Ok(value) => resolve.call::<_, ()>((value,))?,
        Err(error) => reject.call::<_, ()>((thrown(ctx, error),))?,
    }
    Ok(promise.into_value())
}
