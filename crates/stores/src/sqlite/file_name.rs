//! The file name of a store, from its id in the configuration.

use std::fmt::Write;

/// Three bytes each and the ending still fit into the 255 that file systems allow.
const MAX_ID_BYTES: usize = 80;

/// The file name for an id: letters in lower case, digits, `-` and `_` stay, all else becomes `%XX`. So different
/// ids have different names even where case is ignored, and none leads out of the folder.
pub(super) fn of(id: &str) -> Result<String, &'static str> {
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
    name.push_str(".sqlite");
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::of;

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

    proptest! {
        #[test]
        fn names_are_one_component_and_differ_when_ids_do(one in "\\PC{1,20}", two in "\\PC{1,20}") {
            let name = of(&one).expect("valid");
            let components: Vec<_> = Path::new(&name).components().collect();
            prop_assert!(matches!(components[..], [Component::Normal(_)]));
            prop_assert_eq!(one == two, name.eq_ignore_ascii_case(&of(&two).expect("valid")));
        }
    }
}
