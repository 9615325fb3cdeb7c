//! A column's type and default as ours, or why not. Pure.

use koyalite_policy::ColumnType;
use serde_json::Value as Json;

use super::catalogue::{Column, Enum};
use crate::registry::column_type::DefinedType;
use crate::registry::default::IDENTITY;
use crate::registry::definition::NewColumn;

/// A column as ours, with what is not quite as it was and how its values are read.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) column: NewColumn,
    pub(super) notes: Vec<String>,
    /// The values as our JSON writes them; `{}` is the column.
    pub(super) value: &'static str,
}

/// The column as ours.
///
/// # Errors
/// Why tables of ours cannot have it.
pub(super) fn carry(found: &Column, enums: &[Enum]) -> Result<Carried, String> {
    if found.generated {
        return Err("a generated column: compute it where rows are read or written".to_owned());
    }
    let mut notes = Vec::new();
    let ty = column_type(&found.base, enums, &mut notes)?;
    if found.base != found.ty {
        notes.push(format!(
            "the checks of the domain {} are not carried over",
            found.ty
        ));
    }
    if let Some(collation) = &found.collation {
        notes.push(format!(
            "its texts are compared byte by byte, not by the collation {collation}"
        ));
    }
    let parsed: DefinedType = ty
        .parse()
        .map_err(|_| format!("{} is not a type here", found.ty))?;
    let default = default(found, parsed.ty, &mut notes);
    Ok(Carried {
        value: value(&found.base, parsed.ty),
        column: NewColumn {
            name: found.name.clone(),
            ty,
            nullable: !found.not_null,
            default,
            unique: false,
            primary_key: false,
            references: None,
        },
        notes,
    })
}

fn column_type(base: &str, enums: &[Enum], notes: &mut Vec<String>) -> Result<String, String> {
    if let Some(found) = enums.iter().find(|one| one.name == base) {
        let listed = format!("enum({})", found.labels.join(", "));
        if listed.parse::<DefinedType>().is_ok() {
            notes
                .push("values of the enum are ordered as texts, not as they are listed".to_owned());
            return Ok(listed);
        }
        notes.push("the enum's values cannot be listed here, so it is any text".to_owned());
        return Ok("text".to_owned());
    }
    if let Some(item) = base.strip_suffix("[]") {
        let item = match enums.iter().any(|one| one.name == item) {
            true => {
                notes.push("its items are any texts, not only the enum's".to_owned());
                "text".to_owned()
            }
            false => column_type(item, &[], notes)?,
        };
        return Ok(format!("{item}[]"));
    }
    let (name, sized) = match base.split_once('(') {
        Some((name, rest)) => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            (format!("{name}{after}"), true)
        }
        None => (base.to_owned(), false),
    };
    let plain = match name.as_str() {
        "character varying" | "character" => "text",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "timestamp without time zone" => {
            notes.push("a timestamp without a zone: its values are taken as UTC".to_owned());
            "timestamptz"
        }
        "boolean" | "smallint" | "integer" | "bigint" | "real" | "double precision" | "numeric"
        | "text" | "uuid" | "bytea" | "json" | "jsonb" | "date" => name.as_str(),
        "vector" => return Ok(base.to_owned()),
        _ => return Err(format!("{base} is not a type here")),
    };
    if sized {
        notes.push(format!(
            "the limits of {base} are not kept: any {plain} fits"
        ));
    }
    Ok(plain.to_owned())
}

/// The default as ours. One that is computed otherwise is noted, and inserts must then say the value.
fn default(found: &Column, ty: ColumnType, notes: &mut Vec<String>) -> Option<Json> {
    let counted = |text: &str| text.starts_with("nextval(");
    let whole = matches!(
        ty,
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint
    );
    let text = found.default.as_deref().unwrap_or_default();
    if whole && (!found.identity.is_empty() || counted(text)) {
        return Some(Json::from(IDENTITY));
    }
    if text.is_empty() || text.starts_with("NULL::") {
        return None;
    }
    let read = literal(text, ty);
    if read.is_none() {
        notes.push(format!("its default {text} is not one here"));
    }
    read
}

