//! What a user's SQL may do: upstream's rules, applied by SQLite's authorizer while a statement is compiled.
//!
//! Nothing here reaches a file: no other database, no extension, no pragma about storage, no virtual table but full text
//! search. Names that begin with `_cf_` are the platform's.

use rusqlite::hooks::{AuthAction, AuthContext};

/// What is to be done about one action of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Allowed, and what it answers or changes belongs to the one connection that writes.
    WriterOnly,
    /// As before, and later reads depend on it.
    Sticky,
    Refused,
    /// It begins or ends a transaction, which has a message of its own.
    Transaction,
}

/// Judges one action of a user's statement.
pub(super) fn judge(context: &AuthContext<'_>) -> Verdict {
    // Two actions have the database in another place.
    let database = match context.action {
        AuthAction::AlterTable { database_name, .. } | AuthAction::Detach { database_name } => {
            Some(database_name)
        }
        _ => context.database_name,
    };
    match database {
        Some("temp") => return judge_temporary(&context.action),
        Some("main") | None => {}
        Some(_) => return Verdict::Refused,
    }
    match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Analyze { .. } => Verdict::Allowed,
        AuthAction::CreateTable { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Update { table_name: name, .. }
        | AuthAction::Delete { table_name: name }
        | AuthAction::AlterTable { table_name: name, .. }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::Reindex { index_name: name } => if_free(name),
        AuthAction::Read { table_name, .. } => allowed_if(is_free(table_name) && !is_internal(table_name)),
        AuthAction::CreateIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::DropIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::CreateTrigger {
            trigger_name: name,
            table_name,
        }
        | AuthAction::DropTrigger {
            trigger_name: name,
            table_name,
        } => allowed_if(is_free(name) && is_free(table_name)),
        AuthAction::CreateVtable {
            table_name,
            module_name,
        }
        | AuthAction::DropVtable {
            table_name,
            module_name,
        } => {
            let module = ["fts5", "fts5vocab"]
                .iter()
                .any(|known| module_name.eq_ignore_ascii_case(known));
            allowed_if(module && is_free(table_name))
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Verdict::Transaction,
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => judge_pragma(pragma_name, pragma_value),
        AuthAction::Function { function_name } => judge_function(function_name),
        _ => Verdict::Refused,
    }
}

/// SQLite looks into the schema of temporary tables, of which there are none, and would rename within it.
fn judge_temporary(action: &AuthAction<'_>) -> Verdict {
    match action {
        AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => if_free(table_name),
        _ => Verdict::Refused,
    }
}

fn judge_pragma(name: &str, value: Option<&str>) -> Verdict {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is(&["table_list", "data_version"]) {
        return allowed_if(value.is_none() || is(&["table_list"]));
    }
    if is(&[
        "table_info",
        "table_xinfo",
        "index_info",
        "index_list",
        "index_xinfo",
        "foreign_key_list",
    ]) {
        return value.map_or(Verdict::Refused, if_free);
    }
    if is(&["foreign_key_check"]) {
        return value.map_or(Verdict::Allowed, if_free);
    }
    if is(&["quick_check"]) {
        let free = value.is_none_or(|value| value.parse::<u32>().is_ok() || is_free(value));
        return allowed_if(free);
    }
    if is(&["optimize"]) {
        let number = value.is_none_or(|value| value.parse::<i32>().is_ok());
        return if number {
            Verdict::WriterOnly
        } else {
            Verdict::Refused
        };
    }
    let changes_reads = is(&["case_sensitive_like", "reverse_unordered_selects"]);
    let switches = [
        "foreign_keys",
        "defer_foreign_keys",
        "ignore_check_constraints",
        "legacy_alter_table",
        "recursive_triggers",
    ];
    if !changes_reads && !is(&switches) {
        return Verdict::Refused;
    }
    match value {
        None => Verdict::WriterOnly,
        Some(value) if !is_boolean(value) => Verdict::Refused,
        Some(_) if changes_reads => Verdict::Sticky,
        Some(_) => Verdict::WriterOnly,
    }
}

fn is_boolean(value: &str) -> bool {
    let value = value.trim_matches(['\'', '"']);
    ["true", "false", "yes", "no", "on", "off", "1", "0"]
        .iter()
        .any(|known| value.eq_ignore_ascii_case(known))
}

fn judge_function(name: &str) -> Verdict {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is(&["changes", "last_insert_rowid", "total_changes"]) {
        return Verdict::WriterOnly;
    }
    allowed_if(is(TEXT) || is(NUMBERS) || is(TIMES) || is(AGGREGATES) || is(JSON) || is(SCHEMA))
}

const TEXT: &[&str] = &[
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "format",
    "glob",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "nullif",
    "octet_length",
    "printf",
    "quote",
    "replace",
    "rtrim",
    "soundex",
    "substr",
    "substring",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unlikely",
    "upper",
    "zeroblob",
    // Full text search.
    "match",
    "highlight",
    "bm25",
    "snippet",
];

const NUMBERS: &[&str] = &[
    "abs",
    "random",
    "randomblob",
    "round",
    "sign",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

const TIMES: &[&str] = &[
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "current_date",
    "current_time",
    "current_timestamp",
];

const AGGREGATES: &[&str] = &[
    "avg",
    "count",
    "group_concat",
    "max",
    "min",
    "string_agg",
    "sum",
    "total",
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

const JSON: &[&str] = &[
    "json",
    "jsonb",
    "json_array",
    "jsonb_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "jsonb_extract",
    "->",
    "->>",
    "json_insert",
    "jsonb_insert",
    "json_object",
    "jsonb_object",
    "json_patch",
    "jsonb_patch",
    "json_pretty",
    "json_remove",
    "jsonb_remove",
    "json_replace",
    "jsonb_replace",
    "json_set",
    "jsonb_set",
    "json_type",
    "json_valid",
    "json_quote",
    "json_group_array",
    "jsonb_group_array",
    "json_group_object",
    "jsonb_group_object",
    "json_each",
    "json_tree",
];

/// What `ALTER TABLE` is made of inside SQLite.
const SCHEMA: &[&str] = &[
    "sqlite_rename_column",
    "sqlite_rename_table",
    "sqlite_rename_test",
    "sqlite_drop_column",
    "sqlite_rename_quotefix",
    "sqlite_fail",
    "sqlite_add_constraint",
    "sqlite_drop_constraint",
    "sqlite_find_constraint",
];

fn if_free(name: &str) -> Verdict {
    allowed_if(is_free(name))
}

fn allowed_if(allowed: bool) -> Verdict {
    if allowed {
        Verdict::Allowed
    } else {
        Verdict::Refused
    }
}

/// Whether a name isn't the platform's.
fn is_free(name: &str) -> bool {
    !name
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("_cf_"))
}

/// Tables of SQLite's own that tell about the file.
fn is_internal(name: &str) -> bool {
    [
        "dbstat",
        "sqlite_dbpage",
        "sqlite_stmt",
        "bytecode",
        "tables_used",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}
