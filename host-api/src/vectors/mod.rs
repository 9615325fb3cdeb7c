//! The vectors interface: the nearest rows of a table, under the policies of that table.
//!
//! A vector index names a column of a table and a metric ([`VectorIndex`]). A search is a read of that table
//! like any other: the same permit, the same masks, the same filters (`crate::tables::near`); only the order is
//! by distance. [`search`] decides how rows are found, `known` remembers what that decision needs, `probe`
//! measures the graph. Never here: SQL (`crate::db::sql::near`).

mod distance;
mod hybrid;
mod index;
mod known;
mod probe;
mod query;
mod search;
mod write;

pub(crate) use distance::distance;
pub use hybrid::{HybridQuery, Language, search_hybrid};
pub use index::{Graph, HNSW_DIMENSIONS_MAX, Metric, PgVector, VectorIndex, Vectors};
pub(crate) use known::Known;
pub use query::{Found, Precision, SearchPlan, SearchQuery};
pub use search::search;
pub use write::{delete, upsert};
