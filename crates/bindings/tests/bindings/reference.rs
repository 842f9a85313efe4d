//! The recorded answers of workerd and miniflare, case by case; see `tests/kv_reference/record.mjs`.

use serde_json::{Value as Json, json};

use crate::recorded::groups;
use crate::worker::Worker;

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

groups! {
    "kv_reference", deviation, |case| Worker::new().outcome(&case.code),
    keys values options list streams bulk class
}
