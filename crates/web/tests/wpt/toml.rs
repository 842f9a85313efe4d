//! Reading and writing the little of TOML that the lists use: arrays of tables of strings.

use std::path::Path;

use toml_span::value::Value;

/// The tables of the array `name` in a file; none if there is no file.
pub(crate) fn tables<T>(
    path: &Path,
    name: &str,
    read: impl Fn(&Value<'_>) -> Option<T>,
) -> Result<Vec<T>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let root = toml_span::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let Some(entries) = root.pointer(&format!("/{name}")).and_then(Value::as_array) else {
        return Ok(Vec::new());
    };
    entries
        .iter()
        .map(|entry| {
            read(entry).ok_or_else(|| format!("{}: an incomplete [[{name}]]: {entry:?}", path.display()))
        })
        .collect()
}

/// A string of a table.
pub(crate) fn string(table: &Value<'_>, key: &str) -> Option<String> {
    Some(table.as_table()?.get(key)?.as_str()?.to_owned())
}

/// An array of strings of a table.
pub(crate) fn strings(table: &Value<'_>, key: &str) -> Option<Vec<String>> {
    let array = table.as_table()?.get(key)?.as_array()?;
    array
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// A string as TOML writes it: as JSON does, except for DEL.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}
