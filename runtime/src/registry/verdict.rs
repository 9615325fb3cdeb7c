//! The policy engine's word on one policy, in the words of the control API: warnings, or mistakes
//! with their field, their place in it, and what to write instead. Decides nothing itself.

use koyalite_policy::{PolicyFault, PolicySource, Schema, check_policy};

use super::columns::StoredTable;
use super::error::{Mistake, RegistryError};

/// Names are for people; a longer one is a comment.
const NAME_CHARS_MAX: usize = 100;

/// The policy engine's warnings, or its refusal with the place and what to write instead. `others`
/// are the project's policies; the one that is being replaced may be among them.
pub(crate) fn verdict(
    source: &PolicySource,
    tables: &[StoredTable],
    others: Vec<PolicySource>,
) -> Result<Vec<String>, RegistryError> {
    let length = source.name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        let message = format!("a policy's name has 1 to {NAME_CHARS_MAX} characters");
        return Err(RegistryError::invalid("name", message));
    }
    let shapes: Vec<_> = tables.iter().map(StoredTable::shape).collect();
    let checked = check_policy(source, &shapes).map_err(|error| refusal(&error.fault))?;
    let mut all: Vec<_> = others
        .into_iter()
        .filter(|other| other.id != source.id)
        .collect();
    all.push(source.clone());
    // The others were good without this one, so whatever is wrong with all together is its doing.
    Schema::build(shapes, all).map_err(|errors| {
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

fn mistake(fault: &PolicyFault) -> Mistake {
    match fault.place() {
        Some(place) => Mistake::new(fault.field(), &place.reason)
            .at(place.position.line, place.position.column)
            .hint(place.instead.clone()),
        None => Mistake::new(fault.field(), fault),
    }
}
