//! Conditions over other tables: finding the table, and checking inside it.
//!
//! What is checked here says nothing of the inner table's policies; folding puts those in, for the
//! caller at hand.

use super::types::comparable;
use super::{Audience, Checked, Checker, Scope};
use crate::expr::{InnerPolicies, Node, Relation};
use crate::parse::syntax::Subquery;
use crate::parse::{ParseError, Spanned};

impl<'a> Checker<'a> {
    pub(super) fn exists(&self, query: &Subquery) -> Checked {
        let (_, relation, condition) = self.inside(query)?;
        Ok(Node::Exists {
            relation,
            condition: Box::new(condition),
        })
    }

    pub(super) fn in_query(&self, item: &Spanned, output: &Spanned, query: &Subquery) -> Checked {
        let (inner, relation, condition) = self.inside(query)?;
        let output_node = inner.operand(output, None)?;
        // Without a type of its own, the item takes the column's.
        let item_node = self.operand(item, Some(output_node.ty()))?;
        comparable(item.at, item_node.ty(), output_node.ty())?;
        Ok(Node::InQuery {
            item: Box::new(item_node),
            output: Box::new(output_node),
            relation,
            condition: Box::new(condition),
        })
    }

    /// The checker for the inside of a subquery, its relation and its condition.
    fn inside<'b>(
        &'b self,
        query: &'b Subquery,
    ) -> Result<(Checker<'b>, Relation, Node), ParseError> {
        match self.audience {
            Audience::Policy { .. } => {}
            Audience::Preset { .. } => {
                return Err(
                    ParseError::new(query.at, "a preset knows the caller, and no row")
                        .instead("write a literal, auth.uid(), auth.role(), a claim or now()"),
                );
            }
            Audience::Filter { .. } => {
                return Err(ParseError::new(query.at, "a filter reads one table")
                    .instead("select from the other table first, and write = any ($1)"));
            }
        }
        let shape = self
            .tables
            .iter()
            .find(|shape| shape.name.as_str() == query.table);
        let shape = shape.ok_or_else(|| {
            let shown: String = query.table.chars().take(80).collect();
            ParseError::new(query.at, format!("there is no table {shown}"))
                .instead("name a table of this project")
        })?;
        let name = query.alias.as_deref().unwrap_or(shape.name.as_str());
        let level = self.scopes.len();
        let mut scopes: Vec<Scope<'b>> = self.scopes.clone();
        scopes.push(Scope { shape, name });
        let inner = Checker {
            scopes,
            tables: self.tables,
            audience: self.audience,
        };
        let condition = match &query.condition {
            Some(condition) => inner.condition(condition)?,
            None => Node::TRUE,
        };
        let table = shape.name.clone();
        Ok((
            inner,
            Relation {
                table,
                level,
                policies: InnerPolicies::Missing,
            },
            condition,
        ))
    }
}
