//! Long values of KV lie in files beside the database: what becomes of the files, whatever happens.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use isthmus_protocol::kv::{FoundValue, Operation, Reply};
use isthmus_stores::{StoredPiece, kv::KvNamespace, sqlite::SqliteStores, state};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Bench, delete, get, list, put, put_with};

/// Longer than what lies in the database.
const LONG: usize = 300_000;

fn long(byte: u8) -> Bytes {
    vec![byte; LONG].into()
}

fn folder_in(root: &Path) -> PathBuf {
    root.join("kv/test.bodies")
}

fn files_in(root: &Path) -> BTreeSet<PathBuf> {
    match fs::read_dir(folder_in(root)) {
        Ok(found) => found.map(|found| found.expect("a file").path()).collect(),
        Err(_) => BTreeSet::new(),
    }
}

async fn until_files(root: &Path, count: usize) {
    for _ in 0..1000 {
        if files_in(root).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there are {:?}, not {count}", files_in(root));
}

async fn found(kv: &KvNamespace, key: &str) -> Option<Bytes> {
    get(kv, key).await.expect("reads")
}

fn many<'a>(keys: &[&'a str]) -> Operation<'a> {
    Operation::GetMany {
        keys: keys.to_vec(),
        cache_ttl: None,
    }
}

#[tokio::test]
async fn a_file_is_made_for_a_long_value_and_goes_with_it() {
    let (bench, kv) = Bench::open();
    let root = bench.folder.path();
    put(&kv, "short", vec![1; 256 * 1024]).await.expect("written");
    assert!(!folder_in(root).exists());
    put(&kv, "a", long(1)).await.expect("written");
    put(&kv, "b", long(1)).await.expect("written");
    assert_eq!(files_in(root).len(), 2);
    put(&kv, "a", long(2)).await.expect("written");
    until_files(root, 2).await;
    assert_eq!(found(&kv, "a").await, Some(long(2)));
    put(&kv, "a", "short").await.expect("written");
    until_files(root, 1).await;
    assert_eq!(found(&kv, "a").await.expect("there"), "short");
    delete(&kv, "b").await.expect("deleted");
    until_files(root, 0).await;
    assert_eq!(found(&kv, "b").await, None);
    // It is made again if somebody has removed it.
    fs::remove_dir(folder_in(root)).expect("empty");
    put(&kv, "c", long(3)).await.expect("written");
    assert_eq!(found(&kv, "c").await, Some(long(3)));
}

#[tokio::test]
async fn the_file_of_an_expired_value_goes() {
    let (bench, kv) = Bench::open();
    let root = bench.folder.path();
    put(&kv, "stays", long(1)).await.expect("written");
    for number in 0..3 {
        let key = format!("goes {number}");
        let written = put_with(&kv, &key, long(2), None, Some(60), None).await;
        written.expect("written");
    }
    assert_eq!(files_in(root).len(), 4);
    bench.clock.advance(60);
    assert_eq!(found(&kv, "goes 0").await, None);
    // Writes look for what has expired.
    for _ in 0..10 {
        bench.clock.advance(60);
        put(&kv, "short", "v").await.expect("written");
    }
    until_files(root, 1).await;
    assert_eq!(found(&kv, "stays").await, Some(long(1)));
}

#[tokio::test]
async fn a_file_stays_as_long_as_somebody_reads_it_and_is_not_open_before() {
    let (bench, kv) = Bench::open();
    let root = bench.folder.path();
    put(&kv, "k", long(1)).await.expect("written");
    let read = async |operation: &Operation<'_>| {
        let mut answer = kv.execute(operation, Bytes::new()).await.expect("reads");
        answer.take_body().expect("found")
    };
    let one = Operation::Get {
        key: "k",
        cache_ttl: None,
    };
    let mut bodies = Vec::new();
    for _ in 0..300 {
        bodies.push(read(&one).await);
        bodies.push(read(&many(&["k", "none", "k"])).await);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        assert!(open.count() < 300, "a body that nobody reads holds no file open");
    }
    delete(&kv, "k").await.expect("deleted");
    put(&kv, "k", "short").await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(files_in(root).len(), 1, "it is still read");
    for body in bodies {
        let whole = body.read_all().await.expect("whole");
        assert!(whole == long(1) || whole == [long(1), long(1)].concat());
    }
    until_files(root, 0).await;
}

