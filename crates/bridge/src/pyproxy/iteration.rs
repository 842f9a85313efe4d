//! What `proxy[Symbol.iterator]()` gives: an object that is a generator to all appearances, as upstream's is, whose
//! `next` is native, so that `for … of` makes no object per step.
//!
//! As with a generator nothing happens before the first `next`; the Python iterator is given up with the last one, with
//! `return` (a loop left early) and with `throw`.

use std::ptr;

use rquickjs::qjs::{self, JS_EXCEPTION, JS_UNDEFINED, JSRuntime, JSValue};

use super::api::Thrown;
use super::{Context, Message, cell_of, end, iterate};
use crate::state::Entry;
use crate::{error, state};

/// How far an iteration came. Owned by its JavaScript object, freed by the finalizer.
enum Stage {
    /// Not begun; the PyProxy of the iterable, owned.
    Ahead(JSValue),
    /// Between two steps; a PyProxy of the iterator that nobody else has, owned.
    Under(JSValue),
    /// In the middle of a step, which owns what there is.
    Busy,
    Over,
}

/// Makes the class known to the runtime.
///
/// # Safety
/// As for [`super::register_classes`].
pub(super) unsafe fn register_class(runtime: *mut JSRuntime) {
    // SAFETY: as the caller promises; the definition is copied.
    unsafe {
        let class = &raw mut (*state::state()).iteration_class;
        *class = 0;
        qjs::JS_NewClassID(runtime, class);
        let definition = qjs::JSClassDef {
            class_name: c"Generator".as_ptr(),
            finalizer: Some(finalize),
            gc_mark: Some(mark),
            call: None,
            exotic: ptr::null_mut(),
        };
        qjs::JS_NewClass(runtime, *class, &definition);
    }
}

/// An iteration over what is behind a PyProxy (borrowed), not begun.
pub(super) unsafe fn iteration(arguments: &[JSValue]) -> Result<JSValue, Thrown> {
    // SAFETY: as for `api::dispatch`; the stage goes to the object.
    unsafe {
        let context = state::context();
        let state = state::state();
        let object = qjs::JS_NewObjectProtoClass(
            context,
            (*state).support.iteration_prototype,
            (*state).iteration_class,
        );
        if qjs::JS_IsException(object) {
            return Err(Thrown::JavaScript);
        }
        let stage = Stage::Ahead(qjs::JS_DupValue(context, arguments[0]));
        qjs::JS_SetOpaque(object, Box::into_raw(Box::new(stage)).cast());
        Ok(object)
    }
}

/// The stage of `this`, which becomes busy; null with a JavaScript exception set if that can't be.
unsafe fn take(this: JSValue) -> Option<(*mut Stage, Stage)> {
    // SAFETY: at home with the GIL; the stage lives as long as `this`, which the caller keeps alive.
    unsafe {
        let stage = qjs::JS_GetOpaque(this, (*state::state()).iteration_class).cast::<Stage>();
        if stage.is_null() {
            error::throw_error(c"TypeError", c"not a generator");
            return None;
        }
        match std::mem::replace(&mut *stage, Stage::Busy) {
            Stage::Busy => {
                error::throw_error(c"TypeError", c"cannot invoke a running generator");
                None
            }
            taken => Some((stage, taken)),
        }
    }
}

