//! The platform's rules on queues: limits and their texts, delays, what wakes a consumer, files.

use std::path::Path;

use bytes::Bytes;
use isthmus_protocol::queue::{ContentType, Operation, Outgoing, Reply};
use isthmus_stores::queue::{Queue, QueueError};
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};
use isthmus_stores::{Durability, StoreError};

use crate::support::{Bench, START};

impl Bench {
    fn queue_stores(&self, options: SqliteOptions) -> SqliteStores {
        SqliteStores::with_clock(self.folder.path().to_owned(), options, self.clock.clone())
    }

    fn queue(&self) -> Queue {
        self.queue_stores(self.options).queue("jobs").expect("opens")
    }

    /// A queue and that of its dead letters.
    fn queue_and_letters(&self) -> (Queue, Queue) {
        let stores = self.queue_stores(self.options);
        (
            stores.queue("jobs").expect("opens"),
            stores.queue("dead").expect("opens"),
        )
    }
}

fn outgoing(body: &[u8], delay: Option<i32>) -> Outgoing<'_> {
    Outgoing {
        content_type: ContentType::Text,
        delay,
        length: body.len() as u64,
        body,
    }
}

fn waiting(reply: Reply) -> u64 {
    match reply {
        Reply::Waiting(metrics) => metrics.backlog_count,
        other => panic!("what waits, not {other:?}"),
    }
}

async fn send(queue: &Queue, body: &[u8], delay: Option<i32>) -> Result<u64, QueueError> {
    let sent = queue.execute(&Operation::Send(outgoing(body, delay)), 0).await;
    sent.map(waiting)
}

async fn send_batch(queue: &Queue, bodies: &[&[u8]], delay: Option<i32>) -> Result<u64, QueueError> {
    let messages = bodies.iter().map(|body| outgoing(body, None)).collect();
    let sent = queue.execute(&Operation::SendBatch { messages, delay }, 0).await;
    sent.map(waiting)
}

fn text(result: Result<u64, QueueError>) -> (u16, String) {
    let error = result.expect_err("must be refused");
    (error.status(), error.to_string())
}

#[tokio::test]
async fn limits_have_upstreams_texts() {
    let bench = Bench::new();
    let queue = bench.queue();
    let long = vec![b'a'; 128_001];
    assert_eq!(send(&queue, &long[..128_000], None).await, Ok(1));
    assert_eq!(
        text(send(&queue, &long, None).await),
        (
            413,
            "message length of 128001 bytes exceeds limit of 128000".to_owned()
        )
    );
    assert_eq!(
        text(send_batch(&queue, &[b"a", &long], None).await),
        (
            413,
            "message in batch has length 128001 bytes which exceeds single message size limit of 128000"
                .to_owned()
        )
    );
    assert_eq!(send_batch(&queue, &[&b"a"[..]; 100], None).await, Ok(101));
    assert_eq!(
        text(send_batch(&queue, &[&b"a"[..]; 101], None).await),
        (413, "batch message count of 101 exceeds limit of 100".to_owned())
    );
    assert_eq!(send_batch(&queue, &[&long[..96_000]; 3], None).await, Ok(104));
    assert_eq!(
        text(send_batch(&queue, &[&long[..96_001]; 3], None).await),
        (
            413,
            "batch size of 288003 bytes exceeds limit of 256000".to_owned()
        )
    );
    // What was refused has left nothing behind.
    assert_eq!(queue.state().await.expect("reads").backlog.count, 104);
}

#[tokio::test]
async fn only_the_length_of_what_is_far_too_long_is_told() {
    let bench = Bench::new();
    let message = Outgoing {
        length: 1 << 40,
        ..outgoing(b"", None)
    };
    let sent = bench.queue().execute(&Operation::Send(message), 0).await;
    let error = sent.expect_err("too long");
    assert_eq!(
        (error.status(), error.to_string()),
        (
            413,
            "message length of 1099511627776 bytes exceeds limit of 128000".to_owned()
        )
    );
    let message = Outgoing {
        length: 2,
        ..outgoing(b"a", None)
    };
    let error = bench
        .queue()
        .execute(&Operation::Send(message), 0)
        .await
        .expect_err("unfit");
    assert!(error.is_internal());
}

