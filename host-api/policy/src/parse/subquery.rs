//! `exists (select …)`, `in (select …)` and `(select auth.uid())`.
//!
//! A query may name one table, one column and one condition, nothing else: no join, no group, no
//! limit. Which clauses there are is found by printing: whatever SQL may add to a query one day, a
//! query with nothing but what we know prints as just that.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins,
};

use super::advice;
use super::convert::Converter;
use super::syntax::{Spanned, Subquery, Syntax};
use super::tree::{folded, unwrapped};
use super::{ParseError, Position};
use crate::expr::JsonRead;

const ONE_TABLE: &str = "a subquery reads one table, with nothing but a condition";
const ONE_TABLE_INSTEAD: &str =
    "write exists (select 1 from t where …) or c in (select d from t where …)";

const ONLY_CLAIMS: &str = "a subquery that is a value may only wrap a claim";
const ONLY_CLAIMS_INSTEAD: &str = "write (select auth.uid()), or in (select c from t where …)";

impl Converter {
    /// `exists (select 1 from t where …)`
    pub(super) fn exists(&mut self, query: Query) -> Result<Syntax, ParseError> {
        let (item, query) = self.subquery(query)?;
        // An aggregate always answers a row, so what is selected does matter.
        match item {
            SelectItem::Wildcard(_)
            | SelectItem::UnnamedExpr(
                Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_),
            ) => Ok(Syntax::Exists(query)),
            _ => Err(self.refuse("exists needs no result", "write exists (select 1 from …)")),
        }
    }

    /// `item in (select c from t where …)`, or over a claim.
    pub(super) fn in_query(&mut self, item: Expr, query: Query) -> Result<Syntax, ParseError> {
        let item = self.operand(item)?;
        self.in_query_of(item, query)
    }

    /// The same, with the item read already.
    pub(super) fn in_query_of(
        &mut self,
        item: Box<Spanned>,
        query: Query,
    ) -> Result<Syntax, ParseError> {
        if is_bare(&query) {
            return self.in_claim(item, query);
        }
        let (output, query) = self.subquery(query)?;
        match output {
            SelectItem::UnnamedExpr(
                output @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            ) => {
                let output = Box::new(self.convert(output)?);
                Ok(Syntax::InQuery {
                    item,
                    output,
                    query,
                })
            }
            _ => Err(self.refuse("in needs one column", "write in (select c from t where …)")),
        }
    }

    /// `item in (select auth.uid())`; or over the items of a claim that is a list, written
    /// `(select auth.jwt() -> 'teams')` or with `jsonb_array_elements_text` around it.
    fn in_claim(&mut self, item: Box<Spanned>, query: Query) -> Result<Syntax, ParseError> {
        let inner = self.bare(query)?;
        let claim = match list_items(&inner) {
            Some(list) => self.convert(list)?,
            None => {
                let claim = self.claim(inner)?;
                if !matches!(claim.syntax, Syntax::Jwt { .. }) {
                    let list = vec![claim];
                    return Ok(Syntax::In { item, list });
                }
                claim
            }
        };
        match claim.syntax {
            Syntax::Jwt {
                read: JsonRead::Json,
                ..
            } => Ok(Syntax::InArray {
                item,
                array: Box::new(claim),
            }),
            Syntax::Jwt { .. } => Ok(Syntax::In {
                item,
                list: vec![claim],
            }),
            _ => Err(
                ParseError::new(claim.at, "the items are those of a claim that is a list")
                    .instead("write in (select auth.jwt() -> 'claim')"),
            ),
        }
    }

    /// `(select auth.uid())` and its kind: a way to tell Postgres that a value is the same for
    /// every row. Claims always are, here.
    pub(super) fn wrapped_claim(&mut self, query: Query) -> Result<Spanned, ParseError> {
        let inner = self.bare(query)?;
        self.claim(inner)
    }

    fn claim(&mut self, inner: Expr) -> Result<Spanned, ParseError> {
        let refused = self.refuse(ONLY_CLAIMS, ONLY_CLAIMS_INSTEAD);
        let inner = self.convert(inner)?;
        if is_claim(&inner) {
            Ok(inner)
        } else {
            Err(refused)
        }
    }

    /// What a query without a table selects.
    fn bare(&self, query: Query) -> Result<Expr, ParseError> {
        let refused = || self.refuse(ONLY_CLAIMS, ONLY_CLAIMS_INSTEAD);
        let text = query.to_string();
        let (item, _) = select_of(query).ok_or_else(refused)?;
        if text != format!("SELECT {item}") {
            return Err(refused());
        }
        match item {
            SelectItem::UnnamedExpr(inner) | SelectItem::ExprWithAlias { expr: inner, .. } => {
                Ok(inner)
            }
            _ => Err(refused()),
        }
    }

    fn subquery(&mut self, query: Query) -> Result<(SelectItem, Box<Subquery>), ParseError> {
        let at = self.at;
        let refused = || self.refuse(ONE_TABLE, ONE_TABLE_INSTEAD);
        let text = query.to_string();
        let (item, mut select) = select_of(query).ok_or_else(refused)?;
        let (Some(from), true) = (select.from.pop(), select.from.is_empty()) else {
            return Err(refused());
        };
        let mut expected = format!("SELECT {item} FROM {from}");
        if let Some(condition) = &select.selection {
            expected = format!("{expected} WHERE {condition}");
        }
        if let Some(elsewhere) = elsewhere(&from.relation, at) {
            return Err(elsewhere);
        }
        if !from.joins.is_empty() {
            return Err(self.refuse(
                "a subquery reads one table, without join",
                "write c in (select d from t where e in (select f from u where …))",
            ));
        }
        let (table, alias, at) = table_of(from, at)
            .filter(|_| text == expected)
            .ok_or_else(refused)?;
        let condition = select
            .selection
            .map(|condition| self.convert(condition))
            .transpose()?;
        Ok((
            item,
            Box::new(Subquery {
                at,
                table,
                alias,
                condition,
            }),
        ))
    }
}

