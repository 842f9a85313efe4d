//! Runs the public web-platform tests of a checkout on this crate. <https://web-platform-tests.org/>
//!
//! `ISTHMUS_WPT=<checkout> cargo test --release -p isthmus-web --test wpt -- [area or part of a path …]
//! [--update] [--report] [--verbose]`. Without the variable only the runner itself is checked. What is
//! expected not to pass is listed in `tests/wpt/` of the repository; whatever differs from those lists,
//! in either direction, fails the run. Every file runs in a process of its own (`child`), so that one
//! that hangs or crashes fails alone.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test runner prints what it found"
)]

mod areas;
mod checkout;
mod child;
mod event_streams;
mod judge;
mod lists;
mod report;
mod scope;
mod self_check;
mod server;
mod sockets;
mod toml;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use areas::{AREAS, Area};
use checkout::{Checkout, Run};
use lists::Lists;

/// The variable that names the checkout.
const CHECKOUT: &str = "ISTHMUS_WPT";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    /// Names of areas or parts of paths; none means everything.
    wanted: Vec<String>,
    /// Whether the lists are rewritten.
    update: bool,
    /// Whether the table of the README is rewritten.
    report: bool,
    /// Whether every subtest that does not pass is printed with its message.
    verbose: bool,
    /// The folder of the lists.
    lists: Option<PathBuf>,
}

impl Options {
    /// The parts of paths among what is wanted: what is not the name of an area.
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.wanted
            .iter()
            .map(String::as_str)
            .filter(|name| AREAS.iter().all(|area| area.name != *name))
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--child" => {
                let [path, variant] = [arguments.next(), arguments.next()].map(Option::unwrap_or_default);
                return child::run(&checkout_folder().unwrap_or_default(), &Run { path, variant });
            }
            "--update" => options.update = true,
            "--report" => options.report = true,
            "--verbose" => options.verbose = true,
            "--lists" => options.lists = arguments.next().map(PathBuf::from),
            // Options of the usual test harness, as `cargo test` of the whole workspace may pass them on.
            flag if flag.starts_with("--") => {}
            wanted => options.wanted.push(wanted.to_owned()),
        }
    }
    let outcome = match checkout_folder() {
        Some(folder) => run(&Checkout::new(folder), &options),
        None => self_check::run().map(|()| {
            println!("wpt: skipped, {CHECKOUT} names no checkout (the runner's own checks passed)");
            true
        }),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("wpt: {error}");
            ExitCode::FAILURE
        }
    }
}

fn checkout_folder() -> Option<OsString> {
    std::env::var_os(CHECKOUT).filter(|folder| !folder.is_empty())
}

/// Runs what is wanted; whether everything was as the lists say.
fn run(checkout: &Checkout, options: &Options) -> Result<bool, String> {
    let folder = options
        .lists
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wpt"));
    let mut lists = Lists::read(&folder)?;
    let mut rows = Vec::new();
    let mut as_expected = true;
    for area in AREAS {
        let found = checkout.files(area.folders);
        for path in lists.needlessly_excluded(area, &found) {
            println!("LEFT OUT, NOT THERE {path}");
            as_expected = false;
        }
        let whole = options.wanted.is_empty() || options.wanted.iter().any(|name| name == area.name);
        let files: Vec<&String> = found
            .iter()
            .filter(|path| whole || options.parts().any(|part| path.contains(part)))
            .collect();
        if files.is_empty() {
            continue;
        }
        let kept: Vec<&String> = files
            .iter()
            .copied()
            .filter(|path| !lists.is_excluded(path))
            .collect();
        let runs = checkout.runs(&kept)?;
        for name in lists.gone(area, &found, &runs) {
            println!("LISTED, NOT THERE {name}");
            as_expected &= options.update;
            lists.forget(&name);
        }
        let results: Vec<_> = runs.iter().map(Run::name).zip(checkout.run_all(&runs)?).collect();
        as_expected &= judge::judge(&mut lists, &results, options);
        let row = report::Row::new(area, files.len(), files.len() - kept.len(), &results);
        println!("{row}");
        if whole {
            rows.push(row);
        }
    }
    if options.update {
        lists.write(&folder)?;
    }
    if options.report {
        report::write(&folder.join("README.md"), &rows)?;
    }
    Ok(as_expected)
}

/// The area that a path of the checkout belongs to.
fn area_of(path: &str) -> Option<&'static Area> {
    AREAS.iter().find(|area| area.contains(path))
}
