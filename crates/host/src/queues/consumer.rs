//! The consumer of one queue: waits for a batch, delivers it, notes what became of it.
//!
//! A batch is due when it is full, or when its first message has waited for the batch's time. Messages are leased for as
//! long as the handler runs; the leases of an earlier process are ended at the start, since nobody will say anything about
//! them any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use isthmus_protocol::queue::{Batch, Delivered, Metrics};
use isthmus_protocol::{Event, Outcome};
use isthmus_stores::queue::{Leased, Queue, QueueError};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::dead::bury;
use super::verdict::{Fate, hex};
use crate::delivery::{Courier, Undelivered};
use crate::isolate::{Broken, Finding, Verdict};
use crate::logs::{LogLevel, Logs};

/// How long a handler may run: upstream's limit.
const HANDLER_MAX: Duration = Duration::from_secs(15 * 60);

/// How long messages are leased, in milliseconds: for longer than their handler runs.
const LEASE: i64 = 16 * 60 * 1000;

/// How long a consumer rests when the Worker can't be reached or the store fails.
const REST: Duration = Duration::from_secs(5);

/// How often the clock is looked at, since somebody may set it.
const LOOK: Duration = Duration::from_secs(20);

/// How a queue is consumed.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The most messages of a batch.
    pub(crate) batch_size: usize,
    /// How long a batch may wait to be full.
    pub(crate) batch_timeout: Duration,
    /// How often a message may be delivered.
    pub(crate) attempts: u32,
    /// How long it waits before it is delivered again, in seconds.
    pub(crate) retry_delay: i32,
    /// How many batches are delivered at once.
    pub(crate) concurrency: usize,
}

/// Whom a batch reached.
enum Reached {
    Consumer,
    Nobody,
}

/// A queue that this Worker consumes.
pub(crate) struct Consumer {
    /// The queue.
    pub(crate) queue: Queue,
    /// Where messages go that were delivered too often.
    pub(crate) dead_letters: Option<Queue>,
    /// How.
    pub(crate) settings: Settings,
}

/// Consumes a queue until the server ends, and waits for the batches that are under way.
pub(crate) async fn run(consumer: Consumer, courier: Courier, mut shutdown: watch::Receiver<bool>) {
    let consumer = Arc::new(consumer);
    let concurrency = consumer.settings.concurrency;
    let batches = Arc::new(Semaphore::new(concurrency));
    let stopping = shutdown.clone();
    tokio::select! {
        () = consumer.consume(&courier, &batches, &stopping) => {}
        // An error means that nobody is left to ask for the end, which is the end too.
        _ = shutdown.wait_for(|ended| *ended) => {}
    }
    let _ = batches.acquire_many(concurrency as u32).await;
}

/// Waits before the next try, unless the server ends.
async fn rest(shutdown: &watch::Receiver<bool>) {
    let mut shutdown = shutdown.clone();
    tokio::select! {
        () = tokio::time::sleep(REST) => {}
        // An error is the end too.
        _ = shutdown.wait_for(|ended| *ended) => {}
    }
}

impl Consumer {
    async fn consume(
        self: &Arc<Self>,
        courier: &Courier,
        batches: &Arc<Semaphore>,
        shutdown: &watch::Receiver<bool>,
    ) {
        while let Err(error) = self.queue.release().await {
            self.complain(&courier.logs, &error);
            rest(shutdown).await;
        }
        loop {
            let Ok(turn) = batches.clone().acquire_owned().await else {
                return;
            };
            let batch = match self.next_batch().await {
                Ok(batch) => batch,
                Err(error) => {
                    self.complain(&courier.logs, &error);
                    rest(shutdown).await;
                    continue;
                }
            };
            if batch.is_empty() {
                continue;
            }
            let (consumer, courier, shutdown) = (self.clone(), courier.clone(), shutdown.clone());
            tokio::spawn(async move {
                match consumer.handle(&courier, batch).await {
                    Ok(Reached::Consumer) => {}
                    Ok(Reached::Nobody) => rest(&shutdown).await,
                    Err(error) => {
                        // The lease ends by itself: these messages come again.
                        consumer.complain(&courier.logs, &error);
                        rest(&shutdown).await;
                    }
                }
                drop(turn);
            });
        }
    }

    fn complain(&self, logs: &Logs, error: &QueueError) {
        if let Some(news) = self.queue.news(error) {
            logs.host(LogLevel::Error, format_args!("{news}"));
        }
    }

