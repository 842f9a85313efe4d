//! The caches: what is found, how long, and that nothing half-written ever is.

use std::fs;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use isthmus_stores::Durability;
use isthmus_stores::cache::{CacheLimits, CacheRequest, Caches, Draft, Headers};
use isthmus_stores::sqlite::{SqliteOptions, SqliteStores};

use super::support::TestClock;

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    caches: Caches,
    limits: CacheLimits,
}

impl Bench {
    fn new(limits: CacheLimits) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::default());
        clock.advance(1_700_000_000);
        let caches = open(&folder, &clock, limits);
        Self {
            folder,
            clock,
            caches,
            limits,
        }
    }

    fn reopen(&mut self) {
        self.caches = open(&self.folder, &self.clock, self.limits);
    }

    fn bodies(&self) -> Vec<PathBuf> {
        let Ok(found) = fs::read_dir(self.folder.path().join("cache/bodies")) else {
            return Vec::new();
        };
        found.map(|found| found.expect("readable").path()).collect()
    }

    async fn begin(&self, key: &str, control: &str) -> Draft {
        let headers = vec![("cache-control".to_owned(), control.as_bytes().to_vec())];
        self.caches
            .put(request(key, &Vec::new()), 200, headers)
            .await
            .expect("opens")
    }

    async fn put(&self, key: &str, body: Vec<u8>) {
        let mut draft = self.begin(key, "max-age=60").await;
        draft.push(body.into()).await.expect("written");
        draft.finish().await.expect("stored");
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.get_with(key, &Vec::new()).await.map(|(_, body)| body)
    }

    async fn get_with(&self, key: &str, headers: &Headers) -> Option<(u16, Vec<u8>)> {
        let found = self.caches.find(request(key, headers)).await.expect("readable")?;
        let mut all = Vec::new();
        if let Some(mut body) = found.body {
            while let Some(chunk) = poll_fn(|cx| body.poll_chunk(cx, 100_000)).await {
                all.extend_from_slice(&chunk.expect("whole"));
            }
        }
        Some((found.status, all))
    }

    /// Waits for what goes on beside the callers.
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it did not come to that: {:?}", self.bodies());
    }
}

fn open(folder: &tempfile::TempDir, clock: &Arc<TestClock>, limits: CacheLimits) -> Caches {
    let options = SqliteOptions {
        durability: Durability::Process,
        ..SqliteOptions::default()
    };
    SqliteStores::with_clock(folder.path().to_owned(), options, Arc::<TestClock>::clone(clock)).caches(limits)
}

fn request<'a>(key: &'a str, headers: &'a Headers) -> CacheRequest<'a> {
    CacheRequest {
        cache: None,
        key,
        headers,
    }
}

fn long(byte: u8) -> Vec<u8> {
    vec![byte; 300_000]
}

#[tokio::test]
async fn an_entry_lives_as_long_as_it_is_fresh() {
    let mut bench = Bench::new(CacheLimits::default());
    bench.put("short", b"short".to_vec()).await;
    bench.put("long", long(1)).await;
    bench.reopen();
    bench.clock.advance(59);
    assert_eq!(bench.get("short").await.as_deref(), Some(&b"short"[..]));
    assert_eq!(bench.get("long").await, Some(long(1)));
    bench.clock.advance(1);
    assert_eq!(bench.get("short").await, None);
    assert_eq!(bench.get("long").await, None);
    // What is stale goes with the next put.
    bench.clock.advance(60);
    bench.put("other", Vec::new()).await;
    bench.until(|bench| bench.bodies().is_empty()).await;
}

#[tokio::test]
async fn bodies_of_every_length_come_back() {
    let bench = Bench::new(CacheLimits::default());
    for length in [0, 1, 65_535, 65_536, 65_537, 262_144, 1_000_000] {
        let body: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let mut draft = bench.begin("key", "max-age=60").await;
        for chunk in body.chunks(70_001) {
            draft.push(Bytes::copy_from_slice(chunk)).await.expect("written");
        }
        draft.finish().await.expect("stored");
        assert_eq!(bench.get("key").await, Some(body), "{length}");
    }
    bench.until(|bench| bench.bodies().len() == 1).await;
}

#[tokio::test]
async fn a_draft_that_is_dropped_leaves_what_was_there() {
    let bench = Bench::new(CacheLimits::default());
    bench.put("key", long(1)).await;
    let mut draft = bench.begin("key", "max-age=60").await;
    draft.push(long(2).into()).await.expect("written");
    assert_eq!(bench.bodies().len(), 2);
    assert_eq!(bench.get("key").await, Some(long(1)));
    drop(draft);
    assert_eq!(bench.bodies().len(), 1);
    assert_eq!(bench.get("key").await, Some(long(1)));
}

