//! What the Web platform needs of the process it runs in. The isolate implements it; so do tests.

use std::time::Duration;

/// How grave a console message is; `count`, `time`, `group` and `assert` map onto these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`, `console.trace`.
    Debug,
    /// `console.log`.
    Log,
    /// `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, a failed `console.assert`.
    Error,
}

/// Names a timer; chosen by [`crate::timers`].
pub type TimerId = u32;

/// The world outside, as the Web platform sees it. All calls come from the thread that owns the engine
/// and must not run JavaScript themselves.
pub trait Host: 'static {
    /// Writes a console message. `position` is `file:line:column` of the caller, if known.
    fn log(&self, level: LogLevel, text: &str, position: Option<&str>);

    /// Has [`crate::timers::fire`] called with `id` once, after `delay`, with no JavaScript on the stack.
    fn start_timer(&self, id: TimerId, delay: Duration);

    /// Forgets a timer; it may have fired already.
    fn stop_timer(&self, id: TimerId);

    /// Monotonic time since the time origin.
    fn now(&self) -> Duration;

    /// The time origin, since the Unix epoch.
    fn time_origin(&self) -> Duration;

    /// What `Request`, `fetch` and `Response.redirect` resolve a relative URL against. A Worker has no such
    /// URL: there a relative one is an error.
    fn base_url(&self) -> Option<url::Url> {
        None
    }

    /// Fills `bytes` with cryptographically secure randomness.
    fn fill_random(&self, bytes: &mut [u8]);
}
