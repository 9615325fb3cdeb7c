//! Looking up what a text names: columns and parameters.
//!
//! A column that the caller may not read is answered exactly like one that does not exist, and a
//! hint is only ever a readable column.

use super::{Audience, Checked, Checker, Scope};
use crate::expr::Node;
use crate::names::ColumnName;
use crate::parse::{ParseError, Position};
use crate::value::Value;

/// How many edits may lie between a wrong name and the one that is suggested.
const HINT_EDITS_MAX: usize = 2;

impl Checker<'_> {
    /// A column of the innermost table that has it, as in SQL.
    pub(super) fn column(&self, at: Position, table: Option<&str>, name: &str) -> Checked {
        let named = |scope: &Scope<'_>| table.is_none_or(|table| table == scope.name);
        if let Some(table) = table.filter(|_| !self.scopes.iter().any(named)) {
            return Err(wrong_table(at, table));
        }
        for (level, scope) in self.scopes.iter().enumerate().rev() {
            let column = scope
                .shape
                .column(name)
                .filter(|column| self.readable(&column.name));
            if let Some(column) = column.filter(|_| named(scope)) {
                return Ok(Node::Column {
                    name: column.name.clone(),
                    ty: column.ty,
                    level,
                });
            }
            // A qualified name means the innermost table of that name, and no other.
            if table.is_some() && named(scope) {
                break;
            }
        }
        Err(self.unknown_column(at, name))
    }

    fn readable(&self, column: &ColumnName) -> bool {
        match self.audience {
            Audience::Policy => true,
            Audience::Filter { permit, .. } => permit.readable(column),
        }
    }

    fn unknown_column(&self, at: Position, name: &str) -> ParseError {
        let shown: String = name.chars().take(80).collect();
        let reason = format!("there is no column {shown}");
        let error = ParseError::new(at, reason).with_code("unknown_column");
        let columns = self.scopes.iter().flat_map(|scope| &scope.shape.columns);
        let closest = columns
            .filter(|column| self.readable(&column.name))
            .map(|column| (edits(&shown, column.name.as_str()), column.name.as_str()))
            .filter(|(edits, column)| *edits <= HINT_EDITS_MAX && *edits < column.len())
            .min();
        match closest {
            Some((_, column)) => error.instead(format!("did you mean {column}?")),
            None => error,
        }
    }

    pub(super) fn parameter(&self, at: Position, n: usize) -> Result<&Value, ParseError> {
        match self.audience {
            Audience::Policy => Err(ParseError::new(at, "a policy has no parameters")
                .instead("write a literal or a claim")),
            Audience::Filter { params, .. } => {
                n.checked_sub(1).and_then(|i| params.get(i)).ok_or_else(|| {
                    let reason = format!("there is no parameter ${n}: {} were given", params.len());
                    ParseError::new(at, reason)
                })
            }
        }
    }
}

fn wrong_table(at: Position, table: &str) -> ParseError {
    let shown: String = table.chars().take(80).collect();
    match table {
        "old" | "new" => ParseError::new(at, format!("{shown}. is not in the policy language yet"))
            .instead("write the column alone: using sees the old row, check the new one"),
        _ => ParseError::new(at, format!("{shown} is not the table of this condition"))
            .instead("write the column's name alone"),
    }
}

/// The number of letters to change, add or drop between two short names.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut current = vec![left];
        for (other, above) in b.iter().zip(previous.iter().skip(1)) {
            let replaced = diagonal + usize::from(letter != *other);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            current.push(left);
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::edits;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("ownr_id", "owner_id", 1),
            ("titel", "title", 2),
            ("ab", "xy", 2),
        ] {
            assert_eq!(edits(a, b), expected, "{a} {b}");
        }
    }
}
