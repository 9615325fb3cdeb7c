//! Guest filters: the policy language with parameters, under a permit.
//!
//! A filter only ever narrows what the permit lets through, and mentions no column that the permit
//! does not let the caller read: asking about a hidden column is reading it.

use crate::check::Checker;
use crate::expr::Expr;
use crate::fold::{Caller, Unknown, fold_under};
use crate::parse::{self, ParseError, Spanned};
use crate::permit::Permit;
use crate::value::Value;

/// How many items a list parameter (`= ANY($1)`) may have: ids by the page, not a table.
pub const LIST_ITEMS_MAX: usize = 1000;

/// Which rows a guest asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every row that the permit lets through.
    All,
    /// No row, whatever the table holds: nothing needs to be asked.
    Nothing,
    /// The rows where the condition is true.
    When(Expr),
}

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text cannot be understood.
    #[error("filter: {0}")]
    Text(#[from] ParseError),
    /// A list parameter is too long.
    #[error("filter: parameter ${parameter} has {items} items; send at most {LIST_ITEMS_MAX}")]
    LongList {
        /// Which parameter, counted from 1.
        parameter: usize,
        /// How many items it has.
        items: usize,
    },
    /// A parameter was given that the text does not mention.
    #[error("filter: {given} parameters for a text that mentions {mentioned}")]
    UnusedParameter {
        /// How many were given.
        given: usize,
        /// The highest that the text mentions.
        mentioned: usize,
    },
}

impl FilterError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Text(error) => error.code(),
            Self::LongList { .. } | Self::UnusedParameter { .. } => "invalid_filter",
        }
    }
}

/// The text of a filter, read once and good for every table, caller and parameter: only what was
/// written is in it.
#[derive(Debug)]
pub struct FilterText {
    /// None: the text is blank, and asks for every row.
    syntax: Option<Spanned>,
    /// The highest parameter that it mentions.
    mentioned: usize,
}

impl FilterText {
    /// Reads a text.
    ///
    /// # Errors
    /// [`FilterError::Text`] where it is outside the language.
    pub fn read(text: &str) -> Result<Self, FilterError> {
        let syntax = match text.trim() {
            "" => None,
            _ => Some(parse::parse(text)?),
        };
        let mentioned = syntax.as_ref().map_or(0, Spanned::parameters);
        Ok(Self { syntax, mentioned })
    }

    /// What it means on the permit's table, with these parameters.
    ///
    /// # Errors
    /// [`FilterError`] where it mentions a column that is not readable, or does not go with its
    /// parameters.
    pub fn under(&self, params: &[Value], permit: &Permit) -> Result<Filter, FilterError> {
        for (index, param) in params.iter().enumerate() {
            if let Value::List(items) = param
                && items.len() > LIST_ITEMS_MAX
            {
                return Err(FilterError::LongList {
                    parameter: index + 1,
                    items: items.len(),
                });
            }
        }
        if self.mentioned < params.len() {
            return Err(FilterError::UnusedParameter {
                given: params.len(),
                mentioned: self.mentioned,
            });
        }
        let Some(syntax) = &self.syntax else {
            return Ok(Filter::All);
        };
        let expr = Checker::for_filter(permit, params).check(syntax)?;
        let caller = Caller {
            identity: permit.identity(),
            now: permit.decided_at(),
            schema: None,
        };
        let folded = fold_under(expr.0, caller, Unknown::IsFalse);
        Ok(match folded.constant() {
            Some(Value::Boolean(true)) => Filter::All,
            Some(_) => Filter::Nothing,
            None => Filter::When(Expr(folded)),
        })
    }
}

/// Reads a guest's filter on the permit's table. Empty text asks for every row.
///
/// # Errors
/// [`FilterError`] where the text is outside the language, mentions a column that is not readable,
/// or does not go with its parameters.
pub fn parse_filter(text: &str, params: &[Value], permit: &Permit) -> Result<Filter, FilterError> {
    FilterText::read(text)?.under(params, permit)
}
