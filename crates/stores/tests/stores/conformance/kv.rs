//! The suite for [`KvStore`]. To run it on another engine, add a line at the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use isthmus_stores::{
    kv::{KvDraft, KvEntry, KvFound, KvPage, KvRange, KvStore, StoreFuture},
    sqlite::{SqliteKv, SqliteOptions},
};
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

/// An engine under test: a namespace that can be closed and opened again.
trait Engine: Sized {
    fn new() -> Self;

    /// The namespace, empty the first time.
    fn open(&self) -> Arc<dyn KvStore>;
}

struct Sqlite(TempDir);

impl Engine for Sqlite {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn open(&self) -> Arc<dyn KvStore> {
        let path = self.0.path().join("kv/suite.sqlite");
        Arc::new(SqliteKv::open(&path, SqliteOptions::default()).expect("opens"))
    }
}

type Entries = Arc<Mutex<BTreeMap<Vec<u8>, KvEntry>>>;

struct Memory(Entries);

struct MemoryKv(Entries);

impl Engine for Memory {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn open(&self) -> Arc<dyn KvStore> {
        Arc::new(MemoryKv(self.0.clone()))
    }
}

fn is_alive(entry: &KvEntry, now: u64) -> bool {
    entry.expiration.is_none_or(|second| second > now)
}

impl MemoryKv {
    fn read(&self, key: &str, now: u64) -> Option<KvFound> {
        let entries = self.0.lock().expect("not poisoned");
        entries
            .get(key.as_bytes())
            .filter(|entry| is_alive(entry, now))
            .map(|entry| entry.clone().into())
    }
}

impl KvStore for MemoryKv {
    fn get<'a>(&'a self, key: &'a str, now: u64) -> StoreFuture<'a, Option<KvFound>> {
        Box::pin(async move { Ok(self.read(key, now)) })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a str],
        most: u64,
        now: u64,
    ) -> StoreFuture<'a, Option<Vec<Option<KvFound>>>> {
        Box::pin(async move {
            let found: Vec<_> = keys.iter().map(|key| self.read(key, now)).collect();
            let bytes: u64 = found.iter().flatten().map(|found| found.value.left()).sum();
            Ok((bytes <= most).then_some(found))
        })
    }

    fn put<'a>(&'a self, key: &'a str, entry: KvEntry, _: u64) -> StoreFuture<'a, ()> {
        let mut entries = self.0.lock().expect("not poisoned");
        entries.insert(key.as_bytes().to_vec(), entry);
        Box::pin(async { Ok(()) })
    }

    fn draft(&self) -> Box<dyn KvDraft> {
        Box::new(MemoryDraft {
            entries: Arc::clone(&self.0),
            value: Vec::new(),
        })
    }

    fn delete<'a>(&'a self, key: &'a str, _: u64) -> StoreFuture<'a, ()> {
        self.0.lock().expect("not poisoned").remove(key.as_bytes());
        Box::pin(async { Ok(()) })
    }

    fn list<'a>(&'a self, range: KvRange<'a>, now: u64) -> StoreFuture<'a, KvPage> {
        Box::pin(async move {
            let entries = self.0.lock().expect("not poisoned");
            let mut keys: Vec<_> = entries
                .iter()
                .filter(|(key, entry)| {
                    is_alive(entry, now)
                        && key.starts_with(range.prefix.as_bytes())
                        && key.as_slice() > range.after
                })
                .map(|(key, entry)| isthmus_stores::kv::KvKey {
                    name: String::from_utf8(key.clone()).expect("a key is text"),
                    expiration: entry.expiration,
                    metadata: entry.metadata.clone(),
                })
                .collect();
            let complete = keys.len() <= range.limit;
            keys.truncate(range.limit);
            Ok(KvPage { keys, complete })
        })
    }
}

struct MemoryDraft {
    entries: Entries,
    value: Vec<u8>,
}

impl KvDraft for MemoryDraft {
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()> {
        self.value.extend_from_slice(&chunk);
        Box::pin(async { Ok(()) })
    }

    fn into_entry(
        self: Box<Self>,
        key: String,
        expiration: Option<u64>,
        metadata: Option<String>,
        _: u64,
    ) -> StoreFuture<'static, ()> {
        let entry = KvEntry {
            value: self.value.into(),
            expiration,
            metadata,
        };
        let mut entries = self.entries.lock().expect("not poisoned");
        entries.insert(key.into_bytes(), entry);
        Box::pin(async { Ok(()) })
    }
}

fn entry(value: impl Into<Bytes>) -> KvEntry {
    KvEntry {
        value: value.into(),
        expiration: None,
        metadata: None,
    }
}

