//! The platform's limits, messages, expiry and cursors.

use crate::support::{Bench, START, delete, get, list, put, put_with, text};
use bytes::Bytes;
use isthmus_protocol::kv::{ListedKey, Operation, Reply};
use isthmus_stores::kv::MAX_VALUE_BYTES;

#[tokio::test]
async fn keys_have_from_1_to_512_bytes() {
    let (_bench, kv) = Bench::open();
    for key in ["", ".", ".."] {
        assert!(text(put(&kv, key, "v").await).starts_with("400 "), "{key}");
        assert!(text(get(&kv, key).await).starts_with("400 "), "{key}");
        assert!(text(delete(&kv, key).await).starts_with("400 "), "{key}");
    }
    let (most, beyond) = ("é".repeat(256), format!("{}x", "é".repeat(256)));
    put(&kv, &most, "v").await.expect("512 bytes");
    assert_eq!(get(&kv, &most).await.expect("512 bytes").expect("found"), "v");
    let message = "414 UTF-8 encoded length of 513 exceeds key length limit of 512.";
    assert_eq!(text(get(&kv, &beyond).await), message);
    assert_eq!(text(list(&kv, Some(&beyond), None, None).await), message);
    let operation = Operation::Put {
        key: &beyond,
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    };
    let error = kv.execute(&operation, Bytes::new()).await.expect_err("refused");
    assert_eq!(error.message_of(&operation), format!("KV PUT failed: {message}"));
    assert!(!error.is_internal());
}

#[tokio::test]
async fn values_have_up_to_25_mib() {
    let (_bench, kv) = Bench::open();
    let limit = usize::try_from(MAX_VALUE_BYTES).expect("fits");
    let most: Bytes = (0..limit).map(|index| index as u8).collect::<Vec<_>>().into();
    put(&kv, "k", most.clone()).await.expect("25 MiB");
    let message = "413 Value length of 26214401 exceeds limit of 26214400.";
    assert_eq!(text(put(&kv, "k", vec![0; limit + 1]).await), message);
    assert!(
        get(&kv, "k").await.expect("reads").expect("found") == most,
        "the old value stays"
    );

    let operation = Operation::Put {
        key: "k",
        expiration: None,
        expiration_ttl: None,
        metadata: None,
    };
    let announced = kv.begin_put(&operation, Some(MAX_VALUE_BYTES + 1));
    assert_eq!(text(announced.map(drop)), message);
    for beyond in [1, 3_000_000] {
        let mut unannounced = kv.begin_put(&operation, None).expect("unknown length");
        for _ in 0..25 {
            let chunk = Bytes::from(vec![1; 1024 * 1024]);
            unannounced.push(chunk).await.expect("taken");
        }
        unannounced.push(vec![1; beyond].into()).await.expect("counted");
        unannounced.push(Bytes::new()).await.expect("counted");
        let message = format!(
            "413 Value length of {} exceeds limit of 26214400.",
            limit + beyond
        );
        assert_eq!(text(unannounced.finish().await), message);
    }
    assert!(get(&kv, "k").await.expect("reads").expect("found") == most);
}

#[tokio::test]
async fn a_value_in_pieces_is_their_sum() {
    let (_bench, kv) = Bench::open();
    let operation = Operation::Put {
        key: "k",
        expiration: None,
        expiration_ttl: None,
        metadata: Some("7"),
    };
    let collected = async |pieces: &[&[u8]], length| {
        let mut put = kv.begin_put(&operation, length).expect("allowed");
        for piece in pieces {
            put.push(Bytes::copy_from_slice(piece)).await.expect("taken");
        }
        put.finish().await.expect("short");
        get(&kv, "k").await.expect("reads").expect("found")
    };
    for length in [None, Some(6), Some(2)] {
        assert_eq!(collected(&[b"ab", b"", b"cd", b"ef"], length).await, "abcdef");
        assert_eq!(collected(&[b"", b"ab"], length).await, "ab");
        assert_eq!(collected(&[], length).await, "");
        let long = [&[1; 200_000][..], &[2; 1_500_000], &[3; 10]];
        assert_eq!(collected(&long, length).await, long.concat());
    }
    let error = kv.begin_put(&Operation::Delete { key: "k" }, None).map(drop);
    assert!(error.expect_err("it has no value").is_internal());
}

