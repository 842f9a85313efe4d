//! Work for a later turn of the event loop: what a long job has left, and what is to be told where nobody may call JavaScript.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rquickjs::{Ctx, Exception, Function, JsLifetime, Result};

use super::Streams;
use crate::{Host, script};

/// Runs with no JavaScript on the stack. It holds none either: see [`super::Ticket`].
pub(super) type Work = Box<dyn for<'js> FnOnce(&Ctx<'js>)>;

/// The work that waits for its turn. Clones are the same.
#[derive(Clone)]
pub(super) struct Turns(Rc<Waiting>);

struct Waiting {
    host: Rc<dyn Host>,
    work: RefCell<HashMap<u32, Work>>,
    next: Cell<u32>,
}

/// The same as part of the runtime's user data.
#[derive(JsLifetime)]
struct Stored(Turns);

impl Turns {
    pub(super) fn of(ctx: &Ctx<'_>) -> Result<Self> {
        if let Some(stored) = ctx.userdata::<Stored>() {
            return Ok(stored.0.clone());
        }
        let turns = Self(Rc::new(Waiting {
            host: script::host(ctx)?,
            work: RefCell::default(),
            next: Cell::new(0),
        }));
        ctx.store_userdata(Stored(turns.clone()))
            .map_err(|_| Exception::throw_internal(ctx, "The streams are in use and cannot be replaced"))?;
        Ok(turns)
    }

    /// Has `work` run in a later turn. Does nothing with it if the engine is torn down before.
    pub(super) fn later(&self, work: Work) {
        let id = self.0.next.get();
        self.0.next.set(id.wrapping_add(1));
        self.0.work.borrow_mut().insert(id, work);
        // The end of a job is the one thing the host brings into a turn of its own, from wherever it was asked.
        self.0.host.offload(Box::new(move || {
            Box::new(move |ctx| {
                let Ok(turns) = Self::of(ctx) else { return };
                let work = turns.0.work.borrow_mut().remove(&id);
                if let Some(work) = work {
                    work(ctx);
                }
            })
        }));
    }
}

/// For scripts: `function`, which must not throw, in a later turn.
pub(super) fn next_turn<'js>(ctx: Ctx<'js>, function: Function<'js>) -> Result<()> {
    let ticket = Streams::of(&ctx)?.pending.keep(function.into_inner());
    Turns::of(&ctx)?.later(Box::new(move |ctx| {
        let function = ticket
            .redeem(ctx)
            .and_then(|object| object.into_value().into_function());
        let called: Option<Result<()>> = function.map(|function| function.call(()));
        if let Some(Err(_)) = called {
            // Only the engine's limits can have thrown; there is nobody here to tell.
            ctx.catch();
        }
    }));
    Ok(())
}

/// Forgets the work that waits.
pub(super) fn teardown(ctx: &Ctx<'_>) {
    // Fails only while a guard of `userdata` is alive, and no function here keeps one.
    if let Ok(Some(stored)) = ctx.remove_userdata::<Stored>() {
        let work = stored.0.0.work.take();
        drop(work);
    }
}
