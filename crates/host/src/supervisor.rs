//! Keeps the Worker running: boots its zygote, keeps the wanted number of isolates forked from it, replaces
//! what dies.
//!
//! One task owns all of this; it hears of everything through [`Note`]s. A boot that failed is tried again
//! when a request asks for it ([`Note::Wanted`]). Isolates that die are replaced at once, but ever later
//! when they die in quick succession.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use isthmus_protocol::control::{FromZygote, IsolateSpec};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::isolate::{EndReason, Isolate, IsolateContext};
use crate::launch::Launch;
use crate::logs::LogLevel;
use crate::pool::{Pool, PoolState};
use crate::zygote::{BootFailure, Zygote};

/// What the supervisor hears.
#[derive(Debug)]
pub(crate) enum Note {
    /// An isolate takes events from now on.
    Ready {
        /// Which.
        isolate: u32,
    },
    /// An isolate ended for the host.
    Ended {
        /// Which.
        isolate: u32,
        /// Why.
        reason: EndReason,
        /// How many requests failed with it.
        failed: usize,
    },
    /// A zygote says something.
    Control {
        /// Which.
        zygote: u32,
        /// What.
        message: FromZygote,
    },
    /// A zygote ended.
    ZygoteEnded {
        /// Which.
        zygote: u32,
    },
    /// A request found that the last boot had failed.
    Wanted {
        /// Which boot.
        attempt: u64,
    },
}

/// How long the status of an isolate that ended is waited for.
const STATUS_WAIT: Duration = Duration::from_millis(500);

/// How long isolates may take to end when they are asked to.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// Ends within this time count for the delay of the next start.
const CRASH_MEMORY: Duration = Duration::from_secs(10);

/// After so many isolates in a row that ended before they were ready, the boot counts as failed.
const STILLBORN_MAX: usize = 3;

/// What the supervisor works with.
pub(crate) struct Supervisor {
    pub(crate) launcher: Arc<dyn Launch>,
    pub(crate) spec: IsolateSpec,
    /// How many isolates are wanted.
    pub(crate) wanted: usize,
    pub(crate) context: IsolateContext,
    pub(crate) pool: Arc<Pool>,
    pub(crate) notes: mpsc::UnboundedReceiver<Note>,
    /// Turns true when the server ends.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Told once the first boot has ended, well or badly.
    pub(crate) booted: Option<oneshot::Sender<()>>,
}

/// Why a zygote's time is over.
enum Over {
    Shutdown,
    ZygoteEnded,
    Failed(BootFailure),
}

/// An isolate of the present zygote.
struct Member {
    isolate: Arc<Isolate>,
    /// When its fork was asked for.
    since: Instant,
    ready: bool,
    /// When it is ended: not ready in time, or its process is gone and its connections linger.
    deadline: Option<Instant>,
    /// How its process ended, where the zygote has said so already.
    status: Option<String>,
}

/// An isolate that ended, of which the log hasn't spoken yet.
struct Ended {
    reason: EndReason,
    failed: usize,
    pid: Option<i32>,
    report_at: Instant,
}

/// The isolates of the present zygote.
struct Brood {
    zygote: Zygote,
    members: HashMap<u32, Member>,
    ended: HashMap<u32, Ended>,
    stillborn: usize,
}

/// The ends of the last seconds, from which the delay of the next start follows.
#[derive(Default)]
struct Crashes(VecDeque<Instant>);

impl Crashes {
    fn note(&mut self) {
        self.0.push_back(Instant::now());
    }

    /// When the next start may be: at once after two ends, then later and later.
    fn next_start(&mut self, longest: Duration) -> Instant {
        let now = Instant::now();
        while self
            .0
            .front()
            .is_some_and(|at| now.duration_since(*at) > CRASH_MEMORY)
        {
            self.0.pop_front();
        }
        let Some(last) = self.0.back() else {
            return now;
        };
        let excess = self.0.len().saturating_sub(2).min(6) as u32;
        let delay = match excess {
            0 => Duration::ZERO,
            excess => (Duration::from_millis(50) * 2u32.pow(excess)).min(longest),
        };
        *last + delay
    }
}

