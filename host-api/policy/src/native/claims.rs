//! Claims as SQL: read from the transaction's settings, and NULL where they do not read as their
//! type. Each is a subquery without a table, so that Postgres works it out once a statement.

use super::words::literal;
use super::{BYPASS, CLAIMS, NOBODY_ASKS, ROLE, UID};
use crate::expr::{Claim, JsonRead, Node};
use crate::identity::AuthRole;
use crate::names::TableName;
use crate::types::{ColumnType, ScalarType};

/// Whether the caller is a service that bypasses the policies of the table. Never NULL.
///
/// Asked of every row that would be hidden otherwise, so it is here that a transaction is found out
/// which does not say who asks: it gets an error instead of an empty answer. The text that is no
/// boolean is put together at run time, for a constant would fail when the policy is made.
pub(super) fn bypasses(table: &TableName) -> String {
    let role = format!("coalesce(current_setting('{ROLE}', true), '')");
    let service = AuthRole::ServiceRole.as_str();
    format!(
        "(SELECT CASE {role} WHEN '' THEN ('{NOBODY_ASKS}' || {role})::boolean \
         WHEN '{service}' THEN \
         coalesce(nullif(current_setting('{BYPASS}', true), '')::jsonb ? {}, false) \
         ELSE false END)",
        literal(table.as_str())
    )
}

/// Why some claim of a condition has no SQL that answers NULL instead of an error.
pub(super) fn unsayable(condition: &Node) -> Option<String> {
    let mut reason = None;
    condition.visit(&mut |node| {
        if let Node::Claim { claim, ty } = node
            && !sayable(claim, *ty)
        {
            reason = Some(format!(
                "a claim that is read as {ty} could fail in Postgres"
            ));
        }
    });
    reason
}

fn sayable(claim: &Claim, ty: ColumnType) -> bool {
    match (claim, ty) {
        (Claim::Uid | Claim::Role, ty) => matches!(ty, ColumnType::Text | ColumnType::Uuid),
        (Claim::Jwt { .. }, ColumnType::Jsonb) => true,
        // With `->>` it is the text of a list, which Postgres would have to read first.
        (Claim::Jwt { read, .. }, ColumnType::Array(item)) => {
            *read == JsonRead::Json && guarded("", item).is_some()
        }
        (Claim::Jwt { .. }, ty) => ty.scalar().is_some_and(|ty| guarded("", ty).is_some()),
    }
}

/// A claim as a value of type `ty`.
pub(super) fn value(claim: &Claim, ty: ColumnType) -> String {
    let setting = |name: &str| format!("nullif(current_setting('{name}', true), '')");
    let scalar = ty.scalar().unwrap_or(ScalarType::Text);
    let from_text = |text: String| {
        let guarded = guarded("c.v", scalar).unwrap_or_else(|| "NULL".to_owned());
        format!("(SELECT {guarded} FROM (SELECT {text}) AS c(v))")
    };
    match claim {
        // A subject may be empty; a setting that nobody made is so too.
        Claim::Uid => from_text(format!(
            "CASE WHEN current_setting('{ROLE}', true) = 'authenticated' \
             THEN current_setting('{UID}', true) END"
        )),
        Claim::Role => from_text(format!("coalesce({}, 'anon')", setting(ROLE))),
        Claim::Jwt { path, read } => {
            let steps: String = path
                .iter()
                .map(|key| format!(" -> {}", literal(key)))
                .collect();
            let json = format!("{}::jsonb{steps}", setting(CLAIMS));
            let guarded = match (read, ty) {
                (JsonRead::Json, ColumnType::Jsonb) => "j.v".to_owned(),
                (_, ColumnType::Array(item)) => items(item),
                // A JSON number or boolean; a text is none of these where `->` was written.
                (JsonRead::Json, _) => plain("j.v", "'number', 'boolean'", scalar),
                (JsonRead::Text, _) => plain("j.v", "'string', 'number', 'boolean'", scalar),
            };
            format!("(SELECT {guarded} FROM (SELECT {json}) AS j(v))")
        }
    }
}

/// A JSON value of one of the kinds, as a value of the type.
fn plain(json: &str, kinds: &str, ty: ScalarType) -> String {
    let text = format!("({json} #>> '{{}}')");
    let guarded = guarded(&text, ty).unwrap_or_else(|| "NULL".to_owned());
    format!("CASE WHEN jsonb_typeof({json}) IN ({kinds}) THEN {guarded} END")
}

/// The items of a JSON array, each NULL where it does not read as the type.
fn items(ty: ScalarType) -> String {
    let item = plain("e.v", "'string', 'number', 'boolean'", ty);
    format!(
        "CASE WHEN jsonb_typeof(j.v) = 'array' \
         THEN ARRAY(SELECT {item} FROM jsonb_array_elements(j.v) AS e(v)) END"
    )
}

/// A text as a value of the type, or NULL; none where Postgres has no way to ask first.
fn guarded(text: &str, ty: ScalarType) -> Option<String> {
    let whole = |low: i64, high: i64| {
        format!(
            "CASE WHEN {text} ~ '^[+-]?[0-9]{{1,30}}$' THEN \
             CASE WHEN {text}::numeric BETWEEN {low} AND {high} THEN {text}::{ty} END END"
        )
    };
    Some(match ty {
        ScalarType::Text => text.to_owned(),
        ScalarType::Uuid => format!(
            "CASE WHEN {text} ~ '^[0-9a-fA-F]{{8}}-?([0-9a-fA-F]{{4}}-?){{3}}[0-9a-fA-F]{{12}}$' \
             THEN {text}::uuid END"
        ),
        ScalarType::Boolean => format!(
            "CASE WHEN {text} IN ('true', 't') THEN true WHEN {text} IN ('false', 'f') THEN false END"
        ),
        ScalarType::Smallint => whole(i16::MIN.into(), i16::MAX.into()),
        ScalarType::Integer => whole(i32::MIN.into(), i32::MAX.into()),
        ScalarType::Bigint => whole(i64::MIN, i64::MAX),
        ScalarType::Numeric => format!(
            "CASE WHEN length({text}) <= 1000 AND {text} ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)$' \
             OR {text} IN ('NaN', 'Infinity', '-Infinity') THEN {text}::numeric END"
        ),
        ScalarType::Real
        | ScalarType::Double
        | ScalarType::Bytea
        | ScalarType::Json
        | ScalarType::Jsonb
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamptz => return None,
    })
}
