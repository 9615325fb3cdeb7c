//! Statements without a name, each within a transaction.
//!
//! The driver sends a statement to be parsed, waits for its description, and then sends its values: two rounds, and
//! a pooler may give each round that is in no transaction another connection. Within a transaction it may not,
//! and what has no name is in nobody's way. Text without values is one round and goes as it is.

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow, PgStatement};
use sqlx::{
    Connection as _, Error, Execute, Executor as _, PgConnection, PgPool, Postgres, SqlStr,
};

use super::Step;

/// A statement that leaves nothing behind.
struct Unnamed {
    text: SqlStr,
    values: Option<PgArguments>,
}

impl Unnamed {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, Error> {
        Ok(Self {
            values: query.take_arguments().map_err(Error::Encode)?,
            text: query.sql(),
        })
    }
}

impl Execute<'_, Postgres> for Unnamed {
    fn sql(self) -> SqlStr {
        self.text
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        Ok(self.values.take())
    }

    fn persistent(&self) -> bool {
        false
    }
}

/// Within a transaction that is open.
pub(super) fn inside<'e, 'q: 'e>(
    begun: &'e mut PgConnection,
    query: impl Execute<'q, Postgres> + 'q,
) -> BoxStream<'e, Result<Step, Error>> {
    match Unnamed::of(query) {
        Ok(unnamed) => begun.fetch_many(unnamed),
        Err(error) => stream::once(async { Err(error) }).boxed(),
    }
}

/// In a transaction of its own.
pub(super) fn alone<'e, 'q: 'e>(
    connection: &'e mut PoolConnection<Postgres>,
    query: impl Execute<'q, Postgres> + 'q,
) -> BoxStream<'e, Result<Step, Error>> {
    let unnamed = Unnamed::of(query);
    at_once(async move { run(connection, unnamed?).await })
}

/// The same on a connection of the pool.
pub(super) fn pooled<'e, 'q: 'e>(
    pool: &'e PgPool,
    query: impl Execute<'q, Postgres> + 'q,
) -> BoxStream<'e, Result<Step, Error>> {
    let unnamed = Unnamed::of(query);
    at_once(async move { run(&mut pool.acquire().await?, unnamed?).await })
}

/// The first row, once all have come.
pub(super) fn first(
    mut steps: BoxStream<'_, Result<Step, Error>>,
) -> BoxFuture<'_, Result<Option<PgRow>, Error>> {
    Box::pin(async move {
        let mut first = None;
        while let Some(step) = steps.try_next().await? {
            first = first.or(step.right());
        }
        Ok(first)
    })
}

async fn run(
    connection: &mut PoolConnection<Postgres>,
    unnamed: Unnamed,
) -> Result<Vec<Step>, Error> {
    if unnamed.values.is_none() {
        return connection.fetch_many(unnamed).try_collect().await;
    }
    let mut beginning = Beginning {
        connection,
        begun: false,
    };
    let mut transaction = beginning.connection.begin().await?;
    beginning.begun = true;
    let steps = (&mut *transaction)
        .fetch_many(unnamed)
        .try_collect()
        .await?;
    transaction.commit().await?;
    Ok(steps)
}

/// A connection whose transaction is begun, or closed where nobody waits for that any more: sqlx would give it
/// back to the pool inside a transaction that it does not know of.
struct Beginning<'c> {
    connection: &'c mut PoolConnection<Postgres>,
    begun: bool,
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if !self.begun {
            self.connection.close_on_drop();
        }
    }
}

/// What control data is asked for is small: it is passed on when the transaction has ended well.
fn at_once<'e>(
    steps: impl Future<Output = Result<Vec<Step>, Error>> + Send + 'e,
) -> BoxStream<'e, Result<Step, Error>> {
    stream::once(steps)
        .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}
