//! The lease of a scheduled run, checked where it writes.
//!
//! A node that lost touch may go on with a run that another node has taken over. Each of its writes asks
//! Postgres first, in the write's own transaction, whether the run is still its own: the answer holds the
//! run's row until the write is done, so nobody takes over between the two. Calls that no schedule set
//! off have no fence and ask nothing.

use deadpool_postgres::Client;
use postgres_types::{ToSql, Type};
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

/// Whose writes they are: a run, and the number that its claim got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunFence {
    /// The run.
    pub run: Uuid,
    /// Grows with every claim.
    pub fence: i64,
}

const HOLD: &str = "SELECT koyalite_api.hold_run($1, $2)";

/// What is asked, and the statement that asks it.
pub(super) type Holding = (RunFence, Option<Statement>);

impl RunFence {
    /// The statement that asks, prepared on this connection if any are kept there.
    pub(super) async fn prepared(self, client: &Client, keep: usize) -> Result<Holding, Error> {
        if keep == 0 {
            return Ok((self, None));
        }
        let statement = client.prepare_typed_cached(HOLD, &[Type::UUID, Type::INT8]);
        Ok((self, Some(statement.await?)))
    }
}

/// Asks, where there is something to ask; an error where the lease is over. Sent when first polled.
pub(super) async fn hold(client: &Client, holding: Option<&Holding>) -> Result<(), Error> {
    match holding {
        None => Ok(()),
        Some((fence, statement)) => {
            let which: [&(dyn ToSql + Sync); 2] = [&fence.run, &fence.fence];
            match statement {
                Some(statement) => client.execute(statement, &which).await.map(drop),
                None => {
                    let [run, number] = which;
                    let typed = [(run, Type::UUID), (number, Type::INT8)];
                    client.execute_typed(HOLD, &typed).await.map(drop)
                }
            }
        }
    }
}
