//! Function calls, claims, paths into them, casts; and the refusals with the most to say.
//!
//! Functions are a closed list. Whatever a Supabase policy commonly calls that is not on it gets
//! an answer that says what to write here.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function as Call, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectNamePart,
};

use super::advice;
use super::convert::Converter;
use super::syntax::{Spanned, Syntax};
use super::tree::folded;
use super::{ParseError, Position};
use crate::expr::{Function, JsonRead};
use crate::types::{ColumnType, ScalarType};

/// The kinds of expression that are not plain operators.
pub(super) fn convert(converter: &mut Converter, expr: Expr) -> Result<Spanned, ParseError> {
    match expr {
        Expr::Function(call) => function(converter, call),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            format: None,
        } => converter.cast(*expr, &data_type),
        Expr::TypedString(typed) => converter.cast(Expr::Value(typed.value), &typed.data_type),
        Expr::Subquery(query) => converter.wrapped_claim(*query),
        Expr::Array(array) => {
            let at = converter.at;
            let items = converter.all(array.elem)?;
            Ok(Spanned::new(at, Syntax::Array(items)))
        }
        // What is called says more than what is done with its answer.
        Expr::CompoundFieldAccess { root, .. } => {
            converter.convert(*root)?;
            Err(converter.refuse(
                "policies do not take items out of arrays",
                "write 'x' = any (column), or keep the item in a column of its own",
            ))
        }
        other => {
            let (reason, instead) = refusal(&other);
            Err(converter.refuse(reason, instead))
        }
    }
}

fn refusal(expr: &Expr) -> Refusal {
    match expr {
        Expr::Case { .. } => (
            "case is not in the policy language",
            "write and, or and not",
        ),
        Expr::SimilarTo { .. } | Expr::RLike { .. } => (
            "regular expressions are not in the policy language",
            "write like or ilike with a pattern",
        ),
        Expr::Collate { .. } => (
            "collate is not in the policy language",
            "leave it out: text compares by its bytes",
        ),
        Expr::AtTimeZone { .. } | Expr::Interval(_) | Expr::Extract { .. } => (
            "policies calculate with now() only",
            "compare a timestamptz column with now(), now() - interval '1 day' or a literal",
        ),
        Expr::Tuple(_) => (
            "a list does not stand on its own",
            "write in (…) or = any (array[…])",
        ),
        Expr::Cast { .. } => (
            "this form of cast is not in the policy language",
            "write ::type",
        ),
        _ => (
            "this expression is not in the policy language",
            "write columns, literals and claims with =, <>, <, >, and, or, not, in, like, between, is",
        ),
    }
}

/// A reason, and what to write instead.
type Refusal = (&'static str, &'static str);

/// `auth.jwt() -> 'key'` and `->> 'key'`.
pub(super) fn path(
    converter: &mut Converter,
    left: Expr,
    op: &BinaryOperator,
    right: Expr,
) -> Result<Spanned, ParseError> {
    let at = converter.at;
    let base = converter.convert(left)?;
    let key = converter.convert(right)?;
    let Syntax::Jwt {
        mut path,
        read: JsonRead::Json,
    } = base.syntax
    else {
        let refused = ParseError::new(base.at, "-> and ->> read claims only");
        return Err(refused.instead(
            "write auth.jwt() ->> 'claim'; give what a policy needs a column of its own",
        ));
    };
    path.push(key_text(key)?);
    let read = if *op == BinaryOperator::LongArrow {
        JsonRead::Text
    } else {
        JsonRead::Json
    };
    Ok(Spanned::new(at, Syntax::Jwt { path, read }))
}

/// A key is quoted text. Postgres prints it with `::text`; any other cast there is the mistake of
/// casting the key where the claim was meant.
fn key_text(key: Spanned) -> Result<String, ParseError> {
    match key.syntax {
        Syntax::Text(text) => Ok(text),
        Syntax::Cast {
            inner,
            ty: ColumnType::Text,
        } => key_text(*inner),
        Syntax::Cast { ty, .. } => {
            let reason = format!("::{ty} binds to the key here, not to the claim");
            Err(ParseError::new(key.at, reason)
                .instead(format!("write (auth.jwt() ->> 'claim')::{ty}")))
        }
        _ => Err(ParseError::new(key.at, "the key of a claim is quoted text")
            .instead("write auth.jwt() ->> 'claim'")),
    }
}

/// The type that a cast names, if a policy may cast to it.
pub(super) fn data_type(ty: &DataType) -> Option<ColumnType> {
    match ty.to_string().to_ascii_lowercase().as_str() {
        // What Postgres prints for literals beside columns of these types.
        "character varying" | "varchar" => Some(ColumnType::Text),
        "character varying[]" | "varchar[]" => Some(ColumnType::Array(ScalarType::Text)),
        name => name.parse().ok(),
    }
}

pub(super) fn start(call: &Call) -> Option<Position> {
    let first = call.name.0.first().and_then(ObjectNamePart::as_ident)?;
    Position::from_location(first.span.start)
}

fn function(converter: &mut Converter, call: Call) -> Result<Spanned, ParseError> {
    let at = converter.at;
    let name = call
        .name
        .0
        .iter()
        .filter_map(ObjectNamePart::as_ident)
        .map(folded);
    let name = name.collect::<Vec<_>>().join(".");
    let args = arguments(converter, call)?;
    let constant = match name.as_str() {
        "auth.uid" => Some(Syntax::Uid),
        "auth.role" => Some(Syntax::Role),
        "auth.jwt" => Some(Syntax::Jwt {
            path: Vec::new(),
            read: JsonRead::Json,
        }),
        "now" | "current_timestamp" => Some(Syntax::Now { shift: 0 }),
        _ => None,
    };
    if let Some(syntax) = constant {
        return if args.is_empty() {
            Ok(Spanned::new(at, syntax))
        } else {
            Err(converter.refuse(
                &format!("{name} takes no argument"),
                &format!("write {name}()"),
            ))
        };
    }
    let function = match name.as_str() {
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        "length" => Function::Length,
        "coalesce" => Function::Coalesce,
        _ => return Err(unknown_function(converter, &name)),
    };
    let right_count = if function == Function::Coalesce {
        !args.is_empty()
    } else {
        args.len() == 1
    };
    if !right_count {
        let reason = format!("{name} does not take {} arguments", args.len());
        let instead = if function == Function::Coalesce {
            "write one or more"
        } else {
            "write one"
        };
        return Err(converter.refuse(&reason, instead));
    }
    let args = converter.all(args)?;
    Ok(Spanned::new(at, Syntax::Call { function, args }))
}

/// The arguments of a plain call: no DISTINCT, no FILTER, no OVER, no names.
fn arguments(converter: &Converter, call: Call) -> Result<Vec<Expr>, ParseError> {
    let refused = || {
        converter.refuse(
            "only plain function calls are in the policy language",
            "write the arguments alone, without distinct, filter, over or names",
        )
    };
    let has_extras = call.filter.is_some()
        || call.over.is_some()
        || call.null_treatment.is_some()
        || call.uses_odbc_syntax
        || !call.within_group.is_empty()
        || call.parameters != FunctionArguments::None;
    if has_extras {
        return Err(refused());
    }
    let list = match call.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::Subquery(_) => return Err(refused()),
        FunctionArguments::List(list) => list,
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(refused());
    }
    list.args
        .into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            _ => Err(refused()),
        })
        .collect()
}

fn unknown_function(converter: &Converter, name: &str) -> ParseError {
    let shown: String = name.chars().take(80).collect();
    converter.refuse(
        &format!("the function {shown} is not in the policy language"),
        advice::for_function(name),
    )
}
