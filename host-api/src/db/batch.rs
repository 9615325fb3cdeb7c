//! Several statements as one transaction, in one flight.
//!
//! Everything from BEGIN to COMMIT is sent before the first answer is awaited. Where one fails,
//! Postgres ignores what follows and turns the COMMIT into a rollback. Where policies are mirrored, the
//! flight tells who asks before anything else, and one statement alone goes this way too; so does a
//! write of a scheduled run, which asks first whether the run is still this node's.

use std::future::Future;
use std::pin::{Pin, pin};

use deadpool_postgres::Client;
use futures::future::{MaybeDone, maybe_done};
use futures::poll;
use tokio_postgres::{Error, RowStream};

use super::bind::Bind;
use super::error::{is_stale_plan, statement_error};
use super::fence::{RunFence, hold};
use super::pool::Database;
use super::rows::Read;
use super::run::{Effect, Flight, Statement, Stopped, check_size, collect, prepare};
use super::told::{Told, tell};
use crate::error::{DATABASE_AWAY, HostError};

impl Database {
    /// Runs all of the statements or none; what each of them read.
    pub(crate) async fn run_together(
        &self,
        told: Option<&Told>,
        statements: &[Statement],
    ) -> Result<Vec<Read>, HostError> {
        let mut flight = self.flight().await?;
        let before = (told, self.fence_of(statements));
        let mut answer = flight.together(before, statements).await;
        // Found before anything happened, so once more is safe for writes too.
        if let Err(Stopped::ByPostgres(error)) = &answer
            && is_stale_plan(error)
            && let Ok(client) = flight.client()
        {
            client.statement_cache.clear();
            answer = flight.together(before, statements).await;
        }
        match answer {
            Ok(reads) => {
                flight.land();
                Ok(reads)
            }
            Err(Stopped::ByPostgres(error)) => {
                flight.land();
                let error = statement_error(&error);
                if error.code() == DATABASE_AWAY {
                    self.forget_connections();
                }
                Err(error)
            }
            Err(Stopped::ByUs(error)) => Err(error),
        }
    }
}

type Starting<'a> = Pin<Box<dyn Future<Output = Result<RowStream, Error>> + Send + 'a>>;

impl Flight {
    async fn together(
        &self,
        before: (Option<&Told>, Option<RunFence>),
        statements: &[Statement],
    ) -> Result<Vec<Read>, Stopped> {
        let work = self.transaction(before, statements);
        match self.statement_time {
            None => work.await,
            Some(each) => {
                let count = u32::try_from(statements.len()).unwrap_or(u32::MAX);
                self.in_time(each * count, Box::pin(work)).await
            }
        }
    }

    async fn transaction(
        &self,
        (told, fence): (Option<&Told>, Option<RunFence>),
        statements: &[Statement],
    ) -> Result<Vec<Read>, Stopped> {
        let keep = self.node.limits.statements;
        let client = self.client()?;
        let telling = match told {
            Some(told) => Some(told.prepared(client, keep).await?),
            None => None,
        };
        let holding = match fence {
            Some(fence) => Some(fence.prepared(client, keep).await?),
            None => None,
        };
        let mut prepared = Vec::with_capacity(statements.len());
        for statement in statements {
            self.node.count_statement();
            prepared.push(prepare(client, statement, keep).await?);
        }
        // A request is sent when its future is first polled: one after the other, here and now.
        let mut begin = pin!(maybe_done(client.batch_execute("BEGIN")));
        let _ = poll!(&mut begin);
        let mut told = pin!(maybe_done(tell(client, telling.as_ref())));
        let _ = poll!(&mut told);
        let mut held = pin!(maybe_done(hold(client, holding.as_ref())));
        let _ = poll!(&mut held);
        let mut started = Vec::with_capacity(statements.len());
        for (statement, prepared) in statements.iter().zip(&prepared) {
            let mut start = maybe_done(starting(client, statement, prepared.as_ref()));
            let _ = poll!(&mut start);
            started.push(start);
        }
        let mut commit = pin!(maybe_done(client.batch_execute("COMMIT")));
        let _ = poll!(&mut commit);

        begin.as_mut().await;
        told.as_mut().await;
        held.as_mut().await;
        let reads = read_all(started, statements).await;
        commit.as_mut().await;
        for ended in [
            begin.take_output(),
            told.take_output(),
            held.take_output(),
            commit.take_output(),
        ] {
            ended.unwrap_or(Ok(()))?;
        }
        reads?.map_err(Stopped::ByUs)
    }
}

fn starting<'a>(
    client: &'a Client,
    statement: &'a Statement,
    prepared: Option<&'a tokio_postgres::Statement>,
) -> Starting<'a> {
    match prepared {
        Some(prepared) => Box::pin(client.query_raw(prepared, &statement.binds)),
        None => {
            let types = statement.binds.iter().map(Bind::pg_type);
            let binds = statement.binds.iter().zip(types);
            Box::pin(client.query_typed_raw(&statement.text, binds))
        }
    }
}

/// What each statement read. The inner error is ours: the transaction goes on, and what the caller
/// is told must be true of its end.
async fn read_all(
    started: Vec<MaybeDone<Starting<'_>>>,
    statements: &[Statement],
) -> Result<Result<Vec<Read>, HostError>, Stopped> {
    let effect = match statements.iter().all(|s| s.effect == Effect::Reads) {
        true => Effect::Reads,
        false => Effect::Writes,
    };
    let mut reads = Vec::with_capacity(statements.len());
    let mut bytes = 0;
    let mut broken = None;
    for (mut start, statement) in started.into_iter().zip(statements) {
        (&mut start).await;
        let Some(rows) = Pin::new(&mut start).take_output() else {
            return Err(Stopped::ByUs(HostError::internal("a step without rows")));
        };
        match collect(rows?, statement, effect).await {
            Ok(read) => {
                bytes += read.rows.len();
                reads.push(read);
            }
            Err(Stopped::ByUs(error)) if effect == Effect::Writes => {
                broken = broken.or(Some(error));
            }
            Err(stopped) => return Err(stopped),
        }
    }
    Ok(match broken {
        Some(error) => Err(error),
        None => check_size(bytes, effect).map(|()| reads),
    })
}
