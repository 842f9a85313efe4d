//! What every engine that holds R2 buckets must do. Each function gets an empty bucket.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use isthmus_protocol::r2::{self, Algorithm};
use isthmus_stores::StoredBody;
use isthmus_stores::r2::{
    ChosenPart, Completion, Condition, HttpMetadata, ListEntry, ListRange, Metadata, NewUpload, ObjectRecord,
    R2Store, StoredPart, UploadState,
};

/// The bucket of an engine under test.
pub(crate) type Store = Arc<dyn R2Store>;

pub(crate) fn record(key: &str, version: &str, size: usize) -> ObjectRecord {
    ObjectRecord {
        key: key.to_owned(),
        version: version.to_owned(),
        size: size as u64,
        etag: format!("etag of {version}"),
        uploaded: 1_800_000_000_123,
        checksums: vec![(Algorithm::Md5, vec![1; 16]), (Algorithm::Sha512, vec![255; 64])],
        metadata: Metadata {
            http: HttpMetadata {
                content_type: Some("text/ü".to_owned()),
                cache_expiry: Some(-5),
                ..HttpMetadata::default()
            },
            custom: vec![
                ("b".to_owned(), "\"quoted\" \u{0} 😀".to_owned()),
                ("a".to_owned(), String::new()),
            ],
            storage_class: Some("InfrequentAccess".to_owned()),
        },
    }
}

pub(crate) async fn put(store: &Store, key: &str, version: &str, value: &[u8]) {
    assert!(put_if(store, record(key, version, value.len()), value, None).await);
}

async fn put_if(store: &Store, object: ObjectRecord, value: &[u8], only_if: Option<Condition>) -> bool {
    let mut draft = store.draft();
    for chunk in value.chunks(100_000) {
        draft
            .push(Bytes::copy_from_slice(chunk))
            .await
            .expect("it is taken");
    }
    draft.into_object(object, only_if).await.expect("it is written")
}

pub(crate) async fn drain(mut body: StoredBody) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(chunk) = poll_fn(|cx| body.poll_chunk(cx, 70_000)).await {
        let chunk = chunk.expect("it can be read");
        assert!(!chunk.is_empty() && chunk.len() <= 70_000);
        read.extend_from_slice(&chunk);
    }
    assert_eq!(body.left(), 0);
    read
}

async fn read(store: &Store, key: &str, range: Range<u64>) -> Vec<u8> {
    let found = store
        .get(key)
        .await
        .expect("it can be read")
        .expect("it is there");
    let body = found.value.body(range.clone());
    assert_eq!(body.left(), range.end - range.start);
    drain(body).await
}

pub(crate) async fn value(store: &Store, key: &str) -> Option<Vec<u8>> {
    let found = store.get(key).await.expect("it can be read")?;
    let size = found.object.size;
    Some(drain(found.value.body(0..size)).await)
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ seed).collect()
}

/// Lengths around those at which an engine may change how it keeps a value.
const LENGTHS: [usize; 9] = [0, 1, 4096, 65_535, 65_536, 65_537, 524_288, 524_289, 3_000_000];

pub(crate) async fn objects_come_back_as_they_went_in(store: Store) {
    for (index, &length) in LENGTHS.iter().enumerate() {
        let key = format!("key/{length} \u{0} ü");
        let value = pattern(length, index as u8);
        put(&store, &key, "one", &value).await;
        assert_eq!(
            store.head(&key).await.expect("reads"),
            Some(record(&key, "one", length))
        );
        let found = store.get(&key).await.expect("reads").expect("there");
        assert_eq!(found.object, record(&key, "one", length));
        assert_eq!(drain(found.value.body(0..length as u64)).await, value);
        if length > 2 {
            let (from, to) = (length / 3, length - 1);
            assert_eq!(read(&store, &key, from as u64..to as u64).await, value[from..to]);
        }
    }
    assert!(store.head("none").await.expect("reads").is_none());
    assert!(store.get("none").await.expect("reads").is_none());
    put(&store, "", "empty key", b"v").await;
    assert_eq!(value(&store, "").await.as_deref(), Some(&b"v"[..]));
}

