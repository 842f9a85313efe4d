//! The writing thread: group commit, and failures that stay with their cause.

use std::sync::Arc;

use crate::support::{START, file_of};
use bytes::Bytes;
use isthmus_stores::{
    Durability,
    kv::{KvEntry, KvError, KvStore},
    sqlite::{SqliteKv, SqliteOptions},
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinHandle;

fn entry(value: Vec<u8>) -> KvEntry {
    KvEntry {
        value: Bytes::from(value),
        expiration: None,
        metadata: None,
    }
}

fn put(store: &Arc<SqliteKv>, key: String, value: Vec<u8>) -> JoinHandle<Result<(), KvError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.put(&key, entry(value), START).await })
}

async fn value(store: &SqliteKv, key: &str) -> Option<Bytes> {
    let found = store.get(key, START).await.expect("reads")?;
    Some(found.value.read_all().await.expect("whole"))
}

/// Lets `writes` begin while another process holds the database, so that they all wait together.
async fn together<T>(folder: &TempDir, writes: impl FnOnce() -> T) -> T {
    let other = Connection::open(file_of(folder.path())).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let started = writes();
    tokio::task::yield_now().await;
    other.execute_batch("ROLLBACK").expect("unlocks");
    started
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit() {
    const WRITES: usize = 1000;
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions {
        durability: Durability::Full,
        max_bytes: None,
    };
    let store = Arc::new(SqliteKv::open(&file_of(folder.path()), options).expect("opens"));
    let started = together(&folder, || {
        (0..WRITES)
            .map(|index| put(&store, format!("k{index}"), vec![1; 100]))
            .collect::<Vec<_>>()
    });
    for write in started.await {
        write.await.expect("runs").expect("written");
    }
    // One for those that were there when it began, one for the rest; some for a slow machine.
    assert!(
        store.commits() <= 20,
        "{} commits for {WRITES} puts",
        store.commits()
    );
    for index in [0, 1, WRITES / 2, WRITES - 1] {
        assert_eq!(
            value(&store, &format!("k{index}")).await,
            Some(vec![1; 100].into())
        );
    }
}

#[tokio::test]
async fn a_write_that_fails_does_not_fail_its_neighbours() {
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions {
        durability: Durability::Process,
        max_bytes: Some(200 * 1024),
    };
    let store = Arc::new(SqliteKv::open(&file_of(folder.path()), options).expect("opens"));
    let started = together(&folder, || {
        // Beyond them values lie in files.
        let sizes = [100, 100, 250_000, 100, 240_000, 100];
        let put = |(index, size)| (size, put(&store, format!("k{index}"), vec![7; size]));
        sizes.into_iter().enumerate().map(put).collect::<Vec<_>>()
    });
    for (index, (size, write)) in started.await.into_iter().enumerate() {
        let result = write.await.expect("runs");
        let found = value(&store, &format!("k{index}")).await;
        if size == 100 {
            result.expect("there is room for it");
            assert_eq!(found, Some(vec![7; 100].into()));
        } else {
            let error = result.expect_err("there is no room for it");
            assert_eq!(
                error.to_string(),
                "507 there is no room left in the database or on the disk"
            );
            assert!(error.is_internal());
            assert_eq!(found, None);
        }
    }
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_done_all_the_same() {
    let folder = TempDir::new().expect("a folder");
    let store = SqliteKv::open(&file_of(folder.path()), SqliteOptions::default()).expect("opens");
    drop(store.put("k", entry(b"v".to_vec()), START));
    // Closing writes what is queued.
    drop(store);
    let store = SqliteKv::open(&file_of(folder.path()), SqliteOptions::default()).expect("opens");
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"v"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_from_many_threads_see_whole_values() {
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions {
        durability: Durability::Process,
        max_bytes: None,
    };
    let store = Arc::new(SqliteKv::open(&file_of(folder.path()), options).expect("opens"));
    // Small ones are read at once, longer ones on another thread, long ones from files.
    let value_of = |round: u8| vec![round; [1000, 200_000, 400_000][usize::from(round) % 3]];
    store.put("k", entry(value_of(0)), START).await.expect("written");
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut last = 0;
                while last < 99 {
                    let found = value(&store, "k").await.expect("found");
                    let round = found[0];
                    assert!(found == value_of(round), "a mixture of two values");
                    assert!(round >= last, "an older value after a newer one");
                    last = round;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 1..100 {
        store
            .put("k", entry(value_of(round)), START)
            .await
            .expect("written");
    }
    for reader in readers {
        reader.await.expect("no reader fails");
    }
}
