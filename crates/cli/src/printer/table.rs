//! A table, drawn with lines.

use std::fmt::Write;

/// Rows under their headings, as wide as they need. Control characters are made harmless.
pub(crate) fn table(headings: &[impl AsRef<str>], rows: impl Iterator<Item = Vec<String>>) -> String {
    let headings = headings
        .iter()
        .map(|heading| shown(heading.as_ref()))
        .collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.iter().map(|cell| shown(cell)).collect())
        .collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .chain([heading])
                .map(|cell| console::measure_text_width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |left: char, middle: &str, right: char| {
        let parts: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", parts.join(middle))
    };
    let mut drawn = line('┌', "┬", '┐');
    for (index, row) in [&headings].into_iter().chain(&rows).enumerate() {
        if index > 0 {
            drawn.push_str(&line('├', "┼", '┤'));
        }
        for (cell, width) in row.iter().zip(&widths) {
            let space = " ".repeat(width.saturating_sub(console::measure_text_width(cell)));
            // Writing to memory can't fail.
            let _ = write!(drawn, "│ {cell}{space} ");
        }
        drawn.push_str("│\n");
    }
    drawn.push_str(&line('└', "┴", '┘'));
    drawn
}

fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["1".to_owned(), "日本".to_owned()],
            vec!["20".to_owned(), "\x1b[m".to_owned()],
        ];
        assert_eq!(
            table(&["a", "b"], rows.into_iter()),
            "┌────┬──────┐\n│ a  │ b    │\n├────┼──────┤\n│ 1  │ 日本 │\n├────┼──────┤\n│ 20 │ \u{fffd}[m  │\n└────┴──────┘\n"
        );
    }
}
