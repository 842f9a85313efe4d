//! R2 on SQLite and files: the conformance suite, and what this engine promises beside it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use isthmus_protocol::r2::Operation;
use isthmus_stores::r2::R2Answer;
use isthmus_stores::sqlite::{SqliteOptions, SqliteR2, SqliteStores};
use isthmus_stores::{Durability, StoreError};
use tempfile::TempDir;

use crate::conformance::r2::{self as suite, Store};
use crate::support;

struct Bench {
    folder: TempDir,
    options: SqliteOptions,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            // What is tested here is not the loss of power.
            options: SqliteOptions {
                durability: Durability::Process,
                max_bytes: None,
            },
        }
    }

    fn open(&self) -> Store {
        Arc::new(self.try_open().expect("it opens"))
    }

    fn try_open(&self) -> Result<SqliteR2, StoreError> {
        SqliteR2::open(self.folder.path(), self.options)
    }

    fn bodies(&self) -> Vec<PathBuf> {
        let found = fs::read_dir(self.folder.path().join("bodies")).expect("a folder");
        found.map(|found| found.expect("a file").path()).collect()
    }

    async fn until_bodies(&self, count: usize) {
        for _ in 0..500 {
            if self.bodies().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("there are {:?}, not {count}", self.bodies());
    }
}

suite::suite!({
    let bench = Bench::new();
    let store = bench.open();
    (bench, store)
});

const LONG: usize = 200_000;

#[tokio::test]
async fn files_go_with_their_objects() {
    let bench = Bench::new();
    let store = bench.open();
    suite::put(&store, "a", "1", &[1; LONG]).await;
    suite::put(&store, "b", "1", &[1; LONG]).await;
    suite::put(&store, "short", "1", &[1; 1000]).await;
    assert_eq!(bench.bodies().len(), 2);
    suite::put(&store, "a", "2", &[2; LONG]).await;
    bench.until_bodies(2).await;
    suite::put(&store, "a", "3", b"short").await;
    bench.until_bodies(1).await;
    store.delete(vec!["b".to_owned()]).await.expect("deletes");
    bench.until_bodies(0).await;
}

#[tokio::test]
async fn the_files_of_parts_stay_as_long_as_somebody_reads_them() {
    use isthmus_stores::r2::{ChosenPart, Completion, Metadata, NewUpload, StoredPart};
    let bench = Bench::new();
    let store = bench.open();
    let upload = NewUpload {
        id: "u".to_owned(),
        key: "k".to_owned(),
        metadata: Metadata::default(),
        created: 0,
    };
    store.create_upload(upload).await.expect("begins");
    let mut draft = store.draft();
    draft.push(vec![7; LONG].into()).await.expect("taken");
    let part = StoredPart {
        number: 1,
        etag: "1".to_owned(),
        size: LONG as u64,
        md5: [0; 16],
    };
    assert!(
        draft
            .into_part("k".to_owned(), "u".to_owned(), part)
            .await
            .expect("writes")
    );
    let completion = Completion {
        upload: "u".to_owned(),
        key: "k".to_owned(),
        parts: vec![ChosenPart {
            number: 1,
            etag: "1".to_owned(),
        }],
        version: "v".to_owned(),
        uploaded: 0,
    };
    assert!(store.complete(completion).await.expect("answers").is_some());
    let reader = store.get("k").await.expect("reads").expect("there");
    store.delete(vec!["k".to_owned()]).await.expect("deletes");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.bodies().len(), 1, "it is still read");
    assert_eq!(suite::drain(reader.value.body(0..LONG as u64)).await, [7; LONG]);
    bench.until_bodies(0).await;
}

#[tokio::test]
async fn what_a_killed_process_has_left_is_swept() {
    let bench = Bench::new();
    let store = bench.open();
    suite::put(&store, "k", "1", &[1; LONG]).await;
    let mut draft = store.draft();
    for _ in 0..20 {
        draft.push(vec![0; 100_000].into()).await.expect("taken");
    }
    bench.until_bodies(2).await;
    let orphan = bench.folder.path().join("bodies/0123456789abcdef-0");
    fs::write(&orphan, b"left over").expect("writes");
    // A second one, as another process would open it: the draft is under way, the other file is nobody's.
    let second = bench.open();
    bench.until_bodies(2).await;
    assert!(!orphan.exists());
    assert_eq!(
        suite::value(&second, "k").await.map(|value| value.len()),
        Some(LONG)
    );
    drop(draft);
    bench.until_bodies(1).await;
}

