//! The shape of a table as the policy engine sees it: names, types, which columns may be NULL.
//!
//! Shapes come from the catalogue; this module never reads one.

use serde::{Deserialize, Serialize};

use crate::names::{ColumnName, TableName};
use crate::types::ColumnType;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Its name.
    pub name: ColumnName,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Whether an insert may leave it out although it is not nullable.
    pub has_default: bool,
    /// Whether it is (part of) the primary key.
    pub primary_key: bool,
    /// Whether its values are unique.
    pub unique: bool,
    /// The only texts that it may hold, where they are listed (`enum(a, b)`). Their order means
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its name.
    pub name: TableName,
    /// Its columns, in order.
    pub columns: Vec<ColumnShape>,
    /// Sets of several columns in which no two rows agree, beside the primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique_together: Vec<Vec<ColumnName>>,
}

impl TableShape {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnShape> {
        self.columns
            .iter()
            .find(|column| column.name.as_str() == name)
    }

    /// Whether its rows can be told apart by a key.
    pub(crate) fn has_primary_key(&self) -> bool {
        self.columns.iter().any(|column| column.primary_key)
    }
}
