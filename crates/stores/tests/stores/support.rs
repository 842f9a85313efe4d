//! What the tests of KV share: a clock that the test sets, namespaces in a folder that goes away.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use isthmus_protocol::kv::Operation;
use isthmus_stores::{
    Clock, Durability,
    kv::{KvAnswer, KvError, KvNamespace},
    sqlite::{SqliteOptions, SqliteStores},
};
use tempfile::TempDir;

pub(crate) const START: u64 = 1_800_000_000;

#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) options: SqliteOptions,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            clock: Arc::new(TestClock(AtomicU64::new(START))),
            // What is tested here is not the loss of power.
            options: SqliteOptions {
                durability: Durability::Process,
                max_bytes: None,
            },
        }
    }

    /// A new namespace, and the bench that keeps its folder.
    pub(crate) fn open() -> (Self, KvNamespace) {
        let bench = Self::new();
        let namespace = bench.namespace();
        (bench, namespace)
    }

    pub(crate) fn stores(&self) -> SqliteStores {
        let clock: Arc<TestClock> = Arc::clone(&self.clock);
        SqliteStores::with_clock(self.folder.path().to_owned(), self.options, clock)
    }

    pub(crate) fn namespace(&self) -> KvNamespace {
        self.stores().kv("test").expect("it opens")
    }

    pub(crate) fn file(&self) -> PathBuf {
        file_of(self.folder.path())
    }
}

pub(crate) fn file_of(root: &Path) -> PathBuf {
    root.join("kv/test.sqlite")
}

pub(crate) async fn put(namespace: &KvNamespace, key: &str, value: impl Into<Bytes>) -> Result<(), KvError> {
    put_with(namespace, key, value, None, None, None).await
}

pub(crate) async fn put_with(
    namespace: &KvNamespace,
    key: &str,
    value: impl Into<Bytes>,
    expiration: Option<i32>,
    expiration_ttl: Option<i32>,
    metadata: Option<&str>,
) -> Result<(), KvError> {
    let operation = Operation::Put {
        key,
        expiration,
        expiration_ttl,
        metadata,
    };
    let answer = namespace.execute(&operation, value.into()).await?;
    assert!(matches!(answer, KvAnswer::Done), "{answer:?}");
    Ok(())
}

pub(crate) async fn get(namespace: &KvNamespace, key: &str) -> Result<Option<Bytes>, KvError> {
    let answer = namespace
        .execute(&Operation::Get { key, cache_ttl: None }, Bytes::new())
        .await?;
    answer.into_value().await
}

pub(crate) async fn delete(namespace: &KvNamespace, key: &str) -> Result<(), KvError> {
    let answer = namespace
        .execute(&Operation::Delete { key }, Bytes::new())
        .await?;
    assert!(matches!(answer, KvAnswer::Done), "{answer:?}");
    Ok(())
}

/// The names of one part of a list, and its cursor.
pub(crate) async fn list(
    namespace: &KvNamespace,
    prefix: Option<&str>,
    limit: Option<i32>,
    cursor: Option<&str>,
) -> Result<(Vec<String>, Option<String>), KvError> {
    match namespace
        .execute(
            &Operation::List {
                prefix,
                limit,
                cursor,
            },
            Bytes::new(),
        )
        .await?
    {
        KvAnswer::List { keys, cursor } => Ok((keys.into_iter().map(|key| key.name).collect(), cursor)),
        answer => panic!("a list answers with {answer:?}"),
    }
}

/// What `error` says to JavaScript, without the operation.
pub(crate) fn text<T: std::fmt::Debug>(result: Result<T, KvError>) -> String {
    result.expect_err("it is refused").to_string()
}
