//! What every engine of queues must do, checked through the trait alone: on SQLite and on a model in memory.

use std::collections::HashSet;
use std::sync::Mutex;

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;
use isthmus_stores::Durability;
use isthmus_stores::queue::{
    Backlog, Expired, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueState, QueueStore,
    StoreFuture, Waiting,
};
use isthmus_stores::sqlite::{SqliteOptions, SqliteQueue};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;

/// The plainest thing that keeps messages.
#[derive(Default)]
struct Model(Mutex<State>);

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

fn sqlite() -> (TempDir, SqliteQueue) {
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions {
        durability: Durability::Process,
        max_bytes: None,
    };
    let queue = SqliteQueue::open(&folder.path().join("q.sqlite"), options).expect("opens");
    (folder, queue)
}

fn message(name: u8, available: i64, body: &'static [u8]) -> NewMessage {
    NewMessage {
        name: [name; 16],
        sent: 1000,
        available,
        content_type: ContentType::Bytes,
        body: Bytes::from_static(body),
    }
}

fn request(lease: i64, now: i64, until: i64) -> LeaseRequest {
    LeaseRequest {
        lease,
        limit: 10,
        bytes: 1 << 20,
        now,
        until,
        spent: None,
    }
}

fn names(messages: &[Leased]) -> Vec<u8> {
    messages.iter().map(|message| message.name[0]).collect()
}

/// Runs a check on every engine.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (_folder, queue) = super::sqlite();
                super::$name(&queue).await;
            })*
        }
        mod on_the_model {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Model::default()).await;
            })*
        }
    };
}

on_every_engine!(
    a_message_is_leased_once_until_its_lease_ends,
    an_acknowledged_message_is_gone,
    a_retried_message_comes_again_later,
    a_stale_lease_says_nothing,
    leases_of_a_dead_process_end_but_not_those_of_others,
    a_lease_keeps_within_its_limits,
    a_spent_message_is_one_whose_last_lease_ended_in_silence,
    a_message_can_be_removed_by_its_name,
    what_is_held_can_be_asked,
    the_backlog_is_what_nobody_has,
    purged_and_paused,
    what_came_first_expires_first,
);

async fn a_message_is_leased_once_until_its_lease_ends(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 1000, b"one"), message(2, 5000, b"two")], 1000)
        .await
        .expect("sends");
    assert_eq!(queue.lease(request(1, 999, 9999)).await.expect("leases"), []);
    let leased = queue.lease(request(2, 1000, 2000)).await.expect("leases");
    assert_eq!(
        leased,
        [Leased {
            id: LeaseId {
                message: leased[0].id.message,
                lease: 2
            },
            name: [1; 16],
            sent: 1000,
            attempts: 1,
            content_type: ContentType::Bytes,
            body: Bytes::from_static(b"one"),
        }]
    );
    assert_eq!(queue.lease(request(3, 1999, 9999)).await.expect("leases"), []);
    let again = queue.lease(request(4, 2000, 9999)).await.expect("leases");
    assert_eq!((names(&again), again[0].attempts), (vec![1], 2));
    let other = queue.lease(request(5, 5000, 9999)).await.expect("leases");
    assert_eq!((names(&other), other[0].attempts), (vec![2], 1));
}

async fn an_acknowledged_message_is_gone(queue: &dyn QueueStore) {
    queue
        .send(
            vec![message(1, 0, b"1"), message(2, 0, b"2"), message(3, 0, b"3")],
            0,
        )
        .await
        .expect("sends");
    let leased = queue.lease(request(7, 0, 10)).await.expect("leases");
    assert_eq!(names(&leased), [1, 2, 3]);
    let acknowledged = queue.acknowledge(vec![leased[0].id, leased[2].id]).await;
    assert_eq!(acknowledged, Ok(2));
    assert_eq!(names(&queue.peek(10).await.expect("reads")), [2]);
    // Once is enough, twice is harmless.
    assert_eq!(queue.acknowledge(vec![leased[0].id]).await, Ok(0));
    assert_eq!(
        names(&queue.lease(request(8, 10, 20)).await.expect("leases")),
        [2]
    );
}

async fn a_retried_message_comes_again_later(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 0, b"1"), message(2, 0, b"2")], 0)
        .await
        .expect("sends");
    let leased = queue.lease(request(1, 0, 1000)).await.expect("leases");
    assert_eq!(queue.retry(vec![(leased[0].id, 50)]).await, Ok(1));
    assert_eq!(queue.give_back(vec![(leased[1].id, 60)]).await, Ok(1));
    let waiting = queue.waiting(10, 49).await.expect("reads");
    assert_eq!((waiting.count, waiting.first), (0, Some(50)));
    let leased = queue.lease(request(2, 60, 1000)).await.expect("leases");
    // What was only given back has not been tried.
    let attempts: Vec<_> = leased.iter().map(|message| message.attempts).collect();
    assert_eq!((names(&leased), attempts), (vec![1, 2], vec![2, 1]));
}

