//! Promises and awaitables (`spec/ffi.md` §0.3, §5): a promise becomes an asyncio future, a Python awaitable a
//! promise. Neither needs a thread or a task of its own.

mod of_future;

use std::ffi::c_void;
use std::ptr;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::{self, JS_UNDEFINED, JSClassID, JSContext, JSRuntime, JSValue};

pub(crate) use of_future::{promise_of, resolvers_of, step_of};

use crate::jsproxy::{call, methods};
use crate::state::{Entry, Settled, Unhandled};
use crate::words::{self, Word};
use crate::{cycles, error, js2python, jsbind, lifetime, state, wake};

/// What the two reactions of one promise share: the opaque pointer of a JavaScript object that both hold.
struct Waiting {
    /// Owned; null once it is resolved.
    future: *mut PyObject,
    /// Proxies made for the call that gave the promise; owned, destroyed when it settles.
    temporaries: Vec<JSValue>,
    /// The `Js2PyConverter` of the result; owned, null for the implicit conversion.
    converter: *mut PyObject,
    /// For [`cycles`].
    number: u32,
}

static mut WAITING: JSClassID = 0;

/// Makes the class of what reactions share known to the runtime.
///
/// # Safety
/// The runtime is alive, at home, and has no such class yet.
pub(crate) unsafe fn register_class(runtime: *mut JSRuntime) {
    // SAFETY: as the caller promises; the definition is copied.
    unsafe {
        WAITING = 0;
        qjs::JS_NewClassID(runtime, &raw mut WAITING);
        let class = qjs::JSClassDef {
            class_name: c"Waiting".as_ptr(),
            finalizer: Some(finalize_waiting),
            gc_mark: Some(mark_waiting),
            call: None,
            exotic: ptr::null_mut(),
        };
        qjs::JS_NewClass(runtime, WAITING, &class);
    }
}

/// What a value of that class owns; null for any other.
unsafe fn waiting_of(value: JSValue) -> *mut Waiting {
    // SAFETY: at home with the GIL.
    unsafe { qjs::JS_GetOpaque(value, WAITING).cast() }
}

unsafe extern "C" fn finalize_waiting(runtime: *mut JSRuntime, value: JSValue) {
    // SAFETY: called once per object by the engine, at home under the GIL. What `mark_waiting` showed is freed at once, the
    // Python reference only enqueued.
    unsafe {
        let waiting = waiting_of(value);
        if waiting.is_null() {
            return;
        }
        let waiting = Box::from_raw(waiting);
        for &temporary in &waiting.temporaries {
            qjs::JS_FreeValueRT(runtime, temporary);
        }
        lifetime::drop_object(waiting.future);
        lifetime::drop_object(waiting.converter);
        cycles::died();
    }
}

unsafe extern "C" fn mark_waiting(runtime: *mut JSRuntime, value: JSValue, mark: qjs::JS_MarkFunc) {
    // SAFETY: called by the collector on live objects of the class.
    unsafe {
        let waiting = waiting_of(value);
        if waiting.is_null() {
            return;
        }
        for &temporary in &(*waiting).temporaries {
            qjs::JS_MarkValue(runtime, temporary, mark);
        }
        let references = cycles::References {
            objects: [(*waiting).future, (*waiting).converter],
            number: &raw mut (*waiting).number,
        };
        cycles::mark(runtime, value, references, mark);
    }
}

/// Has reactions that are garbage (`value`, borrowed, is what they share) give up what they own; the future goes to
/// `objects`. Other values are left alone.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn give_up(value: JSValue, objects: &mut Vec<*mut PyObject>) {
    // SAFETY: as the caller promises; finalizers that this sets off only enqueue.
    unsafe {
        let waiting = waiting_of(value);
        if waiting.is_null() || (*waiting).future.is_null() {
            return;
        }
        objects.push(std::mem::replace(&mut (*waiting).future, ptr::null_mut()));
        if !(*waiting).converter.is_null() {
            objects.push(std::mem::replace(&mut (*waiting).converter, ptr::null_mut()));
        }
        for temporary in std::mem::take(&mut (*waiting).temporaries) {
            qjs::JS_FreeValue(state::context(), temporary);
        }
    }
}

