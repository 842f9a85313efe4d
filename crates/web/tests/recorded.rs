//! What workerd answered (`recorded/*.json`, written by `recorded/record.mjs`) is what we answer.

mod support;

use serde::Deserialize;
use support::World;

#[derive(Deserialize)]
struct Case {
    code: String,
    workerd: String,
    /// Our answer where it deliberately differs; `why` says for what reason.
    ours: Option<String>,
    why: Option<String>,
}

fn check(cases: &str, answer: impl Fn(&str) -> String) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = answer(&case.code);
        let expected = case.ours.as_ref().unwrap_or(&case.workerd);
        assert_eq!(
            case.ours.is_some(),
            case.why.is_some(),
            "a deliberate difference has a reason: {}",
            case.code
        );
        if answer != *expected {
            wrong.push(format!(
                ">> {}\n-- expected\n{expected}\n-- got\n{answer}",
                case.code
            ));
        } else if case.ours.as_ref().is_some_and(|ours| *ours == case.workerd) {
            wrong.push(format!(">> {}\nis marked as different, but is not", case.code));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn console_prints_what_workerd_prints() {
    check(include_str!("recorded/console.json"), |code| {
        let world = World::new();
        let caught = "catch (error) { console.log(`throws ${error.name}: ${error.message}`); }";
        world.script::<()>(&format!("try {{ {code}\n }} {caught}"));
        world.host.texts().join("\n")
    });
}

#[test]
fn platform_answers_what_workerd_answers() {
    check(include_str!("recorded/platform.json"), value);
}

#[test]
fn crypto_answers_what_workerd_answers() {
    check(include_str!("recorded/crypto.json"), value);
}

/// The value of an expression as JSON.
fn value(code: &str) -> String {
    let show = "(_, v) => v === undefined ? '<undefined>' : typeof v === 'bigint' ? v + 'n' : v";
    let answer = World::new().eval(&format!("return JSON.stringify(await ({code}\n), {show})"));
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}
