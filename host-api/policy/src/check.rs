//! From what was written to what it means: names are looked up, types decided, literals read.
//!
//! The rules are Postgres' own, minus every conversion that could fail on some row. A quoted
//! literal, a parameter, NULL and `auth.uid()` have no type of their own: they take the type of
//! what they stand beside. Everything else must agree as it is.

mod names;

use crate::expr::{Claim, Expr, Function, Node};
use crate::like;
use crate::parse::{ParseError, Position, Spanned, Syntax};
use crate::permit::Permit;
use crate::shape::{ColumnType, TableShape};
use crate::value::{Value, ValueError};

/// Checks the condition of one policy or filter.
pub(crate) struct Checker<'a> {
    shape: &'a TableShape,
    audience: Audience<'a>,
}

/// Whose text it is: a policy sees every column and has no parameters.
enum Audience<'a> {
    Policy,
    Filter {
        permit: &'a Permit,
        params: &'a [Value],
    },
}

type Checked = Result<Node, ParseError>;

impl<'a> Checker<'a> {
    /// For a policy on a table.
    pub(crate) fn for_policy(shape: &'a TableShape) -> Self {
        Self {
            shape,
            audience: Audience::Policy,
        }
    }

    /// For a guest's filter on the permit's table.
    pub(crate) fn for_filter(permit: &'a Permit, params: &'a [Value]) -> Self {
        Self {
            shape: permit.table(),
            audience: Audience::Filter { permit, params },
        }
    }

    /// Checks a whole condition.
    pub(crate) fn check(&self, syntax: &Spanned) -> Result<Expr, ParseError> {
        self.condition(syntax).map(Expr)
    }

    fn condition(&self, spanned: &Spanned) -> Checked {
        let node = self.operand(spanned, Some(ColumnType::Boolean))?;
        if node.ty() == ColumnType::Boolean {
            return Ok(node);
        }
        let reason = format!("a condition is needed here, found {}", node.ty());
        Err(ParseError::new(spanned.at, reason).instead("compare it with something"))
    }

    fn boxed_condition(&self, spanned: &Spanned) -> Result<Box<Node>, ParseError> {
        self.condition(spanned).map(Box::new)
    }

    fn conditions(&self, all: &[Spanned]) -> Result<Vec<Node>, ParseError> {
        all.iter().map(|one| self.condition(one)).collect()
    }

    /// Checks something that stands beside a value of type `hint`. What has no type of its own
    /// takes that one; the rest is not changed by it.
    fn operand(&self, spanned: &Spanned, hint: Option<ColumnType>) -> Checked {
        let at = spanned.at;
        Ok(match &spanned.syntax {
            Syntax::Column { table, name } => self.column(at, table.as_deref(), name)?,
            Syntax::Text(_)
            | Syntax::Number(_)
            | Syntax::Boolean(_)
            | Syntax::Null
            | Syntax::Parameter(_) => {
                let value = self.loose_value(spanned)?;
                constant(at, value, hint)?
            }
            Syntax::Uid => {
                let ty = if hint == Some(ColumnType::Uuid) {
                    ColumnType::Uuid
                } else {
                    ColumnType::Text
                };
                Node::Claim {
                    claim: Claim::Uid,
                    ty,
                }
            }
            Syntax::Role => Node::Claim {
                claim: Claim::Role,
                ty: ColumnType::Text,
            },
            Syntax::Jwt { path, read } => {
                let ty = match read {
                    crate::expr::JsonRead::Text => ColumnType::Text,
                    crate::expr::JsonRead::Json => ColumnType::Jsonb,
                };
                Node::Claim {
                    claim: Claim::Jwt {
                        path: path.clone(),
                        read: *read,
                    },
                    ty,
                }
            }
            Syntax::Now => Node::Now { at: None },
            Syntax::Cast { inner, ty } => self.cast(at, inner, *ty)?,
            Syntax::Call { function, args } => self.call(*function, args, hint)?,
            Syntax::Compare { op, left, right } => {
                let (left, right) = self.pair(left, right)?;
                Node::Compare {
                    op: *op,
                    left,
                    right,
                }
            }
            Syntax::Distinct { left, right } => {
                let (left, right) = self.pair(left, right)?;
                Node::Distinct { left, right }
            }
            Syntax::In { item, list } => {
                let mut nodes =
                    self.agreeing(&std::iter::once(&**item).chain(list).collect::<Vec<_>>())?;
                let list = nodes.split_off(1);
                Node::In {
                    item: Box::new(nodes.pop().unwrap_or(Node::NULL)),
                    list,
                }
            }
            Syntax::InParameter { item, parameter } => self.in_parameter(at, item, *parameter)?,
            Syntax::Like {
                item,
                pattern,
                case,
            } => self.like(item, pattern, *case)?,
            Syntax::IsNull(inner) => Node::IsNull(Box::new(self.operand(inner, None)?)),
            Syntax::Is { inner, value } => Node::Is {
                node: self.boxed_condition(inner)?,
                value: *value,
            },
            Syntax::Not(inner) => Node::Not(self.boxed_condition(inner)?),
            Syntax::And(parts) => Node::And(self.conditions(parts)?),
            Syntax::Or(parts) => Node::Or(self.conditions(parts)?),
        })
    }

