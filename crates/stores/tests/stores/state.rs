//! The state folder as a whole: its version, backups while it is in use, restores that may break off anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use isthmus_protocol::kv::Operation;
use isthmus_stores::{
    kv::KvNamespace,
    sqlite::{SqliteOptions, SqliteR2, SqliteStores},
    state::{self, BackupError, RestoreError, StateError, StateFolder, VERSION},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    conformance::r2::{self, Store},
    support::{get, put},
};

fn open(root: &Path) -> SqliteStores {
    SqliteStores::open(root, SqliteOptions::default()).expect("opens")
}

fn namespace(root: &Path, id: &str) -> KvNamespace {
    open(root).kv(id).expect("opens")
}

async fn value(root: &Path, id: &str, key: &str) -> Option<Bytes> {
    get(&namespace(root, id), key).await.expect("reads")
}

/// Too long to lie in the database.
static BODY: [u8; 100_000] = [7; 100_000];

fn bucket(root: &Path) -> Store {
    let folder = root.join("r2/bucket");
    Arc::new(SqliteR2::open(&folder, SqliteOptions::default()).expect("opens"))
}

/// The only body of a bucket.
fn body_file(root: &Path) -> PathBuf {
    let mut found = fs::read_dir(root.join("r2/bucket/bodies")).expect("a folder");
    found.next().expect("a body").expect("reads").path()
}

/// A state with a namespace, and a bucket with a body.
async fn state() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    put(&namespace(folder.path(), "one"), "k", "v")
        .await
        .expect("written");
    r2::put(&bucket(folder.path()), "long", "v1", &BODY).await;
    folder
}

fn backup(state: &TempDir) -> TempDir {
    let to = TempDir::new().expect("a folder");
    state::backup(state.path(), to.path(), |_, _| {}).expect("copied");
    to
}

fn restore(state: &Path, from: &Path) -> Result<(), RestoreError> {
    state::restore(state, from, |_, _| {}).map(drop)
}

#[tokio::test]
async fn a_folder_has_a_version_and_an_older_one_is_upgraded() {
    let folder = state().await;
    let file = folder.path().join("isthmus.json");
    let current = format!("{{\"version\":{VERSION}}}");
    assert_eq!(fs::read_to_string(&file).expect("there"), current);
    // As it was before there were versions.
    fs::remove_file(&file).expect("removed");
    assert_eq!(value(folder.path(), "one", "k").await.as_deref(), Some(&b"v"[..]));
    assert_eq!(fs::read_to_string(&file).expect("there"), current);
}

#[tokio::test]
async fn a_newer_folder_is_refused_and_left_alone() {
    let folder = state().await;
    let file = folder.path().join("isthmus.json");
    let newer = format!("{{\"version\":{},\"more\":1}}", VERSION + 1);
    fs::write(&file, &newer).expect("written");
    let error = StateFolder::open(folder.path()).expect_err("refused");
    assert!(matches!(&error, StateError::Newer { found, .. } if *found == VERSION + 1));
    assert!(
        error
            .to_string()
            .contains("has version 2, but this Isthmus knows versions up to 1"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&file).expect("there"), newer);
    for broken in ["", "{}", "[]", "{\"version\":-1}", "\u{0}\u{0}"] {
        fs::write(&file, broken).expect("written");
        let error = StateFolder::open(folder.path()).expect_err(broken);
        assert!(
            error.to_string().contains("isthmus.json can't be understood"),
            "{error}"
        );
    }
    fs::remove_file(&file).expect("removed");
    fs::write(folder.path().join("file"), "").expect("a file");
    let error = StateFolder::open(&folder.path().join("file")).expect_err("no folder");
    assert!(matches!(error, StateError::System { .. }));
}

#[tokio::test]
async fn many_may_use_a_folder_but_nobody_beside_a_restore() {
    let folder = state().await;
    let saved = backup(&folder);
    let (one, two) = (open(folder.path()), open(folder.path()));
    drop(two);
    let error = restore(folder.path(), saved.path()).expect_err("in use");
    assert!(
        error.to_string().contains("is in use by another process"),
        "{error}"
    );
    // An upgrade, too, needs it alone.
    fs::remove_file(folder.path().join("isthmus.json")).expect("removed");
    assert!(matches!(
        StateFolder::open(folder.path()),
        Err(StateError::InUse { .. })
    ));
    drop(one);
    restore(folder.path(), saved.path()).expect("alone now");
}

