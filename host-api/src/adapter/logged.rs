//! What the operator's log says of a host call that failed.
//!
//! Denials name the policies that applied and the invocation, so that a refusal can be explained
//! later; never what any row holds. The guest's own mistakes are not the operator's business.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use koyalite_policy::{CheckedPolicy, PolicySource, TableRules};

use crate::error::{ErrorKind, HostError, Refused};
use crate::invocation::Invocation;

/// Whose call it is, with one call taken from their budget.
pub(super) type Caller = Result<Arc<Invocation>, HostError>;

/// Runs something for an invocation and writes what only the host may read to its log.
pub(super) async fn logged<T, O, F>(caller: Caller, work: O) -> Result<T, HostError>
where
    O: FnOnce(Arc<Invocation>) -> F,
    F: Future<Output = Result<T, HostError>>,
{
    let invocation = caller?;
    let begun = Instant::now();
    let answer = work(Arc::clone(&invocation)).await;
    invocation.usage.called_host(begun.elapsed());
    if let Err(error) = &answer {
        log(&invocation, error);
    }
    answer
}

/// Writes what only the host may read of an error.
pub(super) fn log(invocation: &Invocation, error: &HostError) {
    let (id, code) = (invocation.id, error.code());
    let (project, function) = (&invocation.project.name, &invocation.function);
    let inside = error.inside().unwrap_or_default();
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Unavailable => {
            tracing::error!(invocation = %id, code, inside, "a host call failed");
        }
        ErrorKind::Denied => {
            let policies = policies(invocation, error);
            tracing::info!(invocation = %id, %project, %function, code, policies, inside, "denied");
        }
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Limit => {}
    }
}

/// The policies that were asked, by table: name, id, and where they are for others than this caller.
fn policies(invocation: &Invocation, error: &HostError) -> String {
    let of_table = error.refused().iter().map(|Refused { table, commands }| {
        let rules = invocation.project.schema.table(table);
        let policies = rules.map(TableRules::policies).unwrap_or_default();
        let asked = policies.iter().filter(|policy| {
            let spoken_of = &policy.source().commands;
            commands.iter().any(|command| spoken_of.contains(command))
        });
        let named: Vec<_> = asked.map(|policy| named(invocation, policy)).collect();
        match named.as_slice() {
            [] => format!("{table}: none"),
            named => format!("{table}: {}", named.join(", ")),
        }
    });
    of_table.collect::<Vec<_>>().join("; ")
}

fn named(invocation: &Invocation, policy: &CheckedPolicy) -> String {
    let PolicySource { name, id, .. } = policy.source();
    match policy.is_for(&invocation.identity) {
        true => format!("{name:?} {id}"),
        false => format!("{name:?} {id} (for others)"),
    }
}
