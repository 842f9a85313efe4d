//! The lists of `tests/wpt/`: files that are left out, and subtests that are known not to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::area_of;
use crate::areas::{AREAS, Area};
use crate::checkout::Run;
use crate::toml::{quoted, string, strings, tables};

/// The reason that `--update` gives to what it adds.
const UNEXPLAINED: &str = "unexplained";

/// The path in the name of a run.
fn path_of(run: &str) -> &str {
    run.split_once('?').map_or(run, |(path, _)| path)
}

/// All lists.
pub(crate) struct Lists {
    /// Paths of files that are left out.
    excluded: BTreeSet<String>,
    /// Per run (path and variant): each subtest that does not pass, and why.
    failures: BTreeMap<String, BTreeMap<String, String>>,
}

impl Lists {
    /// Reads them from their folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let excluded = tables(&folder.join("excluded.toml"), "excluded", |entry| {
            string(entry, "why")?;
            string(entry, "file")
        })?;
        let mut failures: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for area in AREAS {
            let path = folder.join(format!("{}.toml", area.name));
            let entries = tables(&path, "fails", |entry| {
                Some((
                    string(entry, "file")?,
                    string(entry, "reason")?,
                    strings(entry, "subtests")?,
                ))
            })?;
            for (file, reason, subtests) in entries {
                let of_file = failures.entry(file).or_default();
                of_file.extend(subtests.into_iter().map(|name| (name, reason.clone())));
            }
        }
        Ok(Self {
            excluded: excluded.into_iter().collect(),
            failures,
        })
    }

    /// Whether a file is left out.
    pub(crate) fn is_excluded(&self, path: &str) -> bool {
        self.excluded.contains(path)
    }

    /// Files of an area that are left out, though they are not among those `found`.
    pub(crate) fn needlessly_excluded<'a>(&'a self, area: &'a Area, found: &'a [String]) -> Vec<&'a str> {
        self.excluded
            .iter()
            .map(String::as_str)
            // A checkout without the area says nothing about its files.
            .filter(|path| !found.is_empty() && area.contains(path) && !found.iter().any(|file| file == path))
            .collect()
    }

    /// Listed runs of an area whose file is not among those `found`, or that were not among those `run`
    /// though their file was.
    pub(crate) fn gone(&self, area: &Area, found: &[String], run: &[Run]) -> Vec<String> {
        let is_gone = |name: &str| {
            let path = path_of(name);
            let ran = || run.iter().any(|run| run.name() == name);
            area.contains(path)
                && (found.iter().all(|file| file != path) || run.iter().any(|run| run.path == path) && !ran())
        };
        self.failures
            .keys()
            .filter(|name| !found.is_empty() && is_gone(name))
            .cloned()
            .collect()
    }

    /// Takes a run off its list.
    pub(crate) fn forget(&mut self, run: &str) {
        self.failures.remove(run);
    }

    /// The subtests of a run that are known not to pass.
    pub(crate) fn failures(&self, run: &str) -> BTreeSet<&str> {
        let of_run = self.failures.get(run);
        of_run
            .iter()
            .flat_map(|subtests| subtests.keys().map(String::as_str))
            .collect()
    }

    /// Makes `names` the subtests of a run that do not pass; reasons are kept.
    pub(crate) fn set_failures<'a>(&mut self, run: &str, names: impl Iterator<Item = &'a str>) {
        let mut old = self.failures.remove(run).unwrap_or_default();
        let new: BTreeMap<String, String> = names
            .map(|name| {
                let reason = old.remove(name).unwrap_or_else(|| UNEXPLAINED.to_owned());
                (name.to_owned(), reason)
            })
            .collect();
        if !new.is_empty() {
            self.failures.insert(run.to_owned(), new);
        }
    }

    /// Writes the lists of all areas; an empty one has no file.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        for area in AREAS {
            let path = folder.join(format!("{}.toml", area.name));
            let text = self.text_of(area);
            let written = if text.is_empty() {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            } else {
                std::fs::write(&path, text)
            };
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// The list of an area: one table per run and reason.
    fn text_of(&self, area: &Area) -> String {
        let mut text = String::new();
        for (run, subtests) in &self.failures {
            if area_of(path_of(run)).is_none_or(|of| of.name != area.name) {
                continue;
            }
            let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (name, reason) in subtests {
                by_reason.entry(reason).or_default().push(name);
            }
            for (reason, names) in by_reason {
                let separator = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(
                    text,
                    "{separator}[[fails]]\nfile = {}\nreason = {}\nsubtests = [",
                    quoted(run),
                    quoted(reason)
                );
                for name in names {
                    let _ = writeln!(text, "    {},", quoted(name));
                }
                text.push_str("]\n");
            }
        }
        text
    }
}
