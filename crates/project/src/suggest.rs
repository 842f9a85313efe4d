//! "Did you mean": the known name that is nearest to a misspelt one.

/// The nearest of `known`, if it is near enough to be meant.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = folded(name);
    let limit = (written.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&written, &folded(candidate)),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `kvNamespaces`, `kv-namespaces` and `KV_NAMESPACES` are one name to a reader.
fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_what_was_meant() {
        let known = [
            "name",
            "main",
            "kv_namespaces",
            "compatibility_date",
            "compatibility_flags",
            "ai",
            "dev",
        ];
        for (written, meant) in [
            ("compatability_date", Some("compatibility_date")),
            ("compatibility_flag", Some("compatibility_flags")),
            ("kvNamespaces", Some("kv_namespaces")),
            ("kv-namespace", Some("kv_namespaces")),
            ("mian", Some("main")),
            ("Name", Some("name")),
            ("a", Some("ai")),
            ("something_else", None),
            ("", None),
        ] {
            assert_eq!(closest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn does_not_suggest_the_same_name() {
        assert_eq!(closest("dev", ["dev"]), None);
    }
}
