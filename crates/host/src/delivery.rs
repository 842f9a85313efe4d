//! Delivers events to isolates: any event to the isolate that takes it, and to its end those that no client waits for.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::{Event, Outcome};

use crate::client_body::ClientBody;
use crate::isolate::{Answer, Broken, EventEnd, EventFailure, EventHandle, RequestBody};
use crate::logs::{LogLevel, Logs};
use crate::pool::{Pool, Unavailable};

/// How many isolates are tried that end before they take the event.
const TRIES: usize = 3;

/// The body that goes with an event, for as many tries as it takes.
pub(crate) enum Sent {
    /// There is none.
    None,
    /// All of it.
    Inline(Bytes),
    /// It follows.
    Stream {
        /// Its length in bytes, where known.
        length: Option<u64>,
    },
    /// It waits to be asked for; gone once an isolate may do so.
    Held(Option<Box<ClientBody>>),
}

/// Why an event didn't reach an isolate, or not its end there.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// There is no isolate.
    Unavailable(Unavailable),
    /// The isolate ended, or takes no more events.
    Broken(Broken),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => why.fmt(f),
            Self::Broken(why) => why.fmt(f),
        }
    }
}

/// Opens an event in an isolate.
pub(crate) async fn open<'a>(
    pool: &Pool,
    event: impl Fn() -> Event<'a>,
    body: &mut Sent,
) -> Result<EventHandle, Undelivered> {
    let mut broken = None;
    for _ in 0..TRIES {
        let isolate = pool.acquire().await.map_err(Undelivered::Unavailable)?;
        isolate.events_room().await;
        let body = match body {
            Sent::None => RequestBody::None,
            Sent::Inline(bytes) => RequestBody::Inline(bytes),
            Sent::Stream { length } => RequestBody::Stream { length: *length },
            Sent::Held(body) => RequestBody::Held(body),
        };
        match isolate.open(event(), body) {
            Ok(handle) => return Ok(handle),
            // It ended after it was chosen: nothing has been delivered, so another may have it.
            Err(why @ Broken::Ended(_)) => broken = Some(why),
            Err(why) => return Err(Undelivered::Broken(why)),
        }
    }
    Err(Undelivered::Broken(broken.unwrap_or(Broken::NoAnswer)))
}

/// What delivers events that no client waits for.
#[derive(Clone)]
pub(crate) struct Courier {
    /// The isolates.
    pub(crate) pool: Arc<Pool>,
    /// The log.
    pub(crate) logs: Logs,
}

impl Courier {
    /// Delivers an event and waits for its end, `waitUntil` included. What the Worker raises goes to the log, with `what`
    /// it was; so does what keeps the event from its end.
    pub(crate) async fn deliver<'a>(
        &self,
        what: &str,
        event: impl Fn() -> Event<'a>,
    ) -> Result<EventEnd, Undelivered> {
        let end = match open(&self.pool, event, &mut Sent::None).await {
            Ok(handle) => self.follow(what, handle).await.map_err(Undelivered::Broken),
            Err(why) => Err(why),
        };
        if let Err(why) = &end {
            self.logs
                .host(LogLevel::Error, format_args!("{what} was not delivered: {why}"));
        }
        end
    }

    async fn follow(&self, what: &str, mut handle: EventHandle) -> Result<EventEnd, Broken> {
        let failed = match handle.answer().await? {
            Answer::Finished => false,
            Answer::Failed(failure) => {
                self.log_failure(what, &failure);
                true
            }
            Answer::Response { .. } | Answer::Upgrade { .. } => {
                let message = "the isolate answered an event with a response".to_owned();
                self.log_failure(what, &EventFailure::internal(message));
                true
            }
        };
        let mut end = handle.end().await?;
        if failed {
            end.outcome = Outcome::Exception;
        }
        Ok(end)
    }

    fn log_failure(&self, what: &str, failure: &EventFailure) {
        self.logs
            .host(LogLevel::Error, format_args!("{what} failed\n{}", failure.text()));
    }
}
