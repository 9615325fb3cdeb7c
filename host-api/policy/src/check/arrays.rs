//! Arrays: `array['a', 'b']` as a value, and `x = any (…)` over a column or a claim that is a list.

use super::types::{comparable, constant};
use super::{Checked, Checker, is_loose};
use crate::expr::{Claim, JsonRead, Node};
use crate::parse::{ParseError, Position, Spanned, Syntax};
use crate::types::{ColumnType, ScalarType};
use crate::value::Value;

impl Checker<'_> {
    /// `item = any (array)`
    pub(super) fn in_array(&self, item: &Spanned, array: &Spanned) -> Checked {
        let array_node = match &array.syntax {
            // A claim's items are read as the type of what they are compared with.
            Syntax::Jwt {
                path,
                read: JsonRead::Json,
            } => {
                self.declared(array.at, path)?;
                Node::Claim {
                    claim: Claim::Jwt {
                        path: path.clone(),
                        read: JsonRead::Json,
                    },
                    ty: ColumnType::Array(self.item_type(item)?),
                }
            }
            _ => self.operand(array, None)?,
        };
        let ColumnType::Array(item_type) = array_node.ty() else {
            let reason = format!("any needs a list, found {}", array_node.ty());
            return Err(ParseError::new(array.at, reason)
                .instead("write =, or give any a column that holds an array"));
        };
        let item_node = self.operand(item, Some(item_type.into()))?;
        comparable(item.at, item_node.ty(), item_type.into())?;
        Ok(Node::InArray {
            item: Box::new(item_node),
            array: Box::new(array_node),
        })
    }

    /// The type of an item that is compared with a claim's: text where it has none of its own.
    fn item_type(&self, item: &Spanned) -> Result<ScalarType, ParseError> {
        let ty = if is_loose(item) {
            ColumnType::Text
        } else {
            self.operand(item, None)?.ty()
        };
        ty.scalar().ok_or_else(|| {
            ParseError::new(item.at, format!("the items of a claim are no {ty}"))
                .instead("compare a plain column with them")
        })
    }

    /// `array[…]`: its items are literals of one type.
    pub(super) fn array(
        &self,
        at: Position,
        items: &[Spanned],
        hint: Option<ColumnType>,
    ) -> Checked {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            if !is_loose(item) || item.syntax == Syntax::Uid {
                return Err(
                    ParseError::new(item.at, "the items of an array are literals")
                        .instead("write in (…) for a list of columns or claims"),
                );
            }
            values.push(self.loose_value(item)?);
        }
        let value = Value::List(values);
        let hint = match hint {
            Some(ty @ ColumnType::Array(_)) => ty,
            _ => match value.natural_type().scalar() {
                Some(item) => ColumnType::Array(item),
                None => ColumnType::Array(ScalarType::Text),
            },
        };
        constant(at, value, Some(hint))
    }
}
