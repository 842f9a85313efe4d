//! The format of `.dev.vars` and `.env` files, as the npm packages `dotenv` and `dotenv-expand` read it.
//!
//! `NAME=value` or `NAME: value`, perhaps after `export`. A value may be in single, double or back
//! quotes and then span lines; only in double quotes `\n` and `\r` are line breaks. Outside quotes a
//! `#` begins a comment. A line that is none of this is skipped.

use std::ops::Range;

/// Reads a file: names and values in the order of the first mention, the last value counts.
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    let text = with_plain_line_ends(text);
    let mut pairs: Vec<(String, String)> = Vec::new();
    each(&text, |name, value, _| {
        match pairs.iter_mut().find(|(other, _)| other == name) {
            Some((_, earlier)) => *earlier = value,
            None => pairs.push((name.to_owned(), value)),
        }
    });
    pairs
}

/// As the format is read: every line ends in `\n`.
pub(crate) fn with_plain_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Where a name is assigned to in a text with plain line ends, line breaks included.
pub(crate) fn places(text: &str, name: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    each(text, |other, _, place| {
        if other == name {
            places.push(place);
        }
    });
    places
}

/// A line that assigns a value, so that reading it gives exactly that.
///
/// # Errors
/// A sentence: the name or the value has no such form.
pub(crate) fn assign(name: &str, value: &str) -> Result<String, String> {
    let escaped = value.replace('\n', "\\n").replace('\r', "\\r");
    let forms = [
        format!("{name}={value}\n"),
        format!("{name}='{value}'\n"),
        format!("{name}=`{value}`\n"),
        format!("{name}=\"{value}\"\n"),
        format!("{name}=\"{escaped}\"\n"),
    ];
    // A line after it shows that it stays by itself.
    let fits = |form: &String| {
        // After nothing, quotes on the next line would be the value.
        if form.ends_with("=\n") {
            return false;
        }
        let other = format!("{name}_");
        let text = format!("{form}{other}=z\n");
        parse(&text) == [(name.to_owned(), value.to_owned()), (other, "z".to_owned())]
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(named) {
        return Err(format!(
            "{name:?} can't be the name of a secret: letters, digits, `_`, `.` and `-` can"
        ));
    }
    forms.into_iter().find(fits).ok_or_else(|| {
        format!("the value of {name} can't be written in such a file: no kind of quotes fits it")
    })
}

/// Calls `found` with each assignment of a text with plain line ends: its name, its value, where it is.
fn each<'a>(text: &'a str, mut found: impl FnMut(&'a str, String, Range<usize>)) {
    let mut rest = text;
    while !rest.is_empty() {
        rest = match assignment(rest) {
            Some((name, value, after)) => {
                let start = text.len() - rest.trim_start().len();
                found(name, value, start..text.len() - after.len());
                after
            }
            None => rest.split_once('\n').map_or("", |(_, after)| after),
        };
    }
}

/// An assignment at the beginning of a line: name, value and the text after it.
fn assignment(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start();
    // `export` may also be the name itself.
    let exported = text
        .strip_prefix("export")
        .filter(|rest| rest.starts_with(char::is_whitespace))
        .and_then(|rest| after_export(rest.trim_start()));
    exported.or_else(|| after_export(text))
}

fn after_export(text: &str) -> Option<(&str, String, &str)> {
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))?;
    let (name, rest) = text.split_at(length);
    if name.is_empty() {
        return None;
    }
    let spaced = rest.trim_start();
    if let Some(rest) = spaced.strip_prefix('=') {
        let (value, after) = value(rest)?;
        return Some((name, value, after));
    }
    // The white space that makes the colon an assignment isn't part of the value, even if it is the end
    // of the line.
    let rest = rest.strip_prefix(':')?.strip_prefix(char::is_whitespace)?;
    let (value, after) = value(rest)?;
    Some((name, value, after))
}

/// A value, and the text after its line. `None` if something follows that makes it no assignment.
fn value(text: &str) -> Option<(String, &str)> {
    if let Some(found) = quoted(text) {
        return Some(found);
    }
    let end = text.find(['#', '\n']).unwrap_or(text.len());
    let (bare, rest) = text.split_at(end);
    let after = rest.split_once('\n').map_or("", |(_, after)| after);
    let bare = bare.trim();
    Some((unquoted(bare), after))
}

