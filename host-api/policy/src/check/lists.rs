//! Lists that come as a parameter: `= any ($1)`.
//!
//! The items are plain values without a type of their own, and take that of what they are compared
//! with.

use super::types::{comparable, constant, json_items};
use super::{Checked, Checker, is_loose};
use crate::expr::Node;
use crate::parse::{ParseError, Position, Spanned};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn in_parameter(&self, at: Position, item: &Spanned, parameter: usize) -> Checked {
        let value = self.parameter(at, parameter)?;
        let items = match value {
            Value::List(items) => items.clone(),
            Value::Json(serde_json::Value::Array(items)) => json_items(at, items)?,
            Value::Null => return Ok(Node::NULL),
            _ => {
                let reason = format!("parameter ${parameter} is not a list");
                return Err(
                    ParseError::new(at, reason).instead("send a list, or write = without any")
                );
            }
        };
        let hint = if is_loose(item) {
            Value::List(items.clone()).natural_type()
        } else {
            self.operand(item, None)?.ty()
        };
        let item_node = self.operand(item, Some(hint))?;
        let list: Vec<Node> = items
            .into_iter()
            .map(|value| constant(at, value, Some(hint)))
            .collect::<Result<_, _>>()?;
        for node in &list {
            comparable(at, item_node.ty(), node.ty())?;
        }
        comparable(at, item_node.ty(), item_node.ty())?;
        Ok(Node::In {
            item: Box::new(item_node),
            list,
        })
    }
}