#[tokio::test]
async fn expiry_is_at_least_60_seconds_away() {
    let bench = Bench::new();
    let kv = bench.namespace();
    let ttl = async |seconds| put_with(&kv, "k", "v", None, Some(seconds), None).await;
    let at = async |second: u64| {
        let second = i32::try_from(second).expect("before 2038");
        put_with(&kv, "k", "v", Some(second), None, None).await
    };
    assert_eq!(
        text(ttl(59).await),
        "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60."
    );
    for seconds in [0, -1, i32::MIN] {
        let message =
            format!("400 Invalid expiration_ttl of {seconds}. Please specify integer greater than 0.");
        assert_eq!(text(ttl(seconds).await), message);
    }
    assert_eq!(
        text(at(START).await),
        format!(
            "400 Invalid expiration of {START}. Please specify integer greater than the current number of \
             seconds since the UNIX epoch."
        )
    );
    assert_eq!(
        text(at(START + 59).await),
        format!(
            "400 Invalid expiration of {}. Expiration times must be at least 60 seconds in the future.",
            START + 59
        )
    );
    assert_eq!(get(&kv, "k").await.expect("reads"), None);

    for write in [ttl(60).await, at(START + 60).await] {
        write.expect("60 seconds");
    }
    bench.clock.advance(59);
    assert_eq!(get(&kv, "k").await.expect("reads").expect("still there"), "v");
    assert_eq!(list(&kv, None, None, None).await.expect("lists").0, ["k"]);
    bench.clock.advance(1);
    assert_eq!(get(&kv, "k").await.expect("reads"), None);
    assert_eq!(list(&kv, None, None, None).await.expect("lists").0, [""; 0]);
    ttl(60).await.expect("written anew");
    assert_eq!(get(&kv, "k").await.expect("reads").expect("there again"), "v");
}