pub(crate) async fn the_last_write_is_seen_whatever_was_there(store: Store) {
    for (before, after) in [(10, 20), (10, 200_000), (200_000, 10), (200_000, 300_000)] {
        put(&store, "k", "before", &pattern(before, 1)).await;
        put(&store, "k", "after", &pattern(after, 2)).await;
        assert_eq!(value(&store, "k").await, Some(pattern(after, 2)));
        assert_eq!(
            store.head("k").await.expect("reads").expect("there").version,
            "after"
        );
        store.delete(vec!["k".to_owned()]).await.expect("deletes");
        assert_eq!(value(&store, "k").await, None);
    }
}

pub(crate) async fn deleting_takes_several_and_what_is_not_there(store: Store) {
    for key in ["a", "b", "c"] {
        put(&store, key, "v", b"v").await;
    }
    let keys = ["a", "c", "none", "a"].map(str::to_owned);
    store.delete(keys.into()).await.expect("deletes");
    store.delete(Vec::new()).await.expect("deletes");
    assert_eq!(keys_of(&store, range("")).await, ["b"]);
}

pub(crate) async fn a_reader_keeps_what_it_has_begun(store: Store) {
    for length in [1000, 400_000] {
        put(&store, "k", "one", &pattern(length, 1)).await;
        let first = store.get("k").await.expect("reads").expect("there");
        put(&store, "k", "two", &pattern(length, 2)).await;
        let second = store.get("k").await.expect("reads").expect("there");
        store.delete(vec!["k".to_owned()]).await.expect("deletes");
        // Whatever is tidied up has time to be.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(
            drain(first.value.body(0..length as u64)).await,
            pattern(length, 1)
        );
        assert_eq!(
            drain(second.value.body(0..length as u64)).await,
            pattern(length, 2)
        );
    }
}

pub(crate) async fn a_draft_that_is_dropped_leaves_nothing(store: Store) {
    put(&store, "k", "one", b"one").await;
    let mut draft = store.draft();
    for _ in 0..20 {
        draft.push(Bytes::from(vec![0; 100_000])).await.expect("taken");
    }
    drop(draft);
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"one"[..]));
    assert_eq!(keys_of(&store, range("")).await, ["k"]);
}

