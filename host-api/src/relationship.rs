//! Which tables refer to which: what embeds follow.
//!
//! One entry per foreign key, as the registry declares them. Never a decision about who may follow
//! one: that is in `tables`.

use koyalite_policy::{ColumnName, TableName};

/// One foreign key: each row of `from_table` names at most one row of `to_table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The name of the constraint.
    pub constraint: String,
    /// The table that refers.
    pub from_table: TableName,
    /// Its column.
    pub from_column: ColumnName,
    /// The table referred to.
    pub to_table: TableName,
    /// The unique column of it that is meant.
    pub to_column: ColumnName,
    /// How many rows may name the same one.
    pub multiplicity: Multiplicity,
}

/// How many rows may name the same row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplicity {
    /// One: the referring column is unique.
    OneToOne,
    /// Any number.
    OneToMany,
}
