//! Every limit and timeout of the host, in one place.

use std::time::Duration;

use isthmus_stores::cache::CacheLimits;

/// The longest request target, in bytes; a longer one is answered with 414.
pub(crate) const URL_MAX: usize = 16 * 1024;

/// The most that the names and values of a request's headers may sum to, in bytes; more is answered with 431.
pub(crate) const HEADERS_MAX: usize = 32 * 1024;

/// How many events one isolate may have open; beyond it requests are answered with 503.
pub(crate) const OPEN_EVENTS_MAX: usize = 4096;

/// How many capability calls one isolate may have open; further ones fail.
pub(crate) const OPEN_CALLS_MAX: usize = 16 * 1024;

/// How many bytes of values the host holds for one isolate (put bodies being collected, large values not
/// yet read); calls that need more fail.
pub(crate) const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;

/// When this many bytes wait to be written to an isolate, no body chunk, event or answer is added.
pub(crate) const OUTGOING_HIGH_WATER: usize = 1024 * 1024;

/// How much of a response body that nobody reads (`HEAD`) is thrown away before the event is cancelled.
pub(crate) const DISCARD_MAX: u64 = 16 * 1024 * 1024;

/// The longest request body, in bytes, as `ISTHMUS_REQUEST_BODY_MAX` (MB) sets it; a longer one is answered with 413.
/// Without it there is no limit, as in upstream's local development: bodies are streamed, whatever their length.
///
/// # Errors
/// A sentence if the variable holds no positive whole number.
pub(crate) fn request_body_max() -> Result<Option<u64>, String> {
    let Some(text) = std::env::var_os(REQUEST_BODY_MAX) else {
        return Ok(None);
    };
    match text.to_str().and_then(megabytes) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(format!(
            "{REQUEST_BODY_MAX} must be a positive whole number of megabytes, but is {text:?}"
        )),
    }
}

/// Names the limit of request bodies in the environment.
pub(crate) const REQUEST_BODY_MAX: &str = "ISTHMUS_REQUEST_BODY_MAX";

/// The bounds of the caches: how many MiB all entries may have together is `ISTHMUS_CACHE_SIZE`.
///
/// # Errors
/// A sentence if the variable holds no positive whole number.
pub(crate) fn cache_from_environment() -> Result<CacheLimits, String> {
    let mut limits = CacheLimits::default();
    if let Some(text) = std::env::var_os("ISTHMUS_CACHE_SIZE") {
        limits.total = text.to_str().and_then(megabytes).ok_or_else(|| {
            format!("ISTHMUS_CACHE_SIZE must be a positive whole number of MiB, but is {text:?}")
        })?;
    }
    Ok(limits)
}

/// How long one statement of D1 may run, as `ISTHMUS_D1_TIMEOUT` (seconds) sets it; upstream's 30 s without it.
///
/// # Errors
/// A sentence if the variable holds no positive number of seconds.
pub(crate) fn d1_statement_time() -> Result<Duration, String> {
    let mut time = Duration::from_secs(30);
    read("ISTHMUS_D1_TIMEOUT", &mut time)?;
    Ok(time)
}

/// Timeouts of outbound requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkLimits {
    /// How long a connection may take to be made, its TLS handshake apart.
    pub(crate) connect: Duration,
    /// How long the other side may do nothing: neither take of the request nor answer, nor go on with its answer
    /// while that is waited for (`ISTHMUS_FETCH_TIMEOUT`, seconds).
    pub(crate) stall: Duration,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(300),
        }
    }
}

impl NetworkLimits {
    /// The usual limits with what the environment says.
    ///
    /// # Errors
    /// A sentence if the variable holds no positive number of seconds.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let mut limits = Self::default();
        read("ISTHMUS_FETCH_TIMEOUT", &mut limits.stall)?;
        limits.connect = limits.connect.min(limits.stall);
        Ok(limits)
    }
}

/// Timeouts, some of which the environment may change.
#[derive(Clone, Debug)]
pub(crate) struct Timeouts {
    /// How long the import of the Worker may take (`ISTHMUS_STARTUP_TIMEOUT`, seconds).
    pub(crate) startup: Duration,
    /// How much longer than that the host waits for the zygote's own, more telling, report.
    pub(crate) startup_margin: Duration,
    /// How long a cancelled event may go on before its isolate is asked for a sign of life.
    pub(crate) cancel_grace: Duration,
    /// How long an isolate may leave a ping unanswered when a client has gone away
    /// (`ISTHMUS_UNRESPONSIVE_TIMEOUT`, seconds).
    pub(crate) unresponsive: Duration,
    /// How often an isolate with open events is asked for a sign of life.
    pub(crate) ping_interval: Duration,
    /// How long a request waits for an isolate.
    pub(crate) wait_for_isolate: Duration,
    /// The longest delay before isolates that die in quick succession are replaced.
    pub(crate) restart_delay: Duration,
    /// How long open requests and events may take after the signal to end.
    pub(crate) shutdown_grace: Duration,
    /// How long a client may take to send the head of a request, and keep an idle connection.
    pub(crate) head: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            startup: Duration::from_secs(10),
            startup_margin: Duration::from_secs(1),
            cancel_grace: Duration::from_secs(2),
            unresponsive: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            wait_for_isolate: Duration::from_secs(30),
            restart_delay: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(10),
            head: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// The usual timeouts with what the environment says.
    ///
    /// # Errors
    /// A sentence if a variable holds no positive number of seconds.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let mut timeouts = Self::default();
        read("ISTHMUS_STARTUP_TIMEOUT", &mut timeouts.startup)?;
        read("ISTHMUS_UNRESPONSIVE_TIMEOUT", &mut timeouts.unresponsive)?;
        // A startup longer than the usual wait must not turn the first request away.
        timeouts.wait_for_isolate = timeouts.wait_for_isolate.max(timeouts.startup * 2);
        Ok(timeouts)
    }
}

fn read(name: &str, into: &mut Duration) -> Result<(), String> {
    let Some(text) = std::env::var_os(name) else {
        return Ok(());
    };
    *into = text
        .to_str()
        .and_then(seconds)
        .ok_or_else(|| format!("{name} must be a positive number of seconds, but is {text:?}"))?;
    Ok(())
}

/// A positive, finite number of seconds, at most a day.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds > 0.0 && seconds <= 86_400.0).then(|| Duration::from_secs_f64(seconds))
}

/// A positive whole number of megabytes, in bytes.
fn megabytes(text: &str) -> Option<u64> {
    let megabytes: u64 = text.trim().parse().ok()?;
    megabytes.checked_mul(1 << 20).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_megabytes_are_taken() {
        assert_eq!(megabytes(" 100 "), Some(100 << 20));
        for bad in ["", "0", "-1", "1.5", "100MB", "18446744073709551615"] {
            assert_eq!(megabytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_sensible_durations_are_taken() {
        assert_eq!(seconds("2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(seconds(" 10 "), Some(Duration::from_secs(10)));
        for bad in ["", "0", "-1", "NaN", "inf", "1e9", "ten"] {
            assert_eq!(seconds(bad), None, "{bad:?}");
        }
    }
}