pub(crate) async fn conditions_hold_when_it_is_written(store: Store) {
    let condition = |condition: r2::Condition<'_>| Some(Condition::from(&condition));
    let is_new = || {
        condition(r2::Condition {
            etag_does_not_match: Some(vec![r2::Etag::Any]),
            ..r2::Condition::default()
        })
    };
    // Of many that want to be the first, one is.
    let writers: Vec<_> = (0..16)
        .map(|number: usize| {
            let (store, only_if) = (Arc::clone(&store), is_new());
            let value = pattern(if number.is_multiple_of(2) { 10 } else { 100_000 }, number as u8);
            tokio::spawn(async move {
                let version = format!("{number}");
                put_if(&store, record("k", &version, value.len()), &value, only_if)
                    .await
                    .then_some(value)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        winners.extend(writer.await.expect("runs"));
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(value(&store, "k").await.as_ref(), winners.first());
    let etag = store.head("k").await.expect("reads").expect("there").etag;
    let matches = |etag: &str| {
        condition(r2::Condition {
            etag_matches: Some(vec![r2::Etag::Strong(etag)]),
            ..r2::Condition::default()
        })
    };
    assert!(!put_if(&store, record("k", "x", 1), b"x", matches("other")).await);
    assert!(put_if(&store, record("k", "x", 1), b"x", matches(&etag)).await);
    assert!(!put_if(&store, record("none", "x", 1), b"x", matches(&etag)).await);
    assert_eq!(value(&store, "none").await, None);
}

pub(crate) fn range(prefix: &str) -> ListRange {
    ListRange {
        prefix: prefix.to_owned(),
        after: None,
        delimiter: None,
        limit: 1000,
        with_http: true,
        with_custom: true,
    }
}

pub(crate) async fn keys_of(store: &Store, range: ListRange) -> Vec<String> {
    let page = store.list(range).await.expect("lists");
    assert_eq!(page.last, None);
    page.entries.iter().map(name_of).collect()
}

fn name_of(entry: &ListEntry) -> String {
    match entry {
        ListEntry::Object(object) => object.key.clone(),
        ListEntry::Prefix(prefix) => format!("{prefix}…"),
    }
}

/// What a list has to have, said the simple way.
fn expected(keys: &BTreeSet<&str>, range: &ListRange) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&*range.prefix) else {
            continue;
        };
        if range.after.as_deref().is_some_and(|after| *key <= after) {
            continue;
        }
        let end = range
            .delimiter
            .as_deref()
            .and_then(|d| rest.find(d).map(|at| at + d.len()));
        let name = match end {
            Some(end) => format!("{}…", &key[..range.prefix.len() + end]),
            None => (*key).to_owned(),
        };
        match entries.last_mut() {
            Some((last, key_of)) if *last == name => *key_of = (*key).to_owned(),
            _ => entries.push((name, (*key).to_owned())),
        }
    }
    entries
}

pub(crate) async fn lists_agree_with_a_simple_model(store: Store) {
    let keys: BTreeSet<&str> = [
        "",
        "/",
        "//",
        "/a",
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a/c",
        "a//",
        "a0",
        "ab",
        "ab/c",
        "b",
        "b::c",
        "b::d",
        "b:e",
        "z/1",
        "z/2",
        "z/3",
        "é",
        "é/1",
        "😀",
        "😀/a",
        "\u{10ffff}",
        "\u{10ffff}/x",
        "a%",
        "a_",
    ]
    .into();
    for key in &keys {
        put(&store, key, "v", b"v").await;
    }
    for prefix in [
        "",
        "a",
        "a/",
        "a/b",
        "b:",
        "z/",
        "é",
        "😀",
        "\u{10ffff}",
        "none",
        "/",
    ] {
        for delimiter in [None, Some("/"), Some("::"), Some("b"), Some("😀")] {
            for after in [
                None,
                Some(""),
                Some("a/b"),
                Some("a/zzz"),
                Some("z/2"),
                Some("\u{10ffff}"),
            ] {
                for limit in [1, 2, 3, 1000] {
                    let mut range = ListRange {
                        prefix: prefix.to_owned(),
                        after: after.map(str::to_owned),
                        delimiter: delimiter.map(str::to_owned),
                        limit,
                        with_http: false,
                        with_custom: false,
                    };
                    let expected = expected(&keys, &range);
                    let mut found = Vec::new();
                    loop {
                        let page = store.list(range.clone()).await.expect("lists");
                        assert!(page.entries.len() <= limit);
                        found.extend(page.entries.iter().map(name_of));
                        let Some(last) = page.last else { break };
                        assert_eq!(last, expected[found.len() - 1].1, "{range:?}");
                        assert!(
                            found.len() < expected.len(),
                            "a page follows that has nothing: {range:?}"
                        );
                        range.after = Some(last);
                    }
                    let expected: Vec<_> = expected.into_iter().map(|(name, _)| name).collect();
                    assert_eq!(found, expected, "{range:?}");
                }
            }
        }
    }
}

pub(crate) async fn lists_have_the_metadata_that_is_wanted(store: Store) {
    put(&store, "k", "one", b"v").await;
    for (with_http, with_custom) in [(false, false), (true, false), (false, true), (true, true)] {
        let range = ListRange {
            with_http,
            with_custom,
            ..range("")
        };
        let mut expected = record("k", "one", 1);
        if !with_http {
            expected.metadata.http = HttpMetadata::default();
        }
        if !with_custom {
            expected.metadata.custom.clear();
        }
        let page = store.list(range).await.expect("lists");
        assert_eq!(page.entries, [ListEntry::Object(Box::new(expected))]);
    }
}

async fn begin(store: &Store, id: &str, key: &str) {
    let upload = NewUpload {
        id: id.to_owned(),
        key: key.to_owned(),
        metadata: record(key, "", 0).metadata,
        created: 1,
    };
    store.create_upload(upload).await.expect("it begins");
}

/// Writes a part; whether the upload was open.
async fn part(store: &Store, upload: &str, key: &str, number: u32, etag: &str, value: &[u8]) -> bool {
    let mut draft = store.draft();
    for chunk in value.chunks(1_000_000) {
        draft.push(Bytes::copy_from_slice(chunk)).await.expect("taken");
    }
    let part = StoredPart {
        number,
        etag: etag.to_owned(),
        size: value.len() as u64,
        md5: [number as u8; 16],
    };
    let written = draft.into_part(key.to_owned(), upload.to_owned(), part);
    written.await.expect("it is written")
}

fn completion(upload: &str, key: &str, parts: &[(u32, &str)]) -> Completion {
    Completion {
        upload: upload.to_owned(),
        key: key.to_owned(),
        parts: parts
            .iter()
            .map(|&(number, etag)| ChosenPart {
                number,
                etag: etag.to_owned(),
            })
            .collect(),
        version: format!("of {upload}"),
        uploaded: 7,
    }
}

pub(crate) async fn parts_become_an_object(store: Store) {
    const LENGTH: usize = 5 * 1024 * 1024;
    put(&store, "k", "before", b"before").await;
    begin(&store, "u", "k").await;
    assert_eq!(
        store.upload_state("k", "u").await.expect("reads"),
        Some(UploadState::Open { created: 1 })
    );
    assert_eq!(store.upload_state("other", "u").await.expect("reads"), None);
    assert_eq!(store.upload_state("k", "none").await.expect("reads"), None);
    assert!(part(&store, "u", "k", 2, "2", &pattern(LENGTH, 2)).await);
    assert!(part(&store, "u", "k", 1, "wrong", &pattern(100_000, 9)).await);
    assert!(part(&store, "u", "k", 1, "1", &pattern(LENGTH, 1)).await);
    assert!(part(&store, "u", "k", 7, "left out", &pattern(100_000, 9)).await);
    assert!(part(&store, "u", "k", 3, "3", b"end").await);
    assert!(!part(&store, "u", "other", 4, "4", b"x").await);
    assert!(!part(&store, "none", "k", 4, "4", &pattern(100_000, 4)).await);
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"before"[..]));
    let reader = store.get("k").await.expect("reads").expect("there");

    let wrong = store
        .complete(completion("u", "k", &[(1, "wrong"), (2, "2")]))
        .await;
    assert_eq!(wrong.expect_err("refused").code, 10025);
    assert_eq!(
        store
            .complete(completion("u", "other", &[]))
            .await
            .expect("answers"),
        None
    );
    let done = store
        .complete(completion("u", "k", &[(1, "1"), (3, "3"), (2, "2")]))
        .await;
    assert_eq!(done.expect_err("refused: its last part is long").code, 10011);
    let done = store
        .complete(completion("u", "k", &[(1, "1"), (2, "2"), (3, "3")]))
        .await;
    let object = done.expect("answers").expect("it was open");
    assert_eq!(
        (object.size, &*object.version, object.uploaded),
        (2 * LENGTH as u64 + 3, "of u", 7)
    );
    assert!(object.etag.ends_with("-3") && object.checksums.is_empty());
    assert_eq!(object.metadata, record("k", "", 0).metadata);
    assert_eq!(store.head("k").await.expect("reads"), Some(object));
    let whole = [pattern(LENGTH, 1), pattern(LENGTH, 2), b"end".to_vec()].concat();
    assert_eq!(value(&store, "k").await.as_ref(), Some(&whole));
    for (from, to) in [
        (0, 5),
        (LENGTH - 2, LENGTH + 2),
        (LENGTH + 5, LENGTH + 6),
        (2 * LENGTH - 1, whole.len()),
    ] {
        assert_eq!(read(&store, "k", from as u64..to as u64).await, whole[from..to]);
    }
    assert_eq!(drain(reader.value.body(0..6)).await, b"before");

    assert_eq!(
        store.upload_state("k", "u").await.expect("reads"),
        Some(UploadState::Over)
    );
    assert!(!part(&store, "u", "k", 4, "4", b"late").await);
    assert_eq!(
        store.complete(completion("u", "k", &[])).await.expect("answers"),
        None
    );
    store
        .abort("k", "u", 9)
        .await
        .expect("it is over: nothing happens");

    // Replaced while it is read.
    let reader = store.get("k").await.expect("reads").expect("there");
    put(&store, "k", "after", b"after").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(drain(reader.value.body(0..whole.len() as u64)).await, whole);
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"after"[..]));
}

