//! Cron triggers: waits for their moments and runs the Worker's `scheduled` handler.
//!
//! What came while nothing served, or while the machine slept, is not made up for, as upstream. Runs may overlap.

use std::time::{Duration, Instant};

use isthmus_project::Cron;
use isthmus_protocol::{Event, Outcome};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::delivery::{Courier, Undelivered};
use crate::isolate::Finding;
use crate::logs::LogLevel;

/// How late a run may begin. Later it counts as missed.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// How often the clock is looked at, since somebody may set it.
const LOOK: Duration = Duration::from_secs(20);

/// What a run came to.
pub(crate) struct Run {
    outcome: Outcome,
    /// The Worker called `noRetry()`.
    pub(crate) no_retry: bool,
}

impl Run {
    /// Whether the handler and all that it waits for went well.
    pub(crate) fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// In upstream's words.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Exception => "exception",
            Outcome::Canceled => "canceled",
        }
    }
}

/// The time, in milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Runs the `scheduled` handler for `time`, in milliseconds since the epoch, and waits for its end.
///
/// # Errors
/// It reached no isolate, or its isolate ended.
pub(crate) async fn trigger(courier: &Courier, cron: &str, time: i64) -> Result<Run, Undelivered> {
    let what = format!("the scheduled event {cron:?}");
    let began = Instant::now();
    let end = courier.deliver(&what, || Event::Scheduled { cron, time }).await?;
    let run = Run {
        outcome: end.outcome,
        no_retry: matches!(end.finding, Finding::Scheduled { no_retry: true }),
    };
    courier.logs.host(
        LogLevel::Info,
        format_args!(
            "scheduled {cron:?} {} ({}ms)",
            run.outcome(),
            began.elapsed().as_millis()
        ),
    );
    Ok(run)
}

/// Runs the triggers as they come by `clock`, until the server ends.
pub(crate) async fn run(
    crons: Vec<Cron>,
    courier: Courier,
    clock: impl Fn() -> Timestamp,
    mut shutdown: watch::Receiver<bool>,
) {
    // All before this is over.
    let mut until = clock();
    while let Some(next) = crons.iter().filter_map(|cron| cron.next_after(until)).min() {
        let now = clock();
        if now < until - LATE {
            // The clock was set back.
            until = now;
        } else if next > now {
            let wait = next.duration_since(now).unsigned_abs().min(LOOK);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // An error means that nobody is left to ask for the end, which is the end too.
                _ = shutdown.wait_for(|ended| *ended) => return,
            }
        } else if now.duration_since(next) > LATE {
            until = now - LATE;
        } else {
            for cron in crons.iter().filter(|cron| cron.next_after(until) == Some(next)) {
                let (courier, text) = (courier.clone(), cron.text().to_owned());
                tokio::spawn(async move {
                    // What goes wrong is in the log.
                    let _ = trigger(&courier, &text, next.as_millisecond()).await;
                });
            }
            until = next;
        }
    }
}