#[tokio::test]
async fn what_was_backed_up_is_what_is_restored() {
    let folder = state().await;
    fs::create_dir_all(folder.path().join("cache/bodies")).expect("a folder");
    fs::write(folder.path().join("cache/bodies/x"), "may be lost").expect("a file");
    let saved = backup(&folder);
    assert!(!saved.path().join("cache").exists());
    put(&namespace(folder.path(), "one"), "k", "changed")
        .await
        .expect("written");
    put(&namespace(folder.path(), "two"), "k", "new")
        .await
        .expect("written");
    fs::remove_dir_all(folder.path().join("r2")).expect("removed");
    restore(folder.path(), saved.path()).expect("restored");
    assert_eq!(value(folder.path(), "one", "k").await.as_deref(), Some(&b"v"[..]));
    assert_eq!(open(folder.path()).kv_ids().expect("a folder"), ["one"]);
    assert_eq!(
        r2::value(&bucket(folder.path()), "long").await.as_deref(),
        Some(&BODY[..])
    );
    assert!(
        !folder.path().join("cache").exists(),
        "it may name what is no longer so"
    );
    // Into a folder that doesn't exist yet, and as often as one likes.
    let elsewhere = TempDir::new().expect("a folder");
    let new = elsewhere.path().join("a/b");
    for _ in 0..2 {
        restore(&new, saved.path()).expect("restored");
        assert_eq!(value(&new, "one", "k").await.as_deref(), Some(&b"v"[..]));
    }
    let left: Vec<_> = fs::read_dir(&new)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        left.iter().all(|name| !name.as_encoded_bytes().starts_with(b".")),
        "{left:?}"
    );
}

#[tokio::test]
async fn every_kind_of_store_is_backed_up_and_nothing_else_is_touched() {
    let folder = TempDir::new().expect("a folder");
    let stores = open(folder.path());
    let kept = (
        stores.kv("x").expect("opens"),
        stores.d1("x").expect("opens"),
        stores.queue("x").expect("opens"),
        stores.secrets("x").expect("opens"),
    );
    let saved = backup(&folder);
    drop((kept, stores));
    for store in ["kv", "d1", "queues", "secrets_store"] {
        assert!(saved.path().join(store).join("x.sqlite").exists(), "{store}");
    }
    // Another tool keeps its state here as well.
    fs::create_dir_all(folder.path().join("v3/kv")).expect("a folder");
    fs::write(folder.path().join("v3/kv/theirs"), "theirs").expect("a file");
    restore(folder.path(), saved.path()).expect("restored");
    assert_eq!(
        fs::read(folder.path().join("v3/kv/theirs")).expect("there"),
        b"theirs"
    );
    assert!(!backup(&folder).path().join("v3").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_writers_is_one_state_of_each_database() {
    let folder = TempDir::new().expect("a folder");
    let kv = namespace(folder.path(), "busy");
    let stop = Arc::new(AtomicBool::new(false));
    // Each writer counts; a state holds what was there before it, whole.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (kv, stop) = (kv.clone(), stop.clone());
            tokio::spawn(async move {
                let mut number = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    put(&kv, &format!("{writer}-{number}"), vec![7; 3000])
                        .await
                        .expect("written");
                    number += 1;
                }
                number
            })
        })
        .collect();
    let mut saved = Vec::new();
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        saved.push(backup(&folder));
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.expect("no panic");
    }
    let mut counts = Vec::new();
    for copy in &saved {
        let database = Connection::open(copy.path().join("kv/busy.sqlite")).expect("opens");
        let mut statement = database
            .prepare("SELECT CAST(key AS TEXT) FROM entries")
            .expect("reads");
        let keys: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .and_then(Iterator::collect)
            .expect("reads");
        for writer in 0..4 {
            let own: Vec<_> = keys
                .iter()
                .filter(|key| key.starts_with(&format!("{writer}-")))
                .collect();
            for number in 0..own.len() {
                assert!(
                    keys.contains(&format!("{writer}-{number}")),
                    "a hole before a later write"
                );
            }
        }
        counts.push(keys.len());
    }
    assert!(counts.is_sorted() && counts[0] < counts[4], "{counts:?}");
    assert!(counts[4] as u32 <= written);
}

