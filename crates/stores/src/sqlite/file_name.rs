//! The file name of a store, from its id in the configuration.

use std::{fmt::Write, fs, io, path::Path};

const ENDING: &str = ".sqlite";

/// Three bytes each and the ending still fit into the 255 that file systems allow.
const MAX_ID_BYTES: usize = 80;

/// The file name for an id, as [`folder_of`] with an ending.
pub(super) fn of(id: &str) -> Result<String, &'static str> {
    folder_of(id).map(|name| name + ENDING)
}

/// The folder's name for an id: letters in lower case, digits, `-` and `_` stay, all else becomes `%XX`. So different
/// ids have different names even where case is ignored, and none leads out of the folder.
pub(super) fn folder_of(id: &str) -> Result<String, &'static str> {
    if id.is_empty() {
        return Err("it is empty");
    }
    if id.len() > MAX_ID_BYTES {
        return Err("it is longer than 80 bytes");
    }
    let mut name = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => write!(name, "%{byte:02x}").map_err(|_| "it can't be written")?,
        }
    }
    Ok(name)
}

/// The id whose file has this name; `None` if no id's has.
pub(super) fn id_of(name: &str) -> Option<String> {
    folder_id_of(name.strip_suffix(ENDING)?)
}

/// The same for a folder.
pub(super) fn folder_id_of(name: &str) -> Option<String> {
    let mut bytes = name.bytes();
    let mut id = Vec::new();
    while let Some(byte) = bytes.next() {
        id.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    let id = String::from_utf8(id).ok()?;
    (folder_of(&id).ok()? == name).then_some(id)
}

/// The ids of the databases in a folder, sorted; none if there is no folder.
pub(super) fn ids_in(folder: &Path) -> io::Result<Vec<String>> {
    found_in(folder, id_of)
}

/// The same for stores that are folders.
pub(super) fn folder_ids_in(folder: &Path) -> io::Result<Vec<String>> {
    found_in(folder, folder_id_of)
}

fn found_in(folder: &Path, id_of: fn(&str) -> Option<String>) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        // Logs and what else lies there have other names.
        ids.extend(entry?.file_name().to_str().and_then(id_of));
    }
    ids.sort();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::{id_of, ids_in, of};

    #[test]
    fn usual_ids_stay_readable() {
        assert_eq!(
            of("0f2ac74b498b48028cb68387c421e279").expect("valid"),
            "0f2ac74b498b48028cb68387c421e279.sqlite"
        );
        assert_eq!(of("My KV").expect("valid"), "%4dy%20%4b%56.sqlite");
        assert_eq!(of("../../etc").expect("valid"), "%2e%2e%2f%2e%2e%2fetc.sqlite");
        of("").expect_err("empty");
        of(&"i".repeat(81)).expect_err("too long");
        assert!(of(&"É".repeat(40)).expect("valid").len() <= 255);
    }

    #[test]
    fn only_databases_count_as_ids() {
        let folder = tempfile::TempDir::new().expect("a folder");
        for name in [
            "b.sqlite",
            "a%2fb.sqlite",
            "a.sqlite-wal",
            "A.sqlite",
            "%zz.sqlite",
            "%4",
            ".sqlite",
        ] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        assert_eq!(ids_in(folder.path()).expect("a folder"), ["a/b", "b"]);
        assert!(ids_in(&folder.path().join("none")).expect("no error").is_empty());
    }

    proptest! {
        #[test]
        fn a_name_tells_its_id(id in "\\PC{1,20}", other in "\\PC{0,20}") {
            prop_assert_eq!(id_of(&of(&id).expect("valid")), Some(id));
            id_of(&other);
            id_of(&format!("{other}.sqlite"));
        }

        #[test]
        fn names_are_one_component_and_differ_when_ids_do(one in "\\PC{1,20}", two in "\\PC{1,20}") {
            let name = of(&one).expect("valid");
            let components: Vec<_> = Path::new(&name).components().collect();
            prop_assert!(matches!(components[..], [Component::Normal(_)]));
            prop_assert_eq!(one == two, name.eq_ignore_ascii_case(&of(&two).expect("valid")));
        }
    }
}
