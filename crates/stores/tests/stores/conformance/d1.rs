//! What a D1 database must do. [`suite!`] makes a test of each function, for one implementation.

use std::sync::Arc;

use isthmus_protocol::d1::{BodyReader, BodyWriter, Meta, Query, Value};
use isthmus_stores::d1::{D1Database, D1Error, D1Store};

/// A value that outlives its body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<Value<'_>> for Cell {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            Value::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) meta: Meta,
}

pub(crate) type Asked<'a> = (&'a str, &'a [Value<'a>]);

/// Runs statements in one transaction.
pub(crate) async fn batch(database: &D1Database, statements: &[Asked<'_>]) -> Result<Vec<Found>, D1Error> {
    let mut body = BodyWriter::default();
    for (sql, parameters) in statements {
        body.statement(sql, parameters.len());
        parameters.iter().for_each(|value| body.value(*value));
    }
    let answer = database.execute(Query::default(), body.finish().into()).await?;
    let mut reader = BodyReader::new(&answer.results);
    let mut found = Vec::new();
    while let Some(columns) = reader.columns().expect("well-formed") {
        let mut rows = Vec::new();
        while reader.row().expect("well-formed") {
            let row = columns
                .iter()
                .map(|_| reader.value().expect("well-formed").into());
            rows.push(row.collect());
        }
        found.push(Found {
            columns: columns.into_iter().map(str::to_owned).collect(),
            rows,
            meta: reader.meta().expect("well-formed"),
        });
    }
    assert_eq!(found.len(), statements.len(), "a result for each statement");
    Ok(found)
}

pub(crate) async fn run(
    database: &D1Database,
    sql: &str,
    parameters: &[Value<'_>],
) -> Result<Found, D1Error> {
    Ok(batch(database, &[(sql, parameters)]).await?.remove(0))
}

/// The only value that a statement answers.
pub(crate) async fn value(database: &D1Database, sql: &str) -> Cell {
    let found = run(database, sql, &[]).await.expect(sql);
    assert_eq!((found.rows.len(), found.columns.len()), (1, 1), "{sql}");
    found.rows[0][0].clone()
}

pub(crate) async fn failure(database: &D1Database, sql: &str) -> String {
    run(database, sql, &[]).await.expect_err(sql).message
}

async fn bookmark(database: &D1Database, sql: &str) -> String {
    let mut body = BodyWriter::default();
    body.statement(sql, 0);
    let answer = database
        .execute(
            Query {
                bookmark: true,
                ..Query::default()
            },
            body.finish().into(),
        )
        .await;
    answer.expect(sql).bookmark.expect("it was asked for")
}

pub(crate) type Store = Arc<dyn D1Store>;

pub(crate) async fn values_of_every_kind_come_back(store: Store) {
    let database = D1Database::new(store);
    let long = vec![b'x'; 100_000];
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(0.1),
        Value::Text("grüße\0😀".as_bytes()),
        Value::Text(b""),
        Value::Text(&long),
        Value::Blob(&[0, 255]),
        Value::Blob(&[]),
    ];
    run(&database, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", &[])
        .await
        .expect("made");
    for value in values {
        run(&database, "INSERT INTO t (v) VALUES (?)", &[value])
            .await
            .expect("written");
    }
    let found = run(&database, "SELECT v FROM t ORDER BY id", &[])
        .await
        .expect("read");
    assert_eq!(found.columns, ["v"]);
    let expected: Vec<Vec<Cell>> = values.iter().map(|value| vec![(*value).into()]).collect();
    assert_eq!(found.rows, expected);
    let asked = run(&database, "SELECT ?1", &[Value::Text("ü".as_bytes())])
        .await
        .expect("read");
    assert_eq!(asked.rows, [[Cell::Text("ü".into())]]);
}

pub(crate) async fn a_batch_is_done_whole_or_not_at_all(store: Store) {
    let database = D1Database::new(store);
    run(&database, "CREATE TABLE t (a INTEGER UNIQUE)", &[])
        .await
        .expect("made");
    let insert = "INSERT INTO t VALUES (?)";
    let one = [Value::Integer(1)];
    let two = [Value::Integer(2)];
    batch(&database, &[(insert, &one), (insert, &two)])
        .await
        .expect("done");
    let three = [Value::Integer(3)];
    let error = batch(&database, &[(insert, &three), (insert, &two)])
        .await
        .expect_err("refused");
    assert_eq!(
        error.message,
        "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"
    );
    assert_eq!(error.report, None);
    batch(
        &database,
        &[
            ("CREATE TABLE u (a)", &[]),
            ("DROP TABLE t", &[]),
            ("nonsense", &[]),
        ],
    )
    .await
    .expect_err("refused");
    assert_eq!(
        value(&database, "SELECT group_concat(a) FROM t").await,
        Cell::Text("1,2".into())
    );
    let error = failure(&database, "INSERT OR ROLLBACK INTO t VALUES (4), (1)").await;
    assert!(error.starts_with("UNIQUE constraint failed"), "{error}");
    let error = failure(&database, "INSERT OR FAIL INTO t VALUES (4), (1)").await;
    assert!(error.starts_with("UNIQUE constraint failed"), "{error}");
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(2));
}

pub(crate) async fn a_batch_of_reads_sees_one_state(store: Store) {
    let database = D1Database::new(store);
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    let writer = tokio::spawn({
        let database = database.clone();
        async move {
            for _ in 0..200 {
                run(&database, "INSERT INTO t VALUES (1)", &[])
                    .await
                    .expect("written");
            }
        }
    });
    let count: Asked<'_> = ("SELECT count(*) FROM t", &[]);
    while !writer.is_finished() {
        let found = batch(&database, &[count, count, count]).await.expect("read");
        assert_eq!(found[0].rows, found[1].rows);
        assert_eq!(found[0].rows, found[2].rows);
        tokio::task::yield_now().await;
    }
    writer.await.expect("no panic");
}

pub(crate) async fn what_is_acknowledged_is_seen(store: Store) {
    let database = D1Database::new(store);
    run(&database, "CREATE TABLE t (a INTEGER PRIMARY KEY)", &[])
        .await
        .expect("made");
    let writers = (0..8).map(|first| {
        let database = database.clone();
        tokio::spawn(async move {
            for number in 0..30 {
                let id = [Value::Integer(first * 1000 + number)];
                run(&database, "INSERT INTO t VALUES (?)", &id)
                    .await
                    .expect("written");
                let found = run(&database, "SELECT a FROM t WHERE a = ?", &id)
                    .await
                    .expect("read");
                assert_eq!(found.rows.len(), 1, "what was written is read");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    assert_eq!(
        value(&database, "SELECT count(*) FROM t").await,
        Cell::Integer(240)
    );
}

pub(crate) async fn the_meta_tells_what_happened(store: Store) {
    let database = D1Database::new(store);
    let found = run(
        &database,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b)",
        &[],
    )
    .await
    .expect("made");
    assert!(found.meta.changed_db && found.meta.size_after > 0 && found.meta.duration >= 0.0);
    assert_eq!((found.meta.changes, found.meta.last_row_id), (0, 0));
    let found = run(&database, "INSERT INTO t (a) VALUES (1), (2), (3)", &[])
        .await
        .expect("written");
    assert_eq!(
        (
            found.meta.changes,
            found.meta.last_row_id,
            found.meta.rows_written
        ),
        (3, 3, 6)
    );
    let found = run(&database, "UPDATE t SET b = 1 WHERE id = 2", &[])
        .await
        .expect("written");
    assert_eq!(
        (found.meta.changes, found.meta.rows_written, found.meta.changed_db),
        (1, 1, true)
    );
    let found = run(&database, "SELECT * FROM t WHERE b = 1", &[])
        .await
        .expect("read");
    assert_eq!(
        (found.rows.len(), found.meta.rows_read, found.meta.changed_db),
        (1, 3, false)
    );
    assert_eq!((found.meta.changes, found.meta.last_row_id), (0, 3));
    let found = run(&database, "SELECT * FROM t WHERE id = 2", &[])
        .await
        .expect("read");
    assert_eq!(found.meta.rows_read, 1);
    let found = run(&database, "DELETE FROM t", &[]).await.expect("written");
    assert_eq!((found.meta.changes, found.meta.rows_written), (3, 3));
}

pub(crate) async fn columns_are_those_of_the_table_as_it_is(store: Store) {
    let database = D1Database::new(store);
    run(&database, "CREATE TABLE t (a)", &[]).await.expect("made");
    for _ in 0..2 {
        assert_eq!(
            run(&database, "SELECT * FROM t", &[])
                .await
                .expect("read")
                .columns,
            ["a"]
        );
    }
    run(&database, "ALTER TABLE t ADD COLUMN b", &[])
        .await
        .expect("changed");
    assert_eq!(
        run(&database, "SELECT * FROM t", &[])
            .await
            .expect("read")
            .columns,
        ["a", "b"]
    );
    run(&database, "INSERT INTO t VALUES (1, 2)", &[])
        .await
        .expect("written");
    run(&database, "ALTER TABLE t DROP COLUMN a", &[])
        .await
        .expect("changed");
    let found = run(&database, "SELECT * FROM t", &[]).await.expect("read");
    assert_eq!(
        (found.columns, found.rows),
        (vec!["b".to_owned()], vec![vec![Cell::Integer(2)]])
    );
    run(&database, "DROP TABLE t", &[]).await.expect("dropped");
    assert_eq!(
        failure(&database, "SELECT * FROM t").await,
        "no such table: t: SQLITE_ERROR"
    );
}

pub(crate) async fn bookmarks_sort_as_they_were_made(store: Store) {
    let database = D1Database::new(store);
    let first = bookmark(&database, "CREATE TABLE t (a)").await;
    let second = bookmark(&database, "INSERT INTO t VALUES (1)").await;
    let third = bookmark(&database, "SELECT * FROM t").await;
    assert!(first < second && second <= third, "{first} {second} {third}");
}

pub(crate) async fn statements_that_are_none_are_refused(store: Store) {
    let database = D1Database::new(store);
    for blank in ["", "  \n", " -- a comment", "\t-- a\n  -- b"] {
        assert_eq!(
            failure(&database, blank).await,
            "No SQL statements detected.",
            "{blank:?}"
        );
    }
    for none in ["-- a comment", ";", "/* a */", "SELECT 1\0", "SELECT 1; -- a"] {
        assert_eq!(
            failure(&database, none).await,
            "SQL code did not contain a statement.",
            "{none:?}"
        );
    }
    let answer = database.execute(Query::default(), vec![9, 9].into()).await;
    assert!(answer.expect_err("refused").message.contains("can't be read"));
    let answer = database.execute(Query::default(), Vec::new().into()).await;
    assert_eq!(
        answer.expect_err("refused").message,
        "No SQL statements detected."
    );
}

pub(crate) async fn several_statements_in_one_give_the_last_result(store: Store) {
    let database = D1Database::new(store);
    let sql = "CREATE TABLE t (a); INSERT INTO t VALUES (';'); SELECT a, ? FROM t";
    let found = run(&database, sql, &[Value::Integer(7)]).await.expect("done");
    assert_eq!(found.rows, [[Cell::Text(";".into()), Cell::Integer(7)]]);
    let sql = "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM t; END; INSERT INTO t VALUES (1)";
    run(&database, sql, &[]).await.expect("done");
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, Cell::Integer(0));
}

/// Makes a test of each of the functions above, with the stores that `$open` opens, beside what keeps them.
/// Runs a statement that may be answered before it is durable.
pub(crate) async fn run_ahead(database: &D1Database, sql: &str) -> Result<(), D1Error> {
    let mut body = BodyWriter::default();
    body.statement(sql, 0);
    let answer = database.execute_ahead(Query::default(), body.finish().into());
    answer.await.map(drop)
}

pub(crate) async fn what_is_answered_ahead_is_seen_and_becomes_durable(store: Store) {
    let database = D1Database::new(store);
    run_ahead(&database, "CREATE TABLE t (a INTEGER UNIQUE)")
        .await
        .expect("made");
    for round in 1..=50 {
        run_ahead(&database, &format!("INSERT INTO t VALUES ({round})"))
            .await
            .expect("written");
        let refused = run_ahead(&database, &format!("INSERT INTO t VALUES ({round})")).await;
        refused.expect_err("it is there");
        if round % 5 == 0 {
            // Who doesn't run ahead gets only what is durable.
            assert_eq!(
                value(&database, "SELECT count(*) FROM t").await,
                Cell::Integer(round)
            );
            assert!(database.unsettled().is_none());
        } else if let Some(point) = database.unsettled() {
            assert!(database.has(&point));
            if round % 2 == 0 {
                point.wait().await.expect("durable");
                assert!(point.is_durable() && database.unsettled().is_none());
            }
        }
    }
}

macro_rules! suite {
    ($open:expr, $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (_keep, store) = $open;
                crate::conformance::d1::$name(store).await;
            }
        )*
    };
    ($open:expr) => {
        crate::conformance::d1::suite! {
            $open,
            values_of_every_kind_come_back
            a_batch_is_done_whole_or_not_at_all
            a_batch_of_reads_sees_one_state
            what_is_acknowledged_is_seen
            the_meta_tells_what_happened
            columns_are_those_of_the_table_as_it_is
            bookmarks_sort_as_they_were_made
            statements_that_are_none_are_refused
            several_statements_in_one_give_the_last_result
            what_is_answered_ahead_is_seen_and_becomes_durable
        }
    };
}
pub(crate) use suite;
