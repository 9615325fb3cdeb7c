//! Presets: what the host writes into a column by itself. They know the caller, and no row.

use super::types::misfit;
use super::values::one_of;
use super::{Audience, Checker};
use crate::expr::Node;
use crate::parse::{ParseError, Spanned};
use crate::policy::Claims;
use crate::shape::ColumnShape;
use crate::value::Value;

impl<'a> Checker<'a> {
    /// For a preset of a policy.
    pub(crate) fn for_preset(claims: &'a Claims) -> Self {
        Self {
            scopes: Vec::new(),
            tables: &[],
            audience: Audience::Preset { claims },
        }
    }

    /// Checks a preset of `column`. Once the claims are known it is a value, or `now()`.
    pub(crate) fn preset(
        &self,
        syntax: &Spanned,
        column: &ColumnShape,
    ) -> Result<Node, ParseError> {
        let node = match self.operand(syntax, Some(column.ty))? {
            // Beside a narrow column a literal is wide; here it is the column's.
            Node::Constant { value, .. } => Node::Constant {
                value: value
                    .coerce(column.ty)
                    .map_err(|error| misfit(syntax.at, &error))?,
                ty: column.ty,
            },
            node => node,
        };
        if let (Some(Value::Text(text)), Some(values)) = (node.constant(), &column.values) {
            one_of(syntax.at, column.name.as_str(), values, text)?;
        }
        let clock = |node: &Node| matches!(node, Node::Now { .. });
        if !clock(&node) && node.any(&clock) {
            return Err(
                ParseError::new(syntax.at, "a preset does not calculate with now()")
                    .instead("write now() alone"),
            );
        }
        if let Node::Now {
            shift: 1.. | ..=-1, ..
        } = node
        {
            return Err(
                ParseError::new(syntax.at, "a preset of time is now, not before or after")
                    .instead("write now() alone"),
            );
        }
        if node.ty() == column.ty {
            return Ok(node);
        }
        let reason = format!("the column is {}, this is {}", column.ty, node.ty());
        Err(ParseError::new(syntax.at, reason).instead(format!(
            "cast a claim, as in (auth.jwt() ->> 'claim')::{}",
            column.ty
        )))
    }
}
