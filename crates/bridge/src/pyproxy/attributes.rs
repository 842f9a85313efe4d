//! The proxies of attributes that a PyProxy handed out: `p.f === p.f`, and they die with `p`.
//!
//! A [`Table`] knows the proxies by the attribute's address; it is shared by a proxy and its copies. It holds no
//! references: an entry goes when its proxy is finalized, so that a getter that gives another object every time fills
//! nothing. What is kept alive (methods, which are asked for again and again) is kept by the cell.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pyo3::ffi::PyObject;
use rquickjs::qjs::{self, JSValue};

use super::{Cell, cell_of, is_destroyed};
use crate::state;

/// What the address of an entry is that of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An attribute's value.
    Value,
    /// The function of a method; its proxy lives as long as the proxy it was read from.
    Method,
    /// An item, whose proxy adapts it to JSON.
    Adapter,
}

type Key = (usize, Kind);

/// The attribute proxies of a proxy and its copies.
#[derive(Default)]
pub(super) struct Table {
    /// Not owned: the finalizer of each takes it out.
    entries: BTreeMap<Key, JSValue>,
    /// Proxies that use the table and are not destroyed.
    users: usize,
    /// A user was collected without being destroyed: then nobody may say that the attributes are done with.
    leaked: bool,
}

/// A table as cells hold it.
pub(super) type Shared = Rc<RefCell<Table>>;

/// Where a proxy stands in the table of the proxy it was read from.
pub(super) struct Place {
    table: Shared,
    key: Key,
}

/// The table of a cell, made now if it has none yet.
///
/// # Safety
/// `cell` is alive and no twin of another.
pub(super) unsafe fn table_of(cell: *mut Cell) -> Shared {
    // SAFETY: as the caller promises; nothing here calls out.
    unsafe {
        (*cell)
            .table
            .get_or_insert_with(|| {
                Rc::new(RefCell::new(Table {
                    users: 1,
                    ..Table::default()
                }))
            })
            .clone()
    }
}

/// One more proxy uses the table.
pub(super) fn join(table: &Shared) {
    table.borrow_mut().users += 1;
}

/// The proxy of an attribute handed out before that is still of use; owned.
///
/// # Safety
/// At home with the GIL; `cell` is alive and no twin.
pub(super) unsafe fn find(cell: *mut Cell, attribute: *mut PyObject, kind: Kind) -> Option<JSValue> {
    // SAFETY: as the caller promises; an entry is alive, since its finalizer takes it out.
    unsafe {
        let found = *(*cell)
            .table
            .as_ref()?
            .borrow()
            .entries
            .get(&(attribute as usize, kind))?;
        if is_destroyed(cell_of(found)?) {
            return None;
        }
        Some(qjs::JS_DupValue(state::context(), found))
    }
}

/// Enters the proxy (borrowed) of an attribute into the table.
///
/// # Safety
/// At home with the GIL; `cell` is alive and no twin, the attribute is kept alive by its proxy.
pub(super) unsafe fn enter(cell: *mut Cell, attribute: *mut PyObject, kind: Kind, proxy: JSValue) {
    // SAFETY: as the caller promises. A destroyed proxy keeps nothing.
    unsafe {
        let Some(child) = cell_of(proxy).filter(|_| !(*cell).object.is_null()) else {
            return;
        };
        let (table, key) = (table_of(cell), (attribute as usize, kind));
        let before = table.borrow_mut().entries.insert(key, proxy);
        (*child).place = Some(Place { table, key });
        if kind == Kind::Method {
            let mine = qjs::JS_DupValue(state::context(), proxy);
            let kept = &mut (*cell).kept;
            let same = |value: &JSValue| {
                before.is_some_and(|before| qjs::JS_VALUE_GET_PTR(*value) == qjs::JS_VALUE_GET_PTR(before))
            };
            // One that was destroyed gives up its place.
            match kept.iter().position(same) {
                Some(place) => {
                    let old = std::mem::replace(&mut kept[place], mine);
                    qjs::JS_FreeValue(state::context(), old);
                }
                None => kept.push(mine),
            }
        }
    }
}

impl Place {
    /// The proxy that stands here is gone.
    pub(super) fn leave(self, cell: *const Cell) {
        let mut table = self.table.borrow_mut();
        if let Some(&entry) = table.entries.get(&self.key)
            // SAFETY: at home under the GIL; another entry of the same key is alive.
            && unsafe { cell_of(entry) }.is_none_or(|other| std::ptr::eq(other, cell))
        {
            table.entries.remove(&self.key);
        }
    }
}

/// A user was destroyed: the proxies (owned) that are to be destroyed with it, if it was the last.
pub(super) fn leave(table: &Shared) -> Vec<JSValue> {
    let mut table = table.borrow_mut();
    table.users -= 1;
    if table.users > 0 || table.leaked {
        return Vec::new();
    }
    std::mem::take(&mut table.entries)
        .into_values()
        // SAFETY: at home under the GIL (a proxy is being destroyed); entries are alive.
        .map(|value| unsafe { qjs::JS_DupValue(state::context(), value) })
        .collect()
}

/// A user was collected without being destroyed.
pub(super) fn abandon(table: &Shared) {
    let mut table = table.borrow_mut();
    table.users -= 1;
    table.leaked = true;
}
