//! The policy engine's word on one policy, in the words of the control API: warnings, or mistakes
//! with their field, their place in it, and what to write instead. Decides nothing itself.

use std::collections::BTreeSet;

use koyalite_policy::{
    Claims, PolicyError, PolicyFault, PolicySource, Schema, TableName, TableShape,
    check_policy_with_claims,
};
use uuid::Uuid;

use super::columns::{self, StoredTable};
use super::error::{Mistake, RegistryError};
use super::pool::DbConnection;
use super::{claims, policies};

/// Names are for people; a longer one is a comment.
const NAME_CHARS_MAX: usize = 100;

/// All that a project's policies are judged by, and they themselves.
pub(crate) struct Rules {
    pub(crate) tables: Vec<TableShape>,
    pub(crate) policies: Vec<PolicySource>,
    pub(crate) claims: Claims,
    /// The tables that policies read past their own.
    pub(crate) policy_readable: BTreeSet<TableName>,
}

impl Rules {
    /// As they are stored, or as the change that `conn` belongs to has them.
    pub(crate) async fn load(
        conn: &mut DbConnection,
        project: Uuid,
    ) -> Result<Self, RegistryError> {
        let tables = columns::load(conn, Some(project)).await?;
        Ok(Self {
            tables: tables.iter().map(StoredTable::shape).collect(),
            policies: policies::sources(conn, project).await?,
            claims: claims::load(conn, project).await?,
            policy_readable: policy_readable(&tables),
        })
    }

    /// The engine's judgement of all together.
    pub(crate) fn build(self) -> Result<Schema, Vec<PolicyError>> {
        Schema::build_reading(
            self.tables,
            self.policies,
            self.claims,
            &self.policy_readable,
        )
    }
}

/// Those of the tables that policies read past their own.
pub(crate) fn policy_readable(tables: &[StoredTable]) -> BTreeSet<TableName> {
    let readable = tables.iter().filter(|table| table.policy_readable);
    readable.map(|table| table.name.clone()).collect()
}

/// The policy engine's warnings, or its refusal with the place and what to write instead. The policy
/// that is being replaced may be among the rules.
pub(crate) fn verdict(
    source: &PolicySource,
    mut rules: Rules,
) -> Result<Vec<String>, RegistryError> {
    let length = source.name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        let message = format!("a policy's name has 1 to {NAME_CHARS_MAX} characters");
        return Err(RegistryError::invalid("name", message));
    }
    let checked = check_policy_with_claims(source, &rules.tables, &rules.claims)
        .map_err(|error| refusal(&error.fault))?;
    rules.policies.retain(|other| other.id != source.id);
    rules.policies.push(source.clone());
    // The others were good without this one, so whatever is wrong with all together is its doing.
    rules.build().map_err(|errors| {
        let own = errors.iter().find(|error| error.id == source.id);
        match own.or(errors.first()) {
            Some(error) => refusal(&error.fault),
            None => RegistryError::internal("a schema was refused for no reason"),
        }
    })?;
    Ok(checked.warnings().iter().map(ToString::to_string).collect())
}

fn refusal(fault: &PolicyFault) -> RegistryError {
    match fault {
        PolicyFault::UnknownTable(table) => RegistryError::not_found("table", table),
        fault => RegistryError::Invalid {
            errors: vec![mistake(fault)],
        },
    }
}

/// A policy that a change would break, by its name and the place that would be wrong.
pub(crate) fn broken(error: &PolicyError) -> Mistake {
    let mut mistake = mistake(&error.fault);
    mistake.message = format!("policy {:?}: {}", error.name, mistake.message);
    mistake
}

fn mistake(fault: &PolicyFault) -> Mistake {
    let field = match fault {
        PolicyFault::Preset { column, .. } => format!("set.{column}"),
        fault => fault.field().to_owned(),
    };
    match fault.place() {
        Some(place) => Mistake::new(field, &place.reason)
            .at(place.position.line, place.position.column)
            .hint(place.instead.clone()),
        None => Mistake::new(field, fault),
    }
}
