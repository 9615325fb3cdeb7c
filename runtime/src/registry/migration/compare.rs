//! A column that exists beside the column that a file wants: what has to change, and whether it can.
//! Pure.
//!
//! What can: everything that leaves each value as it is. A type may become a wider one, and a text may
//! become a list of values and back; anything else would alter data, and is refused.

use koyalite_policy::ColumnType;

use super::super::columns::Column;
use super::super::default::ColumnDefault;
use super::super::definition::ColumnDefinition;

/// One property of a column that is to be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    /// The type, or from a text to listed values and back.
    Type,
    /// Other listed values.
    Values,
    Default,
    Nullable,
    Unique,
    References,
}

/// What has to change, in the order in which it is done.
///
/// # Errors
/// What cannot be done to the column.
pub(super) fn changes(found: &Column, wanted: &ColumnDefinition) -> Result<Vec<Property>, String> {
    if found.primary_key != wanted.primary_key {
        return Err("would change whether it is part of the key".to_owned());
    }
    let listed = found.ty.values.is_some() && wanted.ty.values.is_some();
    let retyped =
        found.ty.ty != wanted.ty.ty || found.ty.values.is_some() != wanted.ty.values.is_some();
    if found.ty.ty != wanted.ty.ty && !is_wider(found.ty.ty, wanted.ty.ty) {
        return Err(format!("is {} and would be {}", found.ty, wanted.ty));
    }
    if found.is_counted() != matches!(wanted.default, Some(ColumnDefault::Identity)) {
        return Err("would change whether the database counts it".to_owned());
    }
    let target = found
        .references
        .as_ref()
        .map(|r| (&r.table, &r.column, r.on_delete));
    let wanted_target = wanted.references.as_ref();
    let wanted_target = wanted_target.map(|r| (&r.table, &r.column, r.on_delete));
    let all = [
        (Property::Type, retyped),
        (
            Property::Values,
            listed && found.ty.values != wanted.ty.values,
        ),
        (Property::Default, found.default != wanted.default_json),
        (Property::Nullable, found.nullable != wanted.nullable),
        (Property::Unique, found.unique != wanted.unique),
        (Property::References, target != wanted_target),
    ];
    Ok(all
        .into_iter()
        .filter_map(|(property, needed)| needed.then_some(property))
        .collect())
}

/// Whether every value of the one is a value of the other, and compares there as it did.
fn is_wider(from: ColumnType, to: ColumnType) -> bool {
    use ColumnType as T;
    match to {
        T::Integer => from == T::Smallint,
        T::Bigint => matches!(from, T::Smallint | T::Integer),
        T::Numeric => matches!(from, T::Smallint | T::Integer | T::Bigint),
        T::Double => from == T::Real,
        _ => false,
    }
}

/// The change in words.
pub(super) fn told(property: Property, found: &Column, wanted: &ColumnDefinition) -> String {
    let reference = |table: &dyn std::fmt::Display, column: &dyn std::fmt::Display, on: &str| {
        format!("refers to {table}.{column} (on delete {on})")
    };
    match property {
        Property::Type | Property::Values => format!("is {}, becomes {}", found.ty, wanted.ty),
        Property::Default => match &wanted.default_json {
            Some(value) => format!("gets the default {value}"),
            None => "loses its default".to_owned(),
        },
        Property::Nullable => match wanted.nullable {
            true => "may be NULL".to_owned(),
            false => "may no longer be NULL".to_owned(),
        },
        Property::Unique => match wanted.unique {
            true => "becomes unique".to_owned(),
            false => "is no longer unique".to_owned(),
        },
        Property::References => match &wanted.references {
            Some(r) => reference(&r.table, &r.column, r.on_delete.as_str()),
            None => "refers to nothing any more".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, wider: bool) {
        let (one, other) = (from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(is_wider(one, other), wider, "{from} to {to}");
    }

    #[test]
    fn only_types_that_hold_every_value_of_the_old_one_are_wider() {
        check("smallint", "integer", true);
        check("integer", "bigint", true);
        check("bigint", "numeric", true);
        check("real", "double precision", true);
        check("bigint", "integer", false);
        check("bigint", "double precision", false);
        check("numeric", "bigint", false);
        check("uuid", "text", false);
        check("json", "jsonb", false);
        check("integer", "integer", false);
    }
}
