//! Files that can't be opened, or are not what they seem, give a clear error.

use std::fs;

use crate::support::{Bench, get, list, put};
use rusqlite::Connection;

fn refused(bench: &Bench) -> String {
    bench.stores().kv("test").expect_err("refused").to_string()
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let bench = Bench::new();
    put(&bench.namespace(), "k", "v").await.expect("written");
    let file = Connection::open(bench.file()).expect("opens");
    file.pragma_update(None, "user_version", 3).expect("set");
    let message = refused(&bench);
    assert!(
        message.contains("has schema version 3, but this Isthmus knows versions up to 2"),
        "{message}"
    );
    file.pragma_update(None, "user_version", 2).expect("set");
    assert_eq!(
        get(&bench.namespace(), "k").await.expect("reads").expect("kept"),
        "v"
    );
}

#[test]
fn a_foreign_database_is_refused_and_left_alone() {
    let bench = Bench::new();
    fs::create_dir_all(bench.file().parent().expect("a folder")).expect("created");
    let file = Connection::open(bench.file()).expect("opens");
    file.execute_batch("CREATE TABLE mine (x)").expect("created");
    drop(file);
    let before = fs::read(bench.file()).expect("reads");
    let message = refused(&bench);
    assert!(message.contains("is a database of another kind"), "{message}");
    assert!(fs::read(bench.file()).expect("reads") == before, "it was changed");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let bench = Bench::new();
    fs::create_dir_all(bench.file().parent().expect("a folder")).expect("created");
    fs::write(
        bench.file(),
        "this is not a database, but it is long enough for a header".repeat(100),
    )
    .expect("written");
    let message = refused(&bench);
    assert!(message.contains("the database is damaged"), "{message}");
}

#[test]
fn a_path_that_can_not_be_is_refused() {
    let bench = Bench::new();
    fs::create_dir_all(bench.file()).expect("a folder where the file should be");
    let message = refused(&bench);
    assert!(message.contains("can't be opened"), "{message}");

    let bench = Bench::new();
    fs::write(
        bench.folder.path().join("kv"),
        "a file where the folder should be",
    )
    .expect("written");
    let message = refused(&bench);
    assert!(message.contains("can't be created"), "{message}");

    let bench = Bench::new();
    for id in ["", &"i".repeat(81)] {
        let message = bench.stores().kv(id).expect_err("refused").to_string();
        assert!(message.contains("can't be used"), "{message}");
    }
}

#[tokio::test]
async fn a_damaged_file_gives_errors_and_no_panic() {
    let bench = Bench::new();
    let kv = bench.namespace();
    for index in 0..300 {
        put(&kv, &format!("k{index}"), vec![b'v'; 200])
            .await
            .expect("written");
    }
    drop(kv);
    let mut bytes = fs::read(bench.file()).expect("reads");
    // All but the first page, which holds the schema.
    bytes[4096..].fill(0xaa);
    fs::write(bench.file(), bytes).expect("written");

    let kv = bench.namespace();
    let errors = [
        list(&kv, None, None, None).await.map(drop),
        get(&kv, "k7").await.map(drop),
        put(&kv, "k", "v").await,
    ];
    for error in errors {
        let error = error.expect_err("damaged");
        assert_eq!(error.status, 500);
        assert!(error.message.contains("the database is damaged"), "{error}");
    }
}