    /// The value of something without a type of its own.
    fn loose_value(&self, spanned: &Spanned) -> Result<Value, ParseError> {
        Ok(match &spanned.syntax {
            Syntax::Text(text) => Value::Text(text.clone()),
            Syntax::Number(digits) => number(spanned.at, digits)?,
            Syntax::Boolean(value) => Value::Boolean(*value),
            Syntax::Parameter(n) => self.parameter(spanned.at, *n)?.clone(),
            _ => Value::Null,
        })
    }

    fn pair(&self, left: &Spanned, right: &Spanned) -> Result<(Box<Node>, Box<Node>), ParseError> {
        let mut both = self.agreeing(&[left, right])?.into_iter().map(Box::new);
        let null = || Box::new(Node::NULL);
        Ok((
            both.next().unwrap_or_else(null),
            both.next().unwrap_or_else(null),
        ))
    }

    /// Checks operands that are compared with one another: those without a type take that of the
    /// first with one, and then all must compare.
    fn agreeing(&self, operands: &[&Spanned]) -> Result<Vec<Node>, ParseError> {
        let mut typed = None;
        for operand in operands.iter().filter(|operand| !is_loose(operand)) {
            let ty = self.operand(operand, None)?.ty();
            // Among numbers the widest decides, so that 1.5 beside a double is a double.
            typed = Some(match typed {
                Some(known @ (ColumnType::Double | ColumnType::Numeric)) => known,
                Some(known) if !ty.is_number() => known,
                _ => ty,
            });
        }
        let hint = match typed {
            Some(ty) => ty,
            None => self.natural_type(operands)?,
        };
        let nodes = operands
            .iter()
            .map(|operand| self.operand(operand, Some(hint)));
        let nodes: Vec<Node> = nodes.collect::<Result<_, _>>()?;
        for (operand, node) in operands.iter().zip(&nodes) {
            for other in &nodes {
                comparable(operand.at, node.ty(), other.ty())?;
            }
        }
        Ok(nodes)
    }

    /// The type for operands none of which has one: that of the first value which is not text,
    /// else uuid where `auth.uid()` stands beside texts that are uuids, else text.
    fn natural_type(&self, operands: &[&Spanned]) -> Result<ColumnType, ParseError> {
        let is_uid = |operand: &&Spanned| operand.syntax == Syntax::Uid;
        let has_uid = operands.iter().any(is_uid);
        let mut all_uuids = true;
        for operand in operands.iter().filter(|operand| !is_uid(operand)) {
            match self.loose_value(operand)? {
                Value::Null => {}
                Value::Text(text) => all_uuids &= uuid::Uuid::try_parse(&text).is_ok(),
                value => return Ok(value.natural_type()),
            }
        }
        Ok(if has_uid && all_uuids && operands.len() > 1 {
            ColumnType::Uuid
        } else {
            ColumnType::Text
        })
    }

