//! The vectors interface: the nearest rows of a table, under the policies of that table.
//!
//! A vector index names a column of a table and a metric ([`VectorIndex`]). A search is a read of that table
//! like any other: the same permit, the same masks, the same filters; only the order is by distance.

mod index;

pub use index::{Graph, HNSW_DIMENSIONS_MAX, Metric, PgVector, VectorIndex, Vectors};
