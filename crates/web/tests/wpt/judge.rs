//! Compares what came of the subtests with the lists.

use std::collections::BTreeSet;

use crate::Options;
use crate::checkout::Subtest;
use crate::lists::Lists;

/// Prints what differs from the lists, or brings them up to date; whether all is as they say now.
pub(crate) fn judge(lists: &mut Lists, results: &[(String, Vec<Subtest>)], options: &Options) -> bool {
    let mut as_expected = true;
    for (run, subtests) in results {
        if options.update {
            let failing = subtests.iter().filter(|subtest| subtest.failure.is_some());
            lists.set_failures(run, failing.map(|subtest| subtest.name.as_str()));
            continue;
        }
        let mut listed = lists.failures(run);
        let mut differences = Vec::new();
        for subtest in subtests {
            let known = listed.remove(subtest.name.as_str());
            match (&subtest.failure, known) {
                (Some(failure), false) => {
                    as_expected = false;
                    differences.push(format!("FAILED {}\n        {failure}", subtest.name));
                }
                (Some(failure), true) if options.verbose => {
                    differences.push(format!("known: {}\n        {failure}", subtest.name));
                }
                (None, true) => {
                    as_expected = false;
                    differences.push(format!("PASSED, THOUGH LISTED {}", subtest.name));
                }
                _ => {}
            }
        }
        as_expected &= listed.is_empty();
        differences.extend(names_not_run(&listed));
        if !differences.is_empty() {
            println!("{run}");
            for difference in differences {
                println!("    {difference}");
            }
        }
    }
    as_expected
}

fn names_not_run(listed: &BTreeSet<&str>) -> Vec<String> {
    listed
        .iter()
        .map(|name| format!("LISTED, BUT DID NOT RUN {name}"))
        .collect()
}
