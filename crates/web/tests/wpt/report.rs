//! The table of figures per area, on the terminal and in `tests/wpt/README.md`.

use std::fmt;
use std::path::Path;

use crate::areas::Area;
use crate::checkout::Subtest;

/// What comes before and after the table in the README.
const BEGIN: &str = "<!-- written by --report -->\n";
const END: &str = "<!-- end -->\n";

const HEAD: &str = "| area | files | left out | subtests | passed | % |\n|---|---:|---:|---:|---:|---:|\n";

/// The figures of one area.
pub(crate) struct Row {
    area: &'static str,
    files: usize,
    left_out: usize,
    subtests: usize,
    passed: usize,
}

impl Row {
    /// Counts; `files` includes those left out.
    pub(crate) fn new(
        area: &Area,
        files: usize,
        left_out: usize,
        results: &[(String, Vec<Subtest>)],
    ) -> Self {
        let all = || results.iter().flat_map(|(_, subtests)| subtests);
        Self {
            area: area.name,
            files,
            left_out,
            subtests: all().count(),
            passed: all().filter(|subtest| subtest.failure.is_none()).count(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = match self.subtests {
            0 => "–".to_owned(),
            // Counts far below 2⁵³. Rounded down, so that 100.0 means all.
            all => format!("{:.1}", (self.passed as f64 / all as f64 * 1e3).floor() / 10.0),
        };
        write!(
            formatter,
            "| {} | {} | {} | {} | {} | {percent} |",
            self.area, self.files, self.left_out, self.subtests, self.passed
        )
    }
}

/// Replaces the rows in the README; those of areas that did not run stay.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<(), String> {
    let failed = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or_else(|| failed(&"has no place for the table"))?;
    let (old, after) = rest
        .split_once(END)
        .ok_or_else(|| failed(&"has no end of the table"))?;
    let mut table = HEAD.to_owned();
    for area in crate::AREAS {
        let start = format!("| {} |", area.name);
        let line = match rows.iter().find(|row| row.area == area.name) {
            Some(row) => row.to_string(),
            None => match old.lines().find(|line| line.starts_with(&start)) {
                Some(line) => line.to_owned(),
                None => continue,
            },
        };
        table.push_str(&line);
        table.push('\n');
    }
    std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).map_err(|error| failed(&error))
}