    fn in_parameter(&self, at: Position, item: &Spanned, parameter: usize) -> Checked {
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

    fn like(&self, item: &Spanned, pattern: &Spanned, case: crate::expr::LetterCase) -> Checked {
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

    fn call(&self, function: Function, args: &[Spanned], hint: Option<ColumnType>) -> Checked {
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
    fn cast(&self, at: Position, inner: &Spanned, ty: ColumnType) -> Checked {
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

fn is_loose(spanned: &Spanned) -> bool {
    matches!(
        spanned.syntax,
        Syntax::Text(_)
            | Syntax::Number(_)
            | Syntax::Boolean(_)
            | Syntax::Null
            | Syntax::Parameter(_)
            | Syntax::Uid
    )
}

fn claim_casts(from: ColumnType, to: ColumnType) -> bool {
    match from {
        ColumnType::Text => true,
        ColumnType::Jsonb => to.is_number() || to == ColumnType::Boolean,
        _ => false,
    }
}

fn number(at: Position, digits: &str) -> Result<Value, ParseError> {
    digits
        .parse()
        .map(Value::Integer)
        .or_else(|_| Value::parse(digits, ColumnType::Numeric))
        .map_err(|_| {
            ParseError::new(at, "this number is not in the policy language")
                .instead("write digits, as in 12.34")
        })
}

/// A constant in the form that goes with `hint`.
fn constant(at: Position, value: Value, hint: Option<ColumnType>) -> Checked {
    let natural = value.natural_type();
    let ty = match (&value, hint.unwrap_or(natural)) {
        (Value::Null, ty) => ty,
        // A literal may lie outside a narrow column's range and still be compared with it.
        (_, ColumnType::Integer) => ColumnType::Bigint,
        (_, ty) => ty,
    };
    if let (Value::Numeric(_) | Value::Float(_), ColumnType::Bigint) = (&value, ty) {
        // 1.5 beside an integer stays what it is: Postgres compares the two exactly.
        return Ok(match value.clone().coerce(ty) {
            Ok(value) => Node::Constant { value, ty },
            Err(_) => Node::Constant { value, ty: natural },
        });
    }
    let value = value.coerce(ty).map_err(|error| misfit(at, &error))?;
    Ok(Node::Constant { value, ty })
}

fn misfit(at: Position, error: &ValueError) -> ParseError {
    ParseError::new(at, error.to_string())
}

fn json_items(at: Position, items: &[serde_json::Value]) -> Result<Vec<Value>, ParseError> {
    let read = |item: &serde_json::Value| match item {
        serde_json::Value::Null => Ok(Value::Null),
        serde_json::Value::Bool(value) => Ok(Value::Boolean(*value)),
        serde_json::Value::String(text) => Ok(Value::Text(text.clone())),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Value::Integer(integer)),
            (None, Some(float)) => Ok(Value::Float(float)),
            (None, None) => Err(ParseError::new(at, "a number of the list is out of range")),
        },
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(ParseError::new(at, "the list holds lists or objects").instead("send plain values"))
        }
    };
    items.iter().map(read).collect()
}

fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    let rank = |ty| match ty {
        ColumnType::Double => 3,
        ColumnType::Numeric => 2,
        ColumnType::Bigint => 1,
        _ => 0,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Whether two types compare, without a conversion that could fail.
fn comparable(at: Position, a: ColumnType, b: ColumnType) -> Result<(), ParseError> {
    let refused = |reason: String, instead: &str| Err(ParseError::new(at, reason).instead(instead));
    match (a, b) {
        (ColumnType::Jsonb, _) | (_, ColumnType::Jsonb) => refused(
            "JSON does not compare".to_owned(),
            "read a claim as text with ->>; give what a policy needs a column of its own",
        ),
        (ColumnType::Numeric, ColumnType::Double) | (ColumnType::Double, ColumnType::Numeric) => {
            refused(
                "numeric and double precision do not compare: the conversion could overflow"
                    .to_owned(),
                "give the columns one type",
            )
        }
        (a, b) if a == b || (a.is_number() && b.is_number()) => Ok(()),
        (ColumnType::Uuid, ColumnType::Text) | (ColumnType::Text, ColumnType::Uuid) => refused(
            "uuid and text do not compare".to_owned(),
            "cast the claim, as in (auth.jwt() ->> 'claim')::uuid",
        ),
        (a, b) => refused(
            format!("{a} and {b} do not compare"),
            "give both sides one type, as in '…'::date",
        ),
    }
}

#[cfg(test)]
mod tests;