/// The future of a promise (or thenable) it takes, with the temporaries of the call that gave it. Without a
/// running event loop there can be no future: then the promise's proxy comes back, to be awaited later.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn future_steal(promise: JSValue, temporaries: Vec<JSValue>) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe { converted_future_steal(promise, temporaries, ptr::null_mut()) }
}

/// As [`future_steal`], with a `Js2PyConverter` (borrowed; null for none) for the result. With one, there must be a running
/// event loop: RuntimeError without.
///
/// # Safety
/// At home with the GIL.
pub(crate) unsafe fn converted_future_steal(
    promise: JSValue,
    temporaries: Vec<JSValue>,
    converter: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as the caller promises; each path consumes `promise` and `temporaries`.
    unsafe {
        let state = state::state();
        let create = (*state).python.create_future;
        let future = if create.is_null() {
            ffi::Py_None()
        } else {
            ffi::PyObject_CallNoArgs(create)
        };
        if future.is_null() {
            qjs::JS_FreeValue((*state).context, promise);
            call::destroy(temporaries, call::AFTER_CALL);
            return future;
        }
        if future == ffi::Py_None() {
            for value in temporaries {
                qjs::JS_FreeValue((*state).context, value);
            }
            if !converter.is_null() {
                qjs::JS_FreeValue((*state).context, promise);
                ffi::PyErr_SetString(
                    ffi::PyExc_RuntimeError,
                    c"a promise whose result a signature converts needs a running event loop".as_ptr(),
                );
                return ptr::null_mut();
            }
            let proxy = js2python::convert_steal(promise, JS_UNDEFINED);
            lifetime::safe_point_at_home();
            return proxy;
        }
        let attached = attach(promise, future, temporaries, converter);
        qjs::JS_FreeValue((*state).context, promise);
        lifetime::safe_point_at_home();
        if attached < 0 {
            ffi::Py_DECREF(future);
            return ptr::null_mut();
        }
        future
    }
}

/// Has `future` (borrowed) resolved with what `promise` (borrowed) settles to. -1 with an exception set.
unsafe fn attach(
    promise: JSValue,
    future: *mut PyObject,
    temporaries: Vec<JSValue>,
    converter: *mut PyObject,
) -> i32 {
    // SAFETY: as for `future_steal`.
    unsafe {
        let state = state::state();
        let context = (*state).context;
        let settled = if qjs::JS_IsPromise(promise) {
            qjs::JS_PromiseState(context, promise)
        } else {
            qjs::JSPromiseStateEnum_JS_PROMISE_PENDING
        };
        if settled == qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED
            || settled == qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED
        {
            // Settled already: no reactions are needed, only the turn that awaiting always takes.
            let rejected = settled == qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED;
            if rejected {
                mark_handled(promise);
            }
            ffi::Py_INCREF(future);
            ffi::Py_XINCREF(converter);
            (*state).settled.push(Settled {
                future,
                converter,
                value: qjs::JS_PromiseResult(context, promise),
                rejected,
                temporaries,
            });
            return 0;
        }
        let mut shared = qjs::JS_NewObjectProtoClass(context, qjs::JS_NULL, WAITING);
        if qjs::JS_IsException(shared) {
            call::destroy(temporaries, call::AFTER_ASYNC_CALL);
            error::raise();
            return -1;
        }
        ffi::Py_INCREF(future);
        ffi::Py_XINCREF(converter);
        let waiting = Box::new(Waiting {
            future,
            temporaries,
            converter,
            number: 0,
        });
        qjs::JS_SetOpaque(shared, Box::into_raw(waiting).cast());
        cycles::born();
        let mut reaction = |magic| {
            qjs::JS_NewCFunctionData2(context, Some(settle), c"".as_ptr(), 1, magic, 1, &raw mut shared)
        };
        let mut reactions = [reaction(FULFILLED), reaction(REJECTED)];
        qjs::JS_FreeValue(context, shared);
        let chained = qjs::JS_Invoke(context, promise, (*state).atoms.then, 2, reactions.as_mut_ptr());
        for reaction in reactions {
            qjs::JS_FreeValue(context, reaction);
        }
        if qjs::JS_IsException(chained) {
            error::raise();
            return -1;
        }
        qjs::JS_FreeValue(context, chained);
        0
    }
}