async fn put(store: &Arc<dyn KvStore>, key: &str, entry: KvEntry) {
    store.put(key, entry, NOW).await.expect("written");
}

/// What was found, with all of its value.
async fn whole(found: KvFound) -> KvEntry {
    KvEntry {
        value: found.value.read_all().await.expect("whole"),
        expiration: found.expiration,
        metadata: found.metadata,
    }
}

async fn get(store: &Arc<dyn KvStore>, key: &str, now: u64) -> Option<KvEntry> {
    match store.get(key, now).await.expect("reads") {
        Some(found) => Some(whole(found).await),
        None => None,
    }
}

async fn value(store: &Arc<dyn KvStore>, key: &str, now: u64) -> Option<Bytes> {
    get(store, key, now).await.map(|entry| entry.value)
}

/// Puts a value in pieces.
async fn put_in_pieces(store: &Arc<dyn KvStore>, key: &str, entry: KvEntry, piece: usize) {
    let mut draft = store.draft();
    for chunk in entry.value.chunks(piece) {
        draft.push(Bytes::copy_from_slice(chunk)).await.expect("taken");
    }
    let written = draft.into_entry(key.to_owned(), entry.expiration, entry.metadata, NOW);
    written.await.expect("written");
}

/// The names in a range, and whether the list is complete.
async fn names(
    store: &Arc<dyn KvStore>,
    prefix: &str,
    after: &[u8],
    limit: usize,
    now: u64,
) -> (Vec<String>, bool) {
    let range = KvRange { prefix, after, limit };
    let page = store.list(range, now).await.expect("lists");
    (page.keys.into_iter().map(|key| key.name).collect(), page.complete)
}

async fn an_entry_comes_back_as_it_was_put(engine: impl Engine) {
    let store = engine.open();
    let odd = "a/b\0c%é😀".to_owned() + &"k".repeat(490);
    for key in ["k", "\0", " ", &odd] {
        // Around every size at which an engine may keep values elsewhere.
        for length in [
            0,
            1,
            4000,
            5000,
            64 * 1024,
            64 * 1024 + 1,
            256 * 1024,
            256 * 1024 + 1,
            3_000_000,
        ] {
            let put_in = KvEntry {
                value: (0..length).map(|n| n as u8).collect::<Vec<_>>().into(),
                expiration: (length % 2 == 0).then_some(NOW + 60),
                metadata: (length > 1).then(|| "{\"b\":1,\"a\":[null]}".to_owned()),
            };
            put(&store, key, put_in.clone()).await;
            assert!(
                get(&store, key, NOW).await == Some(put_in.clone()),
                "{key:?}, {length}"
            );
            store.delete(key, NOW).await.expect("deleted");
            put_in_pieces(&store, key, put_in.clone(), 700_001).await;
            assert!(get(&store, key, NOW).await == Some(put_in), "{key:?}, {length}");
        }
    }
    assert_eq!(value(&store, "none", NOW).await, None);
}

async fn a_put_replaces_all_of_the_entry(engine: impl Engine) {
    let store = engine.open();
    let first = KvEntry {
        value: Bytes::from_static(b"first"),
        expiration: Some(NOW + 60),
        metadata: Some("1".to_owned()),
    };
    put(&store, "k", first).await;
    put(&store, "k", entry("second")).await;
    assert_eq!(get(&store, "k", NOW + 100).await, Some(entry("second")));
    assert_eq!(
        names(&store, "", b"", 10, NOW).await,
        (vec!["k".to_owned()], true)
    );
}

/// Short and long values in the place of each other, while somebody reads the one before.
async fn a_value_that_was_found_stays_whole(engine: impl Engine) {
    let store = engine.open();
    let sizes = [10, 100_000, 700_000, 3_000_000, 700_000, 10];
    let mut reading = Vec::new();
    for (number, size) in (0_u8..).zip(sizes) {
        put(&store, "k", entry(vec![number; size])).await;
        let found = store.get("k", NOW).await.expect("reads").expect("found");
        reading.push((found, number, size));
        let many = store.get_many(&["k", "k"], 10_000_000, NOW).await.expect("reads");
        for found in many.expect("short enough").into_iter().flatten() {
            reading.push((found, number, size));
        }
    }
    store.delete("k", NOW).await.expect("deleted");
    for (found, number, size) in reading {
        assert_eq!(found.value.left(), size as u64);
        assert!(whole(found).await == entry(vec![number; size]), "{number}");
    }
    assert_eq!(value(&store, "k", NOW).await, None);
}

