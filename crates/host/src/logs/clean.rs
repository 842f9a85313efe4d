//! Text of the Worker's, made harmless for a terminal and for a reader of the log.
//!
//! A terminal takes orders from control characters (colour, title, clipboard, cursor), and invisible or
//! direction-changing characters make text read as something else. All of them are shown as visible
//! signs; line breaks stay, the lines after the first indented so that none of them looks like a record.

use std::borrow::Cow;

/// What stands before every line of a record but the first.
const INDENT: &str = "    ";

/// The text as a log record: see the module.
pub(crate) fn record(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    visible(text, INDENT)
}

/// The text as a page shows it: as [`record`], but lines are not indented.
pub(crate) fn page(text: &str) -> Cow<'_, str> {
    visible(text, "")
}

fn visible<'a>(text: &'a str, indent: &str) -> Cow<'a, str> {
    let Some(first) = text
        .char_indices()
        .find(|(_, c)| is_special(*c))
        .map(|(at, _)| at)
    else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    let mut rest = text[first..].chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => {
                out.push('\n');
                out.push_str(indent);
            }
            // A Windows line break is a line break.
            '\r' if rest.peek() == Some(&'\n') => {}
            '\t' => out.push('\t'),
            // U+2400.. are the pictures of the control characters: ␀ … ␛ … ␟.
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + c as u32)),
            '\x7f' => out.push('\u{2421}'),
            c if is_special(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a character is more than a glyph. Tabs count, cheaply: they are copied like any other.
fn is_special(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        // Line and paragraph separators, direction marks, embeddings, overrides and isolates.
        | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // A byte order mark inside text, interlinear annotations, and tags: invisible.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(
            record("Grüße, 世界 👋"),
            Cow::Borrowed("Grüße, 世界 👋")
        ));
        assert!(matches!(record("one line\n"), Cow::Borrowed("one line")));
    }

    #[test]
    fn terminal_escapes_become_visible() {
        assert_eq!(
            record("\x1b]0;owned\x07 \x1b[2J\u{9b}31m"),
            "␛]0;owned␇ ␛[2J\\u{9b}31m"
        );
        assert_eq!(record("a\x7fb\0c\x08"), "a␡b␀c␈");
    }

    #[test]
    fn text_cannot_change_direction_or_hide() {
        assert_eq!(record("user\u{202e}nimda"), "user\\u{202e}nimda");
        assert_eq!(record("a\u{2028}b\u{e0041}"), "a\\u{2028}b\\u{e0041}");
    }

    #[test]
    fn lines_are_kept_and_indented_so_that_none_looks_like_a_record() {
        assert_eq!(
            record("a\r\n[wrangler:info] b\n\nc\n"),
            "a\n    [wrangler:info] b\n    \n    c"
        );
        assert_eq!(record("progress 1\rprogress 2"), "progress 1␍progress 2");
        assert_eq!(record("a\tb"), "a\tb");
        assert_eq!(page("a\nb\x1b"), "a\nb␛");
    }
}
