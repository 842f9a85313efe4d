//! Selectors, as `lol_html` understands them: <https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/#selectors>.
//!
//! Its parser recurses over brackets, and its compiler over combinators, on a stack that is not large. So both are
//! counted first, by the same tokenizer.

use std::rc::Rc;

use cssparser::{ParseError, Parser, ParserInput, Token};
use lol_html::Selector;

/// How deep brackets may be nested. Negations, the only use for two, can't be.
const NESTING: usize = 16;
/// How many combinators there may be between two commas.
const COMBINATORS: usize = 128;

/// A selector is too deep.
struct TooDeep;

/// Parses a selector. The error is upstream's text, but for what is too deep.
pub(super) fn parse(text: &str) -> Result<Rc<Selector>, String> {
    let mut input = ParserInput::new(text);
    if count(&mut Parser::new(&mut input), 0).is_err() {
        return Err("The selector is nested too deeply.".to_owned());
    }
    text.parse()
        .map(Rc::new)
        .map_err(|error: lol_html::errors::SelectorError| error.to_string())
}

/// Fails if there is too much in what is left of `parser`, which is inside of so many brackets.
fn count<'i>(parser: &mut Parser<'i, '_>, depth: usize) -> Result<(), ParseError<'i, TooDeep>> {
    let mut combinators = 0;
    while let Ok(token) = parser.next_including_whitespace() {
        match token {
            Token::Comma => combinators = 0,
            Token::WhiteSpace(_) | Token::Delim('>') => combinators += 1,
            Token::Function(_)
            | Token::ParenthesisBlock
            | Token::SquareBracketBlock
            | Token::CurlyBracketBlock => {
                if depth == NESTING {
                    return Err(parser.new_custom_error(TooDeep));
                }
                parser.parse_nested_block(|inner| count(inner, depth + 1))?;
            }
            _ => {}
        }
        if combinators > COMBINATORS {
            return Err(parser.new_custom_error(TooDeep));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_used_is_not_too_deep() {
        for text in [
            "a",
            "div > p a:not(.b):nth-child(2n + 1)[href^=\"((((((((((((((((((\"]",
            "a b > c, ".repeat(1000).trim_end_matches(", "),
            &format!("a{}", "[href]".repeat(1000)),
            "a > ".repeat(30).trim_end_matches(" > "),
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text).err());
        }
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        for text in [
            ":not(".repeat(17),
            "[".repeat(100_000),
            "/*\"*/:not([a=\")))\"],".repeat(100_000),
            "a ".repeat(1000),
            "a>".repeat(1000),
            format!(":not({}", "a ".repeat(1000)),
        ] {
            assert_eq!(
                parse(&text).err().as_deref(),
                Some("The selector is nested too deeply.")
            );
        }
    }
}