impl Supervisor {
    /// Runs until the server ends.
    pub(crate) async fn run(mut self) {
        let mut crashes = Crashes::default();
        let (mut zygotes, mut isolates) = (0, 0);
        for attempt in 1.. {
            self.pool.set_state(PoolState::Starting);
            let over = match self.boot(&mut zygotes, &mut crashes).await {
                Ok(zygote) => self.keep(zygote, &mut isolates, &mut crashes).await,
                Err(over) => over,
            };
            match over {
                Over::Shutdown => break,
                Over::ZygoteEnded => {}
                Over::Failed(failure) => {
                    self.context.logs.host(
                        LogLevel::Error,
                        format_args!("the Worker could not be started\n{}", failure.text()),
                    );
                    let failure = Arc::new(failure);
                    self.pool.set_state(PoolState::Failed { attempt, failure });
                    self.tell_booted();
                    if !self.is_wanted_again(attempt).await {
                        break;
                    }
                }
            }
        }
        self.pool.set_state(PoolState::Stopped);
        self.tell_booted();
    }

    /// Waits until a request wants another attempt; `false` if the server ends instead.
    async fn is_wanted_again(&mut self, failed: u64) -> bool {
        loop {
            tokio::select! {
                note = self.notes.recv() => match note {
                    Some(Note::Wanted { attempt }) if attempt == failed => return true,
                    Some(_) => {}
                    None => return false,
                },
                () = ended(&mut self.shutdown) => return false,
            }
        }
    }

    fn tell_booted(&mut self) {
        if let Some(booted) = self.booted.take() {
            // Nobody listens if the server ends already.
            let _ = booted.send(());
        }
    }

    /// Boots a zygote, a second one for fresh imports if forking the first would be unsafe.
    async fn boot(&mut self, zygotes: &mut u32, crashes: &mut Crashes) -> Result<Zygote, Over> {
        let mut shutdown = self.shutdown.clone();
        let start = crashes.next_start(self.context.timeouts.restart_delay);
        let boot = async {
            sleep_until(start).await;
            let mut spec = self.spec.clone();
            loop {
                *zygotes += 1;
                let (launcher, context) = (&*self.launcher, &self.context);
                let (zygote, booted) = Zygote::boot(
                    *zygotes,
                    launcher,
                    &spec,
                    &context.timeouts,
                    &context.logs,
                    &context.notes,
                )
                .await?;
                if booted.fork_hazards.is_empty() || spec.fresh {
                    context.logs.host(
                        LogLevel::Debug,
                        format_args!(
                            "the Worker is imported; it exports {}",
                            booted.entrypoints.join(", ")
                        ),
                    );
                    return Ok(zygote);
                }
                context.logs.host(
                    LogLevel::Warn,
                    format_args!(
                        "importing the Worker left things behind that must not be forked, so each isolate \
                         imports it by itself, which takes longer:\n{}",
                        booted.fork_hazards.join("\n")
                    ),
                );
                spec.fresh = true;
            }
        };
        tokio::select! {
            result = boot => result.map_err(Over::Failed),
            () = ended(&mut shutdown) => Err(Over::Shutdown),
        }
    }

