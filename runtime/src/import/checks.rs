//! Checks of another Postgres as ours: a list of texts becomes the column's type, any other condition
//! that the language takes a denial of writing what it forbids. Pure.
//!
//! A check passes where it is NULL; so does the denial, which asks whether the condition is false. It
//! opens nothing: who may write is for other policies to say.

use std::collections::BTreeSet;

use koyalite_policy::{Command, Effect, PolicySource, TableShape};

use super::Imported;
use super::catalogue::{Catalogue, Constraint};
use super::expression::{candidates, without};
use super::policy::judged;
use crate::registry::column_type::DefinedType;
use crate::registry::definition::NewTable;
use crate::registry::policies::NewPolicy;

/// What is left out of a condition besides: numbers compare whatever their types are.
const NUMBERS: [&str; 5] = [
    "::numeric",
    "::bigint",
    "::integer",
    "::smallint",
    "::double precision",
];

/// The type of a text column whose check lists its values, where the list can be a type.
pub(super) fn listed(constraint: &Constraint) -> Option<String> {
    let [column] = constraint.columns.as_slice() else {
        return None;
    };
    let texts = candidates(condition(constraint)?, &[]);
    let bare = without_parentheses(texts.last()?);
    let items = bare.strip_prefix(column.as_str())?;
    let items = items.strip_prefix(" = ANY ARRAY[")?.strip_suffix(']')?;
    let values: Option<Vec<&str>> = items
        .split(", ")
        .map(|item| item.strip_prefix('\'')?.strip_suffix('\''))
        .collect();
    let ty = format!("enum({})", values?.join(", "));
    ty.parse::<DefinedType>().is_ok().then_some(ty)
}

fn without_parentheses(text: &str) -> String {
    let mut quoted = false;
    let kept = text.chars().filter(|letter| {
        quoted ^= *letter == '\'';
        quoted || !matches!(letter, '(' | ')')
    });
    kept.collect()
}

/// What stands between the parentheses of `CHECK (…)`.
fn condition(constraint: &Constraint) -> Option<&str> {
    let text = constraint.definition.strip_prefix("CHECK (")?;
    let text = text.strip_suffix(" NOT VALID").unwrap_or(text);
    text.strip_suffix(')')
}

/// Brings the other checks of these tables into the file.
pub(super) fn translate(
    found: &Catalogue,
    (tables, shapes): (&[NewTable], &[TableShape]),
    accepted: &mut Vec<PolicySource>,
    imported: &mut Imported,
) {
    let enums: Vec<String> = found.enums.iter().map(|one| one.name.clone()).collect();
    for constraint in found.constraints.iter().filter(|c| c.kind == "c") {
        let Some(table) = tables.iter().find(|new| new.name == constraint.table) else {
            continue;
        };
        if is_type(constraint, table) {
            continue;
        }
        let subject = format!("{}: constraint {}", constraint.table, constraint.name);
        let definition = &constraint.definition;
        match denial(constraint, &enums, (shapes, accepted)) {
            Ok((new, source)) => {
                let reason = format!(
                    "carried over as the policy {:?}: {definition} holds for what functions write, \
                     and not for rows that an administrator writes past the policies",
                    new.name
                );
                imported.note(subject, reason);
                imported.file.policies.push(new);
                accepted.push(source);
            }
            Err(why) => {
                let reason = format!(
                    "not carried over: {definition} ({why}); write a policy that denies insert and \
                     update, with `check` true of what it forbids"
                );
                imported.note(subject, reason);
            }
        }
    }
}

/// Whether the check is the column's type by now.
fn is_type(constraint: &Constraint, table: &NewTable) -> bool {
    let ty = listed(constraint);
    let columns = table.columns.iter();
    ty.is_some_and(|ty| {
        columns
            .filter(|column| constraint.columns.contains(&column.name))
            .any(|column| column.ty == ty)
    })
}

fn denial(
    constraint: &Constraint,
    enums: &[String],
    (shapes, accepted): (&[TableShape], &[PolicySource]),
) -> Result<(NewPolicy, PolicySource), String> {
    let condition = condition(constraint).ok_or_else(|| "an unknown form".to_owned())?;
    let mut texts = candidates(condition, enums);
    if let Some(bare) = texts.last() {
        texts.push(without(bare, &NUMBERS.map(str::to_owned)));
    }
    let shape = shapes
        .iter()
        .find(|shape| shape.name.as_str() == constraint.table);
    let table = &shape.ok_or_else(|| "an unknown table".to_owned())?.name;
    let mut refused = String::new();
    for text in texts {
        let new = NewPolicy {
            name: format!("check {}", constraint.name),
            table: table.clone(),
            effect: Effect::Deny,
            commands: BTreeSet::from([Command::Insert, Command::Update]),
            roles: Vec::new(),
            using: Some("false".to_owned()),
            check: Some(format!("({text}) is false")),
            read: None,
            write: None,
            set: Default::default(),
            enabled: true,
        };
        match judged(&new, shapes, accepted) {
            Ok(source) => return Ok((new, source)),
            Err(reason) if refused.is_empty() => refused = reason,
            Err(_) => {}
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(definition: &str, expected: Option<&str>) {
        let constraint = Constraint {
            table: "todos".to_owned(),
            name: "todos_kind_check".to_owned(),
            kind: "c".to_owned(),
            columns: vec!["kind".to_owned()],
            definition: definition.to_owned(),
            to_schema: None,
            to_table: None,
            to_columns: Vec::new(),
            on_delete: " ".to_owned(),
            on_update: " ".to_owned(),
        };
        assert_eq!(listed(&constraint).as_deref(), expected, "{definition}");
    }

    #[test]
    fn a_list_of_texts_is_a_type() {
        let plain = "CHECK ((kind = ANY (ARRAY['a'::text, 'b c'::text])))";
        check(plain, Some("enum(a, b c)"));
        check(
            "CHECK (((kind)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
            Some("enum(a, b)"),
        );
        check("CHECK ((kind <> ALL (ARRAY['a'::text])))", None);
        check("CHECK ((other = ANY (ARRAY['a'::text])))", None);
        check(
            "CHECK (((kind = ANY (ARRAY['a'::text])) OR (kind IS NULL)))",
            None,
        );
        check("CHECK ((kind = ANY (ARRAY[1, 2])))", None);
        check("CHECK ((length(kind) > 1))", None);
    }
}
