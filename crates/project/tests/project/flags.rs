//! Compatibility flags: the table and its dates.

use std::collections::HashSet;

use isthmus_project::{Standing, flags};

use crate::folder::Folder;

fn folder(date: &str, flags: &str) -> Folder {
    Folder::new(&[(
        "wrangler.toml",
        &format!(
            "main = \"src/entry.py\"\ncompatibility_date = \"{date}\"\ncompatibility_flags = [{flags}]\n"
        ),
    )])
}

/// The flags of Python that are on.
fn python(date: &str, named: &str) -> Vec<&'static str> {
    let project = folder(date, named).load();
    project
        .flags
        .iter()
        .filter(|(name, on)| *on && name.contains("python"))
        .map(|(name, _)| *name)
        .collect()
}

#[test]
fn a_flag_is_on_from_its_date() {
    for (flag, date, before) in [
        ("python_workers_20250116", "2025-09-29", "2025-09-28"),
        ("python_workers_314", "2026-09-08", "2026-09-07"),
        ("python_no_global_handlers", "2025-08-14", "2025-08-13"),
        ("python_workers_force_new_vendor_path", "2025-08-11", "2025-08-10"),
        ("python_workflows", "2025-09-20", "2025-09-19"),
        (
            "python_workflows_implicit_dependencies",
            "2026-02-25",
            "2026-02-24",
        ),
        ("python_dedicated_snapshot", "2025-10-16", "2025-10-15"),
        ("python_check_rng_state", "2025-12-16", "2025-12-15"),
        (
            "python_request_headers_preserve_commas",
            "2026-02-17",
            "2026-02-16",
        ),
        ("enable_python_external_sdk", "2026-04-21", "2026-04-20"),
        ("python_process_pth_files", "2026-05-26", "2026-05-25"),
    ] {
        assert!(
            python(date, "'python_workers'").contains(&flag),
            "{flag} at {date}"
        );
        assert!(
            !python(before, "'python_workers'").contains(&flag),
            "{flag} at {before}"
        );
    }
}

#[test]
fn naming_a_flag_or_its_opposite_goes_before_its_date() {
    assert_eq!(python("2024-01-01", "'python_workers'"), ["python_workers"]);
    assert_eq!(
        python(
            "2024-01-01",
            "'python_workers', 'python_workflows', 'python_no_global_handlers'"
        ),
        ["python_workers", "python_workflows", "python_no_global_handlers"]
    );
    let without = python(
        "2026-11-01",
        "'python_workers', 'disable_python_no_global_handlers', 'no_python_workers_314', 'disable_python_workflows'",
    );
    for flag in [
        "python_no_global_handlers",
        "python_workers_314",
        "python_workflows",
    ] {
        assert!(!without.contains(&flag), "{flag}");
    }
}

#[test]
fn a_flag_is_implied_only_by_one_that_is_on() {
    let on = python("2026-11-01", "'python_workers', 'no_python_workers_20250116'");
    assert!(!on.contains(&"python_workers_20250116"));
    assert!(
        !on.contains(&"python_dedicated_snapshot"),
        "it is implied by the one that is off"
    );
}

#[test]
fn all_flags_are_reported() {
    let project = folder("2026-11-01", "'python_workers'").load();
    assert_eq!(project.flags.len(), flags().count());
    assert!(project.flags.contains(&("url_standard", true)));
    assert!(project.flags.contains(&("pedantic_wpt", false)));
}

#[test]
fn mistakes() {
    assert_eq!(
        folder("2025-11-02", "'python_workers', 'python_workflow', 'qqqqqqqq'").errors(),
        "\
error: there is no compatibility flag `python_workflow`
 --> [DIR]/wrangler.toml:3:42
  |
3 | compatibility_flags = ['python_workers', 'python_workflow', 'qqqqqqqq']
  |                                          ^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `python_workflows`?

error: there is no compatibility flag `qqqqqqqq`
 --> [DIR]/wrangler.toml:3:61
  |
3 | compatibility_flags = ['python_workers', 'python_workflow', 'qqqqqqqq']
  |                                                             ^^^^^^^^^^
"
    );
    let report = folder(
        "2025-11-02",
        "'python_workers', 'python_workflows', 'disable_python_workflows'",
    )
    .errors();
    assert!(
        report.starts_with("error: `python_workflows` and `disable_python_workflows` are opposites\n"),
        "{report}"
    );
}

#[test]
fn flags_without_effect_are_warned_about() {
    for (flag, warning) in [
        (
            "python_workers",
            "the compatibility flag `python_workers` is there twice",
        ),
        (
            "python_workers_durable_objects",
            "the compatibility flag `python_workers_durable_objects` is obsolete and has no effect",
        ),
        (
            "python_workers_20260817",
            "the compatibility flag `python_workers_20260817` is obsolete and has no effect",
        ),
        (
            "python_zstd_snapshot",
            "the compatibility flag `python_zstd_snapshot` is experimental upstream and has no effect in Isthmus",
        ),
        (
            "nodejs_compat",
            "the compatibility flag `nodejs_compat` has no effect in Isthmus yet",
        ),
        (
            "url_original",
            "the compatibility flag `url_original` has no effect in Isthmus yet",
        ),
    ] {
        let folder = folder("2025-11-02", &format!("'python_workers', '{flag}'"));
        assert!(
            folder.warnings().starts_with(&format!("warning: {warning}\n")),
            "{}",
            folder.warnings()
        );
    }
    // What is the case anyway needs no warning.
    assert_eq!(
        folder(
            "2025-11-02",
            "'python_workers', 'url_standard', 'python_workflows'"
        )
        .warnings(),
        ""
    );
}

#[test]
fn the_table_is_sound() {
    let mut names = HashSet::new();
    for flag in flags() {
        for name in [Some(flag.enable), flag.disable].into_iter().flatten() {
            assert!(names.insert(name), "{name} is there twice");
        }
        for date in [flag.default_from, flag.implied.map(|(_, date)| date)]
            .into_iter()
            .flatten()
        {
            assert!(
                date.parse::<jiff::civil::Date>()
                    .is_ok_and(|parsed| parsed.to_string() == date),
                "{date}"
            );
        }
        for by in flag.implied.map(|(by, _)| by).unwrap_or_default() {
            assert!(
                flags().any(|other| other.enable == *by),
                "{by}, which implies {}, is no flag",
                flag.enable
            );
        }
        let about_python = flag.enable.contains("python");
        assert_eq!(about_python, !flag.why.is_empty(), "{}", flag.enable);
    }
    assert!(flags().any(|flag| flag.standing == Standing::Obsolete));
}

/// The flags of the JavaScript platform that are on, as workerd 1.20261117 answered
/// (`Cloudflare.compatibilityFlags` of a Worker with that date and those flags).
#[test]
fn workerd_agrees() {
    #[derive(serde::Deserialize)]
    struct Answer {
        date: String,
        flags: Vec<String>,
        on: Vec<String>,
    }
    let answers: Vec<Answer> = serde_json::from_str(include_str!("workerd_flags.json")).expect("answers");
    for Answer { date, flags, on } in answers {
        let named: Vec<String> = flags.iter().map(|name| format!("'{name}'")).collect();
        let project = folder(&date, &format!("'python_workers', {}", named.join(", "))).load();
        let mut ours: Vec<&str> = project
            .flags
            .iter()
            .filter(|(name, on)| *on && !name.contains("python"))
            .map(|(name, _)| *name)
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, on, "{date} {flags:?}");
    }
}