pub(crate) async fn an_upload_that_is_given_up_is_over(store: Store) {
    begin(&store, "u", "k").await;
    begin(&store, "v", "k").await;
    assert!(part(&store, "u", "k", 1, "1", &pattern(100_000, 1)).await);
    assert!(part(&store, "v", "k", 1, "1", b"of v").await);
    store.abort("k", "u", 9).await.expect("it ends");
    assert_eq!(
        store.upload_state("k", "u").await.expect("reads"),
        Some(UploadState::Over)
    );
    assert!(!part(&store, "u", "k", 1, "1", b"late").await);
    assert_eq!(
        store.complete(completion("u", "k", &[])).await.expect("answers"),
        None
    );
    let done = store.complete(completion("v", "k", &[(1, "1")])).await;
    assert!(done.expect("answers").is_some());
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"of v"[..]));
}

pub(crate) async fn uploads_that_began_too_long_ago_end(store: Store) {
    begin(&store, "completed", "k").await;
    assert!(part(&store, "completed", "k", 1, "1", b"whole").await);
    let done = store.complete(completion("completed", "k", &[(1, "1")])).await;
    assert!(done.expect("answers").is_some());
    begin(&store, "open", "k").await;
    assert!(part(&store, "open", "k", 1, "1", &pattern(100_000, 1)).await);
    let state = async |upload| store.upload_state("k", upload).await.expect("reads");
    // Each began at 1.
    store.abort_begun_before(1, 2).await.expect("looks");
    assert_eq!(state("open").await, Some(UploadState::Open { created: 1 }));
    store.abort_begun_before(2, 3).await.expect("looks");
    assert_eq!(state("open").await, Some(UploadState::Over));
    assert!(!part(&store, "open", "k", 2, "2", b"late").await);
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b"whole"[..]));
}

