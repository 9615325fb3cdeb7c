//! Row security as policies of ours, each tried by the policy engine itself.
//!
//! A permissive policy allows; a restrictive one becomes a denial of its opposite, which comes to the
//! same with NULL too: a row passes where the condition is true. What is refused is told with the
//! engine's reason, and in place of a restrictive policy that is refused stands one that denies all.

use std::collections::BTreeSet;

use koyalite_policy::{Claims, ColumnShape, Command, Effect, PolicySource, Schema, TableShape};
use uuid::Uuid;

use super::catalogue::{Catalogue, Policy};
use super::expression::candidates;
use super::{Imported, checks};
use crate::registry::definition::{NewTable, TableDefinition};
use crate::registry::policies::NewPolicy;

/// The roles of Supabase that mean the same here.
const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Brings the policies of these tables into the file.
pub(super) fn translate(found: &Catalogue, tables: &[NewTable], imported: &mut Imported) {
    let definitions = tables.iter().filter_map(|table| table.read().ok());
    let shapes: Vec<TableShape> = definitions.map(|table| shape(&table)).collect();
    let enums: Vec<String> = found.enums.iter().map(|one| one.name.clone()).collect();
    for table in found.tables.iter().filter(|t| !t.row_security) {
        if tables.iter().any(|new| new.name == table.name) {
            let reason = "has row security off, so whoever had a grant saw all of it; here it \
                          answers nobody until it has a policy";
            imported.note(&table.name, reason);
        }
    }
    let mut accepted: Vec<PolicySource> = Vec::new();
    for policy in &found.policies {
        let Some(rules) = shapes.iter().find(|s| s.name.as_str() == policy.table) else {
            continue;
        };
        let subject = format!("{}: {}", policy.table, policy.name);
        let tried = attempts(policy, rules, &enums).and_then(|attempts| {
            let mut refused = String::new();
            for new in attempts {
                match judged(&new, &shapes, &accepted) {
                    Ok(source) => return Ok((new, source)),
                    Err(reason) if refused.is_empty() => refused = reason,
                    Err(_) => {}
                }
            }
            Err(refused)
        });
        match tried {
            Ok((new, source)) => {
                accepted.push(source);
                imported.file.policies.push(new);
            }
            Err(reason) if policy.permissive => {
                imported.note(subject, format!("left out: {reason}"));
            }
            Err(reason) => {
                let closed = closed(policy, rules);
                imported.file.policies.push(closed);
                let reason = format!(
                    "a restrictive policy that cannot be carried over ({reason}); in its place one \
                     denies everything, until you replace it"
                );
                imported.note(subject, reason);
            }
        }
    }
    checks::translate(found, (tables, &shapes), &mut accepted, imported);
}

/// The policy as ours, in the ways in which its conditions may be written.
fn attempts(
    policy: &Policy,
    rules: &TableShape,
    enums: &[String],
) -> Result<Vec<NewPolicy>, String> {
    let roles = roles(policy)?;
    let texts = |text: &Option<String>| -> Vec<Option<String>> {
        match text {
            None => vec![None],
            Some(text) => candidates(text, enums).into_iter().map(Some).collect(),
        }
    };
    let stated = |text: Option<String>| match policy.permissive {
        true => text,
        false => text.map(|text| format!("not {text}")),
    };
    let mut attempts = Vec::new();
    for using in texts(&policy.using) {
        for check in texts(&policy.check) {
            attempts.push(NewPolicy {
                using: stated(using.clone()),
                check: stated(check),
                roles: roles.clone(),
                ..bare(policy, rules)
            });
        }
    }
    Ok(attempts)
}

fn roles(policy: &Policy) -> Result<Vec<String>, String> {
    if policy.roles.iter().any(|role| role == "public") {
        return Ok(Vec::new());
    }
    match policy.roles.iter().find(|r| !ROLES.contains(&r.as_str())) {
        Some(other) => Err(format!("the role {other} of the database is nobody here")),
        None => Ok(policy.roles.clone()),
    }
}

fn bare(policy: &Policy, rules: &TableShape) -> NewPolicy {
    let commands = match policy.command.as_str() {
        "SELECT" => BTreeSet::from([Command::Select]),
        "INSERT" => BTreeSet::from([Command::Insert]),
        "UPDATE" => BTreeSet::from([Command::Update]),
        "DELETE" => BTreeSet::from([Command::Delete]),
        _ => Command::ALL.into(),
    };
    NewPolicy {
        name: policy.name.clone(),
        table: rules.name.clone(),
        effect: match policy.permissive {
            true => Effect::Allow,
            false => Effect::Deny,
        },
        commands,
        roles: Vec::new(),
        using: None,
        check: None,
        read: None,
        write: None,
        set: Default::default(),
        enabled: true,
    }
}

/// What stands in the place of a restrictive policy that cannot be said.
fn closed(policy: &Policy, rules: &TableShape) -> NewPolicy {
    let new = bare(policy, rules);
    let inserts = new.commands == BTreeSet::from([Command::Insert]);
    let all = Some("true".to_owned());
    match inserts {
        true => NewPolicy { check: all, ..new },
        false => NewPolicy { using: all, ..new },
    }
}

/// The engine's judgement, beside the policies that it has accepted.
pub(super) fn judged(
    new: &NewPolicy,
    shapes: &[TableShape],
    accepted: &[PolicySource],
) -> Result<PolicySource, String> {
    let source = new.source(Uuid::now_v7());
    let policies = accepted.iter().cloned().chain([source.clone()]).collect();
    match Schema::build_with_claims(shapes.to_vec(), policies, Claims::default()) {
        Ok(_) => Ok(source),
        Err(errors) => {
            let own = errors.iter().find(|error| error.id == source.id);
            let error = own.or(errors.first());
            Err(error.map_or_else(String::new, |error| error.fault.to_string()))
        }
    }
}

fn shape(table: &TableDefinition) -> TableShape {
    let keys = table.columns.iter().filter(|c| c.primary_key).count();
    let columns = table.columns.iter().map(|column| ColumnShape {
        name: column.name.clone(),
        ty: column.ty.ty,
        nullable: column.nullable,
        has_default: column.default.is_some(),
        primary_key: column.primary_key,
        unique: column.unique || (column.primary_key && keys == 1),
        values: column.ty.values.clone(),
    });
    TableShape {
        name: table.name.clone(),
        columns: columns.collect(),
        // No policy asks.
        unique_together: Vec::new(),
    }
}
