//! The policy engine's word on one policy, in the words of the control API: warnings, or mistakes
//! with their field, their place in it, and what to write instead. Decides nothing itself.

use koyalite_policy::{PolicyFault, PolicySource, check_policy};

use super::columns::StoredTable;
use super::error::{Mistake, RegistryError};

/// Names are for people; a longer one is a comment.
const NAME_CHARS_MAX: usize = 100;

/// The policy engine's warnings, or its refusal with the place and what to write instead.
pub(crate) fn verdict(
    source: &PolicySource,
    tables: &[StoredTable],
) -> Result<Vec<String>, RegistryError> {
    let length = source.name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        let message = format!("a policy's name has 1 to {NAME_CHARS_MAX} characters");
        return Err(RegistryError::invalid("name", message));
    }
    let shapes: Vec<_> = tables.iter().map(StoredTable::shape).collect();
    match check_policy(source, &shapes) {
        Ok(checked) => Ok(checked.warnings().iter().map(ToString::to_string).collect()),
        Err(error) => match &error.fault {
            PolicyFault::UnknownTable(table) => Err(RegistryError::not_found("table", table)),
            fault => Err(RegistryError::Invalid { errors: vec![mistake(fault)] }),
        },
    }
}

fn mistake(fault: &PolicyFault) -> Mistake {
    let field = match fault {
        PolicyFault::UnknownTable(_) => "table",
        PolicyFault::NoCommands => "commands",
        PolicyFault::MissingUsing(_) | PolicyFault::UnusedUsing => "using",
        PolicyFault::MissingCheck | PolicyFault::UnusedCheck => "check",
        PolicyFault::EmptyRole => "roles",
        PolicyFault::Condition { clause, source } => {
            return Mistake::new(clause.to_string(), &source.reason)
                .at(source.position.line, source.position.column)
                .hint(source.instead.clone());
        }
    };
    Mistake::new(field, fault)
}