pub(crate) async fn an_object_of_no_parts_is_empty(store: Store) {
    begin(&store, "u", "k").await;
    let done = store.complete(completion("u", "k", &[])).await;
    let object = done.expect("answers").expect("it was open");
    assert_eq!(
        (object.size, &*object.etag),
        (0, "d41d8cd98f00b204e9800998ecf8427e-0")
    );
    assert_eq!(value(&store, "k").await.as_deref(), Some(&b""[..]));
}

/// Makes a test of each of the functions above, with the stores that `$open` opens, beside what keeps them.
macro_rules! suite {
    ($open:expr, $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (_keep, store) = $open;
                crate::conformance::r2::$name(store).await;
            }
        )*
    };
    ($open:expr) => {
        crate::conformance::r2::suite! {
            $open,
            objects_come_back_as_they_went_in
            the_last_write_is_seen_whatever_was_there
            deleting_takes_several_and_what_is_not_there
            a_reader_keeps_what_it_has_begun
            a_draft_that_is_dropped_leaves_nothing
            conditions_hold_when_it_is_written
            lists_agree_with_a_simple_model
            lists_have_the_metadata_that_is_wanted
            parts_become_an_object
            an_upload_that_is_given_up_is_over
            uploads_that_began_too_long_ago_end
            an_object_of_no_parts_is_empty
        }
    };
}
pub(crate) use suite;