    /// Keeps isolates forked from a zygote until its time is over.
    async fn keep(&mut self, zygote: Zygote, isolates: &mut u32, crashes: &mut Crashes) -> Over {
        let mut brood = Brood {
            zygote,
            members: HashMap::new(),
            ended: HashMap::new(),
            stillborn: 0,
        };
        let over = loop {
            let mut fork_at = None;
            if brood.members.len() < self.wanted {
                let start = crashes.next_start(self.context.timeouts.restart_delay);
                if start <= Instant::now() {
                    if let Err(error) = self.fork(&mut brood, isolates).await {
                        self.context.logs.host(
                            LogLevel::Error,
                            format_args!("an isolate can't be forked: {error}"),
                        );
                        crashes.note();
                        // The control connection may be broken; its end tells. Otherwise try again later.
                        fork_at = Some(Instant::now() + self.context.timeouts.restart_delay);
                    } else {
                        continue;
                    }
                } else {
                    fork_at = Some(start);
                }
            }
            let wake_at = brood.next_deadline().into_iter().chain(fork_at).min();
            tokio::select! {
                note = self.notes.recv() => match note {
                    Some(note) => {
                        if let Some(over) = self.hear(&mut brood, note, crashes).await {
                            break over;
                        }
                    }
                    None => break Over::Shutdown,
                },
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                    self.tend(&mut brood);
                }
                () = ended(&mut self.shutdown) => {
                    self.shut_down(&mut brood).await;
                    break Over::Shutdown;
                }
            }
        };
        let reason = match over {
            Over::Shutdown => EndReason::Shutdown,
            Over::ZygoteEnded | Over::Failed(_) => EndReason::Zygote,
        };
        for (id, member) in brood.members.drain() {
            self.pool.remove(id);
            member.isolate.end(reason.clone());
        }
        over
    }

    async fn fork(&mut self, brood: &mut Brood, isolates: &mut u32) -> std::io::Result<()> {
        *isolates = isolates.wrapping_add(1);
        let id = *isolates;
        let since = Instant::now();
        let (events, broker) = brood.zygote.fork(id).await?;
        let timeouts = &self.context.timeouts;
        let member = Member {
            isolate: Isolate::start(id, events, broker, self.context.clone()),
            since,
            ready: false,
            deadline: Some(Instant::now() + timeouts.startup + timeouts.startup_margin),
            status: None,
        };
        brood.members.insert(id, member);
        Ok(())
    }

    /// Takes a note; answers if the zygote's time is over.
    async fn hear(&mut self, brood: &mut Brood, note: Note, crashes: &mut Crashes) -> Option<Over> {
        match note {
            Note::Ready { isolate } => {
                // An isolate of an earlier zygote, or one that has ended meanwhile, is no member.
                if let Some(member) = brood.members.get_mut(&isolate) {
                    member.ready = true;
                    member.deadline = None;
                    self.context.logs.host(
                        LogLevel::Debug,
                        format_args!(
                            "isolate {isolate} ready in {:.1} ms",
                            member.since.elapsed().as_secs_f64() * 1e3
                        ),
                    );
                    brood.stillborn = 0;
                    self.pool.add(member.isolate.clone());
                    self.tell_booted();
                }
            }
            Note::Ended {
                isolate,
                reason,
                failed,
            } => {
                let member = brood.members.remove(&isolate)?;
                self.pool.remove(isolate);
                crashes.note();
                let ended = Ended {
                    pid: member.isolate.pid(),
                    reason,
                    failed,
                    report_at: Instant::now() + STATUS_WAIT,
                };
                if !member.ready {
                    brood.stillborn += 1;
                    if brood.stillborn >= STILLBORN_MAX && brood.members.values().all(|member| !member.ready)
                    {
                        return Some(Over::Failed(stillborn(&ended, member.status, brood)));
                    }
                }
                match member.status {
                    Some(status) => self.report(isolate, &ended, Some(&status)),
                    None => {
                        brood.ended.insert(isolate, ended);
                    }
                }
            }
            Note::Control { zygote, message } if zygote == brood.zygote.id() => {
                self.hear_zygote(brood, message, crashes);
            }
            Note::ZygoteEnded { zygote } if zygote == brood.zygote.id() => {
                let status = brood.zygote.collect_status().await;
                self.context.logs.host(
                    LogLevel::Error,
                    format_args!(
                        "the zygote, from which isolates are forked, ended ({status}) and its {} isolates with \
                         it; the Worker is started again",
                        brood.members.len()
                    ),
                );
                crashes.note();
                return Some(Over::ZygoteEnded);
            }
            Note::Control { .. } | Note::ZygoteEnded { .. } | Note::Wanted { .. } => {}
        }
        None
    }

    fn hear_zygote(&mut self, brood: &mut Brood, message: FromZygote, crashes: &mut Crashes) {
        match message {
            FromZygote::Forked { isolate, pid } => {
                if let Some(member) = brood.members.get(&isolate)
                    && let Some(pid) = brood.zygote.global_pid(pid)
                {
                    member.isolate.identify(pid);
                }
            }
            FromZygote::ForkFailed { isolate, error } => {
                if let Some(member) = brood.members.remove(&isolate) {
                    crashes.note();
                    self.context.logs.host(
                        LogLevel::Error,
                        format_args!("an isolate can't be forked: {error}"),
                    );
                    member.isolate.end(EndReason::Closed);
                }
            }
            FromZygote::Exited { isolate, status } => {
                if let Some(member) = brood.members.get_mut(&isolate) {
                    // What it sent before its end is still to be read; the end of its connections follows.
                    member.status = Some(status);
                    member.deadline = Some(Instant::now() + STATUS_WAIT);
                } else if let Some(ended) = brood.ended.remove(&isolate) {
                    self.report(isolate, &ended, Some(&status));
                }
            }
            FromZygote::Booted { .. } | FromZygote::Failed { .. } => {
                self.context.logs.host(
                    LogLevel::Warn,
                    format_args!("the zygote spoke out of turn: {message:?}"),
                );
            }
        }
    }

    /// Ends the isolates whose time is up and reports those whose status didn't come.
    fn tend(&mut self, brood: &mut Brood) {
        let now = Instant::now();
        for member in brood.members.values_mut() {
            if member.deadline.is_some_and(|deadline| deadline <= now) {
                member.deadline = None;
                member.isolate.end(if member.status.is_some() {
                    EndReason::Closed
                } else {
                    EndReason::NotReady {
                        seconds: self.context.timeouts.startup.as_secs(),
                    }
                });
            }
        }
        let (due, waiting) = std::mem::take(&mut brood.ended)
            .into_iter()
            .partition(|(_, ended)| ended.report_at <= now);
        brood.ended = waiting;
        for (id, ended) in HashMap::<_, _>::into_iter(due) {
            self.report(id, &ended, None);
        }
    }

    fn report(&self, id: u32, ended: &Ended, status: Option<&str>) {
        let pid = ended.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
        let requests = match ended.failed {
            0 => "no request was in it".into(),
            1 => "1 request in it failed".into(),
            failed => format!("{failed} requests in it failed"),
        };
        self.context.logs.host(
            LogLevel::Error,
            format_args!(
                "isolate {id}{pid} ended: {}{status}; {requests}, and another isolate takes its place",
                ended.reason
            ),
        );
    }

    /// Has the isolates finish and waits for their ends for a moment.
    async fn shut_down(&mut self, brood: &mut Brood) {
        for member in brood.members.values() {
            member.isolate.shut_down();
        }
        let deadline = Instant::now() + SHUTDOWN_WAIT;
        while !brood.members.is_empty() {
            match tokio::time::timeout_at(deadline, self.notes.recv()).await {
                Ok(Some(Note::Ended { isolate, .. })) => {
                    brood.members.remove(&isolate);
                    self.pool.remove(isolate);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}

impl Brood {
    fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.values().filter_map(|member| member.deadline);
        members
            .chain(self.ended.values().map(|ended| ended.report_at))
            .min()
    }
}

/// The failure that a row of isolates which ended before they were ready amounts to.
fn stillborn(ended: &Ended, status: Option<String>, brood: &Brood) -> BootFailure {
    let how = match (&ended.reason, status) {
        (EndReason::Closed, Some(status)) => status,
        (reason, _) => reason.to_string(),
    };
    let message = format!("isolates end before they can take requests: {how}");
    match ended.reason {
        EndReason::NotReady { .. } => BootFailure::too_slow(message, brood.zygote.output()),
        _ => BootFailure::ended(message, brood.zygote.output()),
    }
}

/// Ends when the server does.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that nobody can ask for the end any more, which is the end too.
    let _ = shutdown.wait_for(|ended| *ended).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn starts_are_delayed_only_when_ends_come_in_quick_succession() {
        let mut crashes = Crashes::default();
        for _ in 0..2 {
            crashes.note();
            assert!(crashes.next_start(LONGEST) <= Instant::now());
        }
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            crashes.note();
            let delay = crashes.next_start(LONGEST) - Instant::now();
            assert!(delay >= last && delay > Duration::ZERO && delay <= LONGEST);
            last = delay;
        }
        tokio::time::advance(CRASH_MEMORY * 2).await;
        assert!(crashes.next_start(LONGEST) <= Instant::now());
    }
}
