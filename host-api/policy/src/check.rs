//! From what was written to what it means: names are looked up, types decided, literals read.
//!
//! The rules are Postgres' own, minus every conversion that could fail on some row. A quoted
//! literal, a parameter, NULL and `auth.uid()` have no type of their own: they take the type of
//! what they stand beside. Everything else must agree as it is.

mod arrays;
mod calls;
mod lists;
mod names;
mod presets;
mod subquery;
mod types;
mod values;

use self::types::{comparable, constant, number, ordered, wider};
use crate::expr::{Claim, Expr, JsonRead, Node};
use crate::parse::{ParseError, Spanned, Syntax};
use crate::permit::Permit;
use crate::policy::Claims;
use crate::shape::TableShape;
use crate::types::ColumnType;
use crate::value::Value;

/// Checks the condition of one policy or filter.
pub(crate) struct Checker<'a> {
    /// The tables whose rows can be named here, outermost first.
    scopes: Vec<Scope<'a>>,
    /// The tables of the project.
    tables: &'a [TableShape],
    audience: Audience<'a>,
}

/// What a policy may speak of besides its own table.
#[derive(Clone, Copy)]
pub(crate) struct Project<'a> {
    pub(crate) tables: &'a [TableShape],
    pub(crate) claims: &'a Claims,
}

/// What `old.` means in a policy's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldRow {
    /// The row before the update: in a check of a policy that is not for insert.
    Seen,
    /// Nothing that the plain column is not: `using` tests rows as they are.
    IsUsing,
    /// Nothing: the policy is for insert too.
    IsMissing,
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

/// Whose text it is: a policy sees every column and has no parameters, a preset sees no column.
#[derive(Clone, Copy)]
enum Audience<'a> {
    Policy {
        old: OldRow,
        claims: &'a Claims,
    },
    Preset {
        claims: &'a Claims,
    },
    Filter {
        permit: &'a Permit,
        params: &'a [Value],
    },
}

type Checked = Result<Node, ParseError>;

impl<'a> Checker<'a> {
    /// For a policy on one of a project's tables.
    pub(crate) fn for_policy(shape: &'a TableShape, project: Project<'a>, old: OldRow) -> Self {
        Self {
            scopes: vec![Scope::of(shape)],
            tables: project.tables,
            audience: Audience::Policy {
                old,
                claims: project.claims,
            },
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
                self.declared(at, path)?;
                Node::Claim {
                    claim: Claim::Jwt {
                        path: path.clone(),
                        read: *read,
                    },
                    ty,
                }
            }
            Syntax::Now { shift } => Node::Now {
                at: None,
                shift: *shift,
            },
            Syntax::Array(items) => self.array(at, items, hint)?,
            Syntax::Cast { inner, ty } => self.cast(at, inner, *ty)?,
            Syntax::Call { function, args } => self.call(*function, args, hint)?,
            _ => self.test(spanned)?,
        })
    }

    /// Checks what answers true or false.
    fn test(&self, spanned: &Spanned) -> Checked {
        Ok(match &spanned.syntax {
            Syntax::Compare { op, left, right } => {
                let at = left.at;
                let (left, right) = self.pair(left, right)?;
                ordered(at, *op, left.ty())?;
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
            Syntax::InArray { item, array } => self.in_array(item, array)?,
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
        let mut typed: Option<ColumnType> = None;
        for operand in operands.iter().filter(|operand| !is_loose(operand)) {
            let ty = self.operand(operand, None)?.ty();
            comparable(operand.at, ty, ty)?;
            // Among numbers the widest decides, so that 1.5 beside a double is a double.
            typed = Some(match typed {
                Some(known) if known != ty && known.is_number() && ty.is_number() => {
                    match wider(known, ty) {
                        // Beside other numbers it is compared as one of 64 bits.
                        ColumnType::Real => ColumnType::Double,
                        wide => wide,
                    }
                }
                Some(known) => known,
                None => ty,
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
        self.listed(operands, &nodes)?;
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
