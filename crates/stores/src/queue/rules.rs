//! The platform's rules over a store: limits, delays, names, what wakes a consumer.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use isthmus_protocol::queue::{self, Metrics, Reply};
use tokio::sync::watch;

use super::{
    Backlog, LeaseId, LeaseRequest, Leased, MessageName, NewMessage, QueueError, QueueState, QueueStore,
    Waiting,
    expiry::{self, Expiry},
    limits::{check_batch, check_delay, check_message, check_retention},
};
use crate::{Clock, Told, WHAT_TO_DO};

/// No further message is leased with others whose bodies exceed this many bytes: a batch travels as one frame.
const LEASE_BYTES: usize = 3 * 1024 * 1024;

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// How the body is encoded.
    pub content_type: queue::ContentType,
    /// The body.
    pub body: Bytes,
    /// How long it waits, in seconds.
    pub delay: Option<i32>,
}

/// A queue. Cheap to clone; all clones wake the same consumers.
#[derive(Clone)]
pub struct Queue {
    name: Arc<str>,
    pub(super) store: Arc<dyn QueueStore>,
    clock: Arc<dyn Clock>,
    changes: Arc<watch::Sender<()>>,
    pub(super) expiry: Arc<Expiry>,
    told: Arc<Told<QueueError>>,
}

impl Queue {
    /// The queue `name` in a store.
    pub fn new(name: &str, store: Arc<dyn QueueStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.into(),
            store,
            clock,
            changes: Arc::new(watch::Sender::new(())),
            expiry: Arc::new(Expiry::unknown()),
            told: Arc::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server's log should say of an error: nothing if it is the caller's, or the same as the one before.
    pub fn news(&self, error: &QueueError) -> Option<String> {
        let is_news = error.is_internal() && self.told.is_news(error);
        is_news.then(|| format!("the queue {:?}: {error}. {WHAT_TO_DO}", self.name))
    }

    /// The time of its clock, in milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.clock.now_ms().cast_signed()
    }