#[tokio::test]
async fn expired_entries_are_removed_from_the_file() {
    let bench = Bench::new();
    let kv = bench.namespace();
    let writes = (0..1200).map(|index| {
        let kv = kv.clone();
        tokio::spawn(async move { put_with(&kv, &format!("k{index}"), "v", None, Some(60), None).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("runs").expect("written");
    }
    bench.clock.advance(60);
    // A write sets the sweep off, in steps that are each a transaction; closing waits for what is queued only.
    for _ in 0..10 {
        bench.clock.advance(60);
        put(&kv, "stays", "v").await.expect("written");
    }
    drop(kv);
    let file = rusqlite::Connection::open(bench.file()).expect("opens");
    let left: i64 = file
        .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
        .expect("counts");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn metadata_is_json_of_up_to_1024_bytes() {
    let (_bench, kv) = Bench::open();
    let metadata = |length: usize| format!("\"{}\"", "m".repeat(length - 2));
    let write = async |json: &str| put_with(&kv, "k", "v", None, None, Some(json)).await;
    write(&metadata(1024)).await.expect("1024 bytes");
    let message = "413 Metadata length of 1025 exceeds limit of 1024.";
    assert_eq!(text(write(&metadata(1025)).await), message);
    assert_eq!(text(write("undefined").await), "400 Metadata must be valid JSON.");
    write("{\"b\":1,\"a\":null}").await.expect("an object");
    let answer = kv
        .execute(
            &Operation::Get {
                key: "k",
                cache_ttl: Some(30),
            },
            Bytes::new(),
        )
        .await;
    let answer = answer.expect("reads");
    // As it was written, not as some parser orders it.
    assert_eq!(
        answer.reply(),
        Reply::Value {
            found: true,
            metadata: Some("{\"b\":1,\"a\":null}")
        }
    );
    put(&kv, "k", "v").await.expect("written");
    let answer = kv
        .execute(
            &Operation::Get {
                key: "k",
                cache_ttl: None,
            },
            Bytes::new(),
        )
        .await
        .expect("reads");
    assert_eq!(
        answer.reply(),
        Reply::Value {
            found: true,
            metadata: None
        },
        "a put replaces the metadata"
    );
}

#[tokio::test]
async fn cache_ttl_is_only_checked() {
    let (_bench, kv) = Bench::open();
    let read = async |cache_ttl| {
        kv.execute(&Operation::Get { key: "k", cache_ttl }, Bytes::new())
            .await
    };
    assert_eq!(
        text(read(Some(29)).await),
        "400 Invalid cache_ttl of 29. Cache TTL must be at least 30."
    );
    assert!(read(Some(30)).await.expect("allowed").take_body().is_none());
}

#[tokio::test]
async fn a_list_has_up_to_1000_keys_and_a_cursor() {
    let (_bench, kv) = Bench::open();
    for index in 0..1001 {
        put(&kv, &format!("n{index:04}"), "").await.expect("written");
    }
    let (first, cursor) = list(&kv, None, None, None).await.expect("lists");
    assert_eq!((first.len(), &*first[0], &*first[999]), (1000, "n0000", "n0999"));
    let cursor = cursor.expect("incomplete");
    let (second, end) = list(&kv, None, None, Some(&cursor)).await.expect("lists");
    assert_eq!((second, end), (vec!["n1000".to_owned()], None));

    let (exact, end) = list(&kv, Some("n09"), Some(100), None).await.expect("lists");
    assert_eq!((exact.len(), end), (100, None), "exactly the limit is complete");
    let message = "400 Invalid key_count_limit of 1001. Please specify an integer less than 1000.";
    assert_eq!(text(list(&kv, None, Some(1001), None).await), message);
    let message = "400 Invalid key_count_limit of 0. Please specify an integer greater than 0.";
    assert_eq!(text(list(&kv, None, Some(0), None).await), message);
}

#[tokio::test]
async fn a_cursor_stays_good_whatever_is_written() {
    let (_bench, kv) = Bench::open();
    for key in ["a", "b", "c", "d"] {
        put(&kv, key, "").await.expect("written");
    }
    let (_, cursor) = list(&kv, None, Some(2), None).await.expect("lists");
    let cursor = cursor.expect("incomplete");
    delete(&kv, "b").await.expect("deleted");
    put(&kv, "aa", "").await.expect("written");
    put(&kv, "b\0", "").await.expect("written");
    let (rest, _) = list(&kv, None, None, Some(&cursor)).await.expect("lists");
    assert_eq!(rest, ["b\0", "c", "d"]);
    let (none, end) = list(&kv, Some("a"), None, Some(&cursor)).await.expect("lists");
    assert_eq!((none, end), (Vec::new(), None), "a cursor past the prefix");
    let (all, _) = list(&kv, Some("c"), None, Some("")).await.expect("lists");
    assert_eq!(all, ["c"], "an empty cursor is the beginning");
}

#[tokio::test]
async fn a_bad_cursor_is_refused() {
    let (_bench, kv) = Bench::open();
    put(&kv, "k", "").await.expect("written");
    // Not base64, cut off, not UTF-8.
    for cursor in ["bad cursor", "!!!", "YQ", "Y!Q=", "/w==", "😀"] {
        assert_eq!(
            text(list(&kv, None, None, Some(cursor)).await),
            "400 Invalid cursor",
            "{cursor}"
        );
    }
}

#[tokio::test]
async fn keys_are_listed_in_the_order_of_their_utf_8_bytes() {
    let (_bench, kv) = Bench::open();
    // In UTF-16 the emoji would come before U+FFEE.
    for key in ["😀", "\u{ffee}", "z", "Z", "é", "a", "a%", "a\0"] {
        put_with(&kv, key, "", Some(2_000_000_000), None, Some("1"))
            .await
            .expect("written");
    }
    let (names, _) = list(&kv, None, None, None).await.expect("lists");
    assert_eq!(names, ["Z", "a", "a\0", "a%", "z", "é", "\u{ffee}", "😀"]);
    assert_eq!(list(&kv, Some("a%"), None, None).await.expect("lists").0, ["a%"]);
    let operation = Operation::List {
        prefix: Some("😀"),
        limit: None,
        cursor: None,
    };
    let answer = kv.execute(&operation, Bytes::new()).await.expect("lists");
    let keys = vec![ListedKey {
        name: "😀",
        expiration: Some(2_000_000_000),
        metadata: Some("1"),
    }];
    assert_eq!(answer.reply(), Reply::List { keys, cursor: None });
}

#[tokio::test]
async fn namespaces_are_apart_and_the_same_id_is_the_same() {
    let bench = Bench::new();
    let stores = bench.stores();
    let (one, same, other) = (stores.kv("a"), stores.kv("a"), stores.kv("A"));
    let (one, same, other) = (one.expect("opens"), same.expect("opens"), other.expect("opens"));
    put(&one, "k", "v").await.expect("written");
    assert_eq!(get(&same, "k").await.expect("reads").expect("found"), "v");
    assert_eq!(get(&other, "k").await.expect("reads"), None);
    drop((one, same, other, stores));
    let again = bench.stores().kv("a").expect("opens");
    assert_eq!(get(&again, "k").await.expect("reads").expect("kept"), "v");
}
