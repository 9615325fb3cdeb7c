//! The host's evaluator: an expression on a row in memory, with the result Postgres would give.
//!
//! Logic is Kleene's: AND, OR and NOT over true, false and NULL. Every function is total; where a
//! value does not have the form that its column promises, it counts as NULL and the row does not
//! pass. Comparing is in [`compare`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::decimal::Decimal;
use crate::expr::{Claim, CompareOp, Expr, Function, JsonRead, LetterCase, Node};
use crate::fold::Caller;
use crate::identity::Identity;
use crate::like;
use crate::names::ColumnName;
use crate::time::{Clock, Day, Timestamp};
use crate::types::ColumnType;
use crate::value::Value;

/// A row: values by column. A column that is not there is NULL.
pub type Row = BTreeMap<ColumnName, Value>;

/// Evaluates a condition that a [`crate::Permit`] or a [`crate::Filter`] holds. None is NULL.
///
/// A condition over another table (`exists`, `in (select …)`) is NULL here: its rows are not known.
/// `now()` is the time of the decision that made the condition.
///
/// A condition that compares with the old row is NULL here: [`evaluate_change`] knows that row.
pub fn evaluate(expr: &Expr, row: &Row) -> Option<bool> {
    if expr.needs_old() {
        return None;
    }
    let scene = Scene {
        row,
        old: None,
        caller: None,
    };
    scene.truth(&expr.0)
}

/// Evaluates the check of an update: `old` is the row before, `new` the row as it was written.
pub fn evaluate_change(expr: &Expr, old: &Row, new: &Row) -> Option<bool> {
    let scene = Scene {
        row: new,
        old: Some(old),
        caller: None,
    };
    scene.truth(&expr.0)
}

/// What an expression is evaluated over. Without a caller, claims are NULL: conditions that leave
/// this crate hold none.
pub(crate) struct Scene<'a> {
    pub(crate) row: &'a Row,
    /// The row before an update, where there is one.
    pub(crate) old: Option<&'a Row>,
    pub(crate) caller: Option<Caller<'a>>,
}

impl Scene<'_> {
    pub(crate) fn truth(&self, node: &Node) -> Option<bool> {
        match self.value(node) {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn value(&self, node: &Node) -> Value {
        match node {
            // Other tables' rows are not here; a subquery counts as NULL, and nothing passes by it.
            Node::Column { level: 1.., .. } => Value::Null,
            Node::Column { name, ty, .. } => cell(self.row, name, *ty),
            Node::Old { name, ty } => self.old.map_or(Value::Null, |old| cell(old, name, *ty)),
            Node::Constant { value, .. } => value.clone(),
            Node::Claim { claim, ty } => self.caller.map_or(Value::Null, |caller| {
                claim_value(claim, *ty, caller.identity)
            }),
            Node::Now { at, shift } => at
                .or(self.caller.map(|caller| caller.now))
                .map_or(Value::Null, |now| {
                    Value::Timestamptz(now.shifted(*shift).to_string())
                }),
            Node::Call { function, args, .. } => self.call(*function, args),
            condition => self
                .condition(condition)
                .map_or(Value::Null, Value::Boolean),
        }
    }

    fn condition(&self, node: &Node) -> Option<bool> {
        match node {
            Node::Compare { op, left, right } => {
                compare(&self.value(left), &self.value(right)).map(|order| holds(*op, order))
            }
            Node::Distinct { left, right } => {
                let (left, right) = (self.value(left), self.value(right));
                Some(match (&left, &right) {
                    (Value::Null, Value::Null) => false,
                    // One NULL compares with nothing, so it is not equal either.
                    _ => compare(&left, &right) != Some(Ordering::Equal),
                })
            }
            Node::In { item, list } => {
                let item = self.value(item);
                any(list.iter().map(|other| {
                    compare(&item, &self.value(other)).map(|order| order == Ordering::Equal)
                }))
            }
            Node::InArray { item, array } => match self.value(array) {
                Value::List(items) => {
                    let item = self.value(item);
                    any(items
                        .iter()
                        .map(|other| compare(&item, other).map(|order| order == Ordering::Equal)))
                }
                _ => None,
            },
            Node::Like {
                item,
                pattern,
                case,
            } => match (self.value(item), self.value(pattern)) {
                (Value::Text(text), Value::Text(pattern)) => Some(match case {
                    LetterCase::Matters => like::matches(&text, &pattern),
                    LetterCase::Ignored => {
                        like::matches(&text.to_ascii_lowercase(), &pattern.to_ascii_lowercase())
                    }
                }),
                _ => None,
            },
            Node::Exists { .. } | Node::InQuery { .. } => None,
            Node::IsNull(node) => Some(self.value(node) == Value::Null),
            Node::Is { node, value } => Some(self.truth(node) == Some(*value)),
            Node::Not(node) => self.truth(node).map(|value| !value),
            Node::And(nodes) => {
                any(nodes.iter().map(|node| self.truth(node).map(|v| !v))).map(|v| !v)
            }
            Node::Or(nodes) => any(nodes.iter().map(|node| self.truth(node))),
            Node::Column { .. }
            | Node::Old { .. }
            | Node::Constant { .. }
            | Node::Claim { .. }
            | Node::Now { .. }
            | Node::Call { .. } => self.truth(node),
        }
    }

    fn call(&self, function: Function, args: &[Node]) -> Value {
        let mut values = args.iter().map(|arg| self.value(arg));
        if function == Function::Coalesce {
            return values
                .find(|value| *value != Value::Null)
                .unwrap_or(Value::Null);
        }
        let Some(Value::Text(text)) = values.next() else {
            return Value::Null;
        };
        match function {
            Function::Lower => Value::Text(text.to_ascii_lowercase()),
            Function::Upper => Value::Text(text.to_ascii_uppercase()),
            // Postgres counts characters, not bytes.
            Function::Length => {
                i64::try_from(text.chars().count()).map_or(Value::Null, Value::Integer)
            }
            Function::Coalesce => Value::Null,
        }
    }
}

fn cell(row: &Row, name: &ColumnName, ty: ColumnType) -> Value {
    let value = row.get(name).cloned().unwrap_or(Value::Null);
    value.coerce(ty).unwrap_or(Value::Null)
}

/// Kleene's OR: true if one is, else NULL if one is, else false.
fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}

fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Equal => order.is_eq(),
        CompareOp::NotEqual => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessOrEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterOrEqual => order.is_ge(),
    }
}

/// Orders two values as Postgres does; None where one is NULL (or the two do not compare).
/// Text is ordered by its bytes, as under `COLLATE "C"`.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    Some(match (left, right) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Timestamptz(a), Value::Timestamptz(b)) => {
            Timestamp::parse(a)?.cmp(&Timestamp::parse(b)?)
        }
        (Value::Date(a), Value::Date(b)) => Day::parse(a)?.cmp(&Day::parse(b)?),
        (Value::Time(a), Value::Time(b)) => Clock::parse(a)?.cmp(&Clock::parse(b)?),
        (Value::List(a), Value::List(b)) => compare_items(a, b)?,
        // As in Postgres, a float beside another number makes the comparison one of floats.
        (Value::Float(_), _) | (_, Value::Float(_)) => compare_floats(float(left)?, float(right)?),
        _ => decimal(left)?.cmp(&decimal(right)?),
    })
}

/// Arrays are equal where their items are, and there one NULL equals another.
fn compare_items(a: &[Value], b: &[Value]) -> Option<Ordering> {
    for (left, right) in a.iter().zip(b) {
        let order = match (left, right) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Greater,
            (_, Value::Null) => Ordering::Less,
            (left, right) => compare(left, right)?,
        };
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(a.len().cmp(&b.len()))
}

/// Postgres' order of floats: NaN equals itself and is above everything; the two zeros are equal.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Integer(value) => Some(*value as f64),
        // The checker lets no `numeric` stand beside one.
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(value) => Decimal::parse(&value.to_string()),
        Value::Numeric(text) => Decimal::parse(text),
        _ => None,
    }
}

/// What a claim is for this caller, as a value of type `ty`; NULL where it is missing or does not
/// read as one. Postgres would raise an error for the latter; a policy only has to say no.
fn claim_value(claim: &Claim, ty: ColumnType, identity: &Identity) -> Value {
    match claim {
        Claim::Role => Value::Text(identity.role().as_str().to_owned()),
        Claim::Uid => identity
            .subject()
            .and_then(|subject| Value::parse(subject, ty).ok())
            .unwrap_or(Value::Null),
        Claim::Jwt { path, read } => jwt_value(path, *read, ty, identity).unwrap_or(Value::Null),
    }
}

fn jwt_value(
    path: &[String],
    read: JsonRead,
    ty: ColumnType,
    identity: &Identity,
) -> Option<Value> {
    let Identity::User(user) = identity else {
        return None;
    };
    let Some((first, rest)) = path.split_first() else {
        return Value::Json(Json::Object(user.claims().clone()))
            .coerce(ty)
            .ok();
    };
    let start = user.claims().get(first)?;
    let found = rest
        .iter()
        .try_fold(start, |json, key| json.as_object()?.get(key))?;
    match (read, found) {
        // Each item that does not read as the type is NULL, and equals nothing.
        (JsonRead::Json, Json::Array(items)) if matches!(ty, ColumnType::Array(_)) => Some(
            Value::List(items.iter().map(|item| claim_item(item, ty)).collect()),
        ),
        // As with `->`, a JSON null is a JSON value; only `->>` makes it NULL.
        (JsonRead::Json, json) if ty == ColumnType::Jsonb => {
            Value::Json(json.clone()).coerce(ty).ok()
        }
        // Postgres casts JSON to a type only from the matching kind of JSON.
        (JsonRead::Json, Json::Bool(_) | Json::Number(_)) => {
            Value::from_json(found.clone(), ty).ok()
        }
        (JsonRead::Text, Json::String(text)) => Value::parse(text, ty).ok(),
        (JsonRead::Text, Json::Bool(_) | Json::Number(_)) => {
            Value::parse(&found.to_string(), ty).ok()
        }
        // A list or an object as text has no form that a policy could rely on.
        _ => None,
    }
}

/// One item of a claim that is a list, as an item of an array of type `ty`.
fn claim_item(item: &Json, ty: ColumnType) -> Value {
    let text = match item {
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) => item.to_string(),
        Json::Null | Json::Array(_) | Json::Object(_) => return Value::Null,
    };
    match ty {
        ColumnType::Array(item) => Value::parse(&text, item.into()).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}