async fn a_stale_lease_says_nothing(queue: &dyn QueueStore) {
    queue.send(vec![message(1, 0, b"1")], 0).await.expect("sends");
    let first = queue.lease(request(1, 0, 10)).await.expect("leases");
    let second = queue.lease(request(2, 10, 20)).await.expect("leases");
    assert_eq!(queue.acknowledge(vec![first[0].id]).await, Ok(0));
    assert_eq!(queue.retry(vec![(first[0].id, 0)]).await, Ok(0));
    assert_eq!(queue.acknowledge(vec![second[0].id]).await, Ok(1));
}

async fn leases_of_a_dead_process_end_but_not_those_of_others(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 0, b"1"), message(2, 0, b"2")], 0)
        .await
        .expect("sends");
    let one = LeaseRequest {
        limit: 1,
        ..request(-5, 0, 1 << 40)
    };
    let pushed = queue.lease(one).await.expect("leases");
    let pulled = queue.lease(request(6, 0, 1 << 40)).await.expect("leases");
    assert_eq!((names(&pushed), names(&pulled)), (vec![1], vec![2]));
    assert_eq!(queue.release().await, Ok(1));
    let again = queue.lease(request(-7, 1000, 1 << 40)).await.expect("leases");
    assert_eq!((names(&again), again[0].attempts), (vec![1], 2));
    assert_eq!(queue.acknowledge(vec![pushed[0].id, pulled[0].id]).await, Ok(1));
}

async fn a_lease_keeps_within_its_limits(queue: &dyn QueueStore) {
    let messages = (1..=6)
        .map(|name| message(name, 10 - i64::from(name), b"12345"))
        .collect();
    queue.send(messages, 0).await.expect("sends");
    let few = LeaseRequest {
        limit: 2,
        ..request(1, 100, 200)
    };
    // Those that have been available for longest.
    assert_eq!(names(&queue.lease(few).await.expect("leases")), [5, 6]);
    let short = LeaseRequest {
        bytes: 9,
        ..request(2, 100, 200)
    };
    assert_eq!(names(&queue.lease(short).await.expect("leases")), [3, 4]);
    let none = LeaseRequest {
        bytes: 0,
        ..request(3, 100, 200)
    };
    // One at least, however long.
    assert_eq!(names(&queue.lease(none).await.expect("leases")), [2]);
}

async fn a_spent_message_is_one_whose_last_lease_ended_in_silence(queue: &dyn QueueStore) {
    let messages = (1..=4).map(|name| message(name, 0, b"12345")).collect();
    queue.send(messages, 0).await.expect("sends");
    let few = |lease, now| LeaseRequest {
        limit: 2,
        ..request(lease, now, now + 10)
    };
    let spent = |lease, now| LeaseRequest {
        spent: Some(2),
        ..request(lease, now, now + 10)
    };
    assert_eq!(names(&queue.lease(few(1, 0)).await.expect("leases")), [1, 2]);
    assert_eq!(names(&queue.lease(few(2, 0)).await.expect("leases")), [3, 4]);
    // Once is not twice.
    assert_eq!(queue.lease(spent(3, 10)).await, Ok(Vec::new()));
    assert_eq!(queue.lease_end(2).await, Ok(None));
    let second = queue.lease(request(4, 10, 20)).await.expect("leases");
    assert_eq!(queue.retry(vec![(second[0].id, 0)]).await, Ok(1));
    assert_eq!(queue.lease_end(2).await, Ok(Some(20)));
    // Leased still, or available since somebody said so.
    assert_eq!(queue.lease(spent(5, 19)).await, Ok(Vec::new()));
    let one = LeaseRequest {
        bytes: 4,
        ..spent(6, 20)
    };
    assert_eq!(names(&queue.lease(one).await.expect("leases")), [2]);
    let rest = queue.lease(spent(7, 20)).await.expect("leases");
    assert_eq!((names(&rest), rest[0].attempts), (vec![3, 4], 3));
}

