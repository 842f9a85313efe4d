//! Consumers of queues: when batches come, and what becomes of their messages however the isolate behaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use isthmus_project::{ConsumerType, QueueConsumer};
use isthmus_protocol::control::FromZygote;
use isthmus_protocol::queue::{ContentType, Retry, Verdict};
use isthmus_protocol::{FailureKind, Outcome, Report};
use isthmus_stores::queue::{Outgoing, Queue};
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::fake::{FakeIsolate, FakeLauncher, SeenBatch, booted};
use super::rig::{Memory, Options, PATIENCE, Rig};
use crate::logs::{LogLevel, Logs};
use crate::queues::{Consumer, Puller, Settings};

struct Stores {
    stores: SqliteStores,
    _folder: TempDir,
}

impl Stores {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self {
            stores: SqliteStores::new(folder.path().to_owned(), SqliteOptions::default()),
            _folder: folder,
        }
    }

    fn queue(&self, name: &str) -> Queue {
        self.stores.queue(name).expect("opens")
    }

    /// A consumer of the queue `jobs` in the server's options.
    fn consumed(&self, change: impl FnOnce(&mut Consumer)) -> Options {
        let mut consumer = Consumer {
            queue: self.queue("jobs"),
            dead_letters: None,
            settings: Settings {
                batch_size: 3,
                batch_timeout: Duration::from_millis(300),
                attempts: 3,
                retry_delay: 0,
                concurrency: 1,
            },
        };
        change(&mut consumer);
        Options {
            consumers: vec![consumer],
            ..Options::hasty()
        }
    }
}

