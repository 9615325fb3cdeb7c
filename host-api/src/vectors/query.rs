//! What a guest asks for, as plain data: nothing here has been checked.

use crate::tables::Filter;

/// The nearest rows to look for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchQuery {
    /// The vector index's name.
    pub index: String,
    /// What rows are to be near to.
    pub vector: Vec<f32>,
    /// How many of them.
    pub k: u32,
    /// Which rows count at all.
    pub filter: Filter,
    /// Columns to answer, each perhaps `column as name`. Empty means all that the caller may read but
    /// the vectors themselves.
    pub columns: Vec<String>,
    /// How sure the answer has to be.
    pub precision: Precision,
}

/// How sure an answer has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Of many rows, a graph finds nearly all of the nearest.
    #[default]
    Automatic,
    /// Every row that counts is compared.
    Exact,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchPlan {
    /// The host compared every row that counts: the database has no pgvector.
    Scan,
    /// The database compared every row that counts.
    Exact,
    /// By the graph: of the nearest rows, a few may be missing.
    Graph,
}

impl SearchPlan {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Exact => "exact",
            Self::Graph => "graph",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A JSON array of objects, the nearest first, each with its `distance`.
    pub rows: String,
    /// How it was found.
    pub plan: SearchPlan,
}
