//! Queues whose messages clients pull over HTTP.
//!
//! A client leases messages and says later, by the lease's text, what became of them. As upstream has it
//! (<https://developers.cloudflare.com/queues/configuration/pull-consumers/>) an acknowledgement counts even when the lease is
//! over, since the work was done; a retry then says nothing that isn't so already. A message whose last lease ends in silence
//! has been tried too often: nobody need pull for it to become a dead letter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isthmus_project::QueueConsumer;
use isthmus_stores::queue::{LeaseId, Leased, MessageName, Queue, QueueError};
use tokio::sync::{Notify, watch};

use super::dead::bury;
use crate::logs::{LogLevel, Logs};

/// How often is looked for messages whose last lease has ended, besides when it is known to.
const LOOK: Duration = Duration::from_secs(20);

/// For how long messages are leased that are moved to the dead letters, in milliseconds.
const BURIAL: i64 = 60_000;

/// How many messages are looked at together, bodies included.
const AT_ONCE: usize = 100;

/// A queue that is pulled.
pub(crate) struct Puller {
    /// The queue.
    pub(crate) queue: Queue,
    /// Where messages go that were pulled too often.
    pub(crate) dead_letters: Option<Queue>,
    /// How many messages a client gets that doesn't say.
    pub(crate) batch_size: u32,
    /// How long it has them that doesn't say, in milliseconds.
    pub(crate) visibility: u32,
    /// How often a message may be pulled.
    pub(crate) attempts: u32,
    /// How long it waits before it can be pulled again, in seconds.
    pub(crate) retry_delay: i32,
    /// Whether a last lease was given, whose end is known.
    last_leases: Notify,
}

/// What names the lease of a pulled message for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    lease: LeaseId,
    name: MessageName,
}

impl Ticket {
    /// The ticket of a message that was leased.
    pub(crate) fn of(message: &Leased) -> Self {
        Self {
            lease: message.id,
            name: message.name,
        }
    }

    /// Reads the text that a client was given; `None` for any other.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (message, rest) = bytes.split_first_chunk::<8>()?;
        let (lease, name) = rest.split_first_chunk::<8>()?;
        Some(Self {
            lease: LeaseId {
                message: i64::from_be_bytes(*message),
                lease: i64::from_be_bytes(*lease),
            },
            name: name.try_into().ok()?,
        })
    }

    /// The text for the client.
    pub(crate) fn text(&self) -> String {
        let LeaseId { message, lease } = self.lease;
        let bytes = [&message.to_be_bytes()[..], &lease.to_be_bytes(), &self.name].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// What became of what a client said.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// How many messages are done with.
    pub(crate) acknowledged: usize,
    /// How many are to be pulled again, or were tried too often.
    pub(crate) retried: usize,
    /// The acknowledgements, by their places, of messages that aren't there.
    pub(crate) gone: Vec<usize>,
    /// The retries, by their places, of messages that aren't leased so.
    pub(crate) stale: Vec<usize>,
}

impl Puller {
    /// A queue that is pulled, `configured` so.
    pub(crate) fn new(queue: Queue, dead_letters: Option<Queue>, configured: &QueueConsumer) -> Self {
        Self {
            queue,
            dead_letters,
            batch_size: configured.max_batch_size,
            visibility: configured.visibility_timeout_ms,
            attempts: configured.max_retries + 1,
            // A day at most.
            retry_delay: configured.retry_delay.cast_signed(),
            last_leases: Notify::new(),
        }
    }

