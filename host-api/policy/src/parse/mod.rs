//! The policy language: what may be written, and reading it.
//!
//! A condition is a boolean SQL expression in the Postgres dialect, so that what stands in a
//! Supabase `USING (…)` or `WITH CHECK (…)` can be pasted. `sqlparser` reads the text; what it
//! answers is turned into our own small syntax tree, and everything outside the language is refused
//! with its place, the reason and what to write instead. Types are none of this module's business;
//! the checker's (`check.rs`) they are.
//!
//! | write | means |
//! |---|---|
//! | `owner_id`, `"owner_id"`, `todos.owner_id` | a column of the policy's table; without quotes, letter case is ignored |
//! | `'text'`, `42`, `-1.5`, `true`, `null` | a literal; text takes the type of what it is compared with |
//! | `'…'::uuid`, `timestamptz '…'`, `cast('…' as date)` | a literal of a named type; times need a zone |
//! | `=  <>  !=  <  <=  >  >=` | compare two values of one type, or two numbers |
//! | `a and b`, `a or b`, `not a`, `( … )` | SQL's three-valued logic |
//! | `a in (x, y)`, `a not in (x, y)` | equal to one of them, to none of them |
//! | `a = any ($1)`, `a = any (array['x', 'y'])`, `a <> all (…)` | the same with a list |
//! | `a is null`, `a is not null` | whether there is a value |
//! | `c is true`, `is not true`, `is false`, `is not false`, `is unknown` | a condition with NULL made into yes or no |
//! | `a is distinct from b`, `a is not distinct from b` | compare, with NULL as a value like any other |
//! | `a between x and y`, `a not between x and y` | `a >= x and a <= y` |
//! | `a like 'x%'`, `a ilike 'x%'`, `not like`, `not ilike` | text patterns: `%` any run, `_` one character, `\` escapes; the pattern is a literal or a parameter; `ilike` ignores the case of ASCII letters |
//! | `x = any (tags)`, `x <> all (tags)` | a column that holds an array has such an item, has none |
//! | `tags = array['a', 'b']`, `tags = '{}'` | arrays of one type, equal item by item |
//! | `auth.uid()` | the caller's subject: a uuid beside a uuid (NULL if it is not one), text beside text; NULL for nobody |
//! | `auth.role()` | `anon`, `authenticated` or `service_role` |
//! | `auth.jwt() ->> 'claim'` | a claim as text; NULL where it is missing |
//! | `auth.jwt() -> 'app_metadata' ->> 'team'` | a claim further in |
//! | `(auth.jwt() ->> 'team_id')::uuid` | a claim as another type; NULL where it does not read as one |
//! | `(select auth.uid())` | the same as `auth.uid()`: claims are constants here anyway |
//! | `exists (select 1 from t where …)` | whether table `t` of the project has such a row that the caller may read; a column that `t` has not is the outer row's; policies only |
//! | `a in (select c from t where …)` | equal to `c` of such a row; policies only |
//! | `a in (select auth.jwt() -> 'app_metadata' -> 'teams')` | equal to an item of a claim that is a list; with `jsonb_array_elements_text(…)` around it too |
//! | `now()`, `current_timestamp` | the database's clock |
//! | `now() - interval '7 days'`, `now() + …` | before or after that: seconds, minutes, hours, days of 24 hours, weeks |
//! | `old.column` | the row before the update; in the check of a policy for update and not for insert |
//! | `lower(t)`, `upper(t)`, `length(t)`, `coalesce(a, b, …)` | `lower` and `upper` change ASCII letters |
//! | `$1`, `$2`, … | a parameter; in filters only |
//!
//! A comparison does not stand bare inside another: write `(a = b) = c`. A condition has at most
//! [`TEXT_BYTES_MAX`] bytes, [`DEPTH_MAX`] levels and [`ATOMS_MAX`] tests.

mod advice;
mod calls;
mod convert;
mod interval;
mod lists;
mod predicates;
mod subquery;
pub(crate) mod syntax;
mod tokens;
mod tree;

use std::fmt;

use sqlparser::ast::Expr;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

