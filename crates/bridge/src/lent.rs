//! The memory of Python's objects, for the Web platform to read.

use rquickjs::{Ctx, Error, Result, Value, qjs};

use crate::lifetime::Held;
use crate::{buffer, pyproxy, state};

/// The bytes that the Python object behind a PyProxy lends, as a `Uint8Array` that can't be written: its memory, held
/// while that is alive, or a copy where it is small. `None` for any other value, for a destroyed proxy and for an object
/// without a buffer.
///
/// # Errors
/// What the object raises, as a JavaScript exception: `BufferError` if the bytes are not in one piece.
pub fn lend_bytes<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Value<'js>>> {
    // SAFETY: whoever has a context is at home with the GIL. The object is held while its buffer is asked for, which may run
    // Python; ownership of the array goes to `Value`.
    unsafe {
        let Some(cell) = pyproxy::cell_of(value.as_raw()) else {
            return Ok(None);
        };
        let object = pyproxy::object_of(cell);
        if object.is_null() {
            return Ok(None);
        }
        let object = Held::new(object);
        let entry = state::Entry::checked().map_err(|()| Error::Exception)?;
        let bytes = buffer::lend(object.as_ptr());
        drop(entry);
        if qjs::JS_IsException(bytes) {
            return Err(Error::Exception);
        }
        Ok((!qjs::JS_IsUndefined(bytes)).then(|| Value::from_raw(ctx.clone(), bytes)))
    }
}
