//! From what was written to what it means: names are looked up, types decided, literals read.
//!
//! The rules are Postgres' own, minus every conversion that could fail on some row. A quoted
//! literal, a parameter, NULL and `auth.uid()` have no type of their own: they take the type of
//! what they stand beside. Everything else must agree as it is.

mod lists;
mod names;
mod subquery;
mod types;

use self::types::{claim_casts, comparable, constant, misfit, number, wider};
use crate::expr::{Claim, Expr, Function, JsonRead, LetterCase, Node};
use crate::like;
use crate::parse::{ParseError, Position, Spanned, Syntax};
use crate::permit::Permit;
use crate::shape::{ColumnType, TableShape};
use crate::value::Value;

/// Checks the condition of one policy or filter.
pub(crate) struct Checker<'a> {
    /// The tables whose rows can be named here, outermost first.
    scopes: Vec<Scope<'a>>,
    /// The tables of the project.
    tables: &'a [TableShape],
    audience: Audience<'a>,
}

/// A table and what it is called here.
#[derive(Clone, Copy)]
struct Scope<'a> {
    shape: &'a TableShape,
    name: &'a str,
}

impl<'a> Scope<'a> {
    fn of(shape: &'a TableShape) -> Self {
        Self {
            shape,
            name: shape.name.as_str(),
        }
    }
}

/// Whose text it is: a policy sees every column and has no parameters.
#[derive(Clone, Copy)]
enum Audience<'a> {
    Policy,
    Filter {
        permit: &'a Permit,
        params: &'a [Value],
    },
}

type Checked = Result<Node, ParseError>;

impl<'a> Checker<'a> {
    /// For a policy on one of a project's tables.
    pub(crate) fn for_policy(shape: &'a TableShape, tables: &'a [TableShape]) -> Self {
        Self {
            scopes: vec![Scope::of(shape)],
            tables,
            audience: Audience::Policy,
        }
    }

    /// For a guest's filter on the permit's table.
    pub(crate) fn for_filter(permit: &'a Permit, params: &'a [Value]) -> Self {
        let scopes = vec![Scope::of(permit.table())];
        Self {
            scopes,
            tables: &[],
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
            | Syntax::Parameter(_) => constant(at, self.loose_value(spanned)?, hint)?,
            Syntax::Uid => match hint {
                Some(ty @ ColumnType::Uuid) => Node::Claim {
                    claim: Claim::Uid,
                    ty,
                },
                _ => Node::Claim {
                    claim: Claim::Uid,
                    ty: ColumnType::Text,
                },
            },
            Syntax::Role => Node::Claim {
                claim: Claim::Role,
                ty: ColumnType::Text,
            },
            Syntax::Jwt { path, read } => {
                let ty = match read {
                    JsonRead::Text => ColumnType::Text,
                    JsonRead::Json => ColumnType::Jsonb,
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
            _ => self.test(spanned)?,
        })
    }

    /// Checks what answers true or false.
    fn test(&self, spanned: &Spanned) -> Checked {
        Ok(match &spanned.syntax {
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
                let together: Vec<_> = std::iter::once(&**item).chain(list).collect();
                let mut nodes = self.agreeing(&together)?;
                let list = nodes.split_off(1);
                Node::In {
                    item: Box::new(nodes.pop().unwrap_or(Node::NULL)),
                    list,
                }
            }
            Syntax::InParameter { item, parameter } => {
                self.in_parameter(spanned.at, item, *parameter)?
            }
            Syntax::Exists(query) => self.exists(query)?,
            Syntax::InQuery {
                item,
                output,
                query,
            } => self.in_query(item, output, query)?,
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
            // Every other kind has its arm in `operand`.
            _ => return Err(ParseError::new(spanned.at, "a condition is needed here")),
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
            comparable(operand.at, ty, ty)?;
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

    fn like(&self, item: &Spanned, pattern: &Spanned, case: LetterCase) -> Checked {
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
