//! Commands at the stores: those of their own process, and those of a host that listens.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use isthmus_protocol::shell::{Hello, Welcome};
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::logs::{LogLevel, LogThread, Logs, Nowhere};
use crate::shell::{
    Access, Answer, CallError, ConnectError, Operation, Reply, Resource, StoresClient, Upload, kv, state,
};

/// What `dev` does for commands, without a Worker.
struct Host {
    runtime: Runtime,
    stores: Arc<SqliteStores>,
    _logs: LogThread,
}

impl Host {
    fn on(state: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let stores = Arc::new(SqliteStores::new(state.to_owned(), SqliteOptions::default()));
        let (logs, thread) = Logs::start(LogLevel::None, Arc::new(Nowhere)).expect("a log");
        let _context = runtime.enter();
        let Ok(listening) = crate::shell::listen(state) else {
            panic!("it listens");
        };
        runtime.spawn(crate::shell::serve(listening, stores.clone(), logs));
        drop(_context);
        Self {
            runtime,
            stores,
            _logs: thread,
        }
    }
}

const KV: [Resource<'static>; 2] = [Resource::Kv { id: "one" }, Resource::State];

fn put(key: &str) -> Operation<'_> {
    Operation::Kv(kv::Operation::Put {
        key,
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    })
}

fn get(key: &str) -> Operation<'_> {
    Operation::Kv(kv::Operation::Get { key, cache_ttl: None })
}

fn call(client: &StoresClient, operation: Operation<'_>, upload: Upload) -> Result<Answer, CallError> {
    client.block_on(client.call(0, operation, upload))
}

fn value(client: &StoresClient, key: &str) -> Option<Bytes> {
    let mut answer = call(client, get(key), Upload::None).expect("answered");
    match answer.reply() {
        Reply::Kv(kv::Reply::Value { found: true, .. }) => {}
        _ => return None,
    }
    Some(client.block_on(answer.bytes()).expect("whole"))
}

/// Both ways to the stores, for one test after the other.
fn both(test: impl Fn(&StoresClient)) {
    for with_host in [false, true] {
        let folder = TempDir::new().expect("a folder");
        let _host = with_host.then(|| Host::on(folder.path()));
        let client = StoresClient::connect(folder.path(), &KV, Access::Make).expect("connects");
        assert_eq!(client.is_served_by_dev(), with_host);
        test(&client);
    }
}

/// A reader that gives bytes in pieces of odd lengths, and no end if it is to fail.
struct Pieces {
    left: usize,
    fails: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.fails {
            return Err(io::Error::other("the disk is gone"));
        }
        let length = self.left.min(buffer.len()).min(70_001);
        buffer[..length].fill(7);
        self.left -= length;
        Ok(length)
    }
}

fn pieces(left: usize, fails: bool, length: Option<u64>) -> Upload {
    Upload::Reader {
        reader: Box::new(Pieces { left, fails }),
        length,
    }
}

#[test]
fn values_of_every_size_go_and_come() {
    both(|client| {
        for length in [0, 1, 64 * 1024, 64 * 1024 + 1, 5_000_000] {
            let bytes = Bytes::from(vec![7; length]);
            call(client, put("bytes"), Upload::Bytes(bytes.clone())).expect("stored");
            assert_eq!(value(client, "bytes"), Some(bytes.clone()));
            call(client, put("read"), pieces(length, false, None)).expect("stored");
            assert_eq!(value(client, "read"), Some(bytes));
        }
        assert_eq!(value(client, "none"), None);
    });
}

#[test]
fn many_calls_are_under_way_at_once() {
    both(|client| {
        client.block_on(async {
            let keys: Vec<String> = (0..500).map(|n| format!("key {n:03}")).collect();
            let puts: Vec<_> = keys
                .iter()
                .map(|key| Box::pin(client.call(0, put(key), Upload::Bytes(Bytes::from_static(b"v")))))
                .collect();
            for answer in futures_util::future::join_all(puts).await {
                answer.expect("stored");
            }
            let list = Operation::Kv(kv::Operation::List {
                prefix: None,
                limit: None,
                cursor: None,
            });
            let answer = client.call(0, list, Upload::None).await.expect("listed");
            let Reply::Kv(kv::Reply::List { keys: listed, .. }) = answer.reply() else {
                panic!("a list");
            };
            assert!(listed.iter().map(|key| key.name).eq(&keys));
        });
    });
}

