//! Looking up what a text names: columns and parameters.
//!
//! A column that the caller may not read is answered exactly like one that does not exist, and a
//! hint is only ever a readable column.

use super::{Audience, Checked, Checker, OldRow, Scope};
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
            return match table {
                "old" => self.old_column(at, name),
                table => Err(wrong_table(at, table)),
            };
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

    /// `old.column`: always of the row that the policy decides about.
    fn old_column(&self, at: Position, name: &str) -> Checked {
        let refused =
            |reason: &str, instead: &str| Err(ParseError::new(at, reason).instead(instead));
        match self.audience {
            Audience::Policy {
                old: OldRow::Seen, ..
            } => {}
            Audience::Policy {
                old: OldRow::IsUsing,
                ..
            } => {
                return refused(
                    "using sees the row as it is; old. goes into check",
                    "write the column alone",
                );
            }
            Audience::Policy {
                old: OldRow::IsMissing,
                ..
            } => {
                return refused(
                    "old. goes with update, and this policy is for insert too, which has no old row",
                    "give update a policy of its own",
                );
            }
            Audience::Preset { .. } | Audience::Filter { .. } => {
                return refused(
                    "old. goes into the check of a policy",
                    "write the column alone",
                );
            }
        }
        let column = self
            .scopes
            .first()
            .and_then(|scope| scope.shape.column(name));
        match column {
            Some(column) => Ok(Node::Old {
                name: column.name.clone(),
                ty: column.ty,
            }),
            None => Err(self.unknown_column(at, name)),
        }
    }

    /// Refuses a claim that the project does not declare.
    pub(super) fn declared(&self, at: Position, path: &[String]) -> Result<(), ParseError> {
        let claims = match self.audience {
            Audience::Policy { claims, .. } | Audience::Preset { claims } => claims,
            Audience::Filter { .. } => return Ok(()),
        };
        let Some(claim) = path.first().filter(|claim| !claims.allows(claim)) else {
            return Ok(());
        };
        let shown: String = claim.chars().take(80).collect();
        let error = ParseError::new(at, format!("the project declares no claim {shown}"));
        Err(match closest(&shown, claims.names()) {
            Some(known) => error.instead(format!("did you mean {known}?")),
            None => error.instead("declare it, or read one that is declared"),
        })
    }

    fn readable(&self, column: &ColumnName) -> bool {
        match self.audience {
            Audience::Policy { .. } | Audience::Preset { .. } => true,
            Audience::Filter { permit, .. } => permit.readable(column),
        }
    }

    fn unknown_column(&self, at: Position, name: &str) -> ParseError {
        let shown: String = name.chars().take(80).collect();
        let reason = format!("there is no column {shown}");
        let error = ParseError::new(at, reason).with_code("unknown_column");
        let columns = self.scopes.iter().flat_map(|scope| &scope.shape.columns);
        let readable = columns
            .filter(|column| self.readable(&column.name))
            .map(|column| column.name.as_str());
        if let Audience::Preset { .. } = self.audience {
            return ParseError::new(at, "a preset knows the caller, and no row")
                .instead("write a literal, auth.uid(), auth.role(), a claim or now()");
        }
        match closest(&shown, readable) {
            Some(column) => error.instead(format!("did you mean {column}?")),
            None => error,
        }
    }

    pub(super) fn parameter(&self, at: Position, n: usize) -> Result<&Value, ParseError> {
        match self.audience {
            Audience::Policy { .. } | Audience::Preset { .. } => {
                Err(ParseError::new(at, "a policy has no parameters")
                    .instead("write a literal or a claim"))
            }
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
        "new" => ParseError::new(at, "new. is not in the policy language")
            .instead("write the column alone: check sees the new row"),
        _ => ParseError::new(at, format!("{shown} is not the table of this condition"))
            .instead("write the column's name alone"),
    }
}

/// The name that was probably meant.
pub(super) fn closest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (edits(given, name), name))
        .filter(|(edits, name)| *edits <= HINT_EDITS_MAX && *edits < name.len())
        .min()
        .map(|(_, name)| name)
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
