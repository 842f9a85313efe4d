//! The recorded answers of workerd and miniflare, case by case; see `tests/kv_reference/record.mjs`.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::worker::Worker;

#[derive(Deserialize)]
struct Case {
    name: String,
    code: String,
    outcome: Json,
}

/// Where we answer otherwise, and on purpose. A case that comes to agree must leave the list.
fn deviation(group: &str, name: &str) -> Option<Json> {
    let refused = |name: &str, message: &str| json!({"rejected": {"name": name, "message": message}});
    Some(match (group, name) {
        // `null` is as good as `undefined`, since Python's `None` may come as either.
        ("options", "get, options with null type" | "get, options with null cacheTtl") => {
            json!({"resolved": "v"})
        }
        ("options", "put, expiration null" | "put, ttl null") => json!({"resolved": {"undefined": true}}),
        ("options", "put, all null") => {
            json!({"resolved": {"value": "v", "metadata": null, "cacheStatus": null}})
        }
        // A clear refusal instead of "500 Internal Server Error".
        ("options", "put, metadata function" | "put, metadata symbol") => {
            refused("Error", "KV PUT failed: 400 Metadata must be valid JSON.")
        }
        ("bulk", "options with null type") => json!({"resolved": {"Map": [["a", "1"]]}}),
        ("bulk", "cacheTtl null") => json!({"resolved": {"Map": [["a", null]]}}),
        // Keys that look like array indices, and this one, are lost on miniflare's way through an object.
        ("bulk", "numbers") => json!({"resolved": {"Map": [["7", "x"], ["8", null]]}}),
        ("bulk", "key __proto__") => {
            json!({"resolved": {"Map": [["__proto__", "x"], ["constructor", null]]}})
        }
        // So is the metadata of a value that is falsy.
        ("bulk", "with metadata, empty value") => json!({"resolved": {"Map": [
            ["a", {"value": "", "metadata": 1}]
        ]}}),
        ("bulk", "with metadata, falsy json") => json!({"resolved": {"Map": [
            ["a", {"value": 0, "metadata": 1}]
        ]}}),
        // Miniflare reads on from wherever a broken cursor leads it.
        (
            "list",
            "cursor not base64"
            | "cursor without padding"
            | "cursor not utf-8"
            | "cursor with junk"
            | "cursor number",
        ) => refused("Error", "KV GET failed: 400 Invalid cursor"),
        // Without upstream's link.
        ("class", "detached method" | "detached put" | "foreign receiver") => json!({"thrown": {
            "name": "TypeError",
            "message": "Illegal invocation: function called with incorrect `this` reference."
        }}),
        _ => return None,
    })
}

fn compare(group: &str, recorded: &str) {
    let cases: Vec<Case> = serde_json::from_str(recorded).expect("a recording");
    assert!(cases.len() > 10, "a recording with few cases");
    let mut failures = Vec::new();
    for case in cases {
        let found = Worker::new().outcome(&case.code);
        let expected = match deviation(group, &case.name) {
            Some(ours) if ours == case.outcome => {
                failures.push(format!("{}: the deviation is none", case.name));
                continue;
            }
            Some(ours) => ours,
            None => case.outcome,
        };
        if found != expected {
            failures.push(format!(
                "{}: {}\n  found    {found}\n  expected {expected}",
                case.name, case.code
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases of {group} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

macro_rules! groups {
    ($($group:ident)*) => {
        $(
            #[test]
            fn $group() {
                compare(
                    stringify!($group),
                    include_str!(concat!("../../../../tests/kv_reference/", stringify!($group), ".json")),
                );
            }
        )*
    };
}
groups! { keys values options list streams bulk class }
