//! Running one statement and writing its rows as JSON.
//!
//! A statement is one autocommit round trip. If whoever waits for it goes away (the invocation met
//! its deadline), Postgres is asked to stop, and the connection is closed instead of being handed
//! to the next with an answer still on the way.

use std::pin::pin;
use std::sync::Arc;

use deadpool_postgres::{Client, Object};
use futures::TryStreamExt;
use tokio_postgres::{Error, RowStream};

use super::bind::Bind;
use super::error::{is_stale_plan, statement_error};
use super::node::Node;
use super::pool::{Checkout, Database, Turn};
use super::rows::RowsWriter;
use crate::error::{DATABASE_AWAY, HostError};
use crate::limits::ANSWER_BYTES;

/// A statement that a permit allowed, ready to run.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) binds: Vec<Bind>,
    pub(crate) plan: Plan,
    pub(crate) effect: Effect,
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
    /// Runs the statement; its rows as a JSON array.
    pub(crate) async fn run(&self, statement: &Statement) -> Result<String, HostError> {
        let answer = self.attempt(statement).await;
        if !answer
            .as_ref()
            .is_err_and(|error| error.code() == DATABASE_AWAY)
        {
            return answer;
        }
        // Where one connection died, its neighbours did, and may not have noticed yet.
        drop(self.project.pool.retain(|_, _| false));
        match statement.effect {
            Effect::Reads => self.attempt(statement).await,
            // Whether it happened, nobody can know: not ours to repeat.
            Effect::Writes => answer,
        }
    }

    async fn attempt(&self, statement: &Statement) -> Result<String, HostError> {
        let Checkout { client, turn } = self.checkout().await?;
        let flight = Flight {
            node: Arc::clone(&self.node),
            client: Some(client),
            _turn: turn,
        };
        self.node.count_statement();
        flight.answer(statement, self.node.limits.statements).await
    }
}

/// A connection with a statement on the way.
struct Flight {
    node: Arc<Node>,
    /// None once it is back in its pool.
    client: Option<Client>,
    _turn: Turn,
}

impl Flight {
    async fn answer(mut self, statement: &Statement, keep: usize) -> Result<String, HostError> {
        let Some(client) = self.client.as_ref() else {
            return Err(HostError::internal("a statement without a connection"));
        };
        let rows = match start(client, statement, keep).await {
            Err(error) if is_stale_plan(&error) => {
                client.statement_cache.clear();
                start(client, statement, keep).await
            }
            rows => rows,
        };
        let answer = match rows {
            Ok(rows) => collect(rows, statement.effect).await,
            Err(error) => Err(Stopped::ByPostgres(error)),
        };
        match answer {
            Ok(text) => {
                self.land();
                Ok(text)
            }
            Err(Stopped::ByPostgres(error)) => {
                self.land();
                Err(statement_error(&error))
            }
            // Rows are still on the way: dropping the flight cancels it.
            Err(Stopped::ByUs(error)) => Err(error),
        }
    }

    /// The answer is complete: the connection is as good as new.
    fn land(&mut self) {
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

enum Stopped {
    ByPostgres(Error),
    ByUs(HostError),
}

async fn start(client: &Client, statement: &Statement, keep: usize) -> Result<RowStream, Error> {
    let types: Vec<_> = statement.binds.iter().map(Bind::pg_type).collect();
    match statement.plan {
        Plan::Once => {
            let binds = statement.binds.iter().zip(types);
            client.query_typed_raw(&statement.text, binds).await
        }
        Plan::Kept => {
            // Counted before, so that what is about to run is not thrown away with the rest.
            if client.statement_cache.size() >= keep {
                client.statement_cache.clear();
            }
            let prepared = client.prepare_typed_cached(&statement.text, &types).await?;
            client.query_raw(&prepared, &statement.binds).await
        }
    }
}

async fn collect(rows: RowStream, effect: Effect) -> Result<String, Stopped> {
    let mut rows = pin!(rows);
    let mut writer: Option<RowsWriter> = None;
    let mut broken = None;
    while let Some(row) = rows.try_next().await.map_err(Stopped::ByPostgres)? {
        let writer = writer.get_or_insert_with(|| RowsWriter::new(row.columns()));
        if broken.is_some() {
            continue;
        }
        let written = writer.push(&row);
        if let Err(error) = written.and_then(|()| check_size(writer, effect)) {
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
        (None, None) => Ok("[]".to_owned()),
    }
}

fn check_size(writer: &RowsWriter, effect: Effect) -> Result<(), HostError> {
    match effect {
        _ if writer.len() <= ANSWER_BYTES => Ok(()),
        Effect::Reads => Err(HostError::answer_too_large(ANSWER_BYTES)),
        Effect::Writes => Err(HostError::written_answer_too_large(ANSWER_BYTES)),
    }
}
