//! What every engine of queues must do, checked through the trait alone: on SQLite and on a model in memory.

mod lives;
mod model;

use bytes::Bytes;
use isthmus_protocol::queue::ContentType;
use isthmus_stores::Durability;
use isthmus_stores::queue::{
    Backlog, Expired, LeaseId, LeaseRequest, Leased, NewMessage, QueueState, QueueStore,
};
use isthmus_stores::sqlite::{SqliteOptions, SqliteQueue};
use tempfile::TempDir;

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
                super::$name(&super::model::Model::default()).await;
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
