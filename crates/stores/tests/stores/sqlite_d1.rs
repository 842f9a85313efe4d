//! D1 on SQLite: the conformance suite, and what only this implementation has: files, threads, a limit of time.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use isthmus_protocol::d1::Value;
use isthmus_stores::{
    Durability, StoreError,
    d1::{D1Database, D1Store},
    sqlite::{SqliteD1, SqliteOptions, SqliteStores},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::conformance::d1::{self, Cell, batch, failure, run, run_ahead, value};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

const QUICK: SqliteOptions = SqliteOptions {
    // What is tested here is not the loss of power.
    durability: Durability::Process,
    max_bytes: None,
};

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("d1/one.sqlite")
    }

    fn try_open(&self, options: SqliteOptions, time: Duration) -> Result<Arc<SqliteD1>, StoreError> {
        SqliteD1::open(&self.file(), options, time, 1_800_000_000_000).map(Arc::new)
    }

    fn open(&self) -> Arc<SqliteD1> {
        self.try_open(QUICK, Duration::from_secs(30)).expect("opens")
    }

    fn database(&self) -> D1Database {
        D1Database::new(self.open())
    }
}

/// With every commit synced.
fn durable() -> (Bench, Arc<dyn D1Store>) {
    let bench = Bench::new();
    let store = bench
        .try_open(SqliteOptions::default(), Duration::from_secs(30))
        .expect("opens");
    (bench, store)
}

mod with_syncs {
    use super::{d1, durable};

    d1::suite!(durable());
}

fn opened() -> (Bench, Arc<dyn D1Store>) {
    let bench = Bench::new();
    let store = bench.open();
    (bench, store)
}

d1::suite!(opened());