async fn a_message_can_be_removed_by_its_name(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 0, b"1"), message(2, 0, b"2")], 0)
        .await
        .expect("sends");
    let leased = queue.lease(request(1, 0, 10)).await.expect("leases");
    // Whoever has it now.
    queue.lease(request(2, 10, 20)).await.expect("leases");
    let (first, second) = (leased[0].id.message, leased[1].id.message);
    let messages = vec![
        (first, [1; 16]),
        (first, [1; 16]),
        (second, [1; 16]),
        (-5, [2; 16]),
    ];
    assert_eq!(queue.remove(messages).await, Ok(vec![true, false, false, false]));
    assert_eq!(names(&queue.peek(10).await.expect("reads")), [2]);
    assert_eq!(queue.state(10).await.expect("reads").leased, 1);
}

async fn what_is_held_can_be_asked(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 0, b"1"), message(2, 0, b"2")], 0)
        .await
        .expect("sends");
    let leased = queue.lease(request(1, 0, 10)).await.expect("leases");
    let stale = LeaseId {
        lease: 9,
        ..leased[0].id
    };
    let leases = vec![leased[1].id, stale, leased[0].id];
    assert_eq!(queue.held(leases).await, Ok(leased.clone()));
    // Over, but nobody else has it.
    queue.retry(vec![(leased[0].id, 0)]).await.expect("retries");
    assert_eq!(
        names(&queue.held(vec![leased[0].id, leased[1].id]).await.expect("reads")),
        [2]
    );
}

async fn the_backlog_is_what_nobody_has(queue: &dyn QueueStore) {
    let empty = queue.state(0).await.expect("reads");
    assert_eq!(empty, QueueState::default());
    let sent = queue
        .send(vec![message(1, 0, b"12"), message(2, 900, b"345")], 0)
        .await
        .expect("sends");
    let both = Backlog {
        count: 2,
        bytes: 5,
        oldest: Some(1000),
    };
    assert_eq!(sent, both);
    queue.lease(request(1, 0, 50)).await.expect("leases");
    let state = queue.state(0).await.expect("reads");
    assert_eq!(
        (state.backlog.count, state.backlog.bytes, state.leased),
        (1, 3, 1)
    );
    // A lease that has ended is none.
    let later = queue.state(50).await.expect("reads");
    assert_eq!((later.backlog, later.leased), (both, 0));
}

async fn purged_and_paused(queue: &dyn QueueStore) {
    queue
        .send(vec![message(1, 0, b"1"), message(2, 0, b"2")], 0)
        .await
        .expect("sends");
    let leased = queue.lease(request(1, 0, 50)).await.expect("leases");
    queue.pause(true).await.expect("pauses");
    assert!(queue.state(0).await.expect("reads").paused);
    queue.pause(false).await.expect("goes on");
    assert_eq!(queue.purge().await, Ok(2));
    assert_eq!(queue.state(0).await.expect("reads"), QueueState::default());
    assert_eq!(queue.acknowledge(vec![leased[0].id]).await, Ok(0));
}

async fn what_came_first_expires_first(queue: &dyn QueueStore) {
    assert_eq!(queue.expire(i64::MAX, 5).await, Ok(Expired::default()));
    for now in [10, 20, 20, 30] {
        // Whenever they were sent, or are available.
        queue
            .send(vec![message(1, 90 - now, b"123")], now)
            .await
            .expect("sends");
    }
    queue.lease(request(1, 70, 200)).await.expect("leases");
    let expired = |count, oldest| Ok(Expired { count, oldest });
    assert_eq!(queue.expire(10, 5).await, expired(0, Some(10)));
    assert_eq!(queue.expire(30, 2).await, expired(2, Some(20)));
    assert_eq!(queue.expire(30, 2).await, expired(1, Some(30)));
    let state = queue.state(0).await.expect("reads");
    assert_eq!((state.backlog.count + state.leased, state.retention), (1, None));
    queue.retain(60_000).await.expect("is set");
    assert_eq!(queue.state(0).await.expect("reads").retention, Some(60_000));
    assert_eq!(queue.expire(31, 2).await, expired(1, None));
    assert_eq!(queue.state(0).await.expect("reads").backlog, Backlog::default());
}

