//! Running statements and reading their rows.
//!
//! A statement on its own is one autocommit round trip; several go as one transaction in one flight
//! (`batch`), or in a transaction that stays open (`transaction`). If whoever waits goes away (the
//! invocation met its deadline), Postgres is asked to stop, and the connection is closed instead of
//! being handed to the next with an answer still on the way.

use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Object};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::{Error, RowStream};

use super::bind::Bind;
use super::error::{is_stale_plan, statement_error};
use super::fence::RunFence;
use super::node::Node;
use super::pool::{Checkout, Database, Turn};
use super::rows::{Read, Reading, RowsWriter};
use super::told::Told;
use crate::error::{DATABASE_AWAY, HostError};
use crate::limits::ANSWER_BYTES;

/// A statement that a permit allowed, ready to run.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) binds: Vec<Bind>,
    pub(crate) plan: Plan,
    pub(crate) effect: Effect,
    pub(crate) reading: Reading,
}

/// Whether the connection keeps the statement prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Likely to come again with other values.
    Kept,
    /// Its text depends on how many rows it writes.
    Once,
}

/// What is lost if the answer can not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

impl Database {
    /// Runs the statement; its rows as a JSON array. `told` is who asks, where policies are mirrored.
    pub(crate) async fn run(
        &self,
        told: Option<&Told>,
        statement: &Statement,
    ) -> Result<Read, HostError> {
        let answer = self.attempt(told, statement).await;
        if !answer
            .as_ref()
            .is_err_and(|error| error.code() == DATABASE_AWAY)
        {
            return answer;
        }
        self.forget_connections();
        match statement.effect {
            Effect::Reads => self.attempt(told, statement).await,
            // Whether it happened, nobody can know: not ours to repeat.
            Effect::Writes => answer,
        }
    }

    async fn attempt(&self, told: Option<&Told>, statement: &Statement) -> Result<Read, HostError> {
        if told.is_some() || self.fence_of(slice::from_ref(statement)).is_some() {
            let reads = self.run_together(told, slice::from_ref(statement)).await?;
            let read = reads.into_iter().next();
            return read.ok_or_else(|| HostError::internal("a statement without an answer"));
        }
        let mut flight = self.flight().await?;
        match flight.ask(statement, Stale::TryAgain).await {
            Ok(read) => {
                flight.land();
                Ok(read)
            }
            Err(Stopped::ByPostgres(error)) => {
                flight.land();
                Err(statement_error(&error))
            }
            // Rows are still on the way: dropping the flight cancels it.
            Err(Stopped::ByUs(error)) => Err(error),
        }
    }

    /// What is asked before these statements: reads are nobody's business but the policies'.
    pub(super) fn fence_of(&self, statements: &[Statement]) -> Option<RunFence> {
        let writes = statements.iter().any(|it| it.effect == Effect::Writes);
        self.fence.filter(|_| writes)
    }

    /// A connection of the project's own, until it lands or is dropped.
    pub(super) async fn flight(&self) -> Result<Flight, HostError> {
        let Checkout { client, turn } = self.checkout().await?;
        Ok(Flight {
            node: Arc::clone(&self.node),
            statement_time: self.statement_time,
            client: Some(client),
            _turn: turn,
        })
    }

    /// Where one connection died, its neighbours did, and may not have noticed yet.
    pub(super) fn forget_connections(&self) {
        self.project.connections.retain(|_, _| false);
    }
}

/// A connection with a statement on the way.
pub(super) struct Flight {
    pub(super) node: Arc<Node>,
    /// How long a function's statement may take, if that is less than Postgres gives it anyway.
    pub(super) statement_time: Option<Duration>,
    /// None once it is back in its pool.
    client: Option<Client>,
    _turn: Turn,
}

/// What to do where a prepared statement outlived the table it was planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// Prepare it again: nothing has happened yet.
    TryAgain,
    /// Give up: the transaction around it has failed.
    GiveUp,
}

pub(super) enum Stopped {
    ByPostgres(Error),
    ByUs(HostError),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::ByPostgres(error)
    }
}

impl Flight {
    pub(super) fn client(&self) -> Result<&Client, Stopped> {
        let lost = || Stopped::ByUs(HostError::internal("a statement without a connection"));
        self.client.as_ref().ok_or_else(lost)
    }