#[tokio::test]
async fn a_body_being_read_outlives_its_entry() {
    let bench = Bench::new(CacheLimits::default());
    bench.put("key", long(1)).await;
    let headers = Vec::new();
    let found = bench
        .caches
        .find(request("key", &headers))
        .await
        .expect("readable")
        .expect("there");
    let mut body = found.body.expect("a body");
    bench.put("key", long(2)).await;
    bench.until(|bench| bench.bodies().len() == 1).await;
    let mut all = Vec::new();
    while let Some(chunk) = poll_fn(|cx| body.poll_chunk(cx, 65_536)).await {
        all.extend_from_slice(&chunk.expect("whole"));
    }
    assert_eq!(all, long(1));
    assert_eq!(bench.get("key").await, Some(long(2)));
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_what_another_writes_is_not() {
    let mut bench = Bench::new(CacheLimits::default());
    bench.put("kept", long(1)).await;
    let orphan = bench.folder.path().join("cache/bodies/orphan");
    fs::write(&orphan, b"half").expect("written");
    let mut draft = bench.begin("other", "max-age=60").await;
    draft.push(long(2).into()).await.expect("written");
    // A second process would open the same folder so.
    let second = open(&bench.folder, &bench.clock, bench.limits);
    let headers = Vec::new();
    assert!(
        second
            .find(request("kept", &headers))
            .await
            .expect("readable")
            .is_some()
    );
    assert!(!orphan.exists());
    draft.finish().await.expect("stored");
    assert_eq!(bench.get("other").await, Some(long(2)));
    bench.reopen();
    assert_eq!(bench.get("other").await, Some(long(2)));
    assert_eq!(bench.bodies().len(), 2);
}

#[tokio::test]
async fn the_least_used_goes_when_there_is_too_much() {
    let limits = CacheLimits {
        total: 2_000_000,
        body: 1_000_000,
    };
    let bench = Bench::new(limits);
    for number in 0..12_u8 {
        bench.put(&number.to_string(), long(number)).await;
        assert!(bench.get("0").await.is_some(), "it is used all the time");
    }
    bench.until(|bench| bench.bodies().len() <= 6).await;
    assert!(bench.get("11").await.is_some() && bench.get("1").await.is_none());
    // Too long for one, and too much under way at once.
    bench.put("huge", vec![0; 1_000_001]).await;
    assert_eq!(bench.get("huge").await, None);
    let mut drafts = Vec::new();
    for number in 0..10_u8 {
        let mut draft = bench.begin(&format!("draft {number}"), "max-age=60").await;
        draft.push(long(number).into()).await.expect("written");
        drafts.push(draft);
    }
    assert!(bench.bodies().len() <= 6 + 6);
    for draft in drafts {
        draft.finish().await.expect("stored or not");
    }
    bench.put("after", long(3)).await;
    assert!(bench.get("after").await.is_some());
}

#[tokio::test]
async fn what_may_not_be_stored_changes_nothing_and_what_is_stale_replaces() {
    let bench = Bench::new(CacheLimits::default());
    bench.put("key", b"before".to_vec()).await;
    let mut draft = bench.begin("key", "no-store").await;
    draft.push(long(9).into()).await.expect("read");
    draft.finish().await.expect("nothing to do");
    assert_eq!(bench.get("key").await.as_deref(), Some(&b"before"[..]));
    let draft = bench.begin("key", "max-age=0").await;
    draft.finish().await.expect("removed");
    assert_eq!(bench.get("key").await, None);
}

#[tokio::test]
async fn parts_of_long_bodies_are_read_where_they_are() {
    let bench = Bench::new(CacheLimits::default());
    let body: Vec<u8> = (0..500_000_u32).map(|index| (index % 251) as u8).collect();
    bench.put("key", body.clone()).await;
    let range = |text: &str| vec![("range".to_owned(), text.as_bytes().to_vec())];
    let part = bench.get_with("key", &range("bytes=400000-400009")).await;
    assert_eq!(part, Some((206, body[400_000..400_010].to_vec())));
    let (status, parts) = bench
        .get_with("key", &range("bytes=0-1,-2"))
        .await
        .expect("there");
    assert_eq!(status, 206);
    let text = String::from_utf8_lossy(&parts);
    assert!(text.contains("Content-Range: bytes 0-1/500000\r\n\r\n"), "{text}");
    assert!(
        text.contains("Content-Range: bytes 499998-499999/500000\r\n\r\n"),
        "{text}"
    );
    assert_eq!(
        bench
            .get_with("key", &range("bytes=500000-"))
            .await
            .map(|(status, _)| status),
        Some(416)
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named_and_tried_again() {
    let bench = Bench::new(CacheLimits::default());
    let path = bench.folder.path().join("cache");
    fs::write(&path, b"no folder").expect("written");
    let headers = Vec::new();
    let error = bench
        .caches
        .find(request("key", &headers))
        .await
        .err()
        .expect("an error");
    assert!(error.to_string().contains(path.to_str().expect("UTF-8")));
    assert!(!error.reason().contains(path.to_str().expect("UTF-8")));
    fs::remove_file(&path).expect("removed");
    bench.put("key", b"now".to_vec()).await;
    assert_eq!(bench.get("key").await.as_deref(), Some(&b"now"[..]));
}
