//! JavaScript objects that wait for an answer from outside.
//!
//! A callback handed to the process outlives any JavaScript frame and may be dropped at any time, even after
//! the engine. It therefore holds a [`Ticket`], a mere number; the object it stands for lives in the engine's
//! own keeping.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rquickjs::{Ctx, JsLifetime, Object};

/// The objects that wait.
#[derive(Default, JsLifetime)]
pub(crate) struct Pending<'js> {
    waiting: RefCell<HashMap<u32, Object<'js>>>,
    next: Cell<u32>,
    abandoned: Rc<RefCell<Vec<u32>>>,
}

/// Stands for a waiting object. One that is dropped instead of redeemed frees the object later.
pub(crate) struct Ticket {
    id: u32,
    abandoned: Rc<RefCell<Vec<u32>>>,
}

impl<'js> Pending<'js> {
    /// Keeps `object` until its ticket is redeemed or dropped.
    pub(crate) fn keep(&self, object: Object<'js>) -> Ticket {
        let forgotten = std::mem::take(&mut *self.abandoned.borrow_mut());
        let mut waiting = self.waiting.borrow_mut();
        // Dropped after the table is released: dropping a JavaScript object may run finalizers.
        let freed: Vec<_> = forgotten.iter().filter_map(|id| waiting.remove(id)).collect();
        let mut id = self.next.get();
        while waiting.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        self.next.set(id.wrapping_add(1));
        waiting.insert(id, object);
        drop(waiting);
        drop(freed);
        Ticket {
            id,
            abandoned: Rc::clone(&self.abandoned),
        }
    }

    /// Gives the object back; `None` if the engine was torn down meanwhile.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Object<'js>> {
        self.waiting.borrow_mut().remove(&ticket.id)
    }
}

impl Ticket {
    /// See [`Pending::redeem`].
    pub(crate) fn redeem<'js>(self, ctx: &Ctx<'js>) -> Option<Object<'js>> {
        ctx.userdata::<super::Streams<'js>>()?.pending.redeem(self)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.abandoned.borrow_mut().push(self.id);
    }
}
