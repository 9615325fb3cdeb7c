//! What there is to search by: the vector indexes of a project, and the extension that may serve them.

use std::fmt;

use koyalite_policy::{ColumnName, IndexName, TableName};
use uuid::Uuid;

/// Dimensions of a vector that pgvector's HNSW takes. Vectors that are longer are compared one by one.
pub const HNSW_DIMENSIONS_MAX: u16 = 2000;

/// How far apart two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// One less the cosine of the angle between them: 0 to 2.
    Cosine,
    /// The straight line between them.
    L2,
    /// The negative inner product: the larger the product, the nearer.
    InnerProduct,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::L2, Self::InnerProduct];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::InnerProduct => "inner_product",
        }
    }

    /// The metric of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// pgvector's operator class for it.
    #[must_use]
    pub fn operator_class(self) -> &'static str {
        match self {
            Self::Cosine => "vector_cosine_ops",
            Self::L2 => "vector_l2_ops",
            Self::InnerProduct => "vector_ip_ops",
        }
    }

    /// pgvector's operator for it.
    pub(crate) fn operator(self) -> &'static str {
        match self {
            Self::Cosine => "<=>",
            Self::L2 => "<->",
            Self::InnerProduct => "<#>",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What finds the nearest of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// An index of pgvector's that is ready.
    Hnsw,
    /// Nothing, or nothing yet: rows are compared one by one.
    None,
}

/// One vector index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorIndex {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: IndexName,
    /// The table whose rows are searched, under that table's policies.
    pub table: TableName,
    /// The column that holds the vectors.
    pub column: ColumnName,
    /// How many numbers each of them has.
    pub dimension: u16,
    /// How far apart two of them are.
    pub metric: Metric,
    /// What finds the nearest of many.
    pub graph: Graph,
}

/// The extension `vector` in the project's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgVector {
    /// The schema that it lives in.
    pub schema: String,
}

/// All that searches of a project need to know of it. One per version of the project's schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vectors {
    /// By name.
    pub indexes: Vec<VectorIndex>,
    /// The extension, where there is one.
    pub pgvector: Option<PgVector>,
}

impl Vectors {
    /// The index of that name.
    pub(crate) fn index(&self, name: &str) -> Option<&VectorIndex> {
        self.indexes
            .iter()
            .find(|index| index.name.as_str() == name)
    }
}