pub use interval::INTERVAL_DAYS_MAX;
pub(crate) use syntax::{Spanned, Syntax};

/// How long a condition's text may be. The longest policies people publish are a tenth of this.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// How deep a condition may nest, parentheses included. It bounds the stack of every later pass.
pub const DEPTH_MAX: usize = 32;

/// How many tests (comparisons, `in`, `like`, `is`, bare booleans) a condition may hold. Beyond
/// that a table of permissions is the better place.
pub const ATOMS_MAX: usize = 64;

/// How deep `sqlparser` may recurse: each of our levels takes it two at most.
const PARSER_RECURSION_MAX: usize = 2 * DEPTH_MAX + 8;

/// A place in a text, counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column in it.
    pub column: u64,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// None for the parser's empty locations.
    pub(crate) fn from_location(location: Location) -> Option<Self> {
        let Location { line, column } = location;
        (line != 0).then_some(Self { line, column })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a condition is refused: where, the reason, and what to write instead where there is
/// something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where it goes wrong.
    pub position: Position,
    /// What is wrong, lower-case and without a full stop.
    pub reason: String,
    /// What to write instead.
    pub instead: Option<String>,
    code: &'static str,
}

impl ParseError {
    pub(crate) fn new(position: Position, reason: impl Into<String>) -> Self {
        Self {
            position,
            reason: reason.into(),
            instead: None,
            code: "invalid_condition",
        }
    }

    pub(crate) fn instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// A stable word for programs: `invalid_condition`, or `unknown_column`.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.reason)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads the text of a condition.
pub(crate) fn parse(text: &str) -> Result<Spanned, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!(
            "the text has {} bytes; at most {TEXT_BYTES_MAX} are read",
            text.len()
        );
        return Err(ParseError::new(Position::START, reason)
            .instead("split it into several policies, or keep the list in a table"));
    }
    if let Some(refused) = advice::for_statement(text) {
        return Err(refused);
    }
    let tokens = lists::unwrap_first_items(tokens::tokenize(text)?);
    let operators = tokens::calculations(&tokens);
    let expr = read(text, tokens)?;
    convert::convert(expr, operators)
}

fn read(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Expr, ParseError> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(PARSER_RECURSION_MAX)
        .with_tokens_with_locations(tokens);
    let expr = parser
        .parse_expr()
        .map_err(|error| from_parser(&error, text))?;
    let rest = parser.peek_token();
    if rest.token == Token::EOF {
        return Ok(expr);
    }
    let position = Position::from_location(rest.span.start).unwrap_or(Position::START);
    let reason = format!(
        "{:?} does not belong here: the condition ends before it",
        rest.token.to_string()
    );
    Err(ParseError::new(position, reason).instead("write one boolean expression"))
}

/// The parser puts the place at the end of its message, and leaves it out where the text ends too
/// early.
fn from_parser(error: &ParserError, text: &str) -> ParseError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => return too_deep(Position::START),
    };
    let (reason, position) = match message.rsplit_once(" at Line: ") {
        Some((reason, place)) => (reason, read_place(place)),
        None => (message.as_str(), None),
    };
    let reason = reason.replacen("Expected:", "expected", 1);
    match reason.strip_suffix("found: EOF") {
        Some(rest) => {
            let reason = format!("{rest}found the end of the text");
            ParseError::new(position.unwrap_or_else(|| end_of(text)), reason)
        }
        None => ParseError::new(position.unwrap_or(Position::START), reason),
    }
}

/// Where the next word would have been written.
fn end_of(text: &str) -> Position {
    let written = text.trim_end();
    let line = written.matches('\n').count() + 1;
    let column = written
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Position {
        line: line as u64,
        column: column as u64,
    }
}

fn read_place(place: &str) -> Option<Position> {
    let (line, column) = place.split_once(", Column: ")?;
    let (line, column) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
    Position::from_location(Location { line, column })
}

fn too_deep(position: Position) -> ParseError {
    ParseError::new(
        position,
        format!("the condition nests more than {DEPTH_MAX} levels deep"),
    )
    .instead("drop parentheses that change nothing, or write several policies")
}

#[cfg(test)]
mod tests;
