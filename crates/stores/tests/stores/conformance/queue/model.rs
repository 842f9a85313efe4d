//! The plainest thing that keeps messages: a list in memory.

use std::collections::HashSet;
use std::sync::Mutex;

use isthmus_stores::queue::{
    Backlog, Expired, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueState, QueueStore,
    StoreFuture, Waiting,
};

/// A queue in memory.
#[derive(Default)]
pub(super) struct Model(Mutex<State>);

#[derive(Default)]
struct State {
    last: i64,
    paused: bool,
    retention: Option<i64>,
    messages: Vec<Kept>,
}

#[derive(Clone)]
struct Kept {
    id: i64,
    available: i64,
    lease: Option<i64>,
    attempts: u32,
    arrived: i64,
    new: NewMessage,
}

impl Kept {
    fn leased(&self) -> Leased {
        Leased {
            id: LeaseId {
                message: self.id,
                lease: self.lease.unwrap_or(0),
            },
            name: self.new.name,
            sent: self.new.sent,
            attempts: self.attempts,
            content_type: self.new.content_type,
            body: self.new.body.clone(),
        }
    }

    fn waits(&self, now: i64) -> bool {
        self.lease.is_none() || self.available <= now
    }
}

impl State {
    fn backlog(&self, now: i64) -> Backlog {
        let waiting = || self.messages.iter().filter(|kept| kept.waits(now));
        Backlog {
            count: waiting().count() as u64,
            bytes: waiting().map(|kept| kept.new.body.len() as u64).sum(),
            oldest: waiting().next().map(|kept| kept.new.sent),
        }
    }

    fn back(&mut self, leases: &[(LeaseId, i64)], counts: bool) -> usize {
        let mut changed = 0;
        for (id, available) in leases {
            let kept = self
                .messages
                .iter_mut()
                .find(|kept| kept.id == id.message && kept.lease == Some(id.lease));
            if let Some(kept) = kept {
                kept.lease = None;
                kept.available = *available;
                kept.attempts -= u32::from(!counts);
                changed += 1;
            }
        }
        changed
    }
}

impl Model {
    fn with<T: Send + 'static>(&self, body: impl FnOnce(&mut State) -> T) -> StoreFuture<'_, T> {
        let result = body(&mut self.0.lock().expect("no panic"));
        Box::pin(async { Ok(result) })
    }
}

impl QueueStore for Model {
    fn send(&self, messages: Vec<NewMessage>, now: i64) -> StoreFuture<'_, Backlog> {
        self.with(|state| {
            for new in messages {
                state.last += 1;
                state.messages.push(Kept {
                    id: state.last,
                    available: new.available,
                    lease: None,
                    attempts: 0,
                    arrived: now,
                    new,
                });
            }
            state.backlog(now)
        })
    }

    fn lease(&self, request: LeaseRequest) -> StoreFuture<'_, Vec<Leased>> {
        self.with(|state| {
            let mut due: Vec<_> = state
                .messages
                .iter()
                .filter(|kept| kept.available <= request.now)
                .filter(|kept| {
                    request
                        .spent
                        .is_none_or(|attempts| kept.lease.is_some() && kept.attempts >= attempts)
                })
                .map(|kept| (kept.available, kept.id))
                .collect();
            due.sort_unstable();
            let due: HashSet<_> = due.into_iter().take(request.limit).map(|(_, id)| id).collect();
            let mut taken: Vec<_> = state
                .messages
                .iter_mut()
                .filter(|kept| due.contains(&kept.id))
                .collect();
            taken.sort_by_key(|kept| (kept.available, kept.id));
            let mut bytes = 0;
            let mut leased = Vec::new();
            for kept in taken {
                if bytes > request.bytes {
                    break;
                }
                bytes += kept.new.body.len();
                kept.lease = Some(request.lease);
                kept.available = request.until;
                kept.attempts += 1;
                leased.push(kept.leased());
            }
            leased.sort_by_key(|message| message.id.message);
            leased
        })
    }

    fn acknowledge(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, usize> {
        self.with(|state| {
            let before = state.messages.len();
            state.messages.retain(|kept| {
                !leases
                    .iter()
                    .any(|id| kept.id == id.message && kept.lease == Some(id.lease))
            });
            before - state.messages.len()
        })
    }

    fn remove(&self, messages: Vec<(i64, MessageName)>) -> StoreFuture<'_, Vec<bool>> {
        self.with(|state| {
            let remove = |(id, name): &(i64, MessageName)| {
                let before = state.messages.len();
                state
                    .messages
                    .retain(|kept| kept.id != *id || kept.new.name != *name);
                state.messages.len() < before
            };
            messages.iter().map(remove).collect()
        })
    }

    fn held(&self, leases: Vec<LeaseId>) -> StoreFuture<'_, Vec<Leased>> {
        self.with(|state| {
            let kept = state.messages.iter().map(Kept::leased);
            kept.filter(|message| leases.contains(&message.id)).collect()
        })
    }

    fn lease_end(&self, attempts: u32) -> StoreFuture<'_, Option<i64>> {
        self.with(|state| {
            let leased = state.messages.iter().filter(|kept| kept.lease.is_some());
            let ends = leased.filter(|kept| kept.attempts >= attempts);
            ends.map(|kept| kept.available).min()
        })
    }

    fn retry(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize> {
        self.with(|state| state.back(&leases, true))
    }

    fn give_back(&self, leases: Vec<(LeaseId, i64)>) -> StoreFuture<'_, usize> {
        self.with(|state| state.back(&leases, false))
    }

    fn release(&self) -> StoreFuture<'_, usize> {
        self.with(|state| {
            let mut released = 0;
            for kept in state
                .messages
                .iter_mut()
                .filter(|kept| kept.lease.is_some_and(|lease| lease < 0))
            {
                kept.lease = None;
                kept.available = kept.new.sent;
                released += 1;
            }
            released
        })
    }

    fn purge(&self) -> StoreFuture<'_, u64> {
        self.with(|state| std::mem::take(&mut state.messages).len() as u64)
    }

    fn expire(&self, before: i64, limit: usize) -> StoreFuture<'_, Expired> {
        self.with(|state| {
            let (first, all) = (state.messages.len().min(limit), state.messages.len());
            let mut place = 0;
            state.messages.retain(|kept| {
                place += 1;
                place > first || kept.arrived >= before
            });
            Expired {
                count: all - state.messages.len(),
                oldest: state.messages.first().map(|kept| kept.arrived),
            }
        })
    }

    fn retain(&self, milliseconds: i64) -> StoreFuture<'_, ()> {
        self.with(|state| state.retention = Some(milliseconds))
    }

    fn pause(&self, paused: bool) -> StoreFuture<'_, ()> {
        self.with(|state| state.paused = paused)
    }

    fn waiting(&self, limit: usize, now: i64) -> StoreFuture<'_, Waiting> {
        self.with(|state| Waiting {
            count: state
                .messages
                .iter()
                .filter(|kept| kept.available <= now)
                .count()
                .min(limit),
            first: state.messages.iter().map(|kept| kept.available).min(),
        })
    }

    fn state(&self, now: i64) -> StoreFuture<'_, QueueState> {
        self.with(|state| QueueState {
            backlog: state.backlog(now),
            leased: state.messages.iter().filter(|kept| !kept.waits(now)).count() as u64,
            paused: state.paused,
            retention: state.retention,
        })
    }

    fn peek(&self, limit: usize) -> StoreFuture<'_, Vec<Leased>> {
        self.with(|state| state.messages.iter().take(limit).map(Kept::leased).collect())
    }
}
