//! Rust values behind JavaScript objects that no user code sees.

/// Makes a type the content of objects of a class of its own, without a constructor and with the members of its prototype
/// as the only ones. The name, which is the type's unless another is given, shows nowhere but in the engine's errors.
macro_rules! hidden_class {
    ($type:ident) => {
        hidden_class!($type, stringify!($type));
    };
    ($type:ident, $name:expr) => {
        impl<'js> rquickjs::class::JsClass<'js> for $type {
            const NAME: &'static str = $name;
            type Mutable = rquickjs::class::Readable;

            fn constructor(
                _: &rquickjs::Ctx<'js>,
            ) -> rquickjs::Result<Option<rquickjs::function::Constructor<'js>>> {
                Ok(None)
            }
        }
    };
}
