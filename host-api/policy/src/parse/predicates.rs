//! The tests of the language beyond plain comparison: `in`, `any`, `like`, `between`, `is`.
//!
//! Each becomes one of a few forms of our own syntax, with a `not` around it where it was negated.

use sqlparser::ast::{BinaryOperator, Expr, ValueWithSpan};

use super::ParseError;
use super::calls;
use super::convert::Converter;
use super::subquery::array_query;
use super::syntax::{Spanned, Syntax};
use super::tree::unwrapped;
use crate::expr::{CompareOp, LetterCase};

/// Whether a `NOT` goes around what was read.
#[derive(Clone, Copy)]
pub(super) enum Sense {
    Plain,
    Negated,
}

impl From<bool> for Sense {
    fn from(negated: bool) -> Self {
        if negated { Self::Negated } else { Self::Plain }
    }
}

pub(super) const MATCHES: (LetterCase, Sense) = (LetterCase::Matters, Sense::Plain);
pub(super) const DOES_NOT_MATCH: (LetterCase, Sense) = (LetterCase::Matters, Sense::Negated);
pub(super) const MATCHES_ANY_CASE: (LetterCase, Sense) = (LetterCase::Ignored, Sense::Plain);
pub(super) const DOES_NOT_MATCH_ANY_CASE: (LetterCase, Sense) =
    (LetterCase::Ignored, Sense::Negated);

impl Converter {
    /// One of the tests; what is none of them is handed on.
    pub(super) fn predicate(&mut self, expr: Expr) -> Result<Spanned, ParseError> {
        match expr {
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                let item = self.operand(*expr)?;
                let list = self.all(list)?;
                self.atom(Syntax::In { item, list }, negated.into())
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let test = self.in_query(*expr, *subquery)?;
                self.atom(test, negated.into())
            }
            Expr::Exists { subquery, negated } => {
                let test = self.exists(*subquery)?;
                self.atom(test, negated.into())
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
            other => self.is(other),
        }
    }

    pub(super) fn like(
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
        // `array(select …)` is a call with a query in its place.
        if let Some(query) = array_query(&list) {
            return self.in_query_of(item, query);
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
            Expr::Subquery(query) => self.in_query_of(item, *query),
            array @ (Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::BinaryOp { .. }
            | Expr::Function(_)) => {
                let array = self.operand(array)?;
                Ok(Syntax::InArray { item, array })
            }
            _ => Err(self.refuse(
                "any and all take a list, a column that holds one, or a parameter",
                "write array['a', 'b'], or in (select c from t where …)",
            )),
        }
    }

    /// The `is` family; what is none of it is a call, a cast or refused.
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
}
