//! Looking at `sqlparser`'s tree without converting it.
//!
//! Nothing here recurses: the tree can be deeper than we accept, and is measured only later.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator};

use super::{Position, calls};

/// The expression inside any number of parentheses.
pub(super) fn unwrapped(mut expr: Expr) -> Expr {
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

/// Whether an expression, without parentheses around it, answers true or false by an operator.
pub(super) fn is_condition(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::PGLikeMatch
                | BinaryOperator::PGNotLikeMatch
                | BinaryOperator::PGILikeMatch
                | BinaryOperator::PGNotILikeMatch
        ),
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
pub(super) fn start(expr: &Expr) -> Option<Position> {
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