#[test]
fn a_refusal_is_the_one_that_a_worker_sees_and_harms_nothing() {
    both(|client| {
        let message = |result: Result<Answer, CallError>| match result {
            Err(CallError::Failed { message, .. }) => message,
            Err(other) => other.to_string(),
            Ok(_) => panic!("refused"),
        };
        let long = "k".repeat(513);
        assert_eq!(
            message(call(client, get(&long), Upload::None)),
            "KV GET failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512."
        );
        let announced = 26 * 1024 * 1024;
        // Whether the length is known beforehand or not.
        for length in [Some(announced), None] {
            assert_eq!(
                message(call(client, put("k"), pieces(announced as usize, false, length))),
                "KV PUT failed: 413 Value length of 27262976 exceeds limit of 26214400."
            );
        }
        let failed = call(client, put("k"), pieces(1_000_000, true, None));
        assert!(
            matches!(failed, Err(CallError::Unreadable(error)) if error.to_string() == "the disk is gone")
        );
        assert_eq!(value(client, "k"), None);
        // A channel that was not asked for, and an operation that is another's.
        for resource in [0, 2] {
            let stores = Operation::State(state::Operation::Stores(state::StoreKind::Kv));
            let refused = client.block_on(client.call(resource, stores, Upload::None));
            assert!(matches!(refused, Err(CallError::Failed { .. })));
        }
        // Given up before its body was read.
        call(client, put("k"), pieces(1_000_000, false, None)).expect("stored");
        drop(call(client, get("k"), Upload::None).expect("answered"));
        assert_eq!(value(client, "k").map(|value| value.len()), Some(1_000_000));
    });
}

#[test]
fn the_state_tells_its_namespaces() {
    both(|client| {
        let stores = Operation::State(state::Operation::Stores(state::StoreKind::Kv));
        let answer = client
            .block_on(client.call(1, stores, Upload::None))
            .expect("answered");
        assert_eq!(answer.reply(), Reply::State(state::Reply::Stores(vec!["one"])));
    });
}

#[test]
fn what_is_only_read_is_not_made() {
    for with_host in [false, true] {
        let folder = TempDir::new().expect("a folder");
        let state = folder.path().join("state");
        let host = with_host.then(|| Host::on(&state));
        let entries = || std::fs::read_dir(&state).map_or(0, |entries| entries.count());
        let before = entries();
        let resources = [
            Resource::State,
            Resource::Kv { id: "one" },
            Resource::Secrets { id: "one" },
            Resource::D1 { id: "one" },
            Resource::R2 { name: "one" },
            Resource::Queue { name: "one" },
        ];
        for resource in resources {
            let client = StoresClient::connect(&state, &[resource], Access::Existing).expect("connects");
            assert!(!client.existed(), "{resource:?}");
        }
        let client = StoresClient::connect(&state, &KV, Access::Existing).expect("connects");
        assert_eq!(value(&client, "k"), None);
        // No file can have no name.
        for access in [Access::Existing, Access::Make] {
            let nameless = Resource::Kv { id: "" };
            let refused = StoresClient::connect(&state, &[nameless], access).err();
            assert!(matches!(refused, Some(ConnectError::Refused(_))), "{refused:?}");
        }
        assert_eq!(entries(), before);
        drop(host);

        let client = StoresClient::connect(&state, &KV, Access::Make).expect("connects");
        assert!(!client.existed());
        call(&client, put("k"), Upload::Bytes(Bytes::from_static(b"v"))).expect("stored");
        drop(client);
        let _host = with_host.then(|| Host::on(&state));
        let client = StoresClient::connect(&state, &KV, Access::Existing).expect("connects");
        assert!(client.existed() && client.is_served_by_dev() == with_host);
        assert_eq!(value(&client, "k").as_deref(), Some(&b"v"[..]));
    }
}

#[test]
fn a_command_sees_what_the_host_has_and_leaves_what_it_did() {
    let folder = TempDir::new().expect("a folder");
    {
        let client = StoresClient::connect(folder.path(), &KV, Access::Make).expect("connects");
        call(&client, put("early"), Upload::Bytes(Bytes::from_static(b"1"))).expect("stored");
    }
    // The last handle has put the log into the database.
    assert!(!folder.path().join("kv/one.sqlite-wal").exists());
    let host = Host::on(folder.path());
    let namespace = host.stores.kv("one").expect("opens");
    let client = StoresClient::connect(folder.path(), &KV, Access::Make).expect("connects");
    assert_eq!(value(&client, "early").as_deref(), Some(&b"1"[..]));
    call(&client, put("late"), Upload::Bytes(Bytes::from_static(b"2"))).expect("stored");
    let operation = kv::Operation::Get {
        key: "late",
        cache_ttl: None,
    };
    let seen = host.runtime.block_on(async {
        let answer = namespace.execute(&operation, Bytes::new()).await?;
        answer.into_value().await
    });
    assert_eq!(seen.expect("reads").as_deref(), Some(&b"2"[..]));
}