async fn a_draft_that_is_dropped_leaves_nothing(engine: impl Engine) {
    let store = engine.open();
    put(&store, "k", entry("old")).await;
    for size in [10, 3_000_000] {
        let mut draft = store.draft();
        draft.push(vec![1; size].into()).await.expect("taken");
        drop(draft);
    }
    assert_eq!(value(&store, "k", NOW).await.as_deref(), Some(&b"old"[..]));
    assert_eq!(names(&store, "", b"", 10, NOW).await.0, ["k"]);
}

async fn a_deletion_removes_one_key_and_may_come_again(engine: impl Engine) {
    let store = engine.open();
    for key in ["a", "aa", "b"] {
        put(&store, key, entry(key.to_owned())).await;
    }
    for _ in 0..2 {
        store.delete("a", NOW).await.expect("deleted");
        assert_eq!(value(&store, "a", NOW).await, None);
        assert_eq!(names(&store, "", b"", 10, NOW).await.0, ["aa", "b"]);
    }
    store.delete("never there", NOW).await.expect("deleted");
    put(&store, "a", entry("again")).await;
    assert_eq!(value(&store, "a", NOW).await.as_deref(), Some(&b"again"[..]));
}

async fn an_entry_is_invisible_from_its_expiration_on(engine: impl Engine) {
    let store = engine.open();
    let ending = |second| KvEntry {
        expiration: Some(second),
        ..entry("v")
    };
    put(&store, "a", ending(NOW + 10)).await;
    put(&store, "b", entry("v")).await;
    put(&store, "c", ending(NOW + 5)).await;
    for (now, expected) in [
        (NOW, &["a", "b", "c"][..]),
        (NOW + 4, &["a", "b", "c"]),
        (NOW + 5, &["a", "b"]),
        (NOW + 9, &["a", "b"]),
        (NOW + 10, &["b"]),
    ] {
        assert_eq!(
            names(&store, "", b"", 10, now).await,
            (expected.iter().map(|&s| s.to_owned()).collect(), true)
        );
        for key in ["a", "b", "c"] {
            assert_eq!(
                value(&store, key, now).await.is_some(),
                expected.contains(&key),
                "{key} at {now}"
            );
        }
        let many = store.get_many(&["a", "b", "c"], 100, now).await.expect("reads");
        assert_eq!(many.expect("short").iter().flatten().count(), expected.len());
    }
    // An expired key never makes a page incomplete.
    assert_eq!(
        names(&store, "", b"", 1, NOW + 10).await,
        (vec!["b".to_owned()], true)
    );
    store.put("a", entry("new"), NOW + 10).await.expect("written");
    assert_eq!(value(&store, "a", NOW + 1000).await.as_deref(), Some(&b"new"[..]));
}

async fn keys_are_listed_by_their_bytes_in_pages(engine: impl Engine) {
    let store = engine.open();
    // In UTF-16 the emoji would come before U+FFEE.
    let sorted = [
        "A",
        "a",
        "a\0",
        "a%",
        "aa",
        "ab",
        "a\u{10ffff}",
        "b",
        "é",
        "\u{ffee}",
        "😀",
    ];
    for key in sorted.iter().rev() {
        put(&store, key, entry("")).await;
    }
    let all: Vec<String> = sorted.iter().map(|&key| key.to_owned()).collect();
    assert_eq!(names(&store, "", b"", 100, NOW).await, (all.clone(), true));
    for limit in 1..=all.len() + 1 {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed
                .last()
                .map(|key| key.clone().into_bytes())
                .unwrap_or_default();
            let (page, complete) = names(&store, "", &after, limit, NOW).await;
            assert!(
                page.len() == limit || complete,
                "a short page that isn't the last"
            );
            listed.extend(page);
            if complete {
                break;
            }
        }
        assert_eq!(listed, all, "by {limit}");
    }
    let with_prefix: Vec<String> = all.iter().filter(|key| key.starts_with('a')).cloned().collect();
    assert_eq!(
        names(&store, "a", b"", 100, NOW).await,
        (with_prefix.clone(), true)
    );
    assert_eq!(
        names(&store, "a", b"aa", 1, NOW).await,
        (vec!["ab".to_owned()], false)
    );
    assert_eq!(
        names(&store, "a", b"a\xf4\x8f\xbf\xbf", 1, NOW).await,
        (vec![], true)
    );
    assert_eq!(names(&store, "a%", b"", 9, NOW).await.0, ["a%"]);
    assert_eq!(
        names(&store, "b", b"a", 9, NOW).await.0,
        ["b"],
        "after what is before the prefix"
    );
    assert_eq!(
        names(&store, "a", b"b", 9, NOW).await.0,
        [""; 0],
        "after what is behind it"
    );
    assert_eq!(names(&store, "no such", b"", 9, NOW).await, (vec![], true));
}

