//! Expressions as SQL text with bind parameters.
//!
//! No value ever becomes part of the text: constants are `$n`, cast to their type, so that the
//! statement means the same whatever the server infers. Identifiers are quoted here and nowhere
//! else. One writer makes one statement; its binds are numbered in the order they were added.
//!
//! | type of the bind | placeholder | crosses as (each may be NULL: `Option<…>`) |
//! |---|---|---|
//! | boolean | `$n::boolean` | `bool` |
//! | smallint, integer, bigint | `$n::integer` | `i16`, `i32`, `i64` |
//! | real, double precision | `$n::double precision` | `f32`, `f64` |
//! | text | `$n::text` | `String` |
//! | uuid | `$n::uuid` | `uuid::Uuid` |
//! | bytea | `$n::bytea` | `Vec<u8>` |
//! | json, jsonb | `$n::jsonb` | `serde_json::Value` |
//! | numeric, date, time, timestamptz | `$n::text::numeric` | `String` |
//! | an array, or a list of any of these | the same with `[]`, as in `$n::text[]::numeric[]` | `Vec<Option<…>>` |
//! | vector | `$n::text::vector(3)` | `String`, as in `[1,2,3]` |

use crate::expr::{Expr, LetterCase, Node, Relation};
use crate::filter::Filter;
use crate::permit::Residual;
use crate::types::ColumnType;
use crate::value::Value;

/// Quotes an identifier for SQL.
pub fn quote_ident(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    push_ident(&mut text, name);
    text
}

/// Appends an identifier to a text of SQL, quoted.
pub fn push_ident(text: &mut String, name: &str) {
    text.push('"');
    for (index, part) in name.split('"').enumerate() {
        if index > 0 {
            text.push_str("\"\"");
        }
        text.push_str(part);
    }
    text.push('"');
}

/// A column of a relation.
pub fn column_of(row: &str, name: &str) -> String {
    // The dot and the quotes.
    let mut text = String::with_capacity(row.len() + name.len() + 3);
    text.push_str(row);
    text.push('.');
    push_ident(&mut text, name);
    text
}

/// The alias of a subquery's rows. Statements must not call their own relation that.
fn inner_alias(level: usize) -> String {
    format!("inner_{level}")
}

/// `now()` and what is added to it, in seconds: a day would depend on the session's time zone.
pub(crate) fn shifted_now(shift: i64) -> String {
    let sign = if shift.is_negative() { '-' } else { '+' };
    let seconds = shift.unsigned_abs() / 1_000_000;
    format!("(now() {sign} interval '{seconds} seconds')")
}

/// Writes conditions of one SQL statement and collects its binds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SqlWriter {
    binds: Vec<(Value, ColumnType)>,
    schema: Option<String>,
    old: Option<String>,
}

impl SqlWriter {
    /// A writer whose first placeholder is `$1`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same writer, naming the schema of the tables that subqueries read. Without one, the
    /// connection's `search_path` says where they are.
    pub fn in_schema(mut self, schema: &str) -> Self {
        self.schema = Some(quote_ident(schema));
        self
    }

    /// The same writer, naming the relation of the rows as they were before an update: its alias,
    /// quoted where it needs to be. Without one, a condition that needs it is `FALSE`.
    pub fn with_old_row(mut self, alias: &str) -> Self {
        self.old = Some(alias.to_owned());
        self
    }

    /// Adds a bind and answers its placeholder with the casts it needs. The value must fit the
    /// type: take it through [`Value::coerce`] or [`Value::from_json`] first.
    pub fn bind(&mut self, value: Value, ty: ColumnType) -> String {
        let (item, list) = match (ty, &value) {
            (ColumnType::Array(item), _) => (Some(item), "[]"),
            (ty, Value::List(_)) => (ty.scalar(), "[]"),
            (ty, _) => (ty.scalar(), ""),
        };
        self.binds.push((value, ty));
        let n = self.binds.len();
        match item {
            Some(item) if !item.travels_as_text() => format!("${n}::{item}{list}"),
            Some(item) => format!("${n}::text{list}::{item}{list}"),
            None => format!("${n}::text::{ty}"),
        }
    }

    /// The binds in the order of their placeholders: value, and the type it crosses as (for a
    /// list, the type of its items).
    pub fn into_binds(self) -> Vec<(Value, ColumnType)> {
        self.binds
    }

    /// Writes a condition. `row` is the alias of the row's relation as it stands in the statement,
    /// already quoted where it needs to be. The text is in parentheses, or a single operand.
    pub fn predicate(&mut self, expr: &Expr, row: &str) -> String {
        // Half a condition would be another one.
        if self.old.is_none() && expr.needs_old() {
            return "FALSE".to_owned();
        }
        self.node(&expr.0, row)
    }

    /// Writes what a permit left of the policies; `TRUE` where every row passes.
    pub fn residual(&mut self, residual: &Residual, row: &str) -> String {
        match residual {
            Residual::True => "TRUE".to_owned(),
            Residual::When(expr) => self.predicate(expr, row),
        }
    }

    /// Writes a guest's filter; `TRUE` or `FALSE` where it asks for every row or none.
    pub fn filter(&mut self, filter: &Filter, row: &str) -> String {
        match filter {
            Filter::All => "TRUE".to_owned(),
            Filter::Nothing => "FALSE".to_owned(),
            Filter::When(expr) => self.predicate(expr, row),
        }
    }