#[tokio::test]
async fn delays_hold_in_upstreams_order() {
    let bench = Bench::new();
    let queue = bench.queue();
    for bad in [-1, 86_401, i32::MIN] {
        let (status, message) = text(send(&queue, b"", Some(bad)).await);
        assert_eq!(status, 400);
        assert!(
            message.starts_with(&format!("message delay {bad} is invalid")),
            "{message}"
        );
        assert_eq!(text(send_batch(&queue, &[b""], Some(bad)).await).0, 400);
    }
    let messages = vec![outgoing(b"own", Some(2)), outgoing(b"batch", None)];
    let batch = Operation::SendBatch {
        messages,
        delay: Some(4),
    };
    queue.execute(&batch, 6).await.expect("sends");
    queue
        .execute(&Operation::Send(outgoing(b"default", None)), 6)
        .await
        .expect("sends");
    queue
        .execute(&Operation::Send(outgoing(b"at once", Some(0))), 6)
        .await
        .expect("sends");
    let mut came = Vec::new();
    for second in 0..8 {
        for message in queue.lease(10, 1 << 40, true).await.expect("leases") {
            came.push((second, String::from_utf8_lossy(&message.body).into_owned()));
        }
        bench.clock.advance(1);
    }
    let expected = [(0, "at once"), (2, "own"), (4, "batch"), (6, "default")];
    assert_eq!(came, expected.map(|(second, body)| (second, body.to_owned())));
}

#[tokio::test]
async fn a_consumer_hears_of_what_may_be_available() {
    let bench = Bench::new();
    let stores = bench.queue_stores(bench.options);
    let (queue, producer) = (
        stores.queue("jobs").expect("opens"),
        stores.queue("jobs").expect("opens"),
    );
    let mut changes = queue.changes();
    assert!(!changes.has_changed().expect("open"));
    send(&producer, b"a", None).await.expect("sends");
    assert!(changes.has_changed().expect("open"));
    changes.borrow_and_update();
    let leased = queue.lease(1, 1000, true).await.expect("leases");
    producer.retry(vec![(leased[0].id, -5)]).await.expect("retries");
    assert!(changes.has_changed().expect("open"));
    // A delay below zero is none.
    assert_eq!(queue.lease(1, 1000, true).await.expect("leases").len(), 1);
}

#[tokio::test]
async fn messages_and_leases_outlive_the_process() {
    let bench = Bench::new();
    {
        let queue = bench.queue();
        send_batch(&queue, &[b"pushed"], None).await.expect("sends");
        queue.lease(1, 60_000, true).await.expect("leases");
        send_batch(&queue, &[b"pulled"], None).await.expect("sends");
        queue.lease(1, 60_000, false).await.expect("leases");
        queue.pause(true).await.expect("pauses");
    }
    let queue = bench.queue();
    let state = queue.state().await.expect("reads");
    assert_eq!((state.backlog.count, state.leased, state.paused), (0, 2, true));
    assert_eq!(queue.release().await, Ok(1));
    let leased = queue.lease(10, 60_000, true).await.expect("leases");
    assert_eq!(
        (&leased[0].body, leased[0].attempts),
        (&Bytes::from_static(b"pushed"), 2)
    );
    bench.clock.advance(61);
    let leased = queue.lease(10, 60_000, false).await.expect("leases");
    assert_eq!(leased.len(), 2);
}

