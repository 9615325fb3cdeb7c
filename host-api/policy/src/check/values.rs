//! Columns that list the texts they may hold: a policy that compares one with another text is
//! wrong, and says nothing about it to anybody but its rows.

use super::names::closest;
use super::{Audience, Checker};
use crate::expr::Node;
use crate::parse::{ParseError, Position, Spanned};
use crate::value::Value;

impl Checker<'_> {
    /// Refuses literals that a column beside them never holds. A filter may ask for them: it asks
    /// for nothing.
    pub(super) fn listed(&self, operands: &[&Spanned], nodes: &[Node]) -> Result<(), ParseError> {
        if let Audience::Filter { .. } = self.audience {
            return Ok(());
        }
        for column in nodes {
            let Some((name, values)) = self.values(column) else {
                continue;
            };
            for (operand, node) in operands.iter().zip(nodes) {
                if let Some(Value::Text(text)) = node.constant() {
                    one_of(operand.at, name, values, text)?;
                }
            }
        }
        Ok(())
    }

    fn values(&self, node: &Node) -> Option<(&str, &[String])> {
        let (name, level) = match node {
            Node::Column { name, level, .. } => (name, *level),
            Node::Old { name, .. } => (name, 0),
            _ => return None,
        };
        let column = self.scopes.get(level)?.shape.column(name.as_str())?;
        Some((column.name.as_str(), column.values.as_deref()?))
    }
}

/// Refuses a text that is none of the listed ones.
pub(super) fn one_of(
    at: Position,
    column: &str,
    values: &[String],
    text: &str,
) -> Result<(), ParseError> {
    if values.iter().any(|value| value == text) {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    let error = ParseError::new(at, format!("{column} is never '{shown}'"));
    Err(match closest(&shown, values.iter().map(String::as_str)) {
        Some(value) => error.instead(format!("did you mean '{value}'?")),
        None => error.instead(format!("it holds one of {}", values.join(", "))),
    })
}
