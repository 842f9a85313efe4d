//! Where the statements of a text end, as SQLite's shell and upstream see it: at a semicolon that is in no string, name,
//! comment or body of a trigger.

/// One statement of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement, with the comments before it, without its semicolon.
    pub sql: &'a str,
    /// Its first word; empty if there is nothing but comments.
    pub keyword: &'a str,
}

impl Piece<'_> {
    /// Whether the first word is one of those, whatever its case.
    pub fn begins_with(&self, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .any(|keyword| self.keyword.eq_ignore_ascii_case(keyword))
    }
}

/// The statements of a text, in order. What is empty is left out; comments alone are a piece if no statement follows.
pub fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut tokens = Tokens { sql, at: 0 };
    let mut start = 0;
    let mut trigger = Trigger::default();
    let mut keyword = "";
    let mut empty = true;
    while let Some((token, text)) = tokens.next() {
        match token {
            Token::Space => continue,
            Token::Comment => {
                empty = false;
                continue;
            }
            Token::Semicolon if trigger.goes_on() => trigger.semicolon(),
            Token::Semicolon => {
                if !keyword.is_empty() {
                    let sql = &sql[start..tokens.at - text.len()];
                    found.push(Piece { sql, keyword });
                }
                start = tokens.at;
                (trigger, keyword, empty) = (Trigger::default(), "", true);
                continue;
            }
            Token::Word => trigger.word(text),
            Token::Other => trigger.other(),
        }
        empty = false;
        if keyword.is_empty() {
            keyword = text;
        }
    }
    if !empty {
        found.push(Piece {
            sql: &sql[start..],
            keyword,
        });
    }
    found
}

/// How far a `CREATE TRIGGER … BEGIN …; …; END` has come.
#[derive(Default)]
struct Trigger {
    stage: Stage,
    /// Whether the last token was a semicolon, or an `END` after one.
    closing: Closing,
}

#[derive(Default, PartialEq)]
enum Stage {
    /// Nothing yet, but perhaps `EXPLAIN QUERY PLAN`.
    #[default]
    Start,
    /// `CREATE`, perhaps `TEMP`.
    Create,
    /// It is a trigger.
    Trigger,
    /// It is something else.
    Plain,
}

#[derive(Default, PartialEq)]
enum Closing {
    #[default]
    No,
    Semicolon,
    End,
}

impl Trigger {
    fn goes_on(&self) -> bool {
        self.stage == Stage::Trigger && self.closing != Closing::End
    }

    fn semicolon(&mut self) {
        self.closing = Closing::Semicolon;
    }

    fn word(&mut self, word: &str) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        match self.stage {
            Stage::Start if is("explain") || is("query") || is("plan") => {}
            Stage::Start if is("create") => self.stage = Stage::Create,
            Stage::Create if is("temp") || is("temporary") => {}
            Stage::Create if is("trigger") => self.stage = Stage::Trigger,
            Stage::Start | Stage::Create => self.stage = Stage::Plain,
            Stage::Trigger if is("end") && self.closing == Closing::Semicolon => {
                self.closing = Closing::End;
            }
            Stage::Trigger => self.closing = Closing::No,
            Stage::Plain => {}
        }
    }

    fn other(&mut self) {
        self.closing = Closing::No;
        if self.stage != Stage::Trigger {
            self.stage = Stage::Plain;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Space,
    Comment,
    Semicolon,
    Word,
    Other,
}

struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<(Token, &'a str)> {
        let rest = &self.sql[self.at..];
        let first = *rest.as_bytes().first()?;
        let until = |found: Option<usize>, more: usize| found.map_or(rest.len(), |at| at + more);
        let (token, length) = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => (Token::Space, 1),
            b';' => (Token::Semicolon, 1),
            b'-' if rest.starts_with("--") => (Token::Comment, until(rest.find('\n'), 1)),
            b'/' if rest.starts_with("/*") => (Token::Comment, until(rest[2..].find("*/"), 4)),
            // A quote within is written twice, which looks like two strings in a row.
            b'\'' | b'"' | b'`' => (Token::Other, until(rest[1..].find(char::from(first)), 2)),
            b'[' => (Token::Other, until(rest.find(']'), 1)),
            _ if is_word(first) => {
                let end = rest.bytes().position(|byte| !is_word(byte));
                (Token::Word, end.unwrap_or(rest.len()))
            }
            _ => (Token::Other, 1),
        };
        self.at += length;
        Some((token, &rest[..length]))
    }
}

/// Bytes of characters beyond ASCII belong to words.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        pieces(sql).iter().map(|piece| piece.sql.trim()).collect()
    }

    #[test]
    fn a_text_is_split_where_statements_end() {
        assert_eq!(split("SELECT 1"), ["SELECT 1"]);
        assert_eq!(split(" SELECT 1 ; ;\n"), ["SELECT 1"]);
        assert_eq!(split("a;b; c"), ["a", "b", "c"]);
        assert_eq!(
            split("SELECT ';', \";\", `;`, [;], 'it''s;' -- ;\n /* ; */; x").len(),
            2
        );
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split(";;"), [""; 0]);
        assert_eq!(split("SELECT 1; -- done"), ["SELECT 1", "-- done"]);
        assert_eq!(split("-- done\n;"), [""; 0]);
        assert_eq!(split("SELECT 'open; SELECT 1"), ["SELECT 'open; SELECT 1"]);
        assert_eq!(split("SELECT /* open; SELECT 1"), ["SELECT /* open; SELECT 1"]);
    }

    #[test]
    fn a_trigger_ends_after_its_end() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM b; END";
        let text = format!("{trigger}; SELECT 2");
        assert_eq!(split(&text), [trigger, "SELECT 2"]);
        assert_eq!(split("CREATE TABLE trigger (a); END; x").len(), 3);
    }

    #[test]
    fn the_first_word_is_found_behind_comments() {
        let keyword = |sql| pieces(sql)[0].keyword;
        assert_eq!(keyword("/* a */ -- b\n select 1"), "select");
        assert_eq!(keyword("(SELECT 1)"), "(");
        assert_eq!(keyword("-- nothing"), "");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(sql in "[a-z;'\"\\[\\]/*\\- \né]{0,40}") {
            let all: usize = pieces(&sql).iter().map(|piece| piece.sql.len()).sum();
            prop_assert!(all <= sql.len());
        }
    }
}
