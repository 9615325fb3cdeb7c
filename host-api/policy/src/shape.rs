//! The shape of a table as the policy engine sees it: names, types, which columns may be NULL.
//!
//! Shapes come from the catalogue; this module never reads one. The types are the ones that
//! KoyaLite creates columns with; anything else in an imported table is simply not listed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{ColumnName, TableName};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `integer`: 32 bits.
    Integer,
    /// `bigint`: 64 bits.
    Bigint,
    /// `double precision`
    Double,
    /// `numeric`: exact decimals.
    Numeric,
    /// `text`
    Text,
    /// `uuid`
    Uuid,
    /// `timestamptz`: a moment, to the microsecond.
    Timestamptz,
    /// `date`
    Date,
    /// `jsonb`
    Jsonb,
}

impl ColumnType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Boolean,
        Self::Integer,
        Self::Bigint,
        Self::Double,
        Self::Numeric,
        Self::Text,
        Self::Uuid,
        Self::Timestamptz,
        Self::Date,
        Self::Jsonb,
    ];

    /// The type's name in SQL.
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Double => "double precision",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Timestamptz => "timestamptz",
            Self::Date => "date",
            Self::Jsonb => "jsonb",
        }
    }

    /// Whether the type is one of the four kinds of number, which compare with one another.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Integer | Self::Bigint | Self::Double | Self::Numeric
        )
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql_name())
    }
}

/// A type name that KoyaLite does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown column type {given:?}: write boolean, integer, bigint, double precision, numeric, \
     text, uuid, timestamptz, date or jsonb"
)]
pub struct UnknownType {
    given: String,
}

impl FromStr for ColumnType {
    type Err = UnknownType;

    /// Reads a type name in any letter case, with the aliases that Postgres itself accepts.
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        match text.to_ascii_lowercase().as_str() {
            "boolean" | "bool" => Ok(Self::Boolean),
            "integer" | "int" | "int4" => Ok(Self::Integer),
            "bigint" | "int8" => Ok(Self::Bigint),
            "double precision" | "double" | "float8" | "float" => Ok(Self::Double),
            "numeric" | "decimal" => Ok(Self::Numeric),
            "text" => Ok(Self::Text),
            "uuid" => Ok(Self::Uuid),
            "timestamptz" | "timestamp with time zone" => Ok(Self::Timestamptz),
            "date" => Ok(Self::Date),
            "jsonb" => Ok(Self::Jsonb),
            _ => Err(UnknownType {
                given: text.chars().take(80).collect(),
            }),
        }
    }
}

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
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its name.
    pub name: TableName,
    /// Its columns, in order.
    pub columns: Vec<ColumnShape>,
}

impl TableShape {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnShape> {
        self.columns
            .iter()
            .find(|column| column.name.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_its_sql_name() {
        for ty in ColumnType::ALL {
            assert_eq!(ty.sql_name().to_uppercase().parse(), Ok(ty));
        }
        let error = "varchar(10)".parse::<ColumnType>().unwrap_err();
        assert!(error.to_string().contains("write boolean, integer"));
    }
}