#[tokio::test]
async fn a_long_value_is_not_read_into_memory() {
    let (_bench, kv) = Bench::open();
    put(&kv, "k", long(7)).await.expect("written");
    put(&kv, "short", "v").await.expect("written");
    let operation = many(&["short", "k", "none"]);
    let mut answer = kv.execute(&operation, Bytes::new()).await.expect("reads");
    let lengths = [Some(1), Some(LONG as u32), None];
    let values = lengths.map(|length| {
        length.map(|length| FoundValue {
            length,
            metadata: None,
        })
    });
    assert_eq!(answer.reply(), Reply::Values(values.to_vec()));
    let mut body = answer.take_body().expect("found");
    assert_eq!((body.left(), body.bytes_in_memory()), (LONG as u64 + 1, 1));
    let mut pieces = Vec::new();
    while let Some(piece) = std::future::poll_fn(|cx| body.poll_piece(cx, 1 << 20)).await {
        pieces.push(match piece.expect("whole") {
            StoredPiece::Bytes(bytes) => (false, bytes.len()),
            StoredPiece::File { length, .. } => (true, length),
        });
    }
    assert_eq!(pieces, [(false, 1), (true, LONG)]);
}

#[tokio::test]
async fn what_a_killed_process_has_left_is_swept() {
    let (bench, kv) = Bench::open();
    let root = bench.folder.path();
    put(&kv, "k", long(1)).await.expect("written");
    let operation = Operation::Put {
        key: "other",
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    };
    let mut under_way = kv.begin_put(&operation, None).expect("allowed");
    for _ in 0..10 {
        under_way.push(long(2)).await.expect("taken");
    }
    until_files(root, 2).await;
    let left = folder_in(root).join("0123456789abcdef-0");
    fs::write(&left, "left over").expect("written");
    // As another process would open it: what is under way is locked, the other file is nobody's.
    let second = bench.namespace();
    until_files(root, 2).await;
    assert!(!left.exists());
    assert_eq!(found(&second, "k").await, Some(long(1)));
    drop(under_way);
    until_files(root, 1).await;
}

#[tokio::test]
async fn garbage_of_an_earlier_process_is_deleted_at_opening() {
    let (bench, kv) = Bench::open();
    put(&kv, "k", long(1)).await.expect("written");
    put(&kv, "stays", long(2)).await.expect("written");
    drop(kv);
    let database = Connection::open(bench.file()).expect("opens");
    let deleted = database.execute("DELETE FROM entries WHERE key = x'6b'", []);
    assert_eq!(deleted.expect("deletes"), 1);
    drop(database);
    assert_eq!(files_in(bench.folder.path()).len(), 2);
    let kv = bench.namespace();
    until_files(bench.folder.path(), 1).await;
    assert_eq!(found(&kv, "stays").await, Some(long(2)));
}

#[tokio::test]
async fn a_put_that_is_too_long_or_given_up_leaves_no_file() {
    let (bench, kv) = Bench::open();
    let root = bench.folder.path();
    put(&kv, "k", "old").await.expect("written");
    let operation = Operation::Put {
        key: "k",
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    };
    for finished in [true, false] {
        let mut under_way = kv.begin_put(&operation, None).expect("allowed");
        for _ in 0..90 {
            under_way.push(long(2)).await.expect("taken");
        }
        if finished {
            let error = under_way.finish().await.expect_err("too long");
            assert_eq!(error.status, 413);
        }
    }
    until_files(root, 0).await;
    assert_eq!(found(&kv, "k").await.expect("there"), "old");
}

/// A database as the first version has made it.
fn first_version(root: &Path) {
    fs::create_dir_all(root.join("kv")).expect("a folder");
    let database = Connection::open(root.join("kv/test.sqlite")).expect("opens");
    database
        .execute_batch(
            "PRAGMA journal_mode = wal;
             CREATE TABLE entries (
                 id INTEGER PRIMARY KEY,
                 key BLOB NOT NULL UNIQUE,
                 expiration INTEGER,
                 metadata TEXT,
                 value BLOB NOT NULL
             ) STRICT;
             CREATE INDEX entries_by_expiration ON entries (expiration) WHERE expiration IS NOT NULL;
             PRAGMA application_id = 0x49734b56;
             PRAGMA user_version = 1;
             INSERT INTO entries (key, expiration, metadata, value) VALUES
                 (CAST('empty' AS BLOB), NULL, NULL, x''),
                 (CAST('short' AS BLOB), 2000000000, '{\"a\":1}', CAST('value' AS BLOB)),
                 (CAST('long' AS BLOB), NULL, '7', zeroblob(300000)),
                 (CAST('longer' AS BLOB), NULL, NULL, zeroblob(3000000)),
                 (CAST('over' AS BLOB), 1000, NULL, zeroblob(3000000));",
        )
        .expect("written");
}