#[tokio::test]
async fn dead_letters_keep_their_names_and_times() {
    let bench = Bench::new();
    let (queue, letters) = bench.queue_and_letters();
    send(&queue, b"a", None).await.expect("sends");
    let dead = queue.lease(1, 1000, true).await.expect("leases");
    bench.clock.advance(5);
    letters.take_over(dead.clone()).await.expect("takes over");
    let taken = letters.lease(1, 1000, true).await.expect("leases");
    assert_eq!(
        (taken[0].name, taken[0].sent, taken[0].attempts),
        (dead[0].name, 1000 * START.cast_signed(), 1)
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_harms_nothing() {
    let bench = Bench::new();
    let options = SqliteOptions {
        durability: Durability::Full,
        max_bytes: Some(256 * 1024),
    };
    let queue = bench.queue_stores(options).queue("jobs").expect("opens");
    let body = vec![b'x'; 50_000];
    let mut kept = 0;
    let error = loop {
        match send_batch(&queue, &[&body, &body], None).await {
            Ok(count) => kept = count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.status(), 507, "{error}");
    assert!(kept >= 2 && kept.is_multiple_of(2));
    // All of a batch or none of it.
    assert_eq!(queue.state().await.expect("reads").backlog.count, kept);
    let leased = queue.lease(1, 1000, true).await.expect("leases");
    queue.acknowledge(vec![leased[0].id]).await.expect("acknowledges");
    assert_eq!(send(&queue, b"small", None).await, Ok(kept));
}

#[test]
fn a_file_that_is_no_queue_is_refused_by_name() {
    let bench = Bench::new();
    let stores = bench.queue_stores(bench.options);
    let folder = bench.folder.path().join("queues");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("noise.sqlite"), vec![7; 8192]).expect("writes");
    let error = stores.queue("noise").err().expect("no database");
    assert!(
        matches!(&error, StoreError::Open { path, .. } if path.ends_with(Path::new("queues/noise.sqlite"))),
        "{error}"
    );
    // The others keep working.
    stores.queue("jobs").expect("opens");
    assert!(matches!(stores.queue(""), Err(StoreError::InvalidId { .. })));
}

/// The bodies of all messages that are there, oldest first.
async fn bodies(queue: &Queue) -> Vec<String> {
    let messages = queue.peek(100).await.expect("reads");
    let text = |message: &isthmus_stores::queue::Leased| String::from_utf8_lossy(&message.body).into_owned();
    messages.iter().map(text).collect()
}

const DAY: u64 = 86_400;

#[tokio::test]
async fn messages_are_dropped_after_four_days() {
    let bench = Bench::new();
    let queue = bench.queue();
    send(&queue, b"old", None).await.expect("sends");
    bench.clock.advance(4 * DAY);
    send(&queue, b"young", Some(60)).await.expect("sends");
    assert_eq!(queue.lease(10, 1, true).await.expect("leases").len(), 1);
    bench.clock.advance(1);
    // Whoever asks drops them first.
    assert_eq!(queue.state().await.expect("reads").backlog.count, 1);
    assert_eq!(bodies(&queue).await, ["young"]);
    assert_eq!((queue.take_expired(), queue.take_expired()), (1, 0));
    bench.clock.advance(4 * DAY);
    assert_eq!(queue.lease(10, 1, true).await.expect("leases"), []);
    assert_eq!(queue.take_expired(), 1);
    // Nobody asks.
    send(&queue, b"last", None).await.expect("sends");
    bench.clock.advance(4 * DAY + 1);
    assert_eq!(bodies(&queue).await, ["last"]);
    queue.expire().await.expect("drops");
    assert_eq!((bodies(&queue).await, queue.take_expired()), (Vec::new(), 1));
}

#[tokio::test]
async fn how_long_messages_are_kept_can_be_set() {
    let bench = Bench::new();
    let queue = bench.queue();
    assert_eq!(queue.retention().await, Ok(345_600));
    for wrong in [0, 59, 1_209_601] {
        let error = queue.retain(wrong).await.expect_err("is refused");
        assert_eq!(
            (error.status(), error.to_string()),
            (
                400,
                format!(
                    "message retention period {wrong} is invalid: it must be a number of seconds from 60 to 1209600"
                )
            )
        );
    }
    for number in 0..2500_u32 {
        send(&queue, number.to_string().as_bytes(), None)
            .await
            .expect("sends");
    }
    bench.clock.advance(100);
    send(&queue, b"young", None).await.expect("sends");
    queue
        .execute(&Operation::Retain { seconds: 60 }, 0)
        .await
        .expect("is set");
    // What was there already is kept no longer either.
    assert_eq!(
        (bodies(&queue).await, queue.take_expired()),
        (vec!["young".to_owned()], 2500)
    );
    drop(queue);
    let queue = bench.queue();
    assert_eq!(queue.retention().await, Ok(60));
    bench.clock.advance(60);
    assert_eq!(send(&queue, b"younger", None).await, Ok(2));
    bench.clock.advance(1);
    assert_eq!(queue.unacknowledged().await.expect("reads").count, 1);
    queue.retain(1_209_600).await.expect("is set");
    bench.clock.advance(14 * DAY - 1);
    assert_eq!(queue.unacknowledged().await.expect("reads").count, 1);
}

#[tokio::test]
async fn a_dead_letter_is_kept_from_its_death_on() {
    let bench = Bench::new();
    let (queue, letters) = bench.queue_and_letters();
    send(&queue, b"a", None).await.expect("sends");
    bench.clock.advance(3 * DAY);
    let dead = queue.lease(1, 1000, true).await.expect("leases");
    letters.take_over(dead).await.expect("takes over");
    bench.clock.advance(3 * DAY);
    letters.expire().await.expect("drops");
    assert_eq!(bodies(&letters).await, ["a"]);
    bench.clock.advance(DAY + 1);
    letters.expire().await.expect("drops");
    assert!(bodies(&letters).await.is_empty());
}

/// What version 1 of the schema was.
const FIRST: &str = "
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL, sent INTEGER NOT NULL, available INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER, content_type INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_availability ON messages (available, id);
    CREATE INDEX messages_by_lease ON messages (lease, available, bytes) WHERE lease IS NOT NULL;
    CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE totals (messages INTEGER NOT NULL, bytes INTEGER NOT NULL, paused INTEGER NOT NULL) STRICT;
    INSERT INTO totals VALUES (0, 0, 0);
    CREATE TRIGGER message_comes AFTER INSERT ON messages BEGIN
        UPDATE totals SET messages = messages + 1, bytes = bytes + new.bytes;
    END;
    CREATE TRIGGER message_goes AFTER DELETE ON messages BEGIN
        UPDATE totals SET messages = messages - 1, bytes = bytes - old.bytes;
        DELETE FROM bodies WHERE id = old.id;
    END;
    INSERT INTO messages (name, sent, available, content_type, bytes) VALUES (zeroblob(16), 5, 5, 0, 3);
    INSERT INTO bodies VALUES (1, CAST('old' AS BLOB));
    PRAGMA application_id = 0x49735175;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_queue_of_the_first_version_loses_nothing() {
    let bench = Bench::new();
    let file = bench.folder.path().join("queues/jobs.sqlite");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let old = rusqlite::Connection::open(&file).expect("opens");
    old.execute_batch(FIRST).expect("is written");
    drop(old);
    // The time of the upgrade is the system's.
    let stores = SqliteStores::new(bench.folder.path().to_owned(), bench.options);
    let queue = stores.queue("jobs").expect("opens");
    assert_eq!(send(&queue, b"new", None).await, Ok(2));
    queue.expire().await.expect("drops what is old");
    let leased = queue.lease(10, 1000, false).await.expect("leases");
    assert_eq!((&*leased[0].body, &*leased[1].body), (&b"old"[..], &b"new"[..]));
    queue.acknowledge(vec![leased[0].id]).await.expect("acknowledges");
    let rest = queue.unacknowledged().await.expect("reads");
    assert_eq!((rest.count, rest.bytes), (1, 3));
    assert_eq!(bodies(&queue).await, ["new"]);
}
