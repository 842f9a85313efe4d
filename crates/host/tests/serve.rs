//! The public entrance, with real processes in the place of Python: `serve` from the port to the signal.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isthmus_host::{AddressPolicy, LogLevel, LogLine, LogSink, ServeError, ServeOptions, serve};
use isthmus_project::{LoadOptions, load};
use rustix::process::{Signal, getpid, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

struct Sink {
    lines: Mutex<Vec<LogLine>>,
    ready: Mutex<Sender<SocketAddr>>,
}

impl Sink {
    fn new() -> (Arc<Self>, Receiver<SocketAddr>) {
        let (ready, is_ready) = channel();
        let sink = Self {
            lines: Mutex::default(),
            ready: Mutex::new(ready),
        };
        (Arc::new(sink), is_ready)
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().expect("not poisoned");
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl LogSink for Sink {
    fn line(&self, line: &LogLine) {
        self.lines.lock().expect("not poisoned").push(line.clone());
    }

    fn ready(&self, addr: SocketAddr) {
        let _ = self.ready.lock().expect("not poisoned").send(addr);
    }
}

/// A project, and an "interpreter" that is this shell script.
fn options(folder: &Path, script: &str, addr: SocketAddr) -> ServeOptions {
    let config = r#"{
        "name": "w", "main": "main.py", "compatibility_date": "2026-01-01", "compatibility_flags": ["python_workers"],
        "kv_namespaces": [{ "binding": "KV", "id": "some-id" }]
    }"#;
    std::fs::write(folder.join("wrangler.jsonc"), config).expect("a file");
    std::fs::write(folder.join("main.py"), "").expect("a file");
    let python = folder.join("python");
    std::fs::write(&python, format!("#!/bin/sh\n{script}\n")).expect("a file");
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let project = load(&LoadOptions {
        dir: folder.to_owned(),
        ..LoadOptions::default()
    })
    .expect("a good project");
    ServeOptions {
        project,
        addr,
        persist_to: folder.join("state"),
        log_level: LogLevel::Log,
        isolates: 1,
        outbound: AddressPolicy::Any,
        test_scheduled: false,
        python,
    }
}

fn get(addr: SocketAddr) -> String {
    let mut socket = TcpStream::connect(addr).expect("listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("open");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("text");
    answer
}

// One test, since a signal is for the whole process.
#[test]
fn a_worker_that_does_not_start_is_shown_until_a_signal_ends_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");

    let taken = TcpListener::bind(any).expect("a free port");
    let addr = taken.local_addr().expect("an address");
    match serve(options(folder.path(), "exit 0", addr), Sink::new().0) {
        Err(ServeError::Port {
            addr: refused,
            source,
        }) => {
            assert_eq!((refused, source.kind()), (addr, std::io::ErrorKind::AddrInUse));
        }
        other => panic!("the port is taken, but: {other:?}"),
    }
    drop(taken);

    let (sink, ready) = Sink::new();
    let options = options(
        folder.path(),
        "echo \"args: $*\"; echo 'no such module' >&2; exit 7",
        any,
    );
    let server = std::thread::spawn({
        let sink = sink.clone();
        move || serve(options, sink)
    });
    let addr = ready
        .recv_timeout(PATIENCE)
        .expect("ready, though the Worker isn't");
    let log = sink.text();
    assert!(
        log.contains("[wrangler:error] the Worker could not be started") && log.contains("exit code 7"),
        "{log}"
    );
    assert!(
        log.contains("args: -m isthmus zygote") && log.contains("no such module"),
        "{log}"
    );
    let page = get(addr);
    assert!(
        page.starts_with("HTTP/1.1 500") && page.contains("exit code 7"),
        "{page}"
    );
    assert!(
        page.contains("no such module"),
        "the last output is on the page: {page}"
    );
    assert!(folder.path().join("state/kv").is_dir(), "the stores are there");

    kill_process(getpid(), Signal::TERM).expect("a signal to oneself");
    server.join().expect("no panic").expect("a signal is a good end");
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
    assert!(sink.text().contains("GET / 500 Internal Server Error ("));
}
