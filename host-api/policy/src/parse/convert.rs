//! From `sqlparser`'s tree to ours, one kind of expression at a time.
//!
//! A closed list: what has no arm here is refused. Nothing is guessed: where Postgres and
//! `sqlparser` might group operators differently, parentheses are asked for.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value as Literal, ValueWithSpan};

use super::calls::{self, data_type};
use super::interval;
use super::predicates::{
    DOES_NOT_MATCH, DOES_NOT_MATCH_ANY_CASE, MATCHES, MATCHES_ANY_CASE, Sense,
};
use super::syntax::{Spanned, Syntax};
use super::tree::{folded, is_condition, start, unwrapped};
use super::{ATOMS_MAX, DEPTH_MAX, ParseError, Position, too_deep};
use crate::expr::CompareOp;

/// `operators`: where the text calculates, in order.
pub(super) fn convert(expr: Expr, operators: Vec<Position>) -> Result<Spanned, ParseError> {
    Converter {
        depth: 0,
        atoms: 0,
        at: Position::START,
        operators,
    }
    .convert(expr)
}

pub(super) struct Converter {
    depth: usize,
    atoms: usize,
    /// Where the innermost expression with a known place starts.
    pub(super) at: Position,
    /// The operators that calculate: the parser's tree does not say where they stand.
    operators: Vec<Position>,
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
            other => self.predicate(other),
        }
    }

    /// Something that counts towards the limit of tests.
    pub(super) fn atom(&mut self, syntax: Syntax, sense: Sense) -> Result<Spanned, ParseError> {
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
    pub(super) fn operand(&mut self, expr: Expr) -> Result<Box<Spanned>, ParseError> {
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
            BinaryOperator::Minus | BinaryOperator::Plus => {
                return interval::shifted_now(self, left, &op, right);
            }
            BinaryOperator::Multiply => return Err(self.calculation(&op, &right)),
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

    /// The refusal of an operator that calculates, at its place: the last one before its right side,
    /// or the first one from here on.
    pub(super) fn calculation(&self, op: &BinaryOperator, right: &Expr) -> ParseError {
        let place = match start(right) {
            Some(right) => self.operators.iter().rfind(|at| **at < right),
            None => self.operators.iter().find(|at| **at >= self.at),
        };
        let reason = format!("policies do not calculate: {op}");
        ParseError::new(place.copied().unwrap_or(self.at), reason).instead(
            "store the result in a column, or compare with a literal or with now() - interval '…'",
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

    pub(super) fn cast(
        &mut self,
        inner: Expr,
        ty: &sqlparser::ast::DataType,
    ) -> Result<Spanned, ParseError> {
        let at = self.at;
        let ty = data_type(ty).ok_or_else(|| {
            self.refuse(
                "a cast to this type is not in the policy language",
                "write ::uuid, ::text, ::int, ::bigint, ::numeric, ::boolean, ::timestamptz, ::date or ::time",
            )
        })?;
        let inner = self.operand(inner)?;
        Ok(Spanned::new(at, Syntax::Cast { inner, ty }))
    }
}