    /// Leases up to `limit` messages for some milliseconds; `None` if the queue is paused.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn pull(
        &self,
        logs: &Logs,
        limit: usize,
        milliseconds: i64,
    ) -> Result<Option<Vec<Leased>>, QueueError> {
        if self.queue.state().await?.paused {
            return Ok(None);
        }
        let mut batch = Vec::new();
        // A look costs less than a lease of nothing, which clients ask for again and again. What was leased isn't filled up
        // where some of it was dead: the rest may be available again, if it is leased for no time.
        while batch.is_empty() && self.queue.waiting(1).await?.count > 0 {
            let leased = self.queue.lease(limit, milliseconds, false).await?;
            if leased.is_empty() {
                break;
            }
            let (dead, alive): (Vec<_>, Vec<_>) = leased
                .into_iter()
                .partition(|message| message.attempts > self.attempts);
            self.bury(logs, dead).await?;
            batch = alive;
        }
        if batch.iter().any(|message| message.attempts == self.attempts) {
            self.last_leases.notify_one();
        }
        Ok(Some(batch))
    }

    /// Notes what a client says of its messages. Retries are with delays in seconds, where it says one.
    ///
    /// # Errors
    /// The store's. Some of it may have been noted then.
    pub(crate) async fn settle(
        &self,
        logs: &Logs,
        acks: &[Ticket],
        retries: &[(Ticket, Option<i32>)],
    ) -> Result<Settled, QueueError> {
        let mut settled = Settled::default();
        let names = acks.iter().map(|ticket| (ticket.lease.message, ticket.name));
        let removed = self.queue.remove(names.collect()).await?;
        for (place, was_there) in removed.into_iter().enumerate() {
            if was_there {
                settled.acknowledged += 1;
            } else {
                settled.gone.push(place);
            }
        }
        for (part, retries) in retries.chunks(AT_ONCE).enumerate() {
            let leases = retries.iter().map(|(ticket, _)| ticket.lease).collect();
            let held = self.queue.held(leases).await?;
            let mut held: HashMap<LeaseId, Leased> =
                held.into_iter().map(|message| (message.id, message)).collect();
            let (mut dead, mut again) = (Vec::new(), Vec::new());
            for (place, (ticket, delay)) in retries.iter().enumerate() {
                match held.remove(&ticket.lease) {
                    None => settled.stale.push(part * AT_ONCE + place),
                    Some(message) if message.attempts >= self.attempts => dead.push(message),
                    Some(message) => again.push((message.id, delay.unwrap_or(self.retry_delay))),
                }
            }
            settled.retried += dead.len() + again.len();
            self.queue.retry(again).await?;
            self.bury(logs, dead).await?;
        }
        Ok(settled)
    }

    /// Moves messages to the dead letters whose last lease ended in silence, until the server ends.
    pub(crate) async fn run(self: Arc<Self>, logs: Logs, mut shutdown: watch::Receiver<bool>) {
        tokio::select! {
            () = self.watch(&logs) => {}
            // An error means that nobody is left to ask for the end, which is the end too.
            _ = shutdown.wait_for(|ended| *ended) => {}
        }
    }

    async fn watch(&self, logs: &Logs) {
        // Of a consumer that this Worker was.
        if let Err(error) = self.queue.release().await {
            self.complain(logs, &error);
        }
        loop {
            let wait = match self.bury_spent(logs).await {
                Ok(wait) => wait,
                Err(error) => {
                    self.complain(logs, &error);
                    LOOK
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.last_leases.notified() => {}
            }
        }
    }

    /// Buries what has been spent; answers how long nothing more will be.
    async fn bury_spent(&self, logs: &Logs) -> Result<Duration, QueueError> {
        loop {
            let Some(end) = self.queue.lease_end(self.attempts).await? else {
                return Ok(LOOK);
            };
            let wait = end.saturating_sub(self.queue.now());
            if wait > 0 {
                return Ok(Duration::from_millis(wait.unsigned_abs()).min(LOOK));
            }
            let spent = self.queue.lease_spent(self.attempts, AT_ONCE, BURIAL).await?;
            self.bury(logs, spent).await?;
        }
    }

    async fn bury(&self, logs: &Logs, dead: Vec<Leased>) -> Result<(), QueueError> {
        let letters = self.dead_letters.as_ref();
        bury(&self.queue, letters, self.attempts, logs, dead).await
    }

    fn complain(&self, logs: &Logs, error: &QueueError) {
        logs.host(
            LogLevel::Error,
            format_args!(
                "the dead letters of the queue {:?} can't be moved: {error}",
                self.queue.name()
            ),
        );
    }
}
