//! Warnings about policies that are valid but may not mean what their author thinks.
//!
//! They are about NULL: a comparison with a column that holds none is neither true nor false, so
//! `status <> 'closed'` hides rows without a status, and a deny that cannot tell hides the row
//! from everybody. A warning names the column and the guard to write.

use std::collections::BTreeSet;
use std::fmt;

use crate::expr::{Claim, CompareOp, Expr, Function, Node};
use crate::names::ColumnName;
use crate::policy::{Clause, Effect};
use crate::shape::TableShape;

/// Something that a policy's author should know before saving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The condition that it is about.
    pub clause: Clause,
    /// The column, where there is one.
    pub column: Option<ColumnName>,
    /// What happens.
    pub message: String,
    /// What to write to say otherwise.
    pub guard: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.clause, self.message, self.guard)
    }
}

/// Looks for unguarded nullable columns and for comparisons with NULL.
pub(crate) fn lint(
    expr: &Expr,
    shape: &TableShape,
    effect: Effect,
    clause: Clause,
) -> Vec<Warning> {
    let nullable = shape.columns.iter().filter(|column| column.nullable);
    let mut linter = Linter {
        effect,
        clause,
        nullable: nullable.map(|column| &column.name).collect(),
        warned: BTreeSet::new(),
        warnings: Vec::new(),
    };
    // Under an allow, NULL is as good as false unless something turns it round; a deny is turned
    // round as a whole.
    linter.walk(&expr.0, effect == Effect::Deny);
    if expr.0.any(&is_written_by_its_user) {
        linter.warn(
            None,
            "user_metadata is what users write about themselves",
            "read app_metadata, or a table",
        );
    }
    linter.warnings
}

/// Whether a claim is one that some sign-in services let its user change.
fn is_written_by_its_user(node: &Node) -> bool {
    let Node::Claim {
        claim: Claim::Jwt { path, .. },
        ..
    } = node
    else {
        return false;
    };
    let first = path.first().map(String::as_str);
    matches!(first, Some("user_metadata" | "raw_user_meta_data"))
}

struct Linter<'a> {
    effect: Effect,
    clause: Clause,
    nullable: BTreeSet<&'a ColumnName>,
    warned: BTreeSet<&'a ColumnName>,
    warnings: Vec<Warning>,
}

impl<'a> Linter<'a> {
    /// `negated`: an unknown result here may hide a row that its author meant to pass.
    fn walk(&mut self, node: &'a Node, negated: bool) {
        match node {
            Node::Not(inner) => match &**inner {
                // NOT over IS NULL and its kind has nothing unknown in it.
                Node::IsNull(_) | Node::Is { .. } | Node::Distinct { .. } => {}
                inner => self.walk(inner, true),
            },
            Node::And(parts) | Node::Or(parts) => {
                let guarded = guards(parts, matches!(node, Node::And(_)));
                let held: Vec<_> = guarded
                    .into_iter()
                    .filter(|c| self.nullable.remove(c))
                    .collect();
                for part in parts {
                    self.walk(part, negated);
                }
                self.nullable.extend(held);
            }
            Node::Exists { condition, .. } => self.walk(condition, false),
            Node::InQuery {
                item, condition, ..
            } => {
                if negated {
                    self.unguarded(item);
                }
                self.walk(condition, false);
            }
            Node::Compare { op, left, right } => {
                if left.is_null() || right.is_null() {
                    self.warn(
                        None,
                        "a comparison with null is never true",
                        "write is null or is not null",
                    );
                }
                if left == right && matches!(**left, Node::Column { .. }) {
                    self.warn(
                        None,
                        "a column is compared with itself",
                        "write the other table's name before one of the two",
                    );
                }
                if negated || *op == CompareOp::NotEqual {
                    self.unguarded(node);
                }
            }
            Node::In { .. }
            | Node::InArray { .. }
            | Node::Like { .. }
            | Node::Column { .. }
            | Node::Call { .. }
                if negated =>
            {
                self.unguarded(node);
            }
            _ => {}
        }
    }

    /// Warns about the nullable columns whose NULL makes the node NULL.
    fn unguarded(&mut self, node: &'a Node) {
        match node {
            Node::Column { name, level: 0, .. } => {
                if self.nullable.contains(name) && self.warned.insert(name) {
                    let (what, guard) = match self.effect {
                        Effect::Allow => (
                            "never pass",
                            format!("write {name} is null or …, if they should"),
                        ),
                        Effect::Deny => (
                            "are held back from everybody",
                            format!("write {name} is not null and …"),
                        ),
                    };
                    let message = format!("rows where {name} is null {what}");
                    self.warn(Some(name), &message, &guard);
                }
            }
            Node::IsNull(_) | Node::Is { .. } | Node::Distinct { .. } | Node::Exists { .. } => {}
            Node::Call {
                function: Function::Coalesce,
                args,
                ..
            } if args
                .last()
                .is_some_and(|last| last.constant().is_some() && !last.is_null()) => {}
            node => {
                for child in node.children() {
                    self.unguarded(child);
                }
            }
        }
    }

    fn warn(&mut self, column: Option<&ColumnName>, message: &str, guard: &str) {
        self.warnings.push(Warning {
            clause: self.clause,
            column: column.cloned(),
            message: message.to_owned(),
            guard: guard.to_owned(),
        });
    }
}

/// The columns that the parts of an AND prove not to be NULL (`c is not null and …`), or that the
/// parts of an OR take care of (`c is null or …`).
fn guards(parts: &[Node], is_and: bool) -> Vec<&ColumnName> {
    let tested = |part: &'_ Node| match (part, is_and) {
        (Node::Not(inner), true) => matches!(&**inner, Node::IsNull(_)),
        (Node::IsNull(_), false) => true,
        _ => false,
    };
    let mut columns = Vec::new();
    for part in parts.iter().filter(|part| tested(part)) {
        part.visit(&mut |node| {
            if let Node::Column { name, level: 0, .. } = node {
                columns.push(name);
            }
        });
    }
    columns
}