/// `next()`. What is sent is not passed on: a Python iterator takes nothing.
pub(super) unsafe extern "C" fn next(
    _: Context,
    this: JSValue,
    _: i32,
    _: *mut JSValue,
    done: *mut i32,
    _: i32,
) -> JSValue {
    // SAFETY: called by the engine at home with the GIL; `done` is its own.
    unsafe {
        *done = 1;
        // `for … of` calls this without the engine's look at the stack.
        let Ok(_entry) = Entry::checked() else {
            return JS_EXCEPTION;
        };
        let Some((stage, taken)) = take(this) else {
            return JS_EXCEPTION;
        };
        let begun = match taken {
            Stage::Ahead(source) => {
                let begun = iterate::iterator(&[source]);
                qjs::JS_FreeValue(state::context(), source);
                begun
            }
            Stage::Under(iterator) => Ok(iterator),
            Stage::Busy | Stage::Over => {
                *stage = Stage::Over;
                return JS_UNDEFINED;
            }
        };
        let stepped = match begun {
            Err(thrown) => Err(thrown),
            Ok(iterator) => match iterate::advance(iterator, JS_UNDEFINED) {
                Ok((false, item)) => {
                    *stage = Stage::Under(iterator);
                    *done = 0;
                    return item;
                }
                Ok((true, returned)) => {
                    give_up(iterator);
                    Ok(returned)
                }
                Err(thrown) => {
                    let thrown = match thrown {
                        Thrown::JavaScript => qjs::JS_GetException(state::context()),
                        Thrown::Python => error::pending_as_value(),
                    };
                    give_up(iterator);
                    qjs::JS_Throw(state::context(), thrown);
                    Err(Thrown::JavaScript)
                }
            },
        };
        *stage = Stage::Over;
        match stepped {
            Ok(returned) => returned,
            Err(Thrown::JavaScript) => JS_EXCEPTION,
            Err(Thrown::Python) => error::throw(),
        }
    }
}

/// Ends the iteration, for `return` and `throw`: their argument (a new reference), or `None` with a JavaScript exception
/// set if it is in the middle of a step.
unsafe fn close(
    context: Context,
    this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    done: *mut i32,
) -> Option<JSValue> {
    // SAFETY: as for `take`; the arguments are borrowed.
    unsafe {
        *done = 1;
        let (stage, taken) = take(this)?;
        let _entry = Entry::new();
        match taken {
            Stage::Ahead(source) => qjs::JS_FreeValue(context, source),
            Stage::Under(iterator) => give_up(iterator),
            Stage::Busy | Stage::Over => {}
        }
        *stage = Stage::Over;
        Some(if count > 0 {
            qjs::JS_DupValue(context, *arguments)
        } else {
            JS_UNDEFINED
        })
    }
}

/// `return(value)`.
pub(super) unsafe extern "C" fn return_(
    context: Context,
    this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    done: *mut i32,
    _: i32,
) -> JSValue {
    // SAFETY: as for `next`.
    unsafe { close(context, this, count, arguments, done).unwrap_or(JS_EXCEPTION) }
}

/// `throw(error)`: nobody catches it, so it comes out again.
pub(super) unsafe extern "C" fn throw(
    context: Context,
    this: JSValue,
    count: i32,
    arguments: *mut JSValue,
    done: *mut i32,
    _: i32,
) -> JSValue {
    // SAFETY: as for `next`.
    unsafe {
        match close(context, this, count, arguments, done) {
            Some(error) => qjs::JS_Throw(context, error),
            None => JS_EXCEPTION,
        }
    }
}

/// Destroys the proxy (taken) of an iterator; no exception is pending.
unsafe fn give_up(iterator: JSValue) {
    // SAFETY: at home with the GIL, neither engine inside a free or collection.
    unsafe {
        if let Some(cell) = cell_of(iterator) {
            end(cell, Message::Default);
        }
        qjs::JS_FreeValue(state::context(), iterator);
    }
}

unsafe extern "C" fn finalize(runtime: *mut JSRuntime, value: JSValue) {
    // SAFETY: called once per object by the engine; the finalizer of what is freed here only enqueues.
    unsafe {
        let stage = qjs::JS_GetOpaque(value, (*state::state()).iteration_class).cast::<Stage>();
        if stage.is_null() {
            return;
        }
        if let Stage::Ahead(held) | Stage::Under(held) = *Box::from_raw(stage) {
            qjs::JS_FreeValueRT(runtime, held);
        }
    }
}

/// Shows the collector what an iteration owns.
unsafe extern "C" fn mark(runtime: *mut JSRuntime, value: JSValue, mark: qjs::JS_MarkFunc) {
    // SAFETY: called by the collector on live objects of the class.
    unsafe {
        let stage = qjs::JS_GetOpaque(value, (*state::state()).iteration_class).cast::<Stage>();
        if !stage.is_null()
            && let Stage::Ahead(held) | Stage::Under(held) = &*stage
        {
            qjs::JS_MarkValue(runtime, *held, mark);
        }
    }
}
