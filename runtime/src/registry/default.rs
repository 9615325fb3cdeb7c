//! What a column holds when an insert leaves it out: a closed list, never an expression.
//!
//! A default is a literal of the column's type, `"now()"` for moments and dates, or
//! `"gen_random_uuid()"` for uuids. On a text column every string is a literal, so nothing that a
//! caller writes is ever read as SQL.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use koyalite_policy::ColumnType;
use serde_json::Value as Json;
use uuid::Uuid;

/// A default that fits its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnDefault {
    Now,
    RandomUuid,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Numeric(String),
    Text(String),
    Uuid(Uuid),
    Timestamp(DateTime<Utc>),
    Date(NaiveDate),
    Json(Json),
}

impl ColumnDefault {
    /// Reads a default as its author wrote it.
    ///
    /// # Errors
    /// What would have been right for a column of this type.
    pub(crate) fn read(given: &Json, ty: ColumnType) -> Result<Self, String> {
        let read = match (ty, given) {
            (ColumnType::Boolean, Json::Bool(value)) => Some(Self::Boolean(*value)),
            (ColumnType::Smallint, Json::Number(value)) => value
                .as_i64()
                .filter(|value| i16::try_from(*value).is_ok())
                .map(Self::Integer),
            (ColumnType::Integer, Json::Number(value)) => value
                .as_i64()
                .filter(|value| i32::try_from(*value).is_ok())
                .map(Self::Integer),
            (ColumnType::Bigint, Json::Number(value)) => value.as_i64().map(Self::Integer),
            (ColumnType::Real | ColumnType::Double, Json::Number(value)) => {
                value.as_f64().map(Self::Double)
            }
            (ColumnType::Numeric, Json::Number(value)) => decimal(&value.to_string()),
            (ColumnType::Numeric, Json::String(value)) => decimal(value),
            (ColumnType::Text, Json::String(value)) if !value.contains('\0') => {
                Some(Self::Text(value.clone()))
            }
            (ColumnType::Uuid, Json::String(value)) => uuid(value),
            (ColumnType::Timestamptz, Json::String(value)) => moment(value),
            (ColumnType::Date, Json::String(value)) => date(value),
            (ColumnType::Json | ColumnType::Jsonb, value) => Some(Self::Json(value.clone())),
            _ => None,
        };
        read.ok_or_else(|| format!("a {ty} column's default is {}", expected(ty)))
    }

    /// The default as SQL, safe to put into a statement.
    pub(crate) fn to_sql(&self) -> String {
        match self {
            Self::Now => "now()".to_owned(),
            Self::RandomUuid => "gen_random_uuid()".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => format!("({value})"),
            Self::Double(value) => {
                format!("{}::double precision", quote_literal(&value.to_string()))
            }
            Self::Numeric(value) => format!("{}::numeric", quote_literal(value)),
            Self::Text(value) => quote_literal(value),
            Self::Uuid(value) => format!("{}::uuid", quote_literal(&value.to_string())),
            Self::Timestamp(value) => {
                let text = value.to_rfc3339_opts(SecondsFormat::Micros, true);
                format!("{}::timestamptz", quote_literal(&text))
            }
            Self::Date(value) => format!("{}::date", quote_literal(&value.to_string())),
            Self::Json(value) => format!("{}::jsonb", quote_literal(&value.to_string())),
        }
    }
}

/// Quotes a literal. The escape form means the same whatever `standard_conforming_strings` says.
pub(crate) fn quote_literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn decimal(text: &str) -> Option<ColumnDefault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (plain(whole) && plain(fraction) && text.len() <= 200)
        .then(|| ColumnDefault::Numeric(text.to_owned()))
}

fn uuid(text: &str) -> Option<ColumnDefault> {
    match text {
        "gen_random_uuid()" => Some(ColumnDefault::RandomUuid),
        text => Uuid::try_parse(text).ok().map(ColumnDefault::Uuid),
    }
}

fn moment(text: &str) -> Option<ColumnDefault> {
    match text {
        "now()" => Some(ColumnDefault::Now),
        text => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|moment| ColumnDefault::Timestamp(moment.to_utc())),
    }
}

fn date(text: &str) -> Option<ColumnDefault> {
    match text {
        "now()" => Some(ColumnDefault::Now),
        text => text.parse().ok().map(ColumnDefault::Date),
    }
}

fn expected(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "true or false",
        ColumnType::Smallint => "a whole number within 16 bits",
        ColumnType::Integer => "a whole number within 32 bits",
        ColumnType::Bigint => "a whole number within 64 bits",
        ColumnType::Real | ColumnType::Double => "a number",
        ColumnType::Numeric => "a number, or its digits as a string",
        ColumnType::Text => "a string without a zero character",
        ColumnType::Uuid => "a uuid or \"gen_random_uuid()\"",
        ColumnType::Timestamptz => "an RFC 3339 moment or \"now()\"",
        ColumnType::Date => "a date as 2026-01-31 or \"now()\"",
        ColumnType::Json | ColumnType::Jsonb => "any JSON value",
        ColumnType::Bytea | ColumnType::Time | ColumnType::Array(_) | ColumnType::Vector(_) => {
            "not supported yet: leave it out"
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(ty: ColumnType, given: Json, sql: Option<&str>) {
        let read = ColumnDefault::read(&given, ty);
        assert_eq!(
            read.as_ref().ok().map(ColumnDefault::to_sql).as_deref(),
            sql,
            "{given}"
        );
        if let Err(message) = read {
            assert!(message.contains(expected(ty)), "{message}");
        }
    }

    #[test]
    fn a_default_is_a_literal_of_the_type_or_one_of_two_functions() {
        check(ColumnType::Boolean, json!(false), Some("false"));
        check(ColumnType::Boolean, json!("false"), None);
        check(ColumnType::Integer, json!(-1), Some("(-1)"));
        check(ColumnType::Integer, json!(2_147_483_648_i64), None);
        check(
            ColumnType::Bigint,
            json!(2_147_483_648_i64),
            Some("(2147483648)"),
        );
        check(ColumnType::Bigint, json!(1.5), None);
        check(
            ColumnType::Double,
            json!(1.5),
            Some("E'1.5'::double precision"),
        );
        check(
            ColumnType::Numeric,
            json!("-10.50"),
            Some("E'-10.50'::numeric"),
        );
        check(ColumnType::Numeric, json!("1e5"), None);
        check(ColumnType::Numeric, json!("1.2.3"), None);
        check(
            ColumnType::Uuid,
            json!("gen_random_uuid()"),
            Some("gen_random_uuid()"),
        );
        check(ColumnType::Uuid, json!("now()"), None);
        check(ColumnType::Timestamptz, json!("now()"), Some("now()"));
        check(ColumnType::Timestamptz, json!("tomorrow"), None);
        check(
            ColumnType::Date,
            json!("2026-01-31"),
            Some("E'2026-01-31'::date"),
        );
        check(ColumnType::Date, json!("2026-02-30"), None);
        check(
            ColumnType::Jsonb,
            json!({"a": "it's"}),
            Some("E'{\"a\":\"it''s\"}'::jsonb"),
        );
    }

    #[test]
    fn text_is_never_read_as_sql() {
        check(ColumnType::Text, json!("now()"), Some("E'now()'"));
        check(
            ColumnType::Text,
            json!("'; drop table x; --"),
            Some("E'''; drop table x; --'"),
        );
        check(ColumnType::Text, json!("\\'"), Some("E'\\\\'''"));
        check(ColumnType::Text, json!("a\0b"), None);
    }
}
