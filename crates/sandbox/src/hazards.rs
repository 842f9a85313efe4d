//! What importing user code left in a zygote that makes forking it unsafe.
//!
//! `fork` copies one thread: locks that others held stay locked for ever. A socket or an event queue
//! would be shared by all isolates: answers to one would be read by another. [`counts`] is cheap enough
//! to take around every import, so that the one to blame can be named; [`self_check`] tells what it is.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use rustix::net::{SocketAddrAny, getpeername, getsockname};

/// What was found, each in words for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hazards {
    /// Threads besides the main one, by name.
    pub threads: Vec<String>,
    /// Open sockets, with their addresses.
    pub sockets: Vec<String>,
    /// Event queues in the kernel: epoll, io_uring, inotify.
    pub epolls: Vec<String>,
}

impl Hazards {
    /// Whether nothing stands against forking.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.sockets.is_empty() && self.epolls.is_empty()
    }
}

/// How many threads run and descriptors are open in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Threads, the main one included.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// Counts threads and descriptors: two system calls (on Linux before 6.2, a few more).
///
/// # Errors
/// `/proc` is not there.
pub fn counts() -> io::Result<Counts> {
    // A folder has a link from itself, one from its parent and one from each folder in it.
    let threads = fs::metadata("/proc/self/task")?.nlink().saturating_sub(2);
    let descriptors = match fs::metadata("/proc/self/fd")?.size() {
        // Older kernels leave the size at 0. Reading the folder opens one descriptor more.
        0 => (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1),
        size => size,
    };
    Ok(Counts { threads, descriptors })
}

/// Looks at every thread and descriptor of this process; `known` are descriptors that belong here.
///
/// # Errors
/// `/proc` is not there.
pub fn self_check(known: &[RawFd]) -> io::Result<Hazards> {
    let mut hazards = Hazards::default();
    // The main thread's id is the process's, also where `/proc` numbers them for another namespace.
    let process = fs::read_link("/proc/self")?;
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?;
        // One that ends while we look is no hazard.
        if let Ok(name) = fs::read_to_string(thread.path().join("comm"))
            && thread.file_name() != process.as_os_str()
        {
            hazards.threads.push(name.trim_end().to_owned());
        }
    }
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let Some(descriptor) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // The descriptor that reads this folder is among them, and harmless.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        if known.contains(&descriptor) {
            continue;
        }
        match target.to_string_lossy().as_ref() {
            target if target.starts_with("socket:") => {
                hazards.sockets.push(describe_socket(descriptor));
            }
            "anon_inode:[eventpoll]" => hazards.epolls.push(format!("epoll (descriptor {descriptor})")),
            "anon_inode:[io_uring]" => hazards.epolls.push(format!("io_uring (descriptor {descriptor})")),
            "anon_inode:inotify" => hazards.epolls.push(format!("inotify (descriptor {descriptor})")),
            _ => {}
        }
    }
    Ok(hazards)
}

fn describe_socket(descriptor: RawFd) -> String {
    // SAFETY: `/proc` has just listed it as open, the zygote closes nothing meanwhile, and the borrow ends
    // with this function. Were it another file by now, the calls below would only fail.
    let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let address = |address: SocketAddrAny| std::net::SocketAddr::try_from(address).ok();
    let local = getsockname(socket).ok().and_then(address);
    let peer = getpeername(socket).ok().flatten().and_then(address);
    match (local, peer) {
        (_, Some(peer)) => format!("a connection to {peer} (descriptor {descriptor})"),
        (Some(local), None) => format!("a socket bound to {local} (descriptor {descriptor})"),
        (None, None) => format!("a local socket (descriptor {descriptor})"),
    }
}
