//! The outbox: what a function has sent later, written as rows first.
//!
//! A row is written by the caller's own statement, alone or in the caller's transaction, so what is
//! rolled back is never sent and what was acknowledged is never lost. Policies decide first, as for
//! tables: to send is to insert into a [`Resource`]. Nothing here talks to the network.

mod attached;
pub mod email;
pub mod template;
pub mod webhooks;

use std::time::SystemTime;

use koyalite_policy::{Command, Identity, Permit, Resource, Timestamp, decide};

use crate::db::rows::Read;
use crate::db::run::Statement;
use crate::error::{HostError, Refused};
use crate::invocation::{Invocation, Project};
use crate::tables::{Transaction, refusal};

/// Where a row is written.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// By itself: once this has answered, it is there.
    Alone,
    /// In a transaction of the caller's.
    In(&'a Transaction),
}

/// The decision about a resource.
pub(crate) fn permit(
    project: &Project,
    identity: &Identity,
    (command, resource): (Command, Resource),
) -> Result<Permit, HostError> {
    let table = resource.shape().name;
    let now = Timestamp::from(SystemTime::now());
    decide(&project.schema, identity, command, &table, now)
        .map_err(|denied| refusal(&table, &denied, &[command]))
}

/// Runs the statement in its place. A refusal names the policies of the resource.
async fn run(
    invocation: &Invocation,
    place: Place<'_>,
    (command, resource): (Command, Resource),
    statement: Result<Statement, HostError>,
) -> Result<Read, HostError> {
    let read = match place {
        Place::In(transaction) => transaction.ask(invocation, statement).await,
        Place::Alone => {
            let told = invocation.project.told(&invocation.identity);
            let database = &invocation.project.database;
            database.run(told.as_ref(), &statement?).await
        }
    };
    read.map_err(|error| {
        error.refused_by(|| {
            vec![Refused {
                table: resource.shape().name,
                commands: vec![command],
            }]
        })
    })
}
