//! Patterns, functions and casts: what is made from operands without being compared yet.

use super::types::{claim_casts, misfit, wider};
use super::{Checked, Checker, is_loose};
use crate::expr::{Function, LetterCase, Node};
use crate::like;
use crate::parse::{ParseError, Position, Spanned, Syntax};
use crate::types::ColumnType;
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn like(&self, item: &Spanned, pattern: &Spanned, case: LetterCase) -> Checked {
        let at = pattern.at;
        let item_node = self.operand(item, Some(ColumnType::Text))?;
        let pattern = self.operand(pattern, Some(ColumnType::Text))?;
        let text = match pattern.constant() {
            Some(Value::Text(text)) => text.as_str(),
            Some(Value::Null) => "",
            _ => {
                return Err(
                    ParseError::new(at, "the pattern of like is a literal or a parameter")
                        .instead("write like 'x%'"),
                );
            }
        };
        if !like::is_valid(text) {
            return Err(
                ParseError::new(at, "the pattern ends in \\, which has nothing to escape")
                    .instead("write \\\\ for the character itself"),
            );
        }
        if item_node.ty() != ColumnType::Text {
            let reason = format!("like is for text, found {}", item_node.ty());
            return Err(ParseError::new(item.at, reason).instead("compare with = or in"));
        }
        Ok(Node::Like {
            item: Box::new(item_node),
            pattern: Box::new(pattern),
            case,
        })
    }

    pub(super) fn call(
        &self,
        function: Function,
        args: &[Spanned],
        hint: Option<ColumnType>,
    ) -> Checked {
        if function == Function::Coalesce {
            let all_loose = args.iter().all(is_loose);
            let args = match hint {
                Some(hint) if all_loose => args
                    .iter()
                    .map(|arg| self.operand(arg, Some(hint)))
                    .collect::<Result<_, _>>()?,
                _ => self.agreeing(&args.iter().collect::<Vec<_>>())?,
            };
            let ty = args
                .iter()
                .map(Node::ty)
                .reduce(wider)
                .unwrap_or(ColumnType::Text);
            return Ok(Node::Call { function, args, ty });
        }
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            let node = self.operand(arg, Some(ColumnType::Text))?;
            if node.ty() != ColumnType::Text {
                let reason = format!("{} is for text, found {}", function.name(), node.ty());
                return Err(ParseError::new(arg.at, reason).instead("give it a text column"));
            }
            nodes.push(node);
        }
        let ty = if function == Function::Length {
            ColumnType::Integer
        } else {
            ColumnType::Text
        };
        Ok(Node::Call {
            function,
            args: nodes,
            ty,
        })
    }

    /// Casts are for literals, parameters and claims, where a failure is known before any row is
    /// read. On a column only the cast that changes nothing is let through: Postgres prints those.
    pub(super) fn cast(&self, at: Position, inner: &Spanned, ty: ColumnType) -> Checked {
        if is_loose(inner) && inner.syntax != Syntax::Uid {
            let value = self.loose_value(inner)?;
            let value = value.coerce(ty).map_err(|error| misfit(at, &error))?;
            return Ok(Node::Constant { value, ty });
        }
        match self.operand(inner, Some(ty))? {
            node if node.ty() == ty => Ok(node),
            Node::Claim { claim, ty: from } if claim_casts(from, ty) => {
                Ok(Node::Claim { claim, ty })
            }
            Node::Claim {
                ty: ColumnType::Jsonb,
                ..
            } => Err(ParseError::new(at, format!("JSON does not cast to {ty}"))
                .instead("read the claim as text with ->> first")),
            _ => Err(ParseError::new(
                at,
                "casts are for literals and claims: on a column one could fail",
            )
            .instead("cast the other side to the column's type")),
        }
    }
}