    /// Waits until a batch is due and leases it.
    async fn next_batch(&self) -> Result<Vec<Leased>, QueueError> {
        let mut changes = self.queue.changes();
        let size = self.settings.batch_size;
        let mut since: Option<Instant> = None;
        loop {
            changes.borrow_and_update();
            let wait = if self.queue.state().await?.paused {
                since = None;
                None
            } else {
                let waiting = self.queue.waiting(size).await?;
                if waiting.count >= size {
                    break;
                } else if waiting.count > 0 {
                    let waited = since.get_or_insert_with(Instant::now).elapsed();
                    match self.settings.batch_timeout.checked_sub(waited) {
                        None | Some(Duration::ZERO) => break,
                        rest => rest,
                    }
                } else {
                    since = None;
                    let wait = waiting.first.map(|first| first.saturating_sub(self.queue.now()));
                    wait.map(|wait| Duration::from_millis(wait.max(1).unsigned_abs()))
                }
            };
            let sleep = tokio::time::sleep(wait.unwrap_or(LOOK).min(LOOK));
            tokio::select! {
                // The queue itself holds the sender.
                _ = changes.changed() => {}
                () = sleep => {}
            }
        }
        self.queue.lease(size, LEASE, true).await
    }

    /// Delivers a batch and notes what became of it.
    async fn handle(&self, courier: &Courier, batch: Vec<Leased>) -> Result<Reached, QueueError> {
        // What has been delivered often enough had consumers that died of it.
        let (dead, batch): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|message| message.attempts > self.settings.attempts);
        self.bury(&courier.logs, dead).await?;
        if batch.is_empty() {
            return Ok(Reached::Consumer);
        }
        let waiting = self.queue.state().await?.backlog;
        let metrics = Metrics {
            backlog_count: waiting.count,
            backlog_bytes: waiting.bytes,
            oldest_message: waiting.oldest,
        };
        let name = self.queue.name();
        let total = batch.len();
        let ids: Vec<String> = batch.iter().map(|message| hex(message.name)).collect();
        let event = || {
            let delivered = batch.iter().zip(&ids).map(|(message, id)| Delivered {
                id,
                timestamp: message.sent,
                attempts: message.attempts,
                content_type: message.content_type,
                body: &message.body,
            });
            Event::Queue(Batch {
                queue: name,
                messages: delivered.collect(),
                metrics,
            })
        };
        let began = Instant::now();
        let what = format!("a batch of the queue {name:?}");
        let delivered = match timeout(HANDLER_MAX, courier.deliver(&what, event)).await {
            Ok(delivered) => delivered,
            Err(_) => {
                let why = format!("it didn't end within {} minutes", HANDLER_MAX.as_secs() / 60);
                courier
                    .logs
                    .host(LogLevel::Error, format_args!("{what} was given up: {why}"));
                Err(Undelivered::Broken(Broken::Ended(why)))
            }
        };
        let (outcome, verdict) = match delivered {
            Ok(end) => match end.finding {
                Finding::Queue(verdict) => (end.outcome, verdict),
                Finding::Nothing | Finding::Scheduled { .. } => (Outcome::Exception, Verdict::default()),
            },
            // It died of it, perhaps.
            Err(Undelivered::Broken(Broken::Ended(_) | Broken::NoAnswer)) => {
                (Outcome::Exception, Verdict::default())
            }
            Err(_) => {
                let leases = batch.iter().map(|message| (message.id, 0));
                self.queue.give_back(leases.collect()).await?;
                return Ok(Reached::Nobody);
            }
        };
        let Settings {
            attempts,
            retry_delay,
            ..
        } = self.settings;
        let fate = Fate::decide(batch, outcome, &verdict, attempts, retry_delay);
        let acknowledged = fate.acknowledged.len();
        let elapsed = began.elapsed().as_millis();
        courier.logs.host(
            LogLevel::Info,
            format_args!("QUEUE {name} {acknowledged}/{total} ({elapsed}ms)"),
        );
        self.queue.acknowledge(fate.acknowledged).await?;
        self.queue.retry(fate.retried).await?;
        self.bury(&courier.logs, fate.dead).await?;
        Ok(Reached::Consumer)
    }

    async fn bury(&self, logs: &Logs, dead: Vec<Leased>) -> Result<(), QueueError> {
        let letters = self.dead_letters.as_ref();
        bury(&self.queue, letters, self.settings.attempts, logs, dead).await
    }
}