/// Objects come and go while backups are made: what a copy names it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_has_every_body_that_it_names_while_bodies_come_and_go() {
    let folder = TempDir::new().expect("a folder");
    let store = bucket(folder.path());
    r2::put(&store, "stays", "v", &BODY).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut round = 0_u8;
                while !stop.load(Ordering::Relaxed) {
                    let (made, replaced) = (format!("made {writer}"), format!("replaced {writer}"));
                    r2::put(&store, &replaced, "v", &vec![round; 70_000 + usize::from(round)]).await;
                    r2::put(&store, &made, "v", &[writer; 80_000]).await;
                    store.delete(vec![made]).await.expect("deleted");
                    round = round.wrapping_add(1);
                }
            })
        })
        .collect();
    let mut saved = Vec::new();
    for _ in 0..40 {
        // From another process the folder is opened, and swept, at the same time.
        drop(bucket(folder.path()));
        saved.push(backup(&folder));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("no panic");
    }
    for copy in saved {
        let elsewhere = TempDir::new().expect("a folder");
        restore(elsewhere.path(), copy.path()).expect("whole");
        let restored = bucket(elsewhere.path());
        assert_eq!(r2::value(&restored, "stays").await.as_deref(), Some(&BODY[..]));
        for writer in 0..4_u8 {
            for key in [format!("made {writer}"), format!("replaced {writer}")] {
                let Some(value) = r2::value(&restored, &key).await else {
                    continue;
                };
                assert!(value.len() >= 70_000 && value.iter().all(|byte| *byte == value[0]));
            }
        }
    }
    // What was held back goes with the next that goes.
    store.delete(vec!["stays".to_owned()]).await.expect("deleted");
    let named = 4;
    for _ in 0..500 {
        let bodies = fs::read_dir(folder.path().join("r2/bucket/bodies")).expect("a folder");
        if bodies.count() == named {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("garbage stays");
}

#[tokio::test]
async fn a_body_that_is_missing_is_named_by_its_object() {
    let folder = state().await;
    fs::remove_file(body_file(folder.path())).expect("removed");
    let to = TempDir::new().expect("a folder");
    let error = state::backup(folder.path(), to.path(), |_, _| {}).expect_err("incomplete");
    let error = error.to_string();
    assert!(
        error.contains("/r2/bucket/bodies/")
            && error.contains("with the value of \"long\" is missing or damaged: delete that key"),
        "{error}"
    );
}

#[tokio::test]
async fn a_backup_goes_to_an_empty_folder_elsewhere() {
    let folder = state().await;
    let to = TempDir::new().expect("a folder");
    fs::write(to.path().join("mine"), "").expect("a file");
    let error = state::backup(folder.path(), to.path(), |_, _| {}).expect_err("not empty");
    assert!(matches!(error, BackupError::NotEmpty { .. }));
    let inside = folder.path().join("kv/copy");
    let error = state::backup(folder.path(), &inside, |_, _| {}).expect_err("inside");
    assert!(matches!(error, BackupError::Inside { .. }));
    assert!(!inside.exists());
    let file = to.path().join("mine");
    for to in [file.clone(), file.join("below")] {
        let error = state::backup(folder.path(), &to, |_, _| {}).expect_err("a file");
        let said = format!("{} can't be used: not a directory", to.display());
        assert!(
            error.to_string().to_lowercase().starts_with(&said.to_lowercase()),
            "{error}"
        );
    }
    // A damaged database is named, and what was copied so far is no backup.
    fs::write(folder.path().join("kv/bad.sqlite"), "x".repeat(8192)).expect("a file");
    let to = TempDir::new().expect("a folder");
    let error = state::backup(folder.path(), to.path(), |_, _| {}).expect_err("damaged");
    assert!(error.to_string().contains("kv/bad.sqlite"), "{error}");
    let error = restore(folder.path(), to.path()).expect_err("incomplete");
    assert!(error.to_string().contains("is no complete backup"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_is_found_before_anything_changes() {
    let folder = state().await;
    let list = "isthmus-backup.json";
    type Damage = fn(&Path);
    let damage: [(&str, Damage); 10] = [
        ("has no isthmus-backup.json", |copy| {
            fs::remove_file(copy.join("isthmus-backup.json")).expect("removed");
        }),
        ("isthmus-backup.json: ", |copy| {
            fs::write(copy.join("isthmus-backup.json"), "{").expect("written");
        }),
        ("names no version", |copy| {
            fs::write(copy.join("isthmus-backup.json"), "{\"files\":[]}").expect("written");
        }),
        ("has version 2, but this Isthmus knows versions up to 1", |copy| {
            fs::write(copy.join("isthmus-backup.json"), "{\"version\":2}").expect("written");
        }),
        ("names \"kv/../../x\"", |copy| {
            let text = "{\"version\":1,\"files\":[{\"path\":\"kv/../../x\",\"length\":1}]}";
            fs::write(copy.join("isthmus-backup.json"), text).expect("written");
        }),
        (" in the backup can't be used: it is missing", |copy| {
            fs::remove_file(body_file(copy)).expect("removed");
        }),
        ("it has 3 bytes, but 100000 were written", |copy| {
            // Not through the link that it is.
            let body = body_file(copy);
            fs::remove_file(&body).expect("removed");
            fs::write(body, "cut").expect("written");
        }),
        (
            "it isn't the value of \"long\" that r2/bucket/index.sqlite names",
            |copy| {
                let list = copy.join("isthmus-backup.json");
                let text = fs::read_to_string(&list).expect("reads");
                let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let files = value["files"].as_array_mut().expect("a list");
                files.retain(|file| !file["path"].as_str().expect("a path").contains("bodies"));
                fs::write(list, value.to_string()).expect("written");
            },
        ),
        ("kv/one.sqlite in the backup can't be used", |copy| {
            let file = copy.join("kv/one.sqlite");
            let mut bytes = fs::read(&file).expect("reads");
            bytes[4096..].fill(0xaa);
            fs::write(file, bytes).expect("written");
        }),
        ("a newer Isthmus wrote it: it has schema version 9", |copy| {
            let database = Connection::open(copy.join("kv/one.sqlite")).expect("opens");
            database.pragma_update(None, "user_version", 9).expect("written");
        }),
    ];
    for (expected, damage) in damage {
        let saved = backup(&folder);
        damage(saved.path());
        let error = restore(folder.path(), saved.path()).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(value(folder.path(), "one", "k").await.as_deref(), Some(&b"v"[..]));
        assert_eq!(
            r2::value(&bucket(folder.path()), "long").await.as_deref(),
            Some(&BODY[..])
        );
    }
    assert!(restore(folder.path(), &folder.path().join(list)).is_err());
}

#[tokio::test]
async fn a_restore_that_broke_off_is_undone_or_completed() {
    for (step, expected) in [
        (".restore-staged", "old"),
        (".restore-ready", "new"),
        (".restore-moving", "new"),
    ] {
        let (old, new) = (state().await, TempDir::new().expect("a folder"));
        put(&namespace(old.path(), "one"), "which", "old")
            .await
            .expect("written");
        put(&namespace(new.path(), "one"), "which", "new")
            .await
            .expect("written");
        // What `restore` has made when it ends right after this step.
        let staged = old.path().join(step);
        fs::create_dir_all(staged.join("kv")).expect("a folder");
        fs::copy(new.path().join("kv/one.sqlite"), staged.join("kv/one.sqlite")).expect("copied");
        if step == ".restore-moving" {
            fs::remove_dir_all(old.path().join("kv")).expect("removed");
        }
        assert_eq!(
            value(old.path(), "one", "which").await.as_deref(),
            Some(expected.as_bytes())
        );
        // What is half staged goes with the next restore.
        restore(old.path(), backup(&new).path()).expect("restored");
        assert_eq!(
            value(old.path(), "one", "which").await.as_deref(),
            Some(&b"new"[..])
        );
        assert!(!staged.exists());
    }
}

#[tokio::test]
async fn the_operator_is_told_of_a_broken_namespace_once() {
    let folder = state().await;
    let kv = namespace(folder.path(), "one");
    for index in 0..300 {
        put(&kv, &format!("k{index}"), vec![b'v'; 200])
            .await
            .expect("written");
    }
    drop(kv);
    let file = folder.path().join("kv/one.sqlite");
    let mut bytes = fs::read(&file).expect("reads");
    bytes[4096..].fill(0xaa);
    fs::write(&file, bytes).expect("written");
    let kv = namespace(folder.path(), "one");
    let read = Operation::Get {
        key: "k7",
        cache_ttl: None,
    };
    let error = kv.execute(&read, Bytes::new()).await.expect_err("damaged");
    let news = kv.news(&error).expect("it is news");
    assert!(
        news.contains("kv/one.sqlite") && news.contains("isthmus restore"),
        "{news}"
    );
    assert!(
        !error.to_string().contains("sqlite:") && !error.to_string().contains("/kv/"),
        "{error}"
    );
    assert_eq!(kv.clone().news(&error), None);
    let error = get(&kv, "").await.expect_err("a bad key");
    assert_eq!(
        kv.news(&error),
        None,
        "the caller's own fault is none of the operator's"
    );
}