async fn several_keys_come_in_the_order_asked_for(engine: impl Engine) {
    let store = engine.open();
    put(&store, "a", entry("1")).await;
    put(&store, "b", entry(vec![7; 100_000])).await;
    put(&store, "c", entry(vec![8; 900_000])).await;
    let keys = ["b", "none", "a", "c", "a"];
    let found = store.get_many(&keys, 2_000_000, NOW).await;
    let mut entries = Vec::new();
    for found in found.expect("reads").expect("short enough") {
        entries.push(match found {
            Some(found) => Some(whole(found).await),
            None => None,
        });
    }
    let expected = [
        Some(entry(vec![7; 100_000])),
        None,
        Some(entry("1")),
        Some(entry(vec![8; 900_000])),
        Some(entry("1")),
    ];
    assert!(entries == expected);
    let none = store.get_many(&[], 0, NOW).await.expect("reads");
    assert_eq!(none.map(|found| found.len()), Some(0));
    for (keys, sum) in [
        (["a", "b"], 100_001),
        (["c", "b"], 1_000_000),
        (["b", "c"], 1_000_000),
    ] {
        for (most, fits) in [(sum, true), (sum - 1, false), (0, false)] {
            let found = store.get_many(&keys, most, NOW).await.expect("reads");
            assert_eq!(found.is_some(), fits, "{keys:?} {most}");
        }
    }
}

async fn writes_are_there_after_it_is_opened_again(engine: impl Engine) {
    let store = engine.open();
    put(&store, "k", entry("v")).await;
    put(&store, "gone", entry("v")).await;
    store.delete("gone", NOW).await.expect("deleted");
    drop(store);
    let store = engine.open();
    assert_eq!(names(&store, "", b"", 10, NOW).await.0, ["k"]);
    assert_eq!(value(&store, "k", NOW).await.as_deref(), Some(&b"v"[..]));
}

async fn writes_of_one_key_at_once_leave_one_of_them(engine: impl Engine) {
    let store = engine.open();
    let writes: Vec<_> = (0..100)
        .map(|n: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                let with = KvEntry {
                    metadata: Some(n.to_string()),
                    ..entry(n.to_string())
                };
                put(&store, "same", with).await;
                put(&store, &format!("own {n}"), entry("v")).await;
            })
        })
        .collect();
    for write in writes {
        write.await.expect("written");
    }
    let left = get(&store, "same", NOW).await.expect("found");
    assert_eq!(left.metadata.as_deref().map(str::as_bytes), Some(&*left.value));
    assert_eq!(names(&store, "own", b"", 1000, NOW).await.0.len(), 100);
}

async fn a_write_nobody_waits_for_harms_nothing(engine: impl Engine) {
    let store = engine.open();
    drop(store.put("k", entry("dropped"), NOW));
    put(&store, "k", entry("kept")).await;
    assert_eq!(value(&store, "k", NOW).await.as_deref(), Some(&b"kept"[..]));
    drop(store.get("k", NOW));
    drop(store.delete("k", NOW));
    // Both outcomes are allowed; a later write counts.
    put(&store, "k", entry("last")).await;
    assert_eq!(value(&store, "k", NOW).await.as_deref(), Some(&b"last"[..]));
}

macro_rules! suite {
    ($($engine:ident as $name:ident: $cases:tt)*) => { $(suite!(@ $engine $name $cases);)* };
    (@ $engine:ident $name:ident [$($case:ident)*]) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(<super::$engine as super::Engine>::new()).await;
                }
            )*
        }
    };
}

macro_rules! engines {
    ($($engine:ident as $name:ident),*) => {
        suite! { $($engine as $name: [
            an_entry_comes_back_as_it_was_put
            a_put_replaces_all_of_the_entry
            a_value_that_was_found_stays_whole
            a_draft_that_is_dropped_leaves_nothing
            a_deletion_removes_one_key_and_may_come_again
            an_entry_is_invisible_from_its_expiration_on
            keys_are_listed_by_their_bytes_in_pages
            several_keys_come_in_the_order_asked_for
            writes_are_there_after_it_is_opened_again
            writes_of_one_key_at_once_leave_one_of_them
            a_write_nobody_waits_for_harms_nothing
        ])* }
    };
}

engines!(Sqlite as sqlite, Memory as memory);