#[tokio::test]
async fn a_database_of_the_first_version_is_upgraded_and_keeps_its_values() {
    let bench = Bench::new();
    let root = bench.folder.path();
    first_version(root);
    for _ in 0..2 {
        let kv = bench.namespace();
        assert_eq!(found(&kv, "empty").await.expect("there"), "");
        assert_eq!(found(&kv, "short").await.expect("there"), "value");
        assert_eq!(found(&kv, "long").await.expect("there"), vec![0; 300_000]);
        assert_eq!(found(&kv, "longer").await.expect("there"), vec![0; 3_000_000]);
        assert_eq!(found(&kv, "over").await, None);
        let operation = many(&["short", "long", "longer", "over"]);
        let answer = kv.execute(&operation, Bytes::new()).await.expect("reads");
        let values = answer.into_value().await.expect("reads").expect("found");
        assert_eq!(values.len(), 5 + 300_000 + 3_000_000);
        let names = list(&kv, None, None, None).await.expect("lists").0;
        assert_eq!(names, ["empty", "long", "longer", "short"]);
    }
    let kv = bench.namespace();
    for key in ["long", "longer", "new"] {
        put(&kv, key, long(5)).await.expect("written");
        assert_eq!(found(&kv, key).await, Some(long(5)));
    }
    assert_eq!(files_in(root).len(), 3);
    delete(&kv, "longer").await.expect("deleted");
    until_files(root, 2).await;
    drop(kv);
    // It is what a new one is.
    let new = Bench::new();
    drop(new.namespace());
    let schema = |path: PathBuf| {
        let database = Connection::open(path).expect("opens");
        let mut columns = database
            .prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info('entries')")
            .expect("reads");
        let rows = columns.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?),
            ))
        });
        let columns: Vec<_> = rows.and_then(Iterator::collect).expect("reads");
        let mut others = database
            .prepare("SELECT name, sql FROM sqlite_schema WHERE name <> 'entries' ORDER BY name")
            .expect("reads");
        let rows = others.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        });
        let others: Vec<_> = rows.and_then(Iterator::collect).expect("reads");
        (columns, others)
    };
    assert_eq!(schema(bench.file()), schema(new.file()));
}

#[tokio::test]
async fn a_file_that_is_missing_or_cut_off_is_named_and_nothing_else_suffers() {
    for cut in [true, false] {
        let (bench, kv) = Bench::open();
        put(&kv, "bad", long(1)).await.expect("written");
        let [file] = &files_in(bench.folder.path()).into_iter().collect::<Vec<_>>()[..] else {
            panic!("one value has one file")
        };
        put(&kv, "good", long(2)).await.expect("written");
        put(&kv, "short", "v").await.expect("written");
        if cut {
            let content = fs::read(file).expect("reads");
            fs::write(file, &content[..LONG - 1]).expect("written");
        } else {
            fs::remove_file(file).expect("removed");
        }
        let errors = [
            get(&kv, "bad").await.map(drop),
            kv.execute(&many(&["short", "bad"]), Bytes::new()).await.map(drop),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let error = error.expect_err("it is no good");
            assert!(
                error.is_internal()
                    && error.message.contains("the value of \"bad\" can't be read")
                    && !error.message.contains("test.bodies"),
                "{error}"
            );
            let news = kv.news(&error);
            assert_eq!(news.is_some(), number == 0, "it is told once");
            if let Some(news) = news {
                let named = news.contains(file.to_str().expect("UTF-8")) && news.contains("\"bad\"");
                assert!(named && news.contains("isthmus restore"), "{news}");
            }
        }
        assert_eq!(found(&kv, "good").await, Some(long(2)));
        assert_eq!(found(&kv, "short").await.expect("there"), "v");
        let names = list(&kv, None, None, None).await.expect("lists").0;
        assert_eq!(names, ["bad", "good", "short"]);
        if cut {
            put(&kv, "bad", long(3)).await.expect("written");
            assert_eq!(found(&kv, "bad").await, Some(long(3)));
        } else {
            delete(&kv, "bad").await.expect("deleted");
            assert_eq!(found(&kv, "bad").await, None);
        }
    }
}

fn backup(root: &Path) -> TempDir {
    let to = TempDir::new().expect("a folder");
    state::backup(root, to.path(), |_, _| {}).expect("copied");
    to
}