fn literal(text: &str, ty: ColumnType) -> Option<Json> {
    use ColumnType as T;
    let bare = text.trim_start_matches('(');
    match (ty, text) {
        (T::Timestamptz | T::Date, "now()" | "CURRENT_TIMESTAMP" | "CURRENT_DATE")
        | (T::Timestamptz, "timezone('utc'::text, now())" | "(now() AT TIME ZONE 'utc'::text)") => {
            return Some(Json::from("now()"));
        }
        (T::Uuid, "gen_random_uuid()" | "uuid_generate_v4()" | "extensions.uuid_generate_v4()") => {
            return Some(Json::from("gen_random_uuid()"));
        }
        (T::Boolean, "true" | "false") => return Some(Json::from(text == "true")),
        (T::Timestamptz, _) => return None,
        _ => {}
    }
    let Some(quoted) = bare.strip_prefix('\'') else {
        let number = bare.trim_end_matches(')');
        return match ty {
            T::Smallint | T::Integer | T::Bigint | T::Numeric | T::Real | T::Double => {
                serde_json::from_str::<serde_json::Number>(number)
                    .ok()
                    .map(Json::Number)
            }
            _ => None,
        };
    };
    let value = unquoted(quoted)?;
    match ty {
        T::Json | T::Jsonb => serde_json::from_str(&value).ok(),
        T::Numeric | T::Smallint | T::Integer | T::Bigint | T::Real | T::Double => {
            serde_json::from_str(&value).ok().map(Json::Number)
        }
        T::Text | T::Uuid | T::Date => Some(Json::from(value)),
        _ => None,
    }
}

/// The text of a literal without backslashes, up to its closing quote, where only a cast follows.
fn unquoted(rest: &str) -> Option<String> {
    let (mut value, mut characters) = (String::new(), rest.char_indices().peekable());
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            value.push(character);
            continue;
        }
        if characters.peek().is_some_and(|(_, next)| *next == '\'') {
            characters.next();
            value.push('\'');
            continue;
        }
        let after = rest.get(at + 1..)?;
        // A cast, or the end: an operator would make it an expression.
        let plain = |c: char| c.is_alphanumeric() || " _:.\"[](),".contains(c);
        return after.chars().all(plain).then_some(value);
    }
    None
}

/// How values are read from the source so that ours writes them.
fn value(base: &str, ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bytea => "translate(encode({}, 'base64'), E'\\n', '')",
        ColumnType::Timestamptz if base.starts_with("timestamp without") => "{} AT TIME ZONE 'UTC'",
        ColumnType::Vector(_) => "{}::text::json",
        // Whatever the source calls it: an enum, a citext of a domain.
        ColumnType::Text => "{}::text",
        _ => "{}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(ty: &str, text: &str, read: Option<Json>) {
        let ty: DefinedType = ty.parse().unwrap();
        assert_eq!(literal(text, ty.ty), read, "{text}");
    }

    #[test]
    fn defaults_are_read_as_postgres_writes_them() {
        check("text", "'it''s'::text", Some(json!("it's")));
        check("text", "'open'::todo_state", Some(json!("open")));
        check("text", "('a'::text || 'b'::text)", None);
        check("text", "'a'::text || 'b'::text", None);
        check("integer", "0", Some(json!(0)));
        check("integer", "'-1'::integer", Some(json!(-1)));
        check("integer", "(1 + 2)", None);
        check("numeric", "1.5", Some(json!(1.5)));
        check("boolean", "false", Some(json!(false)));
        check("jsonb", "'{\"a\": 1}'::jsonb", Some(json!({"a": 1})));
        check(
            "uuid",
            "extensions.uuid_generate_v4()",
            Some(json!("gen_random_uuid()")),
        );
        check("timestamptz", "now()", Some(json!("now()")));
        check("timestamptz", "(now() + '1 day'::interval)", None);
        check("uuid", "auth.uid()", None);
    }

    #[test]
    fn types_are_ours_or_named_with_the_reason() {
        let enums = [Enum {
            name: "state".to_owned(),
            labels: vec!["open".to_owned(), "done".to_owned()],
        }];
        let check = |base: &str, expected: Result<&str, &str>| {
            let found = column_type(base, &enums, &mut Vec::new());
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected, "{base}");
        };
        check("character varying(20)", Ok("text"));
        check("numeric(10,2)", Ok("numeric"));
        check("timestamp(3) with time zone", Ok("timestamptz"));
        check("state", Ok("enum(open, done)"));
        check("state[]", Ok("text[]"));
        check("character varying(20)[]", Ok("text[]"));
        check("vector(3)", Ok("vector(3)"));
        check("interval", Err("interval is not a type here"));
    }
}
