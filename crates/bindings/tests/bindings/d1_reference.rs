//! The recorded answers of miniflare's D1, case by case; see `tests/d1_reference/record.mjs`.

use serde_json::{Value as Json, json};

use crate::d1_worker::D1Worker;
use crate::recorded::groups;

/// Where we answer otherwise, and on purpose. A case that comes to agree must leave the list.
fn deviation(group: &str, name: &str) -> Option<Json> {
    let refused = |message: &str| json!({"rejected": {"name": "Error", "message": message}});
    let type_error = |how: &str, message: &str| json!({how: {"name": "TypeError", "message": message}});
    let not_listed = "batch() takes a list of prepared statements";
    let not_text = "exec() takes a string of SQL statements, one per line";
    let not_constraint = "withSession() takes a constraint or a bookmark, which are strings";
    let unauthorized = |name: &str| {
        refused(&format!(
            "D1_ERROR: not authorized to use function: {name} at offset 7: SQLITE_ERROR"
        ))
    };
    Some(match (group, name) {
        // The engine's own words.
        ("values", "symbol") => type_error("thrown", "cannot convert symbol to string"),
        ("values", "date") => json!({"thrown": {
            "name": "Error",
            "message": "D1_TYPE_ERROR: Type 'object' not supported for value 'Thu Jan 01 1970 00:00:00 GMT+0000'"
        }}),
        // Refused where it is bound, like other big integers.
        ("values", "BigInt64Array") => json!({"thrown": {
            "name": "Error",
            "message": "D1_TYPE_ERROR: Type 'object' not supported for value '1'"
        }}),
        // Its bytes rather than nothing.
        ("values", "DataView") => json!({"resolved": [["blob", "000000"]]}),
        // Changes of the schema count as no rows: SQLite as it is doesn't tell.
        ("methods", "run, create") => json!({"resolved": {
            "success": true,
            "meta": {
                "changes": 0, "last_row_id": 0, "changed_db": true, "rows_written": 0,
                "kinds": "number,number,number,string"
            },
            "results": []
        }}),
        // No statement of the platform's comes between.
        ("methods", "last_insert_rowid()") => json!({"resolved": [[3, 3]]}),
        // `null` is as good as `undefined`, since Python's `None` may come as either.
        ("methods", "first, null") => json!({"resolved": {"id": 1}}),
        // What is wrong, instead of what went wrong inside.
        ("batch", "no array" | "nothing" | "null") => type_error("rejected", not_listed),
        ("batch", "no statements in it" | "null in it") => {
            type_error("rejected", &format!("{not_listed}, but item 0 is none"))
        }
        ("exec", "number" | "nothing" | "null") => type_error("rejected", not_text),
        ("sessions", "number" | "object") => type_error("thrown", not_constraint),
        ("errors", "sql is a number" | "sql is null" | "sql is absent") => {
            refused("D1_ERROR: a statement must be a string of SQL")
        }
        // The constraint, instead of an internal error.
        ("batch", "deferred foreign key, broken") => refused(
            "D1_ERROR: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)",
        ),
        ("batch", "OR ROLLBACK") => refused(
            "D1_ERROR: UNIQUE constraint failed: people.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        ),
        ("errors", "raise, rollback") => {
            refused("D1_ERROR: not today: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)")
        }
        // Our SQLite is newer, and built with more, of which nothing may be used.
        ("limits", "parameter number 101") => {
            refused("D1_ERROR: variable number must be between ?1 and ?100: SQLITE_ERROR")
        }
        ("limits", "128 arguments") => refused("D1_ERROR: too many arguments on function max: SQLITE_ERROR"),
        ("refused", "SELECT load_extension('x')") => unauthorized("load_extension"),
        ("refused", "SELECT fts3_tokenizer('simple')") => unauthorized("fts3_tokenizer"),
        ("refused", "SELECT * FROM dbstat") => {
            refused("D1_ERROR: access to dbstat.name is prohibited: SQLITE_AUTH")
        }
        _ => return None,
    })
}

groups! {
    "d1_reference", deviation, |case| D1Worker::new().outcome(&case.code, case.awaits.expect("it was noted")),
    values methods batch exec errors refused pragmas limits sessions
}