    fn node(&mut self, node: &Node, row: &str) -> String {
        match node {
            Node::Column { name, level, .. } => match level {
                0 => column_of(row, name.as_str()),
                level => column_of(&inner_alias(*level), name.as_str()),
            },
            Node::Old { name, ty } => match &self.old {
                Some(old) => column_of(old, name.as_str()),
                None => format!("NULL::{ty}"),
            },
            Node::Constant { value, ty } => self.constant(value, *ty),
            // Conditions that leave this crate hold no claim; NULL would pass no row.
            Node::Claim { ty, .. } => format!("NULL::{ty}"),
            Node::Now { shift: 0, .. } => "now()".to_owned(),
            Node::Now { shift, .. } => shifted_now(*shift),
            Node::Call { function, args, .. } => {
                format!("{}({})", function.name(), self.joined(args, row, ", "))
            }
            Node::Compare { op, left, right } => self.infix(left, op.symbol(), right, row),
            Node::Distinct { left, right } => self.infix(left, "IS DISTINCT FROM", right, row),
            Node::In { item, list } => self.membership(item, list, row),
            Node::InArray { item, array } => {
                let item = self.node(item, row);
                let array = self.node(array, row);
                format!("({item} = ANY ({array}))")
            }
            Node::Exists {
                relation,
                condition,
            } => {
                let from = self.from(relation, condition, row);
                format!("(EXISTS (SELECT 1 FROM {from}))")
            }
            Node::InQuery {
                item,
                output,
                relation,
                condition,
            } => {
                let item = self.node(item, row);
                let output = self.node(output, row);
                let from = self.from(relation, condition, row);
                format!("({item} IN (SELECT {output} FROM {from}))")
            }
            Node::Like {
                item,
                pattern,
                case,
            } => {
                let operator = match case {
                    LetterCase::Matters => "LIKE",
                    LetterCase::Ignored => "ILIKE",
                };
                self.infix(item, operator, pattern, row)
            }
            Node::IsNull(node) => format!("({} IS NULL)", self.node(node, row)),
            Node::Is { node, value: true } => format!("({} IS TRUE)", self.node(node, row)),
            Node::Is { node, value: false } => format!("({} IS FALSE)", self.node(node, row)),
            Node::Not(node) => format!("(NOT {})", self.node(node, row)),
            // Folding leaves none without parts; should one be, `()` is refused and lets nothing through.
            Node::And(nodes) => format!("({})", self.joined(nodes, row, " AND ")),
            Node::Or(nodes) => format!("({})", self.joined(nodes, row, " OR ")),
        }
    }

    /// `table AS alias WHERE condition` of a subquery.
    fn from(&mut self, relation: &Relation, condition: &Node, row: &str) -> String {
        let table = quote_ident(relation.table.as_str());
        let table = match &self.schema {
            Some(schema) => format!("{schema}.{table}"),
            None => table,
        };
        let condition = self.node(condition, row);
        format!(
            "{table} AS {} WHERE {condition}",
            inner_alias(relation.level)
        )
    }

    fn infix(&mut self, left: &Node, operator: &str, right: &Node, row: &str) -> String {
        let left = self.node(left, row);
        let right = self.node(right, row);
        format!("({left} {operator} {right})")
    }

    fn joined(&mut self, nodes: &[Node], row: &str, separator: &str) -> String {
        let parts: Vec<String> = nodes.iter().map(|node| self.node(node, row)).collect();
        parts.join(separator)
    }

    /// The three constants that SQL has words for are words: there is nothing in them to inject,
    /// and the planner can match them with partial indexes.
    fn constant(&mut self, value: &Value, ty: ColumnType) -> String {
        match value {
            Value::Null => format!("NULL::{ty}"),
            Value::Boolean(true) => "TRUE".to_owned(),
            Value::Boolean(false) => "FALSE".to_owned(),
            value => self.bind(value.clone(), ty),
        }
    }

    /// Constants of one type go into one array, so the statement's text does not depend on how
    /// many there are; the rest is compared one by one.
    fn membership(&mut self, item: &Node, list: &[Node], row: &str) -> String {
        let mut arrays: Vec<(ColumnType, Vec<Value>)> = Vec::new();
        let mut parts = Vec::new();
        for other in list {
            let (value, ty) = match other {
                // There is no array of arrays.
                Node::Constant { value, ty } if ty.scalar().is_some() => (value, ty),
                other => {
                    parts.push(self.infix(item, "=", other, row));
                    continue;
                }
            };
            match arrays.iter_mut().find(|(array_type, _)| array_type == ty) {
                Some((_, values)) => values.push(value.clone()),
                None => arrays.push((*ty, vec![value.clone()])),
            }
        }
        for (ty, values) in arrays {
            let item = self.node(item, row);
            let array = self.bind(Value::List(values), ty);
            parts.push(format!("({item} = ANY ({array}))"));
        }
        match parts.as_slice() {
            [part] => part.clone(),
            // Of an empty list, which folding leaves none of, `()` is refused.
            parts => format!("({})", parts.join(" OR ")),
        }
    }
}