    /// Runs one statement to its last row.
    pub(super) async fn ask(
        &mut self,
        statement: &Statement,
        stale: Stale,
    ) -> Result<Read, Stopped> {
        let work = self.answer(statement, stale);
        match self.statement_time {
            None => work.await,
            Some(time) => self.in_time(time, Box::pin(work)).await,
        }
    }

    /// Asks Postgres to stop what takes longer than a function may.
    pub(super) async fn in_time<T>(
        &self,
        time: Duration,
        mut work: BoxFuture<'_, Result<T, Stopped>>,
    ) -> Result<T, Stopped> {
        if let Ok(ended) = timeout(time, &mut work).await {
            return ended;
        }
        let token = self.client()?.cancel_token();
        self.node.tls.cancel(token).await;
        // Not left alone: whether it was stopped, only its answer can say.
        work.await
    }

    async fn answer(&self, statement: &Statement, stale: Stale) -> Result<Read, Stopped> {
        self.node.count_statement();
        let keep = self.node.limits.statements;
        let client = self.client()?;
        let rows = match start(client, statement, keep).await {
            Err(error) if is_stale_plan(&error) => {
                client.statement_cache.clear();
                match stale {
                    Stale::TryAgain => start(client, statement, keep).await,
                    Stale::GiveUp => Err(error),
                }
            }
            rows => rows,
        };
        collect(rows?, statement, statement.effect).await
    }

    /// The answer is complete: the connection is as good as new.
    pub(super) fn land(&mut self) {
        self.client = None;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let token = client.cancel_token();
        drop(Object::take(client));
        let tls = self.node.tls.clone();
        // Outside a runtime there is nobody to send it; the role's statement_timeout ends it then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tls.cancel(token).await });
        }
    }
}

async fn start(client: &Client, statement: &Statement, keep: usize) -> Result<RowStream, Error> {
    match prepare(client, statement, keep).await? {
        None => {
            let types = statement.binds.iter().map(Bind::pg_type);
            let binds = statement.binds.iter().zip(types);
            client.query_typed_raw(&statement.text, binds).await
        }
        Some(prepared) => client.query_raw(&prepared, &statement.binds).await,
    }
}

/// The statement, prepared on this connection and kept there. None where it goes without.
pub(super) async fn prepare(
    client: &Client,
    statement: &Statement,
    keep: usize,
) -> Result<Option<tokio_postgres::Statement>, Error> {
    if statement.plan == Plan::Once || keep == 0 {
        return Ok(None);
    }
    // Counted before, so that what is about to run is not thrown away with the rest.
    if client.statement_cache.size() >= keep {
        client.statement_cache.clear();
    }
    let types: Vec<_> = statement.binds.iter().map(Bind::pg_type).collect();
    let prepared = client.prepare_typed_cached(&statement.text, &types);
    prepared.await.map(Some)
}

/// Reads all rows. `effect` is that of all that is done together.
pub(super) async fn collect(
    rows: RowStream,
    statement: &Statement,
    effect: Effect,
) -> Result<Read, Stopped> {
    let mut rows = pin!(rows);
    let mut writer: Option<RowsWriter> = None;
    let mut broken = None;
    while let Some(row) = rows.try_next().await? {
        let writer =
            writer.get_or_insert_with(|| RowsWriter::new(row.columns(), &statement.reading));
        if broken.is_some() {
            continue;
        }
        let written = writer.push(&row);
        if let Err(error) = written.and_then(|()| check_size(writer.len(), effect)) {
            match effect {
                Effect::Reads => return Err(Stopped::ByUs(error)),
                // Stopping now might undo the change or not; read on, so that the error is true.
                Effect::Writes => broken = Some(error),
            }
        }
    }
    match (broken, writer) {
        (Some(error), _) => Err(Stopped::ByUs(error)),
        (None, Some(writer)) => writer.finish().map_err(Stopped::ByUs),
        (None, None) => Ok(Read::nothing()),
    }
}

pub(super) fn check_size(bytes: usize, effect: Effect) -> Result<(), HostError> {
    match effect {
        _ if bytes <= ANSWER_BYTES => Ok(()),
        Effect::Reads => Err(HostError::answer_too_large(ANSWER_BYTES)),
        Effect::Writes => Err(HostError::written_answer_too_large(ANSWER_BYTES)),
    }
}