#[tokio::test]
async fn a_database_keeps_what_it_has_and_others_are_apart() {
    let folder = TempDir::new().expect("a folder");
    let stores = || SqliteStores::new(folder.path().to_owned(), QUICK);
    {
        let stores = stores();
        let one = stores.d1("one").expect("opens");
        run(&one, "CREATE TABLE t (a)", &[]).await.expect("made");
        let same = stores.d1("one").expect("opens");
        run(&same, "INSERT INTO t VALUES (1)", &[])
            .await
            .expect("written");
        let other = stores.d1("two").expect("opens");
        assert_eq!(
            failure(&other, "SELECT * FROM t").await,
            "no such table: t: SQLITE_ERROR"
        );
    }
    let again = stores().d1("one").expect("opens");
    assert_eq!(value(&again, "SELECT count(*) FROM t").await, Cell::Integer(1));
    assert!(matches!(stores().d1(""), Err(StoreError::InvalidId { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_concurrent_callers_share_transactions() {
    let bench = Bench::new();
    let store = bench
        .try_open(SqliteOptions::default(), Duration::from_secs(30))
        .expect("opens");
    let database = D1Database::new(store.clone());
    run(&database, "CREATE TABLE t (a INTEGER UNIQUE)", &[])
        .await
        .expect("made");
    let before = store.commits();
    let tasks = (0..200).map(|number: i64| {
        let database = database.clone();
        tokio::spawn(async move {
            // Every fourth is refused; the others must not notice.
            let sql = match number % 4 {
                3 => "INSERT INTO t VALUES (?), (NULL), (-1), (-1)",
                _ => "INSERT INTO t VALUES (?)",
            };
            (number, run(&database, sql, &[Value::Integer(number)]).await)
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (number, result) = task.await.expect("no panic");
        assert_eq!(result.is_ok(), number % 4 != 3, "{number}: {result:?}");
    }
    assert_eq!(
        value(&database, "SELECT count(*) FROM t").await,
        Cell::Integer(150)
    );
    assert_eq!(value(&database, "SELECT min(a) FROM t").await, Cell::Integer(0));
    let commits = store.commits() - before;
    assert!(commits < 150, "{commits} transactions for 200 writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_ahead_is_in_the_files_once_it_is_durable() {
    let (bench, store) = durable();
    let database = D1Database::new(store);
    run_ahead(&database, "CREATE TABLE t (a)").await.expect("made");
    let mut written = 0;
    let copies = bench.folder.path().join("copies");
    fs::create_dir(&copies).expect("made");
    // More than a log takes.
    for round in [1, 3, 1000, 1500] {
        for _ in 0..round {
            run_ahead(&database, "INSERT INTO t VALUES (randomblob(100))")
                .await
                .expect("written");
        }
        written += round;
        if let Some(point) = database.unsettled() {
            point.wait().await.expect("durable");
        }
        for end in ["", "-wal"] {
            let from = format!("{}{end}", bench.file().display());
            fs::copy(from, copies.join(format!("{round}.sqlite{end}"))).expect("copied");
        }
        let copy = Connection::open(copies.join(format!("{round}.sqlite"))).expect("opens");
        let count: i64 = copy
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .expect("reads");
        assert_eq!(count, written);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_undoes_the_transaction_undoes_only_what_is_its_own() {
    let bench = Bench::new();
    let database = bench.database();
    run(&database, "CREATE TABLE t (a INTEGER UNIQUE)", &[])
        .await
        .expect("made");
    let tasks = (0..100).map(|number: i64| {
        let database = database.clone();
        tokio::spawn(async move {
            let sql = match number % 10 {
                9 => "INSERT OR ROLLBACK INTO t VALUES (?), (-1), (-1)",
                _ => "INSERT INTO t VALUES (?)",
            };
            (number, run(&database, sql, &[Value::Integer(number)]).await)
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (number, result) = task.await.expect("no panic");
        assert_eq!(result.is_ok(), number % 10 != 9, "{number}: {result:?}");
    }
    assert_eq!(
        value(&database, "SELECT count(*) FROM t").await,
        Cell::Integer(90)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_runs_too_long_is_ended() {
    let bench = Bench::new();
    let database = D1Database::new(bench.try_open(QUICK, Duration::from_millis(200)).expect("opens"));
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    let too_long = "D1 DB exceeded its CPU time limit and was reset.";
    assert_eq!(failure(&database, ENDLESS).await, too_long);
    assert_eq!(
        failure(&database, &format!("INSERT INTO t {ENDLESS}")).await,
        too_long
    );
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(0));
    let error = batch(&database, &[("INSERT INTO t VALUES (1)", &[]), (ENDLESS, &[])]).await;
    assert_eq!(error.expect_err("too long").message, too_long);
    run(&database, "INSERT INTO t VALUES (2)", &[])
        .await
        .expect("it goes on");
    assert_eq!(value(&database, "SELECT sum(a) FROM t").await, Cell::Integer(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_do_not_wait_for_writes_nor_for_long_reads() {
    let bench = Bench::new();
    let database = D1Database::new(bench.try_open(QUICK, Duration::from_secs(3)).expect("opens"));
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    let busy: Vec<_> = [format!("INSERT INTO t {ENDLESS}"), ENDLESS.to_owned()]
        .into_iter()
        .map(|sql| {
            let database = database.clone();
            tokio::spawn(async move { failure(&database, &sql).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..20 {
        assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(0));
    }
    assert!(
        busy.iter().all(|task| !task.is_finished()),
        "the reads were answered meanwhile"
    );
    for task in busy {
        task.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_nobody_needs_ends_at_once() {
    let bench = Bench::new();
    {
        // It would take so long otherwise.
        let store = bench
            .try_open(QUICK, Duration::from_secs(24 * 3600))
            .expect("opens");
        let database = D1Database::new(store);
        run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
        for sql in [ENDLESS.to_owned(), format!("INSERT INTO t {ENDLESS}")] {
            let given_up = tokio::time::timeout(Duration::from_millis(100), run(&database, &sql, &[])).await;
            given_up.expect_err("it has no end");
        }
    }
    let again = bench.database();
    assert_eq!(value(&again, "SELECT count(*) FROM t").await, Cell::Integer(0));
}

#[tokio::test]
async fn what_a_pragma_says_about_reads_holds_for_reads() {
    let bench = Bench::new();
    let database = bench.database();
    assert_eq!(value(&database, "SELECT 'a' LIKE 'A'").await, Cell::Integer(1));
    run(&database, "PRAGMA case_sensitive_like = on", &[])
        .await
        .expect("done");
    assert_eq!(value(&database, "SELECT 'a' LIKE 'A'").await, Cell::Integer(0));
}

#[tokio::test]
async fn a_read_may_ask_about_the_last_write() {
    let bench = Bench::new();
    let database = bench.database();
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    run(&database, "INSERT INTO t VALUES (1), (2)", &[])
        .await
        .expect("written");
    assert_eq!(
        value(&database, "SELECT last_insert_rowid()").await,
        Cell::Integer(2)
    );
    assert_eq!(value(&database, "SELECT changes()").await, Cell::Integer(2));
    run(
        &database,
        "CREATE VIEW v AS SELECT last_insert_rowid() AS id",
        &[],
    )
    .await
    .expect("made");
    assert_eq!(value(&database, "SELECT id FROM v").await, Cell::Integer(2));
}

#[tokio::test]
async fn a_database_does_not_outgrow_its_limit() {
    let bench = Bench::new();
    let options = SqliteOptions {
        max_bytes: Some(100_000),
        ..QUICK
    };
    let database = D1Database::new(bench.try_open(options, Duration::from_secs(30)).expect("opens"));
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    let error = failure(&database, "INSERT INTO t VALUES (randomblob(200000))").await;
    assert_eq!(error, "Exceeded maximum DB size.");
    run(&database, "INSERT INTO t VALUES (randomblob(20000))", &[])
        .await
        .expect("there is room for that");
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(1));
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_refused_by_name_and_left_alone() {
    let bench = Bench::new();
    let refused = || {
        bench
            .try_open(QUICK, Duration::from_secs(1))
            .map(drop)
            .expect_err("refused")
            .to_string()
    };
    run(&bench.database(), "CREATE TABLE t (a)", &[])
        .await
        .expect("made");
    let file = Connection::open(bench.file()).expect("opens");
    file.pragma_update(None, "user_version", 2).expect("set");
    assert!(refused().contains("has schema version 2"), "{}", refused());
    file.pragma_update(None, "application_id", 5).expect("set");
    assert!(refused().contains("of another kind"), "{}", refused());
    drop(file);
    fs::write(
        bench.file(),
        "no database, but long enough for a header of one".repeat(100),
    )
    .expect("written");
    let message = refused();
    assert!(
        message.contains("one.sqlite") && message.contains("damaged"),
        "{message}"
    );
}

#[tokio::test]
async fn a_damaged_page_is_reported_by_name_and_the_rest_goes_on() {
    let bench = Bench::new();
    {
        let database = bench.database();
        run(&database, "CREATE TABLE good (a)", &[]).await.expect("made");
        run(&database, "INSERT INTO good VALUES (1)", &[])
            .await
            .expect("written");
        run(&database, "CREATE TABLE bad (a)", &[]).await.expect("made");
        run(&database, "INSERT INTO bad VALUES (1)", &[])
            .await
            .expect("written");
    }
    let mut bytes = fs::read(bench.file()).expect("reads");
    let end = bytes.len();
    bytes[end - 4096..].fill(0xff);
    fs::write(bench.file(), bytes).expect("written");
    let database = bench.database();
    for sql in ["SELECT * FROM bad", "INSERT INTO bad VALUES (2)"] {
        let error = run(&database, sql, &[]).await.expect_err("damaged");
        assert_eq!(error.message, "database disk image is malformed: SQLITE_CORRUPT");
        assert!(error.report.expect("a report").contains("one.sqlite"));
    }
    assert_eq!(value(&database, "SELECT a FROM good").await, Cell::Integer(1));
}

#[tokio::test]
async fn nothing_leads_out_of_the_file() {
    let bench = Bench::new();
    let database = bench.database();
    let outside = bench.folder.path().join("outside.sqlite");
    let outside = outside.display();
    for sql in [
        format!("ATTACH '{outside}' AS o"),
        format!("VACUUM INTO '{outside}'"),
        format!("CREATE VIRTUAL TABLE t USING fts4(content='{outside}')"),
        "PRAGMA temp_store_directory = '/tmp'".to_owned(),
        "PRAGMA journal_mode = off".to_owned(),
        "PRAGMA writable_schema = 1".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "CREATE TEMP TABLE t (a)".to_owned(),
        "EXPLAIN BEGIN".to_owned(),
        "SELECT * FROM pragma_journal_mode".to_owned(),
        "CREATE TABLE x (a); BEGIN".to_owned(),
    ] {
        run(&database, &sql, &[]).await.expect_err(&sql);
    }
    assert_eq!(
        value(&database, "SELECT count(*) FROM sqlite_schema").await,
        Cell::Integer(0)
    );
    let left = fs::read_dir(bench.folder.path()).expect("reads").count();
    assert_eq!(left, 1, "only the folder of databases");
}

#[tokio::test]
async fn a_transaction_of_ours_can_be_neither_ended_nor_begun() {
    let bench = Bench::new();
    let database = bench.database();
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    for sql in [
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT request",
        "RELEASE request",
        "ROLLBACK TO request",
    ] {
        // By now the writer has said each of these itself.
        run(&database, "INSERT INTO t VALUES (1)", &[])
            .await
            .expect("written");
        let failed = run(&database, sql, &[]).await.expect_err(sql);
        assert!(
            failed.message.starts_with("To execute a transaction"),
            "{sql}: {}",
            failed.message
        );
    }
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(7));
}