/// One step of a random life.
#[derive(Clone, Debug)]
enum Step {
    Send {
        count: u8,
        delay: u8,
    },
    Lease {
        limit: u8,
        bytes: u8,
        length: u8,
        pushed: bool,
        spent: Option<u32>,
    },
    Acknowledge(u8),
    Remove(u8),
    Expire(u8, u8),
    Held(u8),
    Retry(u8, u8),
    GiveBack(u8, u8),
    Release,
    Pass(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5_u8, 0..20_u8).prop_map(|(count, delay)| Step::Send { count, delay }),
        4 => (1..6_u8, 0..30_u8, 0..30_u8, any::<bool>(), proptest::option::weighted(0.3, 1..4_u32))
            .prop_map(|(limit, bytes, length, pushed, spent)| Step::Lease { limit, bytes, length, pushed, spent }),
        3 => any::<u8>().prop_map(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Remove),
        1 => (0..40_u8, 1..5_u8).prop_map(|(age, limit)| Step::Expire(age, limit)),
        1 => any::<u8>().prop_map(Step::Held),
        2 => (any::<u8>(), 0..20_u8).prop_map(|(which, delay)| Step::Retry(which, delay)),
        1 => (any::<u8>(), 0..20_u8).prop_map(|(which, delay)| Step::GiveBack(which, delay)),
        1 => Just(Step::Release),
        3 => (0..15_u8).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Lives through the steps on both engines; they must never differ.
async fn live(steps: &[Step]) -> TestCaseResult {
    let (_folder, sqlite) = sqlite();
    let model = Model::default();
    let (mut now, mut lease, mut name) = (0, 0, 0_u8);
    let mut leases: Vec<LeaseId> = Vec::new();
    let pick = |leases: &[LeaseId], which: u8| leases.get(usize::from(which) % leases.len().max(1)).copied();
    for step in steps {
        match *step {
            Step::Send { count, delay } => {
                let messages: Vec<_> = (0..count)
                    .map(|_| {
                        name = name.wrapping_add(1);
                        NewMessage {
                            sent: now,
                            ..message(
                                name,
                                now + i64::from(delay),
                                &b"0123456789"[..usize::from(name % 10)],
                            )
                        }
                    })
                    .collect();
                prop_assert_eq!(
                    sqlite.send(messages.clone(), now).await,
                    model.send(messages, now).await
                );
            }
            Step::Lease {
                limit,
                bytes,
                length,
                pushed,
                spent,
            } => {
                lease += 1;
                let request = LeaseRequest {
                    lease: if pushed { -lease } else { lease },
                    limit: limit.into(),
                    bytes: bytes.into(),
                    now,
                    until: now + i64::from(length),
                    spent,
                };
                let leased = sqlite.lease(request).await;
                prop_assert_eq!(&leased, &model.lease(request).await);
                leases.extend(leased.expect("leases").iter().map(|message| message.id));
            }
            Step::Acknowledge(which) => {
                let leases: Vec<_> = pick(&leases, which).into_iter().collect();
                prop_assert_eq!(
                    sqlite.acknowledge(leases.clone()).await,
                    model.acknowledge(leases).await
                );
            }
            Step::Remove(which) => {
                // Names count like numbers; every other time it is another's.
                let messages: Vec<_> = pick(&leases, which)
                    .map(|id| (id.message, [(id.message as u8).wrapping_add(which % 2); 16]))
                    .into_iter()
                    .collect();
                prop_assert_eq!(
                    sqlite.remove(messages.clone()).await,
                    model.remove(messages).await
                );
            }
            Step::Expire(age, limit) => {
                let (before, limit) = (now - i64::from(age), limit.into());
                prop_assert_eq!(
                    sqlite.expire(before, limit).await,
                    model.expire(before, limit).await
                );
            }
            Step::Held(which) => {
                let mut leases: Vec<_> = leases[usize::from(which) % leases.len().max(1)..].to_vec();
                leases.dedup();
                prop_assert_eq!(sqlite.held(leases.clone()).await, model.held(leases).await);
            }
            Step::Retry(which, delay) => {
                let leases: Vec<_> = pick(&leases, which)
                    .map(|id| (id, now + i64::from(delay)))
                    .into_iter()
                    .collect();
                prop_assert_eq!(sqlite.retry(leases.clone()).await, model.retry(leases).await);
            }
            Step::GiveBack(which, delay) => {
                let leases: Vec<_> = pick(&leases, which)
                    .map(|id| (id, now + i64::from(delay)))
                    .into_iter()
                    .collect();
                prop_assert_eq!(
                    sqlite.give_back(leases.clone()).await,
                    model.give_back(leases).await
                );
            }
            Step::Release => prop_assert_eq!(sqlite.release().await, model.release().await),
            Step::Pass(time) => now += i64::from(time),
        }
        prop_assert_eq!(sqlite.state(now).await, model.state(now).await);
        prop_assert_eq!(sqlite.lease_end(2).await, model.lease_end(2).await);
        prop_assert_eq!(sqlite.waiting(3, now).await, model.waiting(3, now).await);
        prop_assert_eq!(sqlite.peek(100).await, model.peek(100).await);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn engines_agree_in_every_life(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(live(&steps))?;
    }
}
