//! What the classes written in Rust have in common: methods on the prototype, a name, no constructor for user code.

use rquickjs::{
    Class, Ctx, Exception, Function, Object, Result, Value,
    atom::PredefinedAtom,
    class::JsClass,
    function::{Constructor, Rest, This},
    object::{Accessor, Property},
};

/// A method: it may throw at once, or return a promise.
pub(crate) type Method<C> = for<'js> fn(&Ctx<'js>, &C, &[Value<'js>]) -> Result<Value<'js>>;

/// What upstream says to a method of another object.
const ILLEGAL_INVOCATION: &str = "Illegal invocation: function called with incorrect `this` reference.";

/// A prototype with methods in their order.
pub(crate) fn prototype<'js, C>(ctx: &Ctx<'js>, methods: &[(&'static str, Method<C>)]) -> Result<Object<'js>>
where
    C: JsClass<'js> + 'js,
{
    let prototype = Object::new(ctx.clone())?;
    for &(name, method) in methods {
        let call = move |ctx: Ctx<'js>, this: This<Value<'js>>, arguments: Rest<Value<'js>>| {
            let class =
                Class::<C>::from_value(&this).map_err(|_| Exception::throw_type(&ctx, ILLEGAL_INVOCATION))?;
            let object = class.borrow();
            method(&ctx, &object, &arguments)
        };
        let function = Function::new(ctx.clone(), call)?
            .with_name(name)?
            .with_length(0)?;
        prototype.set(name, function)?;
    }
    prototype.prop(
        PredefinedAtom::SymbolToStringTag,
        Property::from(C::NAME).configurable(),
    )?;
    Ok(prototype)
}

/// The constructor of a class that only the platform makes.
pub(crate) fn constructor<'js, C: JsClass<'js>>(ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
    let illegal =
        |ctx: Ctx<'js>| -> Result<Value<'js>> { Err(Exception::throw_type(&ctx, "Illegal constructor")) };
    Constructor::new_class::<C, _, _>(ctx.clone(), illegal).map(Some)
}

/// Gives an object a property that can be read and listed.
pub(crate) fn read_only<'js>(
    object: &Object<'js>,
    name: &str,
    value: impl rquickjs::IntoJs<'js>,
) -> Result<()> {
    object.prop(name, Property::from(value).enumerable())
}

/// Gives a prototype a getter of a text that is always the same.
pub(crate) fn constant(prototype: &Object<'_>, name: &str, value: &'static str) -> Result<()> {
    prototype.prop(name, Accessor::from(move || value).enumerable().configurable())
}

/// The `TypeError` of an argument of the wrong type; `index` counts from 0.
pub(crate) fn mismatch(
    ctx: &Ctx<'_>,
    class: &str,
    method: &str,
    index: usize,
    expected: &str,
) -> rquickjs::Error {
    let message = format!(
        "Failed to execute '{method}' on '{class}': parameter {} is not of type '{expected}'.",
        index + 1
    );
    Exception::throw_type(ctx, &message)
}