    /// Tells of changes after which more may be available.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Does what is asked for. `default_delay` is in seconds, for messages that nothing else is said of.
    ///
    /// # Errors
    /// A limit, or the store.
    pub async fn execute(
        &self,
        operation: &queue::Operation<'_>,
        default_delay: u32,
    ) -> Result<Reply, QueueError> {
        let (messages, delay) = match operation {
            queue::Operation::Metrics => return Ok(Reply::Waiting(metrics(self.state().await?.backlog))),
            queue::Operation::State => {
                let state = self.state().await?;
                return Ok(Reply::State {
                    metrics: metrics(state.backlog),
                    leased: state.leased,
                    paused: state.paused,
                    retention: expiry::seconds(state.retention),
                });
            }
            queue::Operation::Purge => return self.purge().await.map(Reply::Purged),
            queue::Operation::Retain { seconds } => {
                return self.retain(*seconds).await.map(|()| Reply::Done);
            }
            queue::Operation::Pause { paused } => {
                return self.pause(*paused).await.map(|()| Reply::Done);
            }
            queue::Operation::Send(message) => {
                check_message(usize::try_from(message.length).unwrap_or(usize::MAX))?;
                (std::slice::from_ref(message), None)
            }
            queue::Operation::SendBatch { messages, delay } => {
                let lengths = messages.iter();
                check_batch(lengths.map(|message| usize::try_from(message.length).unwrap_or(usize::MAX)))?;
                (messages.as_slice(), *delay)
            }
        };
        let owned = |message: &queue::Outgoing<'_>| {
            if message.length != message.body.len() as u64 {
                return Err(QueueError::new(500, "the body of a message didn't come with it"));
            }
            Ok(Outgoing {
                content_type: message.content_type,
                body: Bytes::copy_from_slice(message.body),
                delay: message.delay.or(delay),
            })
        };
        let messages = messages.iter().map(owned).collect::<Result<Vec<_>, _>>()?;
        self.send(messages, default_delay).await.map(Reply::Waiting)
    }

    /// Sends messages, all of them or none, and answers what waits then.
    ///
    /// # Errors
    /// A limit, or the store.
    pub async fn send(&self, messages: Vec<Outgoing>, default_delay: u32) -> Result<Metrics, QueueError> {
        let now = self.now();
        // All at once: each question to the kernel takes its time.
        let mut names: Vec<MessageName> = vec![[0; 16]; messages.len()];
        fill(names.as_flattened_mut())?;
        let new = |(message, name): (Outgoing, MessageName)| {
            let delay = message.delay.map_or(Ok(default_delay), check_delay)?;
            Ok::<_, QueueError>(NewMessage {
                name,
                sent: now,
                available: now + 1000 * i64::from(delay),
                content_type: message.content_type,
                body: message.body,
            })
        };
        let messages = messages
            .into_iter()
            .zip(names)
            .map(new)
            .collect::<Result<_, _>>()?;
        self.keep(messages).await
    }

    /// Sends messages after a look at their lengths; answers as [`Self::send`].
    ///
    /// # Errors
    /// A limit, or the store.
    pub async fn send_checked(
        &self,
        messages: Vec<Outgoing>,
        default_delay: u32,
    ) -> Result<Metrics, QueueError> {
        match messages.as_slice() {
            [message] => check_message(message.body.len())?,
            messages => check_batch(messages.iter().map(|message| message.body.len()))?,
        }
        self.send(messages, default_delay).await
    }

    /// Takes over messages of another queue, whose dead letters they are: with their names and times.
    ///
    /// # Errors
    /// The store's.
    pub async fn take_over(&self, messages: Vec<Leased>) -> Result<(), QueueError> {
        let available = self.now();
        let taken = messages.into_iter().map(|message| NewMessage {
            name: message.name,
            sent: message.sent,
            available,
            content_type: message.content_type,
            body: message.body,
        });
        self.keep(taken.collect()).await.map(drop)
    }

    fn keep(&self, messages: Vec<NewMessage>) -> impl Future<Output = Result<Metrics, QueueError>> + Send {
        let kept = self.store.clone();
        let (changes, expiry) = (Arc::clone(&self.changes), Arc::clone(&self.expiry));
        let now = self.now();
        async move {
            let backlog = kept.send(messages, now).await?;
            expiry.came(now);
            changes.send_replace(());
            Ok(metrics(backlog))
        }
    }

    /// Leases up to `limit` messages for some milliseconds. `pushed` ones are given free by [`Self::release`].
    ///
    /// # Errors
    /// The store's.
    pub async fn lease(
        &self,
        limit: usize,
        milliseconds: i64,
        pushed: bool,
    ) -> Result<Vec<Leased>, QueueError> {
        self.lease_of(limit, milliseconds, pushed, None).await
    }

    /// Leases messages whose lease ended with nothing said about them after they had been leased `attempts` times.
    ///
    /// # Errors
    /// The store's.
    pub async fn lease_spent(
        &self,
        attempts: u32,
        limit: usize,
        milliseconds: i64,
    ) -> Result<Vec<Leased>, QueueError> {
        self.lease_of(limit, milliseconds, false, Some(attempts)).await
    }

    async fn lease_of(
        &self,
        limit: usize,
        milliseconds: i64,
        pushed: bool,
        spent: Option<u32>,
    ) -> Result<Vec<Leased>, QueueError> {
        self.expire_due().await?;
        let now = self.now();
        // 63 random bits, of which zero stands for none.
        let mut number = [0; 8];
        fill(&mut number)?;
        let number = (i64::from_le_bytes(number) & i64::MAX).max(1);
        let lease = if pushed { -number } else { number };
        let request = LeaseRequest {
            lease,
            limit,
            bytes: LEASE_BYTES,
            now,
            until: now.saturating_add(milliseconds),
            spent,
        };
        self.store.lease(request).await
    }

    /// Removes messages; answers how many were still leased so.
    ///
    /// # Errors
    /// The store's.
    pub async fn acknowledge(&self, leases: Vec<LeaseId>) -> Result<usize, QueueError> {
        if leases.is_empty() {
            return Ok(0);
        }
        self.store.acknowledge(leases).await
    }

    /// Removes messages by their numbers and names, whoever has them; answers of each whether it was there.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove(&self, messages: Vec<(i64, MessageName)>) -> Result<Vec<bool>, QueueError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.store.remove(messages).await
    }

    /// Those of the messages that are still leased so.
    ///
    /// # Errors
    /// The store's.
    pub async fn held(&self, leases: Vec<LeaseId>) -> Result<Vec<Leased>, QueueError> {
        self.store.held(leases).await
    }

    /// When the first lease ends of the messages that were leased at least so often, in milliseconds since the epoch.
    ///
    /// # Errors
    /// The store's.
    pub async fn lease_end(&self, attempts: u32) -> Result<Option<i64>, QueueError> {
        self.store.lease_end(attempts).await
    }

    /// Makes messages available again, each after some seconds, of which too many or too few count as the most or none.
    ///
    /// # Errors
    /// The store's.
    pub async fn retry(&self, leases: Vec<(LeaseId, i32)>) -> Result<usize, QueueError> {
        self.make_available(leases, true).await
    }

    /// The same for messages that never reached their consumer: the attempt doesn't count.
    ///
    /// # Errors
    /// The store's.
    pub async fn give_back(&self, leases: Vec<(LeaseId, i32)>) -> Result<usize, QueueError> {
        self.make_available(leases, false).await
    }

    async fn make_available(&self, leases: Vec<(LeaseId, i32)>, counts: bool) -> Result<usize, QueueError> {
        if leases.is_empty() {
            return Ok(0);
        }
        let now = self.now();
        let moment = |(id, seconds): (LeaseId, i32)| {
            let seconds = seconds.clamp(0, super::MAX_DELAY_SECONDS);
            (id, now + 1000 * i64::from(seconds))
        };
        let leases = leases.into_iter().map(moment).collect();
        let changed = if counts {
            self.store.retry(leases).await
        } else {
            self.store.give_back(leases).await
        }?;
        self.changes.send_replace(());
        Ok(changed)
    }

    /// Ends the leases of consumers of an earlier process; answers how many messages they had.
    ///
    /// # Errors
    /// The store's.
    pub async fn release(&self) -> Result<usize, QueueError> {
        let released = self.store.release().await?;
        self.changes.send_replace(());
        Ok(released)
    }

    /// Removes all messages; answers how many there were.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self) -> Result<u64, QueueError> {
        self.store.purge().await
    }

    /// Sets whether nothing is to be delivered.
    ///
    /// # Errors
    /// The store's.
    pub async fn pause(&self, paused: bool) -> Result<(), QueueError> {
        self.store.pause(paused).await?;
        self.changes.send_replace(());
        Ok(())
    }

    /// Sets how long messages are kept, in seconds, also those that are there.
    ///
    /// # Errors
    /// A limit, or the store.
    pub async fn retain(&self, seconds: u32) -> Result<(), QueueError> {
        check_retention(seconds)?;
        self.store.retain(1000 * i64::from(seconds)).await?;
        self.expire().await
    }

    /// What could be delivered; counts no further than `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn waiting(&self, limit: usize) -> Result<Waiting, QueueError> {
        self.store.waiting(limit, self.now()).await
    }

    /// The queue as a whole.
    ///
    /// # Errors
    /// The store's.
    pub async fn state(&self) -> Result<QueueState, QueueError> {
        self.expire_due().await?;
        self.store.state(self.now()).await
    }

    /// What nobody has acknowledged, leased or not.
    ///
    /// # Errors
    /// The store's.
    pub async fn unacknowledged(&self) -> Result<Backlog, QueueError> {
        self.expire_due().await?;
        // At the end of time all leases are over.
        Ok(self.store.state(i64::MAX).await?.backlog)
    }

    /// The first messages, without changing anything.
    ///
    /// # Errors
    /// The store's.
    pub async fn peek(&self, limit: usize) -> Result<Vec<Leased>, QueueError> {
        self.store.peek(limit).await
    }
}

/// What waits, in the terms of the protocol.
pub(super) fn metrics(backlog: Backlog) -> Metrics {
    Metrics {
        backlog_count: backlog.count,
        backlog_bytes: backlog.bytes,
        oldest_message: backlog.oldest,
    }
}

/// Fills bytes at random.
fn fill(bytes: &mut [u8]) -> Result<(), QueueError> {
    getrandom::fill(bytes)
        .map_err(|error| QueueError::new(500, format!("the kernel gave no randomness: {error}")))
}
