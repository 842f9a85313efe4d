//! Why an operation failed, as the `DOMException` (or `TypeError`) that JavaScript sees.

use std::borrow::Cow;

use rquickjs::function::Constructor;
use rquickjs::{Ctx, Error, Exception, Object, Result, Value};

use crate::script;

/// An exception that is not made yet: threads without an engine return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    name: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    /// The operation itself failed.
    pub(super) fn operation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("OperationError", message)
    }

    /// The data of a key is not what it should be.
    pub(super) fn data(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("DataError", message)
    }

    /// A public key's encoding is malformed, or of another algorithm.
    pub(super) fn spki() -> Self {
        Self::data("Invalid SPKI input.")
    }

    /// A private key's encoding is malformed, or of another algorithm.
    pub(super) fn pkcs8() -> Self {
        Self::data("Invalid PKCS8 input.")
    }

    fn new(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name,
            message: message.into(),
        }
    }

    /// The exception. Throws only at the engine's limits.
    pub(super) fn into_value<'js>(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let primordials: Object = script::shared(ctx)?.get("primordials")?;
        let constructor: Constructor = primordials.get("DOMException")?;
        constructor.construct((self.message.as_ref(), self.name))
    }

    /// Throws the exception.
    pub(super) fn throw(self, ctx: &Ctx<'_>) -> Error {
        match self.into_value(ctx) {
            Ok(value) => ctx.throw(value),
            Err(error) => error,
        }
    }
}

/// What only a mistake in our own scripts can cause.
pub(super) fn misuse(ctx: &Ctx<'_>, what: &str) -> Error {
    Exception::throw_internal(ctx, &format!("crypto: {what}"))
}
