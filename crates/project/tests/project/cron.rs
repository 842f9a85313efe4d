//! Cron expressions: what upstream's parser answers to the same texts (`saffron.json`, recorded from `saffron` 0.1.0 with
//! the six moments after 2026-11-23T08:30Z; null where it refuses the text), and `triggers.crons`.

use isthmus_project::Cron;
use jiff::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;

use crate::folder::with;

#[derive(Deserialize)]
struct Recorded {
    expression: String,
    times: Option<Vec<String>>,
}

/// Ranges over the end begin a value early in saffron: `nov-feb` has October. We follow the documentation of ranges.
const OVER_THE_END: [(&str, [&str; 3]); 7] = [
    (
        "0 0 1 nov-feb *",
        ["2026-12-01T00:00Z", "2027-01-01T00:00Z", "2027-02-01T00:00Z"],
    ),
    (
        "0 0 1 11-2 *",
        ["2026-12-01T00:00Z", "2027-01-01T00:00Z", "2027-02-01T00:00Z"],
    ),
    (
        "0 22-2 * * *",
        ["2026-11-23T22:00Z", "2026-11-23T23:00Z", "2026-11-24T00:00Z"],
    ),
    (
        "50-10 * * * *",
        ["2026-11-23T08:50Z", "2026-11-23T08:51Z", "2026-11-23T08:52Z"],
    ),
    (
        "0 0 * * fri-mon",
        ["2026-11-27T00:00Z", "2026-11-28T00:00Z", "2026-11-29T00:00Z"],
    ),
    (
        "0 0 * * sat-sun",
        ["2026-11-28T00:00Z", "2026-11-29T00:00Z", "2026-12-05T00:00Z"],
    ),
    (
        "0 0 28-3 * *",
        ["2026-11-28T00:00Z", "2026-11-29T00:00Z", "2026-11-30T00:00Z"],
    ),
];

/// Others not followed: days that a month doesn't have, a weekday counted twice over the end, `*` for the first value of
/// all when it is in a list or a range.
const NOT_FOLLOWED: [&str; 5] = [
    "0 0 31W * *",
    "0 0 29W 2 *",
    "0 0 * * 6-2/2",
    "5,* * * * *",
    "5,*-7 * * * *",
];

fn start() -> Timestamp {
    "2026-11-23T08:30Z".parse().expect("a moment")
}

fn next(expression: &str, count: usize) -> Result<Vec<String>, String> {
    let cron: Cron = expression
        .parse()
        .map_err(|error: isthmus_project::CronError| error.to_string())?;
    let mut at = start();
    let moments = std::iter::from_fn(|| {
        at = cron.next_after(at)?;
        Some(at.strftime("%Y-%m-%dT%H:%MZ").to_string())
    });
    Ok(moments.take(count).collect())
}

#[test]
fn expressions_mean_what_upstream_takes_them_for() {
    let recorded: Vec<Recorded> =
        serde_json::from_str(include_str!("saffron.json")).expect("recorded answers");
    assert!(recorded.len() > 100);
    let different: Vec<_> = recorded
        .iter()
        .filter(|recorded| next(&recorded.expression, 6).ok() != recorded.times)
        .map(|recorded| recorded.expression.as_str())
        .collect();
    let mut expected: Vec<_> = OVER_THE_END.iter().map(|(expression, _)| *expression).collect();
    expected.extend(NOT_FOLLOWED);
    expected.sort_unstable();
    let mut found = different.clone();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn ranges_go_over_the_end() {
    for (expression, expected) in OVER_THE_END {
        assert_eq!(next(expression, 3).expect("valid"), expected, "{expression}");
    }
}

#[test]
fn the_workday_next_to_a_day_is_in_its_month() {
    for (expression, expected) in [
        // The 31st is a Sunday in January and October, and in no other month that isn't a workday's.
        (
            "0 0 31W * *",
            &["2026-12-31", "2027-01-29", "2027-03-31", "2027-05-31"][..],
        ),
        ("0 0 1W 5 *", &["2027-05-03", "2028-05-01"]),
        ("0 0 L-1W 2 *", &["2027-02-26", "2028-02-28"]),
    ] {
        let moments = next(expression, expected.len()).expect("valid");
        let days: Vec<&str> = moments.iter().map(|moment| &moment[..10]).collect();
        assert_eq!(days, expected, "{expression}");
    }
}

#[test]
fn what_is_wrong_is_said_of_its_field() {
    for (expression, message) in [
        (
            "* * * *",
            "it has 4 fields instead of five: minute, hour, day of the month, month, day of the week",
        ),
        (
            "60 * * * *",
            "its minute is \"60\": \"60\" is not a number from 0 to 59",
        ),
        (
            "* * * foo *",
            "its month is \"foo\": \"foo\" is not a number from 1 to 12, or a name from jan to dec",
        ),
        (
            "* * * * 0",
            "its day of the week is \"0\": \"0\" is not a number from 1 to 7, or a name from sun to sat",
        ),
        (
            "*/60 * * * *",
            "its minute is \"*/60\": a step is a number from 1 to 59",
        ),
        (
            "* * 1,15W * *",
            "its day of the month is \"1,15W\": `W` follows one day from 1 to 31, or `L`",
        ),
        (
            "* * 1,L,2 * *",
            "its day of the month is \"1,L,2\": `L` and `W` can't be in a list or a range",
        ),
        (
            "* * L-31 * *",
            "its day of the month is \"L-31\": `L` stands alone, or is followed by `W` or by 1 to 30 days before \
             the last: `L-3`",
        ),
        (
            "* * * * MON#6",
            "its day of the week is \"MON#6\": `#` stands between one weekday and a number from 1 to 5",
        ),
        (
            "@daily",
            "it has 1 fields instead of five: minute, hour, day of the month, month, day of the week",
        ),
    ] {
        assert_eq!(next(expression, 1), Err(message.to_owned()), "{expression:?}");
    }
}

#[test]
fn an_expression_that_is_wrong_is_an_error_at_its_place() {
    assert_eq!(
        with(r#"  "triggers": {"crons": ["*/5 * * * *", "0 25 * * *"]}"#).errors(),
        r#"error: "0 25 * * *" is no cron expression: its hour is "25": "25" is not a number from 0 to 23
 --> [DIR]/wrangler.jsonc:6:41
  |
6 |   "triggers": {"crons": ["*/5 * * * *", "0 25 * * *"]}
  |                                         ^^^^^^^^^^^^
  |
  = help: for example "30 6 * * mon-fri", at 06:30 UTC from Monday to Friday
"#
    );
}

#[test]
fn crons_are_kept_as_written_and_once() {
    let project =
        with(r#"  "triggers": {"crons": ["*/5 * * * *", "0 0 31 2 *", "*/5 * * * *"], "events": [1]}"#)
            .load();
    let texts: Vec<_> = project.crons.iter().map(Cron::text).collect();
    assert_eq!(texts, ["*/5 * * * *", "0 0 31 2 *"]);
    let warnings = project.warnings.to_string();
    for warning in [
        "warning: `triggers.events` has no effect in Isthmus\n",
        "warning: \"0 0 31 2 *\" never comes: no month it names has such a day\n",
        "warning: \"*/5 * * * *\" is there twice; it runs once each time\n",
    ] {
        assert!(warnings.contains(warning), "{warning}\n{warnings}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9*/,LW#a-z -]{0,24}") {
        if let Ok(cron) = text.parse::<Cron>() {
            let next = cron.next_after(start());
            prop_assert!(next.is_none_or(|next| next > start()));
        }
    }
}