fn namespace_in(root: &Path) -> KvNamespace {
    let stores = SqliteStores::open(root, Default::default()).expect("opens");
    stores.kv("test").expect("opens")
}

#[tokio::test]
async fn files_are_backed_up_and_restored_with_their_keys() {
    let bench = Bench::new();
    let root = bench.folder.path();
    // One of the first version, which nobody has opened since, is copied as it is.
    first_version(root);
    let old = backup(root);
    let kv = bench.namespace();
    put(&kv, "k", long(1)).await.expect("written");
    let new = backup(root);
    put(&kv, "k", long(2)).await.expect("written");
    until_files(root, 1).await;
    drop(kv);
    assert_eq!(files_in(new.path()).len(), 1);
    for (copy, expected) in [(&new, Some(long(1))), (&old, None), (&new, Some(long(1)))] {
        state::restore(root, copy.path(), |_, _| {}).expect("restored");
        let kv = namespace_in(root);
        assert_eq!(found(&kv, "k").await, expected);
        assert_eq!(found(&kv, "long").await.expect("there").len(), 300_000);
    }
    for file in files_in(new.path()) {
        fs::remove_file(file).expect("removed");
    }
    let error = state::restore(root, new.path(), |_, _| {}).expect_err("incomplete");
    assert!(
        error
            .to_string()
            .contains("in the backup can't be used: it is missing"),
        "{error}"
    );
    for file in files_in(root) {
        fs::remove_file(file).expect("removed");
    }
    let to = TempDir::new().expect("a folder");
    let error = state::backup(root, to.path(), |_, _| {}).expect_err("incomplete");
    assert!(
        error.to_string().contains("/kv/test.bodies/")
            && error
                .to_string()
                .contains("with the value of \"k\" is missing or damaged: delete that key"),
        "{error}"
    );
}

/// Values come and go while backups are made: what a copy names it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_has_every_file_that_it_names_while_values_come_and_go() {
    let bench = Bench::new();
    let root = bench.folder.path();
    let kv = bench.namespace();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let (kv, stop) = (kv.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut round = 0_u8;
                while !stop.load(Ordering::Relaxed) {
                    let (made, replaced) = (format!("made {writer}"), format!("replaced {writer}"));
                    put(&kv, &replaced, long(round)).await.expect("written");
                    put(&kv, &made, long(writer)).await.expect("written");
                    if round.is_multiple_of(2) {
                        put(&kv, &made, vec![writer; 100]).await.expect("written");
                    } else {
                        delete(&kv, &made).await.expect("deleted");
                    }
                    round = round.wrapping_add(1);
                }
            })
        })
        .collect();
    let mut saved = Vec::new();
    for _ in 0..20 {
        saved.push(backup(root));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("no panic");
    }
    for copy in saved {
        let elsewhere = TempDir::new().expect("a folder");
        state::restore(elsewhere.path(), copy.path(), |_, _| {}).expect("whole");
        let restored = namespace_in(elsewhere.path());
        for writer in 0..4_u8 {
            for key in [format!("made {writer}"), format!("replaced {writer}")] {
                let Some(value) = found(&restored, &key).await else {
                    continue;
                };
                assert!(
                    value.len() >= 100 && value.iter().all(|byte| *byte == value[0]),
                    "{key}"
                );
            }
        }
    }
    // What was held back goes with the next that goes.
    for writer in 0..4 {
        put(&kv, &format!("made {writer}"), long(9))
            .await
            .expect("written");
        delete(&kv, &format!("made {writer}")).await.expect("deleted");
    }
    until_files(root, 4).await;
}

#[tokio::test]
async fn each_namespace_and_each_kind_of_store_has_a_folder_of_its_own() {
    let bench = Bench::new();
    let stores = bench.stores();
    for id in ["a", "index", "A"] {
        for namespace in [stores.kv(id), stores.secrets(id)] {
            let namespace = namespace.expect("opens");
            put(&namespace, "k", long(1)).await.expect("written");
            assert_eq!(found(&namespace, "k").await, Some(long(1)));
        }
    }
    for folder in ["kv", "secrets_store"] {
        for bodies in ["a.bodies", "bodies", "%41.bodies"] {
            let folder = bench.folder.path().join(folder).join(bodies);
            assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1, "{bodies}");
        }
    }
    assert_eq!(stores.kv_ids().expect("a folder"), ["A", "a", "index"]);
}
