//! Operations: small ones run at once, long ones on another thread.
//!
//! A script passes two functions with every operation, and exactly one of them is called with what came of it, on the
//! engine's thread. Work is a closure without JavaScript values, so it can run anywhere; its estimated cost decides where.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rquickjs::{ArrayBuffer, Ctx, Function, IntoJs, JsLifetime, Result, Value};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::hash::Hash;
use super::keys::{Key, KeyObject, Material, material};
use crate::buffer_source::{byte_length, copy_bytes_with_room, with_bytes};
use crate::script;

/// From this estimated cost in nanoseconds on, work leaves the engine's thread: about what handing it over and coming
/// back delays it where the machine is busy.
pub(super) const LONG: u64 = 2_000_000;

/// Bytes that a copy of long data has room for at its end: what a cipher adds, without moving all of it.
const ROOM: usize = 16;

/// What an operation gives.
pub(super) enum Output {
    /// Bytes, as an `ArrayBuffer`.
    Bytes(Vec<u8>),
    /// The answer of a verification.
    Verified(bool),
    /// The two halves of a new key, public first.
    Pair(Material, Material),
}

/// What came of an operation.
pub(super) type Outcome = std::result::Result<Output, Failure>;

/// The functions of a script that wait for an outcome.
#[derive(Clone, JsLifetime)]
pub(super) struct Answer<'js> {
    pub(super) done: Function<'js>,
    pub(super) fail: Function<'js>,
}

impl<'js> Answer<'js> {
    /// Calls one of the two functions.
    pub(super) fn give(self, ctx: &Ctx<'js>, outcome: Outcome) -> Result<()> {
        match outcome {
            Ok(Output::Bytes(bytes)) => self.done.call((ArrayBuffer::new(ctx.clone(), bytes)?,)),
            Ok(Output::Verified(verified)) => self.done.call((verified,)),
            Ok(Output::Pair(public, private)) => self
                .done
                .call((Key::instance(ctx, public)?, Key::instance(ctx, private)?)),
            Err(failure) => self.fail.call((failure.into_value(ctx)?,)),
        }
    }
}

/// The operations that other threads work on. Part of the runtime's user data.
#[derive(Default, JsLifetime)]
pub(super) struct Waiting<'js> {
    answers: RefCell<HashMap<u32, Answer<'js>>>,
    next: Cell<u32>,
}

impl<'js> Waiting<'js> {
    fn keep(&self, answer: Answer<'js>) -> u32 {
        let mut answers = self.answers.borrow_mut();
        let mut id = self.next.get();
        while answers.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        self.next.set(id.wrapping_add(1));
        answers.insert(id, answer);
        id
    }

    fn take(&self, id: u32) -> Option<Answer<'js>> {
        self.answers.borrow_mut().remove(&id)
    }
}

/// Does `work`, whose estimated cost is in nanoseconds.
pub(super) fn start<'js>(
    ctx: &Ctx<'js>,
    cost: u64,
    answer: Answer<'js>,
    work: impl FnOnce() -> Outcome + Send + 'static,
) -> Result<()> {
    if cost < LONG {
        answer.give(ctx, guarded(work))
    } else {
        elsewhere(ctx, answer, work)
    }
}

/// Does `work` with the bytes of `data` (see `shared.webidl.bytes`) as they are now. Only what leaves the thread is copied.
pub(super) fn start_with<'js>(
    ctx: &Ctx<'js>,
    data: &Value<'js>,
    cost: impl FnOnce(u64) -> u64,
    answer: Answer<'js>,
    work: impl for<'a> FnOnce(Cow<'a, [u8]>) -> Outcome + Send + 'static,
) -> Result<()> {
    if cost(byte_length(data) as u64) < LONG {
        let outcome = with_bytes(data, |bytes| guarded(|| work(Cow::Borrowed(bytes))));
        return answer.give(ctx, outcome);
    }
    let bytes = Zeroizing::new(copy_bytes_with_room(data, ROOM));
    elsewhere(ctx, answer, move || {
        let mut bytes = bytes;
        work(Cow::Owned(std::mem::take(&mut *bytes)))
    })
}

/// Makes or checks a signature: [`start_with`] for `work(hash, key, data)`, which hashes all of `data` and takes `fixed`
/// nanoseconds besides.
pub(super) fn start_signature<'js>(
    ctx: &Ctx<'js>,
    (hash, key): (&str, &KeyObject<'js>),
    data: &Value<'js>,
    fixed: u64,
    answer: Answer<'js>,
    work: impl FnOnce(Hash, &Material, &[u8]) -> Outcome + Send + 'static,
) -> Result<()> {
    let hash = Hash::of(ctx, hash)?;
    let key = material(key);
    let cost = |length| fixed.saturating_add(hash.cost(length));
    start_with(ctx, data, cost, answer, move |data| work(hash, &key, &data))
}

/// Does `work` on another thread, whatever it costs.
pub(super) fn elsewhere<'js>(
    ctx: &Ctx<'js>,
    answer: Answer<'js>,
    work: impl FnOnce() -> Outcome + Send + 'static,
) -> Result<()> {
    let host = script::host(ctx)?;
    let id = match ctx.userdata::<Waiting<'js>>() {
        Some(waiting) => waiting.keep(answer),
        None => return Err(super::failure::misuse(ctx, "not installed")),
    };
    host.offload(Box::new(move || {
        let outcome = guarded(work);
        Box::new(move |ctx| finish(ctx, id, outcome))
    }));
    Ok(())
}

fn finish<'js>(ctx: &Ctx<'js>, id: u32, outcome: Outcome) {
    let answer = ctx
        .userdata::<Waiting<'js>>()
        .and_then(|waiting| waiting.take(id));
    if let Some(answer) = answer
        && answer.give(ctx, outcome).is_err()
    {
        // Only the engine's limits (memory, stack) can have thrown; there is nobody here to tell.
        ctx.catch();
    }
}

/// The outcome of `work`, also if it panics: a fault of a crate must not leave a promise that never settles.
fn guarded(work: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure::operation(
            "The operation failed for an operation-specific reason",
        ))
    })
}

/// `bytes` as JavaScript sees them.
pub(super) fn to_js<'js>(ctx: &Ctx<'js>, bytes: impl Into<Vec<u8>>) -> Result<Value<'js>> {
    ArrayBuffer::new(ctx.clone(), bytes.into())?.into_js(ctx)
}
