//! What expressions are made of besides other expressions.

use crate::names::TableName;

/// The table of a subquery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) table: TableName,
    /// The level of its rows' columns.
    pub(crate) level: usize,
    pub(crate) policies: InnerPolicies,
}

/// Whether the condition of a subquery holds the select policies of its table yet. Folding puts
/// them in, because they depend on the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InnerPolicies {
    Missing,
    Applied,
}

/// What is known about the caller when the decision is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// `auth.uid()`
    Uid,
    /// `auth.role()`
    Role,
    /// `auth.jwt()` and what a path of keys finds in it.
    Jwt { path: Vec<String>, read: JsonRead },
}

/// The last step of a path: `->` answers JSON, `->>` text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonRead {
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Lower,
    Upper,
    Length,
    Coalesce,
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Length => "length",
            Self::Coalesce => "coalesce",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl CompareOp {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Whether letter case counts: `LIKE` or `ILIKE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterCase {
    Matters,
    Ignored,
}
