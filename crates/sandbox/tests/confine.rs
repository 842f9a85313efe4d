//! What a zygote sees of itself, and what is left to an isolate.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use isthmus_sandbox::{counts, reap, self_check, settle_isolate};

/// These tests look at the whole process, and two of them fork it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_thread_is_seen() {
    let _alone = alone();
    // A forked process has one thread, whatever the test runner does meanwhile.
    let process = forked(|| {
        let before = counts().unwrap();
        assert_eq!(before.threads, 1);
        assert_eq!(self_check(&[]).unwrap().threads, Vec::<String>::new());
        let (named, is_named) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("left-behind".into()).spawn(move || {
            // A thread names itself, when it runs.
            named.send(()).unwrap();
            let _ = stopped.recv();
        });
        is_named.recv().unwrap();
        assert_eq!(counts().unwrap().threads, 2);
        assert_eq!(self_check(&[]).unwrap().threads, ["left-behind"]);
        assert!(!self_check(&[]).unwrap().is_empty());
        drop(stop);
        thread.unwrap().join().unwrap();
        0
    });
    assert_eq!(exit_code(process), Some(0));
}

#[test]
fn sockets_are_seen_with_their_addresses() {
    let _alone = alone();
    let before = counts().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let (pair, _other) = UnixStream::pair().unwrap();
    assert_eq!(counts().unwrap().descriptors, before.descriptors + 4);

    let seen = self_check(&[]).unwrap().sockets;
    let expect = |text: String| assert!(seen.contains(&text), "no `{text}` in {seen:?}");
    expect(format!(
        "a socket bound to {address} (descriptor {})",
        listener.as_raw_fd()
    ));
    expect(format!(
        "a connection to {address} (descriptor {})",
        client.as_raw_fd()
    ));
    expect(format!("a local socket (descriptor {})", pair.as_raw_fd()));

    let known = [listener.as_raw_fd(), client.as_raw_fd(), pair.as_raw_fd()];
    let left = self_check(&known).unwrap().sockets;
    for descriptor in known {
        assert!(
            !left
                .iter()
                .any(|text| text.ends_with(&format!("(descriptor {descriptor})"))),
            "{left:?}"
        );
    }
}

#[test]
fn event_queues_are_seen_and_files_are_not() {
    let _alone = alone();
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
    let file = File::open("/dev/null").unwrap();
    let hazards = self_check(&[]).unwrap();
    assert!(
        hazards
            .epolls
            .contains(&format!("epoll (descriptor {})", epoll.as_raw_fd())),
        "{hazards:?}"
    );
    assert!(
        hazards
            .epolls
            .contains(&format!("inotify (descriptor {})", inotify.as_raw_fd())),
        "{hazards:?}"
    );
    let ours = format!("(descriptor {})", file.as_raw_fd());
    assert!(
        !hazards
            .sockets
            .iter()
            .chain(&hazards.epolls)
            .any(|text| text.ends_with(&ours))
    );
    drop((epoll, inotify));
    assert_eq!(self_check(&[]).unwrap().epolls, Vec::<String>::new());
}

/// Runs `child` in a forked process and answers its process id. It ends with what `child` answers.
fn forked(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: glibc keeps its allocator usable after `fork`, and the child takes no other lock of ours.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: ends the process without running anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        pid => pid,
    }
}

fn exit_code(process: i32) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(process);
    let ended = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty());
    ended.unwrap().unwrap().1.exit_status()
}

#[test]
fn an_isolate_keeps_its_two_descriptors_and_nothing_else() {
    let _alone = alone();
    let (mut answers, answer): (File, File) = {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (reader.into(), writer.into())
    };
    let (events, _host_events) = UnixStream::pair().unwrap();
    let _open: Vec<OwnedFd> = (0..20).map(|_| File::open("/dev/null").unwrap().into()).collect();
    let keep: [RawFd; 2] = [answer.as_raw_fd(), events.as_raw_fd()];
    let process = forked(|| {
        // SAFETY: `sigset_t` is plain data; only this process's own signals are changed.
        unsafe {
            libc::signal(libc::SIGTERM, libc::SIG_IGN);
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
        settle_isolate(keep).unwrap();
        let mut open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        open.sort_unstable();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let dies_with = rustix::process::parent_process_death_signal().unwrap();
        write!(&answer, "open {open:?}\ndies with {dies_with:?}\n{status}").unwrap();
        0
    });
    drop(answer);
    let mut text = String::new();
    answers.read_to_string(&mut text).unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    };
    let mut expected = vec![0, 1, 2, keep[0], keep[1]];
    expected.sort_unstable();
    // The folder being read is open too, under the lowest free number.
    let reading = (3..).find(|fd| !expected.contains(fd)).unwrap();
    expected.push(reading);
    expected.sort_unstable();
    assert_eq!(field("open"), format!("{expected:?}"));
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(
        field("dies with"),
        format!("{:?}", Some(rustix::process::Signal::KILL))
    );
    assert_eq!(field("SigBlk:"), "0000000000000000");
    // SIGINT (2) and SIGPIPE (13): bits 1 and 12.
    assert_eq!(field("SigIgn:"), "0000000000001002");
    assert_eq!(exit_code(process), Some(0));
}

#[test]
fn ended_children_are_collected_with_their_status() {
    let _alone = alone();
    let quits = forked(|| 4);
    let crashes = forked(|| {
        // SAFETY: `raise` ends this process.
        unsafe { libc::raise(libc::SIGKILL) };
        0
    });
    let mut ended = Vec::new();
    while ended.len() < 2 {
        ended.extend(reap());
        thread::yield_now();
    }
    ended.sort_by_key(|(pid, _)| *pid);
    let mut expected = vec![(quits, "exit code 4"), (crashes, "signal 9 (SIGKILL)")];
    expected.sort_by_key(|(pid, _)| *pid);
    let ended: Vec<_> = ended
        .iter()
        .map(|(pid, status)| (*pid, status.to_string()))
        .collect();
    let ended: Vec<_> = ended
        .iter()
        .map(|(pid, status)| (*pid, status.as_str()))
        .collect();
    assert_eq!(ended, expected);
    assert_eq!(reap(), []);
}