const FULFILLED: i32 = 0;
const REJECTED: i32 = 1;

/// The reactions: resolve or reject the future.
unsafe extern "C" fn settle(
    _: *mut JSContext,
    _: JSValue,
    count: i32,
    arguments: *mut JSValue,
    magic: i32,
    shared: *mut JSValue,
) -> JSValue {
    // SAFETY: called by the engine at home; the function holds what it shares. That is emptied before foreign code runs.
    unsafe {
        let waiting = waiting_of(*shared);
        if waiting.is_null() || (*waiting).future.is_null() {
            return JS_UNDEFINED;
        }
        let future = std::mem::replace(&mut (*waiting).future, ptr::null_mut());
        let converter = std::mem::replace(&mut (*waiting).converter, ptr::null_mut());
        let temporaries = std::mem::take(&mut (*waiting).temporaries);
        let value = if count > 0 { *arguments } else { JS_UNDEFINED };
        {
            let _entry = Entry::new();
            resolve(future, value, magic == REJECTED, converter);
            // That may run `__del__`, with JavaScript below it.
            call::destroy(temporaries, call::AFTER_ASYNC_CALL);
        }
        lifetime::drop_object(future);
        lifetime::drop_object(converter);
        JS_UNDEFINED
    }
}

/// Resolves a future (borrowed) with a value (borrowed); one that is done already stays as it is. Where the value or the
/// exception can't be had or is refused (a future takes no `StopIteration`), the future fails with that: it never stays
/// pending.
unsafe fn resolve(future: *mut PyObject, value: JSValue, rejected: bool, converter: *mut PyObject) {
    // SAFETY: at home with the GIL.
    unsafe {
        let done = if rejected {
            tell_steal(future, &words::SET_EXCEPTION, error::exception_of(value))
        } else {
            let result = if converter.is_null() {
                js2python::convert(value)
            } else {
                jsbind::resolved(converter, value)
            };
            tell_steal(future, &words::SET_RESULT, result)
        };
        if done {
            return;
        }
        let (mut kind, mut raised, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&mut kind, &mut raised, &mut trace);
        ffi::PyErr_NormalizeException(&mut kind, &mut raised, &mut trace);
        let is_done = words::call_none(future, &words::DONE);
        // Cancelled meanwhile: nobody waits any more.
        if is_done != ffi::Py_True() {
            ffi::PyErr_Clear();
            if !raised.is_null() {
                ffi::Py_INCREF(raised);
            }
            if !tell_steal(future, &words::SET_EXCEPTION, raised) {
                ffi::PyErr_WriteUnraisable(future);
            }
        }
        ffi::Py_XDECREF(is_done);
        ffi::Py_XDECREF(kind);
        ffi::Py_XDECREF(raised);
        ffi::Py_XDECREF(trace);
    }
}

/// Calls a method of one argument, which it takes; null stands for an exception that is set. False with a Python
/// exception set.
unsafe fn tell_steal(future: *mut PyObject, method: &Word, argument: *mut PyObject) -> bool {
    // SAFETY: at home with the GIL.
    unsafe {
        if argument.is_null() {
            return false;
        }
        let done = words::call_one(future, method, argument);
        ffi::Py_DECREF(argument);
        ffi::Py_XDECREF(done);
        !done.is_null()
    }
}

/// Places for settled promises that are kept from one batch to the next.
const KEPT: usize = 64;

/// Resolves the futures of promises that were settled when they were asked for; returns whether there were any.
///
/// # Safety
/// At home with the GIL, no JavaScript on the stack.
pub(crate) unsafe fn resolve_settled() -> bool {
    // SAFETY: as the caller promises. Resolving only schedules callbacks, but a future may be of any class.
    unsafe {
        let settled = &raw mut (*state::state()).settled;
        let mut batch = std::mem::take(&mut *settled);
        if batch.is_empty() {
            *settled = batch;
            return false;
        }
        for Settled {
            future,
            value,
            rejected,
            converter,
            temporaries,
        } in batch.drain(..)
        {
            // Before the temporaries end: one of them may be the result.
            resolve(future, value, rejected, converter);
            call::destroy(temporaries, call::AFTER_ASYNC_CALL);
            ffi::Py_DECREF(future);
            ffi::Py_XDECREF(converter);
            qjs::JS_FreeValue(state::context(), value);
        }
        // Most batches are small: their memory serves the next one.
        if (*settled).capacity() == 0 && batch.capacity() <= KEPT {
            *settled = batch;
        }
        true
    }
}