#[tokio::test]
async fn garbage_of_an_earlier_process_is_deleted_at_opening() {
    let bench = Bench::new();
    {
        let store = bench.open();
        suite::put(&store, "k", "1", &[1; LONG]).await;
        let path = bench.folder.path().join("index.sqlite");
        let connection = rusqlite::Connection::open(path).expect("opens");
        connection.execute("DELETE FROM objects", []).expect("deletes");
    }
    assert_eq!(bench.bodies().len(), 1);
    let _store = bench.open();
    bench.until_bodies(0).await;
}

#[tokio::test]
async fn a_full_store_refuses_and_goes_on() {
    let mut bench = Bench::new();
    bench.options.max_bytes = Some(512 * 1024);
    let store = bench.open();
    suite::put(&store, "first", "1", &[1; 1000]).await;
    let mut refused = None;
    for number in 0..40 {
        let mut draft = store.draft();
        draft.push(vec![3; 60_000].into()).await.expect("taken");
        let object = suite::record(&format!("{number}"), "1", 60_000);
        if let Err(error) = draft.into_object(object, None).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("there is no room for all of them");
    assert!(
        refused.is_internal() && refused.message.contains("no room left"),
        "{refused}"
    );
    assert_eq!(suite::value(&store, "first").await, Some(vec![1; 1000]));
    store
        .delete(vec!["0".to_owned(), "1".to_owned()])
        .await
        .expect("deletes");
    suite::put(&store, "again", "1", &[1; 1000]).await;
}

#[test]
fn a_file_that_is_no_bucket_is_named() {
    let bench = Bench::new();
    let path = bench.folder.path().join("index.sqlite");
    fs::write(&path, [7; 8192]).expect("writes");
    let Err(error) = bench.try_open() else {
        panic!("it opens")
    };
    assert!(
        error.to_string().contains(path.to_str().expect("UTF-8")),
        "{error}"
    );
    fs::remove_file(&path).expect("removes");
    rusqlite::Connection::open(&path)
        .and_then(|connection| {
            connection.execute_batch(
                "PRAGMA application_id = 0x49735232; PRAGMA user_version = 99; CREATE TABLE t (x)",
            )
        })
        .expect("a database of the future");
    assert!(matches!(
        bench.try_open(),
        Err(StoreError::NewerSchema { found: 99, .. })
    ));
}

#[tokio::test]
async fn a_piece_stays_in_its_file_if_that_never_changes() {
    use isthmus_stores::{StoredBody, StoredPiece};
    let bench = Bench::new();
    let store = bench.open();
    suite::put(&store, "a", "1", &[1; LONG]).await;
    let found = store.get("a").await.expect("reads").expect("it is there");
    let mut body = found.value.body(1000..LONG as u64);
    let piece = std::future::poll_fn(|cx| body.poll_piece(cx, 100_000)).await;
    let Some(Ok(StoredPiece::File { offset, length, .. })) = piece else {
        panic!("it was written just now")
    };
    assert_eq!(
        (offset, length, body.left()),
        (1000, 100_000, LONG as u64 - 101_000)
    );
    // Somebody else's file may become shorter while it is sent.
    let file = fs::File::open(&bench.bodies()[0]).expect("opens");
    let mut body = StoredBody::of_file(file, 0, LONG as u64);
    let piece = std::future::poll_fn(|cx| body.poll_piece(cx, 100_000)).await;
    assert!(matches!(piece, Some(Ok(StoredPiece::Bytes(bytes))) if bytes.len() == 100_000));
}

#[tokio::test]
async fn an_upload_ends_after_a_week_and_its_parts_go() {
    const WEEK: u64 = 7 * 24 * 3600;
    let bench = support::Bench::new();
    let bucket = bench.stores().r2("b").expect("a name");
    let metadata = isthmus_protocol::r2::Metadata::default();
    let create = Operation::CreateUpload { key: "k", metadata };
    let Ok(R2Answer::Upload { id }) = bucket.execute(&create).await else {
        panic!("it begins")
    };
    let part = async |number| {
        let operation = Operation::UploadPart {
            key: "k",
            upload: &id,
            number,
        };
        let mut upload = bucket.begin(&operation, Some(LONG as u64)).await?;
        upload.push(vec![1; LONG].into()).await?;
        upload.finish().await.map(drop)
    };
    let bodies = || {
        let found = fs::read_dir(bench.folder.path().join("r2/b/bodies")).expect("a folder");
        found.count()
    };
    part(1).await.expect("it is open");
    bench.clock.advance(WEEK);
    part(2).await.expect("a week is not over");
    assert_eq!(bodies(), 2);
    bench.clock.advance(1);
    let refused = part(3).await.expect_err("it is over");
    assert_eq!(refused.code, 10024);
    let complete = Operation::CompleteUpload {
        key: "k",
        upload: &id,
        parts: Vec::new(),
    };
    assert_eq!(
        bucket.execute(&complete).await.err().map(|error| error.code),
        Some(10024)
    );
    // Its parts are looked for now and then, by whatever is done with the bucket.
    bench.clock.advance(3600);
    for _ in 0..500 {
        bucket
            .execute(&Operation::Head { key: "k" })
            .await
            .map(drop)
            .expect("it is read");
        if bodies() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bodies(), 0);
    let abort = Operation::AbortUpload {
        key: "k",
        upload: &id,
    };
    bucket
        .execute(&abort)
        .await
        .map(drop)
        .expect("it is over, which is all right");
}

#[tokio::test]
async fn a_bucket_that_cannot_be_opened_says_why_and_others_go_on() {
    let root = TempDir::new().expect("a folder");
    let stores = SqliteStores::new(root.path().to_owned(), SqliteOptions::default());
    fs::create_dir_all(root.path().join("r2/broken")).expect("makes");
    fs::write(root.path().join("r2/broken/index.sqlite"), [7; 8192]).expect("writes");
    let (broken, good) = (
        stores.r2("broken").expect("a name"),
        stores.r2("good").expect("a name"),
    );
    let Err(error) = broken.execute(&Operation::Head { key: "k" }).await else {
        panic!("it is read")
    };
    assert!(
        error.is_internal() && !error.message.contains("index.sqlite"),
        "{error}"
    );
    assert!(
        error
            .log
            .is_some_and(|log| log.contains("r2/broken/index.sqlite"))
    );
    good.execute(&Operation::Head { key: "k" })
        .await
        .map(drop)
        .expect("it is read");
    // Once the file is out of the way, the bucket is there again.
    fs::remove_file(root.path().join("r2/broken/index.sqlite")).expect("removes");
    broken
        .execute(&Operation::Head { key: "k" })
        .await
        .map(drop)
        .expect("it is read");
    assert!(matches!(stores.r2(""), Err(StoreError::InvalidId { .. })));
}

#[tokio::test]
async fn a_missing_file_is_an_error_and_nothing_else_suffers() {
    let bench = Bench::new();
    let store = bench.open();
    suite::put(&store, "k", "1", &[1; LONG]).await;
    suite::put(&store, "other", "1", b"v").await;
    for file in bench.bodies() {
        fs::remove_file(file).expect("removes");
    }
    let Err(error) = store.get("k").await else {
        panic!("it is read")
    };
    assert!(
        error.is_internal() && error.message.contains("missing"),
        "{error}"
    );
    assert_eq!(suite::value(&store, "other").await.as_deref(), Some(&b"v"[..]));
    suite::put(&store, "k", "2", &[2; LONG]).await;
    assert_eq!(suite::value(&store, "k").await, Some(vec![2; LONG]));
}

#[tokio::test]
async fn small_writes_share_a_transaction() {
    let bench = Bench::new();
    let store = Arc::new(bench.try_open().expect("opens"));
    let before = store.commits();
    let shared: Store = store.clone();
    let writes: Vec<_> = (0..200)
        .map(|number| {
            let store = Arc::clone(&shared);
            tokio::spawn(async move { suite::put(&store, &format!("{number}"), "1", &[0; 100]).await })
        })
        .collect();
    for write in writes {
        write.await.expect("runs");
    }
    assert!(store.commits() - before < 200);
    let store: Store = store;
    assert_eq!(suite::keys_of(&store, suite::range("")).await.len(), 200);
}
