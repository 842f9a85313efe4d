//! Modules of cases beside workerd, whose answers are recorded by `recorded/record.sh`.

mod support;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use support::World;

/// Where we answer otherwise, and why.
#[derive(Deserialize)]
struct Difference {
    why: String,
    ours: Value,
}

#[test]
fn fetch_is_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/fetch_cases.mjs"),
        include_str!("recorded/fetch_workerd.json"),
        include_str!("recorded/fetch_differences.json"),
    );
}

#[test]
fn objects_are_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/object_cases.mjs"),
        include_str!("recorded/object_workerd.json"),
        include_str!("recorded/object_differences.json"),
    );
}

#[test]
fn streams_are_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/streams_cases.mjs"),
        include_str!("recorded/streams_workerd.json"),
        include_str!("recorded/streams_differences.json"),
    );
}

#[test]
fn urls_are_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/url_cases.mjs"),
        include_str!("recorded/url_workerd.json"),
        include_str!("recorded/url_differences.json"),
    );
}

#[test]
fn url_patterns_are_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/url_pattern_cases.mjs"),
        include_str!("recorded/url_pattern_workerd.json"),
        include_str!("recorded/url_pattern_differences.json"),
    );
}

#[test]
fn html_is_rewritten_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/html_rewriter_cases.mjs"),
        include_str!("recorded/html_rewriter_workerd.json"),
        include_str!("recorded/html_rewriter_differences.json"),
    );
}

#[test]
fn the_scope_is_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/scope_cases.mjs"),
        include_str!("recorded/scope_workerd.json"),
        include_str!("recorded/scope_differences.json"),
    );
}

#[test]
fn websockets_are_like_upstream_but_for_the_listed_differences() {
    compare(
        include_str!("recorded/websocket_cases.mjs"),
        include_str!("recorded/websocket_workerd.json"),
        include_str!("recorded/websocket_differences.json"),
    );
}

/// Runs `cases` and panics with all that is neither as `recorded` nor as `differences` have it.
fn compare(cases: &str, recorded: &str, differences: &str) {
    let recorded: BTreeMap<String, Value> = serde_json::from_str(recorded).unwrap();
    let differences: BTreeMap<String, Difference> = serde_json::from_str(differences).unwrap();
    let ours = World::reporting().run_module("cases.mjs", cases, "run");
    let ours: BTreeMap<String, Value> = serde_json::from_value(ours).unwrap();
    let mut report = String::new();
    for (name, upstream) in &recorded {
        let got = &ours[name];
        let expected = match differences.get(name) {
            Some(difference) => {
                assert!(!difference.why.is_empty(), "{name} differs without a reason");
                assert_ne!(&difference.ours, upstream, "{name} no longer differs");
                &difference.ours
            }
            None => upstream,
        };
        if got != expected {
            report += &format!("{name}\n  expected {expected}\n  got      {got}\n");
        }
    }
    for name in differences.keys() {
        assert!(recorded.contains_key(name), "{name} is no case");
    }
    assert!(report.is_empty(), "{report}");
}