async fn send(queue: &Queue, bodies: &[&'static str]) {
    let messages = bodies.iter().map(|body| Outgoing {
        content_type: ContentType::Text,
        body: Bytes::from_static(body.as_bytes()),
        delay: None,
    });
    queue.send(messages.collect(), 0).await.expect("sends");
}

/// Waits until the queue has no message left, waiting or leased.
async fn emptied(queue: &Queue) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = queue.state().await.expect("reads");
        if state.backlog.count == 0 && state.leased == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "messages are left: {state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

type Told = mpsc::UnboundedReceiver<SeenBatch>;

/// An isolate that tells of each batch and then does with it as told.
fn isolates(
    act: impl Fn(&mut FakeIsolate, u32, &SeenBatch) -> bool + Send + Sync + 'static,
) -> (Arc<FakeLauncher>, Told) {
    let (told, heard) = mpsc::unbounded_channel();
    let launcher = FakeLauncher::new(move |mut isolate: FakeIsolate| {
        isolate.ready();
        while let Some(event) = isolate.next_event() {
            let batch = event.batch.expect("nothing else comes");
            let _ = told.send(batch.clone());
            if !act(&mut isolate, event.stream, &batch) {
                return;
            }
        }
    });
    (launcher, heard)
}

/// Acknowledges everything.
fn take(isolate: &mut FakeIsolate, stream: u32, _: &SeenBatch) -> bool {
    isolate.finish(stream);
    isolate.end(stream, Outcome::Ok, Report::Queue(Verdict::default()));
    true
}

async fn next(heard: &mut Told) -> SeenBatch {
    let batch = tokio::time::timeout(PATIENCE, heard.recv()).await;
    batch.expect("in time").expect("a batch")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_comes_when_it_is_full_or_has_waited() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    let options = stores.consumed(|consumer| consumer.settings.batch_timeout = Duration::from_millis(400));
    let (launcher, mut heard) = isolates(take);
    let rig = Rig::with(launcher, options).await;
    let began = Instant::now();
    send(&queue, &["1", "2", "3", "4"]).await;
    let full = next(&mut heard).await;
    assert_eq!(
        (full.queue.as_str(), full.bodies()),
        ("jobs", vec!["1", "2", "3"])
    );
    assert_eq!(full.messages[0].id.len(), 32);
    assert_eq!(full.metrics.backlog_count, 1);
    let rest = next(&mut heard).await;
    assert_eq!(rest.bodies(), ["4"]);
    assert!(began.elapsed() >= Duration::from_millis(400));
    emptied(&queue).await;
    rig.logged(&["QUEUE jobs 3/3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_messages_holds() {
    let stores = Stores::new();
    let (queue, letters) = (stores.queue("jobs"), stores.queue("dead"));
    let dead = letters.clone();
    let options = stores.consumed(|consumer| {
        consumer.settings.attempts = 2;
        consumer.dead_letters = Some(dead);
    });
    let (launcher, mut heard) = isolates(|isolate, stream, batch| {
        let of = |body: &str| batch.messages.iter().find(|message| message.body == body);
        let mut verdict = Verdict::default();
        if let Some(message) = of("again") {
            verdict.retried.push((&message.id, Retry { delay: None }));
        }
        if let Some(message) = of("done") {
            verdict.acked.push(&message.id);
        }
        if of("other").is_some() {
            isolate.raise(stream, "not these");
            isolate.end(stream, Outcome::Exception, Report::Queue(verdict));
        } else {
            isolate.finish(stream);
            isolate.end(stream, Outcome::Ok, Report::Queue(verdict));
        }
        true
    });
    let rig = Rig::with(launcher, options).await;
    send(&queue, &["again", "done", "other"]).await;
    assert_eq!(next(&mut heard).await.bodies(), ["again", "done", "other"]);
    let second = next(&mut heard).await;
    assert_eq!(second.bodies(), ["again", "other"]);
    assert_eq!(second.messages[0].attempts, 2);
    emptied(&queue).await;
    let dead = letters.peek(10).await.expect("reads");
    let bodies: Vec<_> = dead.iter().map(|message| &*message.body).collect();
    assert_eq!(bodies, [&b"again"[..], b"other"]);
    rig.logged(&["a batch of the queue \"jobs\" failed", "not these"])
        .await;
    rig.logged(&[
        "Moving message",
        "to dead letter queue \"dead\" after 2 failed attempts...",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_its_consumer_comes_only_so_often() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    let (launcher, mut heard) = isolates(|isolate, stream, batch| {
        if batch.bodies().contains(&"poison") {
            return false;
        }
        take(isolate, stream, batch)
    });
    let options = stores.consumed(|consumer| {
        consumer.settings.batch_size = 1;
        consumer.settings.attempts = 2;
    });
    let rig = Rig::with(launcher, options).await;
    send(&queue, &["poison", "good"]).await;
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let batch = next(&mut heard).await;
        attempts.push((batch.bodies()[0].to_owned(), batch.messages[0].attempts));
    }
    attempts.sort();
    let expected = [("good", 1), ("poison", 1), ("poison", 2)];
    assert_eq!(
        attempts,
        expected.map(|(body, attempt)| (body.to_owned(), attempt))
    );
    emptied(&queue).await;
    rig.logged(&["Dropped message", "on queue \"jobs\" after 2 failed attempts!"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_host_had_comes_again() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    send(&queue, &["1"]).await;
    // A host that was killed meanwhile.
    queue.lease(1, 1 << 40, true).await.expect("leases");
    let (launcher, mut heard) = isolates(take);
    let _rig = Rig::with(launcher, stores.consumed(|_| {})).await;
    let batch = next(&mut heard).await;
    assert_eq!((batch.bodies(), batch.messages[0].attempts), (vec!["1"], 2));
    emptied(&queue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_does_not_start_costs_no_attempt() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    send(&queue, &["1"]).await;
    let launcher = FakeLauncher::with_boot(
        |launch, _| {
            if launch == 1 {
                Some(FromZygote::Failed {
                    kind: FailureKind::User,
                    name: "SyntaxError".into(),
                    message: "invalid syntax".into(),
                    trace: String::new(),
                })
            } else {
                booted()
            }
        },
        |mut isolate| {
            isolate.ready();
            while let Some(event) = isolate.next_event() {
                let batch = event.batch.expect("nothing else comes");
                assert_eq!(batch.messages[0].attempts, 1);
                take(&mut isolate, event.stream, &batch);
            }
        },
    );
    let _rig = Rig::with(launcher, stores.consumed(|_| {})).await;
    emptied(&queue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_batches_are_under_way_as_may_be() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    let open = AtomicUsize::new(0);
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, seen) = (Arc::new(open), most.clone());
    let (launcher, mut heard) = isolates(move |isolate, stream, _| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let mut later = isolate.clone_events();
        let counted = counted.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            counted.fetch_sub(1, Ordering::SeqCst);
            later.finish(stream);
            later.end(stream, Outcome::Ok, Report::Queue(Verdict::default()));
        });
        true
    });
    let options = stores.consumed(|consumer| {
        consumer.settings.batch_size = 1;
        consumer.settings.concurrency = 2;
    });
    let _rig = Rig::with(launcher, options).await;
    send(&queue, &["1", "2", "3", "4"]).await;
    for _ in 0..4 {
        next(&mut heard).await;
    }
    emptied(&queue).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_delivers_nothing() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    queue.pause(true).await.expect("pauses");
    let (launcher, mut heard) = isolates(take);
    let options = stores.consumed(|consumer| consumer.settings.batch_timeout = Duration::ZERO);
    let _rig = Rig::with(launcher, options).await;
    send(&queue, &["1", "2", "3"]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(heard.try_recv().is_err());
    queue.pause(false).await.expect("goes on");
    assert_eq!(next(&mut heard).await.bodies(), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_server_waits_for_the_batch_under_way() {
    let stores = Stores::new();
    let queue = stores.queue("jobs");
    let (launcher, mut heard) = isolates(|isolate, stream, _| {
        let mut later = isolate.clone_events();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            later.finish(stream);
            later.end(stream, Outcome::Ok, Report::Queue(Verdict::default()));
        });
        true
    });
    let rig = Rig::with(launcher, stores.consumed(|_| {})).await;
    send(&queue, &["1", "2", "3"]).await;
    next(&mut heard).await;
    rig.server.stop().await;
    let state = queue.state().await.expect("reads");
    assert_eq!((state.backlog.count, state.leased), (0, 0));
}

#[tokio::test]
async fn a_pull_gives_no_message_twice_and_no_dead_one() {
    let stores = Stores::new();
    let (queue, letters) = (stores.queue("jobs"), stores.queue("dead"));
    let configured = QueueConsumer {
        queue: "jobs".to_owned(),
        consumer_type: ConsumerType::HttpPull,
        max_batch_size: 5,
        max_batch_timeout: 0,
        max_retries: 1,
        dead_letter_queue: None,
        max_concurrency: 1,
        visibility_timeout_ms: 0,
        retry_delay: 0,
    };
    let puller = Puller::new(queue.clone(), Some(letters.clone()), &configured);
    let (logs, _thread) = Logs::start(LogLevel::None, Arc::new(Memory::default())).expect("a thread");
    let pull = async |limit: usize| {
        let pulled = puller.pull(&logs, limit, 0).await.expect("pulls");
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        let messages = pulled.expect("not paused").into_iter();
        messages
            .map(|message| (text(&message.body), message.attempts))
            .collect::<Vec<_>>()
    };
    send(&queue, &["old"]).await;
    assert_eq!(pull(10).await, [("old".to_owned(), 1)]);
    assert_eq!(pull(10).await, [("old".to_owned(), 2)]);
    send(&queue, &["young"]).await;
    // The leases of the others are over as soon as they begin.
    assert_eq!(pull(10).await, [("young".to_owned(), 1)]);
    assert_eq!(letters.peek(10).await.expect("reads")[0].body, "old");
    assert_eq!(pull(1).await, [("young".to_owned(), 2)]);
    // Only dead ones are there, then none.
    assert_eq!((pull(10).await, pull(10).await), (vec![], vec![]));
}
