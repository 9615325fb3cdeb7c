//! From `sqlparser`'s tree to ours, one kind of expression at a time.
//!
//! A closed list: what has no arm here is refused. Nothing is guessed: where Postgres and
//! `sqlparser` might group operators differently, parentheses are asked for.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value as Literal, ValueWithSpan};

use super::calls::{self, data_type};
use super::syntax::{Spanned, Syntax};
use super::{ATOMS_MAX, DEPTH_MAX, ParseError, Position, too_deep};
use crate::expr::{CompareOp, LetterCase};

pub(super) fn convert(expr: Expr) -> Result<Spanned, ParseError> {
    Converter {
        depth: 0,
        atoms: 0,
        at: Position::START,
    }
    .convert(expr)
}

pub(super) struct Converter {
    depth: usize,
    atoms: usize,
    /// Where the innermost expression with a known place starts.
    pub(super) at: Position,
}

/// Whether a `NOT` goes around what was read.
#[derive(Clone, Copy)]
enum Sense {
    Plain,
    Negated,
}

impl From<bool> for Sense {
    fn from(negated: bool) -> Self {
        if negated { Self::Negated } else { Self::Plain }
    }
}

impl Converter {
    /// Converts, keeping count of how deep we are; errors name the innermost known place.
    pub(super) fn convert(&mut self, expr: Expr) -> Result<Spanned, ParseError> {
        // Parentheses carry no meaning once read; their depth was bounded with the tokens.
        let expr = unwrapped(expr);
        let outer = self.at;
        self.at = start(&expr).unwrap_or(outer);
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(self.at));
        }
        let converted = self.kind(expr)?;
        self.depth -= 1;
        self.at = outer;
        Ok(converted)
    }

    fn boxed(&mut self, expr: Expr) -> Result<Box<Spanned>, ParseError> {
        self.convert(expr).map(Box::new)
    }

    pub(super) fn all(&mut self, exprs: Vec<Expr>) -> Result<Vec<Spanned>, ParseError> {
        exprs.into_iter().map(|expr| self.convert(expr)).collect()
    }

    pub(super) fn refuse(&self, reason: &str, instead: &str) -> ParseError {
        ParseError::new(self.at, reason).instead(instead)
    }

    fn kind(&mut self, expr: Expr) -> Result<Spanned, ParseError> {
        let at = self.at;
        let found = |syntax| Ok(Spanned::new(at, syntax));
        match expr {
            Expr::Identifier(name) => found(Syntax::Column {
                table: None,
                name: folded(&name),
            }),
            Expr::CompoundIdentifier(parts) => self.qualified(&parts),
            Expr::Value(ValueWithSpan { value, .. }) => found(self.literal(value)?),
            Expr::UnaryOp { op, expr } => self.unary(op, *expr),
            Expr::BinaryOp { left, op, right } => self.binary(*left, op, *right),
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                let item = self.operand(*expr)?;
                let list = self.all(list)?;
                self.atom(Syntax::In { item, list }, negated.into())
            }
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.any_of(*left, &compare_op, *right),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.none_of(*left, &compare_op, *right),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(*expr, negated.into(), (*low, *high)),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(*expr, *pattern, (LetterCase::Matters, negated.into())),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(*expr, *pattern, (LetterCase::Ignored, negated.into())),
            Expr::Like { .. } | Expr::ILike { .. } => Err(self.refuse(
                "this form of like is not in the policy language",
                "write like 'pattern', with \\ before a % or _ that stands for itself",
            )),
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..) => self.is(expr),
            other => calls::convert(self, other),
        }
    }

    /// Something that counts towards the limit of tests.
    fn atom(&mut self, syntax: Syntax, sense: Sense) -> Result<Spanned, ParseError> {
        self.atoms += 1;
        if self.atoms > ATOMS_MAX {
            let reason = format!("the condition holds more than {ATOMS_MAX} tests");
            return Err(ParseError::new(self.at, reason)
                .instead("write in (…) for several values of one column, or several policies"));
        }
        let plain = Spanned::new(self.at, syntax);
        Ok(match sense {
            Sense::Plain => plain,
            Sense::Negated => Spanned::new(self.at, Syntax::Not(Box::new(plain))),
        })
    }

    /// A side of a comparison. A condition there needs parentheses: Postgres refuses most chains,
    /// and the ones it takes, few people read the same way.
    fn operand(&mut self, expr: Expr) -> Result<Box<Spanned>, ParseError> {
        if is_condition(&expr) {
            self.at = start(&expr).unwrap_or(self.at);
            return Err(self.refuse(
                "a condition stands bare inside another",
                "put the inner one in parentheses",
            ));
        }
        self.boxed(expr)
    }

    fn qualified(&self, parts: &[Ident]) -> Result<Spanned, ParseError> {
        match parts {
            [table, name] => Ok(Spanned::new(
                self.at,
                Syntax::Column {
                    table: Some(folded(table)),
                    name: folded(name),
                },
            )),
            _ => Err(self.refuse(
                "a column's name has at most a table's name before it",
                "write the column's name alone",
            )),
        }
    }

    pub(super) fn literal(&self, literal: Literal) -> Result<Syntax, ParseError> {
        match literal {
            Literal::SingleQuotedString(text) => Ok(Syntax::Text(text)),
            Literal::Number(digits, _) => Ok(Syntax::Number(digits)),
            Literal::Boolean(value) => Ok(Syntax::Boolean(value)),
            Literal::Null => Ok(Syntax::Null),
            Literal::Placeholder(name) => name
                .strip_prefix('$')
                .and_then(|n| n.parse().ok())
                .filter(|n| *n > 0)
                .map(Syntax::Parameter)
                .ok_or_else(|| self.refuse("this is not a parameter", "write $1, $2, …")),
            _ => Err(self.refuse(
                "this kind of literal is not in the policy language",
                "write 'text', a number, true, false or null",
            )),
        }
    }

    fn unary(&mut self, op: UnaryOperator, expr: Expr) -> Result<Spanned, ParseError> {
        let at = self.at;
        match (op, expr) {
            (UnaryOperator::Not, expr) => Ok(Spanned::new(at, Syntax::Not(self.boxed(expr)?))),
            (
                UnaryOperator::Minus,
                Expr::Value(ValueWithSpan {
                    value: Literal::Number(digits, _),
                    ..
                }),
            ) => Ok(Spanned::new(at, Syntax::Number(format!("-{digits}")))),
            _ => Err(self.refuse(
                "policies do not calculate",
                "store the result in a column, or compare with a literal",
            )),
        }
    }

    fn binary(
        &mut self,
        left: Expr,
        op: BinaryOperator,
        right: Expr,
    ) -> Result<Spanned, ParseError> {
        let compare = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.junction(left, &op, right),
            BinaryOperator::Eq => CompareOp::Equal,
            BinaryOperator::NotEq => CompareOp::NotEqual,
            BinaryOperator::Lt => CompareOp::Less,
            BinaryOperator::LtEq => CompareOp::LessOrEqual,
            BinaryOperator::Gt => CompareOp::Greater,
            BinaryOperator::GtEq => CompareOp::GreaterOrEqual,
            // What Postgres prints for LIKE when it is asked for a stored policy.
            BinaryOperator::PGLikeMatch => return self.like(left, right, MATCHES),
            BinaryOperator::PGNotLikeMatch => return self.like(left, right, DOES_NOT_MATCH),
            BinaryOperator::PGILikeMatch => return self.like(left, right, MATCHES_ANY_CASE),
            BinaryOperator::PGNotILikeMatch => {
                return self.like(left, right, DOES_NOT_MATCH_ANY_CASE);
            }
            BinaryOperator::Arrow | BinaryOperator::LongArrow => {
                return calls::path(self, left, &op, right);
            }
            BinaryOperator::Minus => {
                return Err(self.refuse(
                    "policies do not calculate: -",
                    "store the result in a column, or compare with a literal",
                ));
            }
            op => {
                let reason = format!("the operator {op} is not in the policy language");
                return Err(self.refuse(&reason, "write =, <>, <, <=, >, >=, in, like or is"));
            }
        };
        let left = self.operand(left)?;
        let right = self.operand(right)?;
        self.atom(
            Syntax::Compare {
                op: compare,
                left,
                right,
            },
            Sense::Plain,
        )
    }

    /// AND and OR, however many: the parser nests a chain to the left by one level for each link,
    /// so it is walked, not recursed into.
    fn junction(
        &mut self,
        left: Expr,
        op: &BinaryOperator,
        right: Expr,
    ) -> Result<Spanned, ParseError> {
        let at = self.at;
        let mut reversed = vec![right];
        let mut rest = left;
        loop {
            match rest {
                Expr::BinaryOp {
                    left,
                    op: next,
                    right,
                } if next == *op => {
                    reversed.push(*right);
                    rest = *left;
                }
                first => {
                    reversed.push(first);
                    break;
                }
            }
        }
        reversed.reverse();
        let parts = self.all(reversed)?;
        let syntax = if *op == BinaryOperator::And {
            Syntax::And(parts)
        } else {
            Syntax::Or(parts)
        };
        Ok(Spanned::new(at, syntax))
    }

    fn like(
        &mut self,
        item: Expr,
        pattern: Expr,
        how: (LetterCase, Sense),
    ) -> Result<Spanned, ParseError> {
        let item = self.operand(item)?;
        let pattern = self.operand(pattern)?;
        self.atom(
            Syntax::Like {
                item,
                pattern,
                case: how.0,
            },
            how.1,
        )
    }

    fn between(
        &mut self,
        item: Expr,
        sense: Sense,
        (low, high): (Expr, Expr),
    ) -> Result<Spanned, ParseError> {
        let at = self.at;
        let item = self.operand(item)?;
        let (low, high) = (self.operand(low)?, self.operand(high)?);
        let compare = |op, right| Syntax::Compare {
            op,
            left: item.clone(),
            right,
        };
        let from = self.atom(compare(CompareOp::GreaterOrEqual, low), Sense::Plain)?;
        let to = self.atom(compare(CompareOp::LessOrEqual, high), Sense::Plain)?;
        let both = Spanned::new(at, Syntax::And(vec![from, to]));
        Ok(match sense {
            Sense::Plain => both,
            Sense::Negated => Spanned::new(at, Syntax::Not(Box::new(both))),
        })
    }

    fn any_of(
        &mut self,
        left: Expr,
        op: &BinaryOperator,
        right: Expr,
    ) -> Result<Spanned, ParseError> {
        if *op != BinaryOperator::Eq {
            return Err(self.refuse("any goes with = only", "write a = any (…), or in (…)"));
        }
        let list = self.list(left, right)?;
        self.atom(list, Sense::Plain)
    }

    fn none_of(
        &mut self,
        left: Expr,
        op: &BinaryOperator,
        right: Expr,
    ) -> Result<Spanned, ParseError> {
        if *op != BinaryOperator::NotEq {
            return Err(self.refuse("all goes with <> only", "write a <> all (…), or not in (…)"));
        }
        let list = self.list(left, right)?;
        self.atom(list, Sense::Negated)
    }

    /// The list of `= ANY (…)`: a parameter, or an array written out, with or without a cast of
    /// the whole, which is how Postgres prints one.
    fn list(&mut self, item: Expr, list: Expr) -> Result<Syntax, ParseError> {
        let item = self.operand(item)?;
        let mut list = unwrapped(list);
        if let Expr::Cast { expr, .. } = list {
            list = unwrapped(*expr);
        }
        match list {
            Expr::Array(array) => Ok(Syntax::In {
                item,
                list: self.all(array.elem)?,
            }),
            Expr::Value(ValueWithSpan { value, .. }) => match self.literal(value)? {
                Syntax::Parameter(parameter) => Ok(Syntax::InParameter { item, parameter }),
                _ => Err(self.refuse(
                    "any needs a list",
                    "write array['a', 'b'], or in ('a', 'b')",
                )),
            },
            _ => Err(self.refuse(
                "any and all take a written list or a parameter",
                "write array['a', 'b'] or $1",
            )),
        }
    }

    fn is(&mut self, expr: Expr) -> Result<Spanned, ParseError> {
        let truth = |inner, value| Syntax::Is { inner, value };
        let (syntax, sense) = match expr {
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => {
                (Syntax::IsNull(self.operand(*inner)?), Sense::Plain)
            }
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => {
                (Syntax::IsNull(self.operand(*inner)?), Sense::Negated)
            }
            Expr::IsTrue(inner) => (truth(self.operand(*inner)?, true), Sense::Plain),
            Expr::IsNotTrue(inner) => (truth(self.operand(*inner)?, true), Sense::Negated),
            Expr::IsFalse(inner) => (truth(self.operand(*inner)?, false), Sense::Plain),
            Expr::IsNotFalse(inner) => (truth(self.operand(*inner)?, false), Sense::Negated),
            Expr::IsDistinctFrom(left, right) => (self.distinct(*left, *right)?, Sense::Plain),
            Expr::IsNotDistinctFrom(left, right) => (self.distinct(*left, *right)?, Sense::Negated),
            other => return calls::convert(self, other),
        };
        self.atom(syntax, sense)
    }

    fn distinct(&mut self, left: Expr, right: Expr) -> Result<Syntax, ParseError> {
        Ok(Syntax::Distinct {
            left: self.operand(left)?,
            right: self.operand(right)?,
        })
    }

    pub(super) fn cast(
        &mut self,
        inner: Expr,
        ty: &sqlparser::ast::DataType,
    ) -> Result<Spanned, ParseError> {
        let at = self.at;
        let ty = data_type(ty).ok_or_else(|| {
            self.refuse(
                "a cast to this type is not in the policy language",
                "write ::uuid, ::text, ::int, ::bigint, ::numeric, ::boolean, ::timestamptz or ::date",
            )
        })?;
        let inner = self.operand(inner)?;
        Ok(Spanned::new(at, Syntax::Cast { inner, ty }))
    }
}

