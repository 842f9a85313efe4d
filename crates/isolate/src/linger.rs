//! Waiting awake for an answer that is almost there.
//!
//! The host reads a value out of a store in less time than it takes a core to go to sleep and be woken (some 35 µs each way in a
//! virtual machine), and its caches are cold after that. So a loop that waits for what the host does by itself looks for the
//! answer a moment longer before it sleeps, and gives its core to whoever else wants it at every look. Where that is in vain, on a
//! slow disk, it is tried ever more rarely.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The longest wait awake: a transaction that one sync of a quick disk makes durable.
const LINGER: Duration = Duration::from_micros(300);
/// After this many waits in vain in a row the pause grows no more: one wait in 254 is tried.
const MOST_FAILURES: u32 = 8;

/// Whether waiting awake has been worth it. Of one thread, but it is used while Python's others run.
#[derive(Default)]
pub(crate) struct Patience {
    /// How often it was in vain since it was last worth it.
    failures: AtomicU32,
    /// How many waits are not to be tried.
    pause: AtomicU32,
}

impl Patience {
    /// Waits until one of the sockets has something to read, for a moment at most.
    pub(crate) fn linger(&self, sockets: [BorrowedFd<'_>; 2]) {
        if self.is_worth_it() {
            self.learn(is_readable_soon(sockets));
        }
    }

    fn is_worth_it(&self) -> bool {
        let pause = self.pause.load(Relaxed);
        self.pause.store(pause.saturating_sub(1), Relaxed);
        pause == 0
    }

    fn learn(&self, was_worth_it: bool) {
        if was_worth_it {
            self.failures.store(0, Relaxed);
            return;
        }
        let failures = (self.failures.load(Relaxed) + 1).min(MOST_FAILURES);
        self.failures.store(failures, Relaxed);
        // One failure is an exception; more are a habit.
        self.pause.store((1 << failures) - 2, Relaxed);
    }
}

fn is_readable_soon(sockets: [BorrowedFd<'_>; 2]) -> bool {
    let begin = Instant::now();
    loop {
        let mut watched = sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN));
        if matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1..)) {
            return true;
        }
        if begin.elapsed() >= LINGER {
            return false;
        }
        rustix::thread::sched_yield();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_readable_descriptor_ends_the_wait() {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let (quiet, _other) = UnixStream::pair().expect("a pair of sockets");
        assert!(!is_readable_soon([quiet.as_fd(), here.as_fd()]));
        (&there).write_all(b"x").expect("an open socket");
        assert!(is_readable_soon([quiet.as_fd(), here.as_fd()]));
    }

    #[test]
    fn waits_in_vain_become_rare_until_one_is_worth_it() {
        let patience = Patience::default();
        let tried = (0..1000)
            .filter(|_| {
                let tried = patience.is_worth_it();
                if tried {
                    patience.learn(false);
                }
                tried
            })
            .count();
        assert!((8..16).contains(&tried), "{tried} of 1000 were tried");
        while !patience.is_worth_it() {}
        patience.learn(true);
        assert!((0..100).all(|_| patience.is_worth_it()));
    }
}
