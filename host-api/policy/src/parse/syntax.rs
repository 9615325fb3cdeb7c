//! The language as a tree: what was written, and where.
//!
//! It says nothing about types and may name columns that do not exist; the checker settles both.

use super::Position;
use crate::expr::{CompareOp, Function, JsonRead, LetterCase};
use crate::types::ColumnType;

/// A piece of the condition and the place where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spanned {
    pub(crate) at: Position,
    pub(crate) syntax: Syntax,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Syntax {
    /// With the table's name, where it was written.
    Column {
        table: Option<String>,
        name: String,
    },
    Text(String),
    Number(String),
    Boolean(bool),
    Null,
    /// `$n`, counted from 1.
    Parameter(usize),
    Uid,
    Role,
    /// `auth.jwt()`, then keys.
    Jwt {
        path: Vec<String>,
        read: JsonRead,
    },
    /// `now()`, and that many microseconds later.
    Now {
        shift: i64,
    },
    /// `array[…]` as a value.
    Array(Vec<Spanned>),
    Cast {
        inner: Box<Spanned>,
        ty: ColumnType,
    },
    Call {
        function: Function,
        args: Vec<Spanned>,
    },
    Compare {
        op: CompareOp,
        left: Box<Spanned>,
        right: Box<Spanned>,
    },
    Distinct {
        left: Box<Spanned>,
        right: Box<Spanned>,
    },
    In {
        item: Box<Spanned>,
        list: Vec<Spanned>,
    },
    /// `= ANY ($n)`
    InParameter {
        item: Box<Spanned>,
        parameter: usize,
    },
    /// `= ANY (…)` over a column that holds several values, or a claim that does.
    InArray {
        item: Box<Spanned>,
        array: Box<Spanned>,
    },
    Exists(Box<Subquery>),
    /// `output` is a column of the subquery's table.
    InQuery {
        item: Box<Spanned>,
        output: Box<Spanned>,
        query: Box<Subquery>,
    },
    Like {
        item: Box<Spanned>,
        pattern: Box<Spanned>,
        case: LetterCase,
    },
    IsNull(Box<Spanned>),
    Is {
        inner: Box<Spanned>,
        value: bool,
    },
    Not(Box<Spanned>),
    And(Vec<Spanned>),
    Or(Vec<Spanned>),
}

/// `from table [alias] [where condition]`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subquery {
    /// Where the table's name stands.
    pub(crate) at: Position,
    pub(crate) table: String,
    pub(crate) alias: Option<String>,
    pub(crate) condition: Option<Spanned>,
}

impl Spanned {
    pub(crate) fn new(at: Position, syntax: Syntax) -> Self {
        Self { at, syntax }
    }

    /// The highest parameter mentioned; 0 if none is.
    pub(crate) fn parameters(&self) -> usize {
        let below = self
            .children()
            .into_iter()
            .map(Self::parameters)
            .max()
            .unwrap_or(0);
        match &self.syntax {
            Syntax::Parameter(n) | Syntax::InParameter { parameter: n, .. } => below.max(*n),
            _ => below,
        }
    }

    fn children(&self) -> Vec<&Self> {
        match &self.syntax {
            Syntax::Column { .. }
            | Syntax::Text(_)
            | Syntax::Number(_)
            | Syntax::Boolean(_)
            | Syntax::Null
            | Syntax::Parameter(_)
            | Syntax::Uid
            | Syntax::Role
            | Syntax::Jwt { .. }
            | Syntax::Now { .. } => Vec::new(),
            Syntax::Cast { inner: item, .. }
            | Syntax::InParameter { item, .. }
            | Syntax::IsNull(item)
            | Syntax::Is { inner: item, .. }
            | Syntax::Not(item) => vec![item],
            Syntax::Compare { left, right, .. } | Syntax::Distinct { left, right } => {
                vec![left, right]
            }
            Syntax::InArray { item, array } => vec![item, array],
            Syntax::Like { item, pattern, .. } => vec![item, pattern],
            Syntax::Exists(query) => query.condition.iter().collect(),
            Syntax::InQuery { item, query, .. } => {
                std::iter::once(&**item).chain(&query.condition).collect()
            }
            Syntax::In { item, list } => std::iter::once(&**item).chain(list).collect(),
            Syntax::Call { args: items, .. }
            | Syntax::Array(items)
            | Syntax::And(items)
            | Syntax::Or(items) => items.iter().collect(),
        }
    }
}
