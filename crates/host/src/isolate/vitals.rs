//! Whether an isolate's event loop still turns.
//!
//! An isolate with open events is pinged now and then; a pong that stays away only makes the pool prefer
//! others and warns in the log, for a long synchronous call is the Worker's right. But once a client has
//! gone away and its event doesn't end, nobody waits for that work: an isolate that then leaves a ping
//! unanswered for long is killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isthmus_protocol::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{EndReason, Isolate};
use crate::logs::LogLevel;
use crate::streams::lock;

/// How long a ping may be unanswered before the pool prefers other isolates.
const SUSPECT_AFTER: Duration = Duration::from_millis(900);

#[derive(Default)]
pub(super) struct Vitals {
    state: Mutex<State>,
    suspect: AtomicBool,
    /// Rung when the first event opens.
    busy: Notify,
}

#[derive(Default)]
struct State {
    nonce: u32,
    unanswered: Option<Instant>,
    last_ping: Option<Instant>,
    warned: bool,
}

impl Vitals {
    /// Events are open again.
    pub(super) fn wake(&self) {
        self.busy.notify_one();
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// A pong came.
    pub(super) fn answered(&self, nonce: u32) {
        let mut state = lock(&self.state);
        if state.nonce == nonce {
            state.unanswered = None;
            state.warned = false;
            self.suspect.store(false, Ordering::Relaxed);
        }
    }
}

/// Watches an isolate until it ends (the task is aborted then).
pub(super) async fn watch(isolate: Arc<Isolate>) {
    let timeouts = &isolate.context.timeouts;
    let tick = Duration::from_secs(1)
        .min(timeouts.cancel_grace / 2)
        .min(timeouts.unresponsive / 4)
        .max(Duration::from_millis(10));
    loop {
        isolate.vitals.busy.notified().await;
        while isolate.open_events() > 0 {
            tokio::time::sleep(tick).await;
            if let Some(reason) = examine(&isolate) {
                isolate.end(reason);
                return;
            }
        }
    }
}

/// One look; answers why the isolate must end, if it must.
fn examine(isolate: &Isolate) -> Option<EndReason> {
    let timeouts = &isolate.context.timeouts;
    let now = Instant::now();
    let abandoned = isolate.has_event_cancelled_for(timeouts.cancel_grace);
    let mut state = lock(&isolate.vitals.state);
    if let Some(since) = state.unanswered {
        let silent = now - since;
        if silent >= SUSPECT_AFTER {
            isolate.vitals.suspect.store(true, Ordering::Relaxed);
        }
        if silent >= timeouts.unresponsive {
            if abandoned {
                return Some(EndReason::Unresponsive {
                    seconds: silent.as_secs(),
                });
            }
            if !std::mem::replace(&mut state.warned, true) {
                isolate.context.logs.host(
                    LogLevel::Warn,
                    format_args!(
                        "the event loop of isolate {} has not turned for {} s: something in the Worker blocks it, \
                         such as a long computation or a blocking call in an async handler",
                        isolate.id,
                        silent.as_secs()
                    ),
                );
            }
        }
        return None;
    }
    let interval = if abandoned {
        timeouts.cancel_grace
    } else {
        timeouts.ping_interval
    };
    let last = *state.last_ping.get_or_insert(now);
    // The first look after a quiet time only starts the clock, unless a client has gone away.
    if now - last >= interval || (abandoned && last == now) {
        state.nonce = state.nonce.wrapping_add(1);
        state.unanswered = Some(now);
        state.last_ping = Some(now);
        let nonce = state.nonce;
        drop(state);
        isolate.events.send_short(&Frame::Ping { nonce });
    }
    None
}