/// A rejected promise (borrowed) has found somebody who handles it.
unsafe fn mark_handled(promise: JSValue) {
    // SAFETY: at home with the GIL.
    unsafe {
        qjs::JS_PromiseMarkAsHandled(state::context(), promise);
        forget_rejection(promise);
    }
}

/// The engine's rejection tracker: keeps the list of rejections that nobody handles, and of those that were reported and
/// are handled now: the engine tells of every promise that is handled after its rejection.
pub(crate) unsafe extern "C" fn track_rejection(
    context: *mut JSContext,
    promise: JSValue,
    reason: JSValue,
    is_handled: bool,
    _: *mut c_void,
) {
    // SAFETY: called by the engine at home; the values are borrowed, so copied.
    unsafe {
        let was_waiting = forget_rejection(promise);
        if !is_handled || !was_waiting {
            static mut REJECTIONS: u64 = 0;
            REJECTIONS += 1;
            let unhandled = Unhandled {
                number: REJECTIONS,
                promise: qjs::JS_DupValue(context, promise),
                reason: qjs::JS_DupValue(context, reason),
                is_late: is_handled,
            };
            let rejections = &raw mut (*state::state()).rejections;
            (*rejections).insert(qjs::JS_VALUE_GET_PTR(promise) as usize, unhandled);
        }
    }
}

/// Whether the promise was in the list.
pub(crate) unsafe fn forget_rejection(promise: JSValue) -> bool {
    // SAFETY: at home with the GIL; the values removed are owned. An entry keeps its promise, so that no other has
    // the address.
    unsafe {
        let rejections = &raw mut (*state::state()).rejections;
        let Some(known) = (*rejections).remove(&(qjs::JS_VALUE_GET_PTR(promise) as usize)) else {
            return false;
        };
        qjs::JS_FreeValue(state::context(), known.promise);
        qjs::JS_FreeValue(state::context(), known.reason);
        true
    }
}

/// Whether a value (borrowed), the proxy `object` of it, still has a method `then`; false with an exception set.
unsafe fn has_then(value: JSValue, object: *mut PyObject) -> bool {
    // SAFETY: as for `am_await`.
    unsafe {
        if qjs::JS_IsPromise(value) {
            return true;
        }
        let context = state::context();
        let then = qjs::JS_GetProperty(context, value, (*state::state()).atoms.then);
        if qjs::JS_IsException(then) {
            error::raise();
            return false;
        }
        let is_function = qjs::JS_IsFunction(context, then);
        qjs::JS_FreeValue(context, then);
        if !is_function {
            ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"object %S can't be used in 'await' expression".as_ptr(),
                object,
            );
        }
        is_function
    }
}

/// `await proxy`: the iterator of the future of the promise.
pub(crate) unsafe extern "C" fn am_await(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by the interpreter on an awaitable of our layout.
    unsafe {
        let Some(value) = methods::home_value(object) else {
            return ptr::null_mut();
        };
        if !has_then(value, object) {
            wake::if_pending();
            return ptr::null_mut();
        }
        let future = future_steal(qjs::JS_DupValue(state::context(), value), Vec::new());
        if future.is_null() {
            return future;
        }
        if crate::jsproxy::value_of(future).is_some() {
            ffi::Py_DECREF(future);
            ffi::PyErr_SetString(
                ffi::PyExc_RuntimeError,
                c"a JavaScript promise can only be awaited in a running event loop".as_ptr(),
            );
            return ptr::null_mut();
        }
        let methods = (*ffi::Py_TYPE(future)).tp_as_async;
        let iterator = match methods.as_ref().and_then(|methods| methods.am_await) {
            Some(await_) => await_(future),
            None => {
                ffi::PyErr_SetString(
                    ffi::PyExc_TypeError,
                    c"the event loop's futures can't be awaited".as_ptr(),
                );
                ptr::null_mut()
            }
        };
        ffi::Py_DECREF(future);
        iterator
    }
}
