//! Waiting awake for an answer that is almost there.
//!
//! The host reads a value out of a store in less time than it takes a core to go to sleep and be woken (some 35 µs each way in a
//! virtual machine), and its caches are cold after that. So a loop that waits for what the host does by itself looks for the
//! answer a moment longer before it sleeps, and gives its core to whoever else wants it at every look. Where that is in vain, on a
//! slow disk, it is tried ever more rarely.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use isthmus_protocol::Patience;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The longest wait awake: a transaction that one sync of a quick disk makes durable, with as much again for a slow core.
const LINGER: Duration = Duration::from_micros(600);

/// Waits until one of the sockets has something to read, for a moment at most.
pub(crate) fn linger(patience: &Patience, sockets: [BorrowedFd<'_>; 2]) {
    if patience.is_worth_it() {
        patience.learn(is_readable_soon(sockets));
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
}