/// A value in quotes, which nothing but a comment may follow on its last line.
fn quoted(text: &str) -> Option<(String, &str)> {
    let opened = text.trim_start();
    let quote = opened.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let inner = &opened[1..];
    let mut chars = inner.char_indices();
    // Where the quote could end: one after a backslash ends it only if no later one does.
    let mut ends = Vec::new();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && inner[at + 1..].starts_with(quote) {
            ends.push(at + 1);
            chars.next();
        } else if c == quote {
            ends.push(at);
            break;
        }
    }
    ends.into_iter().rev().find_map(|end| {
        let after = inner[end + 1..].trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        let line_end = after.find('\n').unwrap_or(after.len());
        let (trailing, rest) = after.split_at(line_end);
        (trailing.is_empty() || trailing.starts_with('#')).then(|| {
            (
                unescaped(&inner[..end], quote),
                rest.strip_prefix('\n').unwrap_or(rest),
            )
        })
    })
}

/// Takes the quotes off a value that begins and ends with the same one.
fn unquoted(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    match quote {
        Some(quote) => {
            let inner = text[1..].strip_suffix(quote);
            unescaped(inner.unwrap_or(text), quote)
        }
        None => text.to_owned(),
    }
}

fn unescaped(text: &str, quote: char) -> String {
    if quote == '"' {
        text.replace("\\n", "\n").replace("\\r", "\r")
    } else {
        text.to_owned()
    }
}

/// How many references one value may hold, references in what they stand for included.
const MAX_REFERENCES: usize = 1000;

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+alternative}` in the values, and `\$` by
/// `$`. A name stands for what `process` says, else for an earlier value, and a value that `process` has
/// too is replaced by that.
pub(crate) fn expand(pairs: Vec<(String, String)>, process: &[(String, String)]) -> Vec<(String, String)> {
    let mut expanded: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let outer = find(process, &name).filter(|outer| !outer.is_empty() && *outer != value);
        let value = match outer {
            Some(outer) => outer.to_owned(),
            None => expand_value(&value, process, &expanded),
        };
        expanded.push((name, value.replace("\\$", "$")));
    }
    expanded
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

fn expand_value(value: &str, process: &[(String, String)], earlier: &[(String, String)]) -> String {
    let mut result = value.to_owned();
    // A value met again after replacements refers to itself: there the default is taken.
    let mut seen = Vec::new();
    for _ in 0..MAX_REFERENCES {
        let Some((start, end, expression)) = reference(&result) else {
            break;
        };
        seen.push(result.clone());
        let operator = [":+", ":-", "+", "-"]
            .into_iter()
            .filter_map(|operator| expression.find(operator).map(|at| (at, operator)))
            .min_by_key(|(at, operator)| (*at, usize::MAX - operator.len()));
        let (name, operator, operand) = match operator {
            Some((at, operator)) => (&expression[..at], operator, &expression[at + operator.len()..]),
            None => (expression, "", ""),
        };
        let known = find(process, name)
            .or_else(|| find(earlier, name))
            .filter(|value| !value.is_empty());
        // What an earlier value has come to is not expanded once more.
        let settled = find(earlier, name);
        let replacement = match (operator, known) {
            (":+" | "+", Some(_)) => operand,
            (":+" | "+", None) => "",
            (_, Some(known)) if !seen.iter().any(|seen| seen == known) => known,
            _ => operand,
        }
        .to_owned();
        result.replace_range(start..end, &replacement);
        if settled == Some(result.as_str()) {
            break;
        }
    }
    result
}

/// The first reference of a value: its range and what is inside.
fn reference(text: &str) -> Option<(usize, usize, &str)> {
    for (start, _) in text.match_indices('$') {
        if text[..start].ends_with('\\') {
            continue;
        }
        let rest = &text[start + 1..];
        if let Some(braced) = rest.strip_prefix('{') {
            let end = braced.find(['{', '}']);
            if let Some(end) = end.filter(|end| *end > 0 && braced[*end..].starts_with('}')) {
                return Some((start, start + 2 + end + 1, &braced[..end]));
            }
        } else {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            if length > 0 && !rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Some((start, start + 1 + length, &rest[..length]));
            }
        }
    }
    None
}