/// The only thing selected, and the rest of the query.
fn select_of(query: Query) -> Option<(SelectItem, Box<Select>)> {
    let SetExpr::Select(mut select) = *query.body else {
        return None;
    };
    let item = select.projection.pop()?;
    select.projection.is_empty().then_some((item, select))
}

/// Whether a query reads no table.
fn is_bare(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::Select(select) if select.from.is_empty())
}

/// A table's name, its alias and its place.
fn table_of(from: TableWithJoins, at: Position) -> Option<(String, Option<String>, Position)> {
    let text = from.to_string();
    let TableFactor::Table { name, alias, .. } = from.relation else {
        return None;
    };
    let expected = match &alias {
        Some(alias) => format!("{name} {alias}"),
        None => name.to_string(),
    };
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    let table = match parts?.as_slice() {
        // The schema is `public`: `elsewhere` refuses every other.
        [table] | [_, table] => *table,
        _ => return None,
    };
    if text != expected
        || alias
            .as_ref()
            .is_some_and(|alias| !alias.columns.is_empty())
    {
        return None;
    }
    let at = Position::from_location(table.span.start).unwrap_or(at);
    Some((folded(table), alias.map(|alias| folded(&alias.name)), at))
}

/// The argument of `jsonb_array_elements_text(…)`.
fn list_items(expr: &Expr) -> Option<Expr> {
    let Expr::Function(call) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let name = call.name.to_string();
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(list))]
            if name.eq_ignore_ascii_case("jsonb_array_elements_text") =>
        {
            Some(unwrapped(list.clone()))
        }
        _ => None,
    }
}

/// The query of `array(select …)`: in this dialect nothing else that is called takes one bare.
pub(super) fn array_query(expr: &Expr) -> Option<Query> {
    let Expr::Function(call) = expr else {
        return None;
    };
    match &call.args {
        FunctionArguments::Subquery(query) => Some((**query).clone()),
        _ => None,
    }
}

/// The refusal of a table of another schema. `public.` is how pasted policies name the schema that
/// is the project's own here.
fn elsewhere(relation: &TableFactor, at: Position) -> Option<ParseError> {
    let TableFactor::Table {
        name, args: None, ..
    } = relation
    else {
        return None;
    };
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    let parts = parts?;
    let [schema, table] = parts.as_slice() else {
        return None;
    };
    let (schema, place) = (folded(schema), Position::from_location(schema.span.start));
    if schema == "public" {
        return None;
    }
    let (reason, instead) = advice::for_table(&schema, &folded(table));
    Some(ParseError::new(place.unwrap_or(at), reason).instead(instead))
}

fn is_claim(spanned: &Spanned) -> bool {
    match &spanned.syntax {
        Syntax::Uid | Syntax::Role | Syntax::Jwt { .. } | Syntax::Now { .. } => true,
        Syntax::Cast { inner, .. } => is_claim(inner),
        _ => false,
    }
}