const MATCHES: (LetterCase, Sense) = (LetterCase::Matters, Sense::Plain);
const DOES_NOT_MATCH: (LetterCase, Sense) = (LetterCase::Matters, Sense::Negated);
const MATCHES_ANY_CASE: (LetterCase, Sense) = (LetterCase::Ignored, Sense::Plain);
const DOES_NOT_MATCH_ANY_CASE: (LetterCase, Sense) = (LetterCase::Ignored, Sense::Negated);

fn unwrapped(mut expr: Expr) -> Expr {
    while let Expr::Nested(inner) = expr {
        expr = *inner;
    }
    expr
}

/// As in Postgres, a name without quotes is folded to lower case.
pub(super) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

fn is_condition(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => {
            !matches!(op, BinaryOperator::Arrow | BinaryOperator::LongArrow)
        }
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Not),
        Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..) => true,
        _ => false,
    }
}

/// Where an expression starts, found by going down its left side. `sqlparser` knows the spans of
/// names and values only, and its own search recurses as deep as the text nests.
fn start(expr: &Expr) -> Option<Position> {
    let mut expr = expr;
    loop {
        expr = match expr {
            Expr::Identifier(name) => return Position::from_location(name.span.start),
            Expr::CompoundIdentifier(parts) => {
                return Position::from_location(parts.first()?.span.start);
            }
            Expr::Value(value) => return Position::from_location(value.span.start),
            Expr::TypedString(typed) => return Position::from_location(typed.value.span.start),
            Expr::Function(call) => return calls::start(call),
            Expr::BinaryOp { left: next, .. }
            | Expr::AnyOp { left: next, .. }
            | Expr::AllOp { left: next, .. }
            | Expr::UnaryOp { expr: next, .. }
            | Expr::Cast { expr: next, .. }
            | Expr::InList { expr: next, .. }
            | Expr::InSubquery { expr: next, .. }
            | Expr::Between { expr: next, .. }
            | Expr::Like { expr: next, .. }
            | Expr::ILike { expr: next, .. }
            | Expr::Collate { expr: next, .. }
            | Expr::AtTimeZone {
                timestamp: next, ..
            }
            | Expr::Nested(next)
            | Expr::IsNull(next)
            | Expr::IsNotNull(next)
            | Expr::IsUnknown(next)
            | Expr::IsNotUnknown(next)
            | Expr::IsTrue(next)
            | Expr::IsNotTrue(next)
            | Expr::IsFalse(next)
            | Expr::IsNotFalse(next)
            | Expr::IsDistinctFrom(next, _)
            | Expr::IsNotDistinctFrom(next, _) => next,
            _ => return None,
        };
    }
}
