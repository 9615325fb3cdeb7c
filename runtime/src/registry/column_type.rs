//! The type of a column as its author writes it: one of the engine's types, or `enum(a, b, c)`.
//!
//! An enum is a text with a list of the values that it may hold. Its values have no order of their
//! own: they compare as the texts that they are.

use std::fmt;
use std::str::FromStr;

use koyalite_policy::{ColumnType, UnknownType};
use serde::{Serialize, Serializer};

/// More is a table to refer to: the list is checked for every row that is written.
pub const ENUM_VALUES_MAX: usize = 100;

/// As long as a label of Postgres' own enums may be.
pub const ENUM_VALUE_BYTES_MAX: usize = 63;

/// A type with the values that it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedType {
    /// How values are kept and compared.
    pub ty: ColumnType,
    /// The only texts that it allows, where they are listed.
    pub values: Option<Vec<String>>,
}

/// Why a type is refused.
#[derive(Debug, thiserror::Error)]
pub enum TypeError {
    /// None of the types.
    #[error("{0}, or enum(first, second)")]
    Unknown(#[from] UnknownType),
    /// No values, or too many.
    #[error("write 1 to {ENUM_VALUES_MAX} values, as enum(first, second)")]
    Count,
    /// A text that cannot be a value.
    #[error(
        "{0:?} cannot be a value of an enum: write 1 to {ENUM_VALUE_BYTES_MAX} bytes without \
         quotes, commas, parentheses or control characters"
    )]
    Value(String),
    /// A value that comes again.
    #[error("{0:?} is in the enum twice")]
    Twice(String),
}

impl FromStr for DefinedType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let Some(list) = listed(text) else {
            let ty = text.parse()?;
            return Ok(Self { ty, values: None });
        };
        let values: Vec<String> = list.split(',').map(|one| one.trim().to_owned()).collect();
        if list.trim().is_empty() || values.len() > ENUM_VALUES_MAX {
            return Err(TypeError::Count);
        }
        for (index, value) in values.iter().enumerate() {
            let odd = |c: char| c.is_control() || "'\"(),".contains(c);
            if value.is_empty() || value.len() > ENUM_VALUE_BYTES_MAX || value.contains(odd) {
                return Err(TypeError::Value(value.chars().take(80).collect()));
            }
            if values.iter().take(index).any(|earlier| earlier == value) {
                return Err(TypeError::Twice(value.clone()));
            }
        }
        Ok(Self {
            ty: ColumnType::Text,
            values: Some(values),
        })
    }
}

/// What stands between the parentheses of an enum.
fn listed(text: &str) -> Option<&str> {
    let text = text.trim();
    let word = text
        .get(..4)
        .filter(|word| word.eq_ignore_ascii_case("enum"))?;
    let rest = text.strip_prefix(word)?.trim_start();
    rest.strip_prefix('(')?.strip_suffix(')')
}

impl fmt::Display for DefinedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            None => self.ty.fmt(f),
            Some(values) => write!(f, "enum({})", values.join(", ")),
        }
    }
}

impl Serialize for DefinedType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, written: Result<&str, &str>) {
        match (text.parse::<DefinedType>(), written) {
            (Ok(read), Ok(written)) => {
                assert_eq!(read.to_string(), written);
                assert_eq!(written.parse::<DefinedType>().unwrap(), read);
            }
            (Err(error), Err(said)) => {
                assert!(error.to_string().contains(said), "{text}: {error}");
            }
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn a_type_is_one_of_the_engines_or_a_list_of_values() {
        check("INT8", Ok("bigint"));
        check("text[]", Ok("text[]"));
        check("enum(open,done)", Ok("enum(open, done)"));
        check(
            " ENUM ( open , in progress ) ",
            Ok("enum(open, in progress)"),
        );
        check("blob", Err("or enum(first, second)"));
        check("enum", Err("or enum(first, second)"));
        check("enum()", Err("1 to 100 values"));
        check("enum(a,,b)", Err("\"\""));
        check("enum(it's)", Err("quotes"));
        check("enum(a, b, a)", Err("twice"));
        check(&format!("enum({})", "x".repeat(64)), Err("63 bytes"));
        let many: Vec<String> = (0..101).map(|n| format!("v{n}")).collect();
        check(&format!("enum({})", many.join(",")), Err("1 to 100 values"));
    }
}
