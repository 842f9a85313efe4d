//! What `bind` and `captureThis` change about a call.

use rquickjs::qjs::{self, JSRuntime, JSValue};

use super::Cell;
use crate::state;

/// What `bind` bound; all owned.
pub(super) struct Bound {
    this: JSValue,
    arguments: Vec<JSValue>,
}

impl Bound {
    /// Binds `this` and `arguments` (borrowed) on top of what `cell` has bound already, whose `this` stays.
    ///
    /// # Safety
    /// At home with the GIL; the cell is alive.
    pub(super) unsafe fn over(cell: *mut Cell, this: JSValue, arguments: &[JSValue]) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let context = state::context();
            let mut bound = match (*cell).bound.as_deref() {
                Some(earlier) => earlier.duplicate(),
                None => Self {
                    this: qjs::JS_DupValue(context, this),
                    arguments: Vec::new(),
                },
            };
            let duplicate = |&argument| qjs::JS_DupValue(context, argument);
            bound.arguments.extend(arguments.iter().map(duplicate));
            bound
        }
    }

    /// The same once more.
    ///
    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn duplicate(&self) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let context = state::context();
            let duplicate = |&argument| qjs::JS_DupValue(context, argument);
            Self {
                this: qjs::JS_DupValue(context, self.this),
                arguments: self.arguments.iter().map(duplicate).collect(),
            }
        }
    }

    /// # Safety
    /// In the finalizer of the proxy that owns it.
    pub(super) unsafe fn free(self, runtime: *mut JSRuntime) {
        // SAFETY: each value is owned and freed once.
        unsafe {
            qjs::JS_FreeValueRT(runtime, self.this);
            for argument in self.arguments {
                qjs::JS_FreeValueRT(runtime, argument);
            }
        }
    }

    /// # Safety
    /// Called by the collector.
    pub(super) unsafe fn mark(&self, runtime: *mut JSRuntime, mark: qjs::JS_MarkFunc) {
        // SAFETY: as the caller promises.
        unsafe {
            qjs::JS_MarkValue(runtime, self.this, mark);
            for &argument in &self.arguments {
                qjs::JS_MarkValue(runtime, argument, mark);
            }
        }
    }
}

/// The arguments that the Python callable behind `cell` gets; owned.
///
/// # Safety
/// At home with the GIL; the cell is alive.
pub(super) unsafe fn arguments(cell: *mut Cell, this: JSValue, given: &[JSValue]) -> Vec<JSValue> {
    // SAFETY: as the caller promises.
    unsafe {
        let context = state::context();
        let mut all = Vec::with_capacity(given.len() + 1);
        let bound = (*cell).bound.as_deref();
        if (*cell).origin.capture_this {
            all.push(bound.map_or(this, |bound| bound.this));
        }
        if let Some(bound) = bound {
            all.extend_from_slice(&bound.arguments);
        }
        all.extend_from_slice(given);
        for &value in &all {
            qjs::JS_DupValue(context, value);
        }
        all
    }
}