#[test]
fn the_end_of_the_host_ends_calls_with_an_error() {
    let folder = TempDir::new().expect("a folder");
    let host = Host::on(folder.path());
    let client = StoresClient::connect(folder.path(), &KV, Access::Make).expect("connects");
    call(&client, put("k"), Upload::Bytes(Bytes::from(vec![1; 1_000_000]))).expect("stored");
    let mut answer = call(&client, get("k"), Upload::None).expect("answered");
    drop(host);
    assert!(matches!(
        client.block_on(answer.bytes()),
        Err(CallError::Broken(_))
    ));
    let uploaded = call(&client, put("k"), pieces(10_000_000, false, None));
    assert!(matches!(uploaded, Err(CallError::Broken(_))));
    assert!(matches!(
        call(&client, get("k"), Upload::None),
        Err(CallError::Broken(_))
    ));
    // The next one opens the stores itself.
    let client = StoresClient::connect(folder.path(), &KV, Access::Make).expect("connects");
    assert!(!client.is_served_by_dev());
    assert_eq!(value(&client, "k").map(|value| value.len()), Some(1_000_000));
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    for with_host in [false, true] {
        let folder = TempDir::new().expect("a folder");
        std::fs::create_dir(folder.path().join("kv")).expect("a folder");
        std::fs::write(folder.path().join("kv/one.sqlite"), "x".repeat(8192)).expect("a file");
        let _host = with_host.then(|| Host::on(folder.path()));
        let Err(error) = StoresClient::connect(folder.path(), &KV, Access::Make) else {
            panic!("it is no database");
        };
        assert!(error.to_string().contains("kv/one.sqlite"), "{error}");
        // The others are not concerned.
        StoresClient::connect(folder.path(), &[Resource::Kv { id: "two" }], Access::Make).expect("connects");
    }
}

#[test]
fn strangers_at_the_socket_are_turned_away() {
    let folder = TempDir::new().expect("a folder");
    let _host = Host::on(folder.path());
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(folder.path().join("dev.sock")).expect("connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket");
        stream.write_all(bytes).expect("written");
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the end comes");
        answer
    };
    assert_eq!(say(b""), b"");
    assert_eq!(say(&[0xff; 100]), b"");
    assert_eq!(say(b"GET / HTTP/1.1\r\n\r\n"), b"");
    let framed = |message: &Hello<'_>| {
        let mut bytes = Vec::new();
        isthmus_protocol::encode(message, &mut bytes).expect("short");
        bytes
    };
    let mut reader = isthmus_protocol::FrameReader::new();
    let other = framed(&Hello {
        version: "0.0.1",
        resources: vec![],
    });
    reader.buffer().extend_from_slice(&say(&other));
    let frame = reader.next_frame().expect("well formed").expect("an answer");
    let welcome: Welcome<'_> = isthmus_protocol::decode(&frame).expect("a welcome");
    assert_eq!(welcome, Welcome::OtherVersion(env!("CARGO_PKG_VERSION")));
    // After the welcome, what no command would send.
    let mut bytes = framed(&Hello {
        version: env!("CARGO_PKG_VERSION"),
        resources: KV.to_vec(),
    });
    isthmus_protocol::encode(&isthmus_protocol::Frame::Ready, &mut bytes).expect("short");
    say(&bytes);
    StoresClient::connect(folder.path(), &KV, Access::Make).expect("the host is well");
}

#[test]
fn a_host_of_another_version_or_one_that_hangs_is_told_from_the_others() {
    let folder = TempDir::new().expect("a folder");
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("dev.sock")).expect("binds");
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a command");
        let mut bytes = Vec::new();
        isthmus_protocol::encode(&Welcome::OtherVersion("0.0.1"), &mut bytes).expect("short");
        stream.write_all(&bytes).expect("written");
        // And one that just goes away.
        drop(listener.accept().expect("a command"));
    });
    let error = StoresClient::connect(folder.path(), &KV, Access::Make).err();
    assert!(matches!(error, Some(ConnectError::OtherVersion { theirs }) if theirs == "0.0.1"));
    let error = StoresClient::connect(folder.path(), &KV, Access::Make).err();
    assert!(matches!(error, Some(ConnectError::NoAnswer { .. })));
    old.join().expect("no panic");
}
