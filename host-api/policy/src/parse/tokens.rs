//! The first look at a text: tokens, and what can be refused by them alone.
//!
//! An operator that is not in the language is refused here, because only tokens know exactly where
//! it stands. Nesting is bounded here too, before anything recursive sees the text.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::advice;
use super::{DEPTH_MAX, ParseError, Position, too_deep};

/// How many words and operators a condition may hold; values and the commas between them are not
/// counted. A chain such as `a is null is null …` nests by one for each in the parser's tree.
const WORDS_MAX: usize = 768;

pub(super) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, ParseError> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| {
            let position = Position::from_location(error.location).unwrap_or(Position::START);
            ParseError::new(position, lower_first(&error.message))
        })?;
    look_through(&tokens, text)?;
    Ok(tokens)
}

fn look_through(tokens: &[TokenWithSpan], text: &str) -> Result<(), ParseError> {
    let (mut depth, mut words) = (0_usize, 0_usize);
    for TokenWithSpan { token, span } in tokens {
        let at = Position::from_location(span.start).unwrap_or(Position::START);
        match token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Whitespace(_)
            | Token::Comma
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_) => {}
            _ => words += 1,
        }
        if depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        if words > WORDS_MAX {
            let reason = format!("the condition has more than {WORDS_MAX} words and operators");
            return Err(ParseError::new(at, reason).instead("write several policies"));
        }
        if let Some((reason, instead)) = refusal(token) {
            let instead = advice::for_second_factor(token, text).unwrap_or(instead);
            return Err(ParseError::new(at, format!("{reason}: {token}")).instead(instead));
        }
    }
    Ok(())
}

/// Where `+`, `-` and `*` stand between two operands. A `-` before a number, and the `*` of
/// `select *`, are something else.
pub(super) fn calculations(tokens: &[TokenWithSpan]) -> Vec<Position> {
    let mut after_operand = false;
    let mut places = Vec::new();
    for TokenWithSpan { token, span } in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Plus | Token::Minus | Token::Mul if after_operand => {
                places.extend(Position::from_location(span.start));
            }
            _ => {}
        }
        after_operand = matches!(
            token,
            Token::Word(_)
                | Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::Placeholder(_)
                | Token::RParen
                | Token::RBracket
        );
    }
    places
}

const ARITHMETIC: &str = "policies do not calculate";
const ARITHMETIC_INSTEAD: &str = "store the result in a column, or compare with a literal";
const REGEX: &str = "regular expressions are not in the policy language";
const LITERAL: &str = "only plain quoted text is in the policy language";

/// Why a token can never be part of a condition, and what to write instead.
fn refusal(token: &Token) -> Option<(&'static str, &'static str)> {
    Some(match token {
        Token::Div
        | Token::DuckIntDiv
        | Token::Mod
        | Token::Caret
        | Token::ShiftLeft
        | Token::ShiftRight
        | Token::Ampersand
        | Token::Pipe
        | Token::PGSquareRoot
        | Token::PGCubeRoot => (ARITHMETIC, ARITHMETIC_INSTEAD),
        Token::StringConcat => (
            "policies do not join texts",
            "store the joined text in a column",
        ),
        Token::Tilde
        | Token::TildeAsterisk
        | Token::ExclamationMarkTilde
        | Token::ExclamationMarkTildeAsterisk => (REGEX, "write like or ilike with a pattern"),
        Token::HashArrow | Token::HashLongArrow => (
            "JSON path operators are not in the policy language",
            "write auth.jwt() -> 'a' ->> 'b'",
        ),
        Token::AtArrow | Token::ArrowAt | Token::Overlap => (
            "containment is not in the policy language",
            "write x in ('a', 'b') for array[x] <@ array['a', 'b'], as in auth.jwt() ->> 'aal' in ('aal1', 'aal2'), \
             'a' = any (column) for column @> array['a'], and or between the cases",
        ),
        Token::Question | Token::QuestionAnd | Token::QuestionPipe => (
            "JSON containment is not in the policy language",
            "write x in (select auth.jwt() -> 'claim') for the items of a claim",
        ),
        Token::DoubleEq => ("this is not an operator of SQL", "write ="),
        Token::SemiColon => ("a condition is one expression", "leave the semicolon out"),
        Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_) => (LITERAL, "write 'text', with '' for a quote in it"),
        _ => return None,
    })
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
