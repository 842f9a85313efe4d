//! Recorded answers of other implementations, case by case: what the tests of the bindings have in common.

use serde::Deserialize;
use serde_json::Value as Json;

/// A case as `record.mjs` of its folder wrote it.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) code: String,
    /// Whether the recorded code awaited, where that was noted.
    pub(crate) awaits: Option<bool>,
    outcome: Json,
}

/// Compares what cases come to with what was recorded. `deviation` says where we answer otherwise, and on purpose; a case that
/// comes to agree must leave its list.
pub(crate) fn compare(
    group: &str,
    recorded: &str,
    deviation: fn(&str, &str) -> Option<Json>,
    outcome: fn(&Case) -> Json,
) {
    let cases: Vec<Case> = serde_json::from_str(recorded).expect("a recording");
    assert!(cases.len() > 10, "a recording with few cases");
    let mut failures = Vec::new();
    for case in cases {
        let found = outcome(&case);
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

/// A test for each group of a folder of `tests/`.
macro_rules! groups {
    ($folder:literal, $deviation:expr, $outcome:expr, $($group:ident)*) => {
        $(
            #[test]
            fn $group() {
                crate::recorded::compare(
                    stringify!($group),
                    include_str!(concat!("../../../../tests/", $folder, "/", stringify!($group), ".json")),
                    $deviation,
                    $outcome,
                );
            }
        )*
    };
}
pub(crate) use groups;
