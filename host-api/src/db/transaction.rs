//! A transaction that stays open between statements.
//!
//! It holds one connection and a turn for it, for a bounded time, and never more than half of a
//! project's connections, or of the node's, are held so. Whatever ends it before its commit (an
//! error, its deadline, the caller going away) undoes it.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::Client;
use futures::future::{maybe_done, try_join};
use futures::poll;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_postgres::Error;

use super::error::statement_error;
use super::fence::{RunFence, hold};
use super::pool::{Database, TransactionPlace};
use super::rows::Read;
use super::run::{Flight, Stale, Statement, Stopped};
use super::told::{Told, tell};
use crate::error::HostError;
use crate::limits::TRANSACTION_TIME;

/// How long a rollback may take before the connection is closed instead, which undoes as well.
const ROLLBACK_TIME: Duration = Duration::from_secs(1);

/// An open transaction, or one that was.
pub(crate) struct OpenTransaction {
    /// None once it is over.
    open: Mutex<Option<Open>>,
    deadline: Instant,
}

/// What is held while it is open. Dropped, it is undone.
struct Open {
    flight: Option<Flight>,
    /// The run that must still be this node's when it commits.
    fence: Option<RunFence>,
    _place: TransactionPlace,
    /// Whatever the caller wants held until the end.
    _held: Box<dyn Send + Sync>,
}

impl Database {
    /// Begins a transaction. `told` is who asks, where policies are mirrored; `held` is dropped when
    /// it is over.
    pub(crate) async fn begin(
        &self,
        told: Option<&Told>,
        held: impl Send + Sync + 'static,
    ) -> Result<Arc<OpenTransaction>, HostError> {
        let place = self.transaction_place().await?;
        let mut flight = self.flight().await?;
        if let Err(stopped) = flight.begin(told).await {
            // It may have begun all the same; the next on this connection must not be inside of it.
            roll_back(flight).await;
            return Err(stopped.into_error());
        }
        let deadline = Instant::now() + TRANSACTION_TIME;
        let open = Open {
            flight: Some(flight),
            fence: self.fence,
            _place: place,
            _held: Box::new(held),
        };
        let transaction = Arc::new(OpenTransaction {
            open: Mutex::new(Some(open)),
            deadline,
        });
        tokio::spawn(end_at(Arc::downgrade(&transaction), deadline));
        Ok(transaction)
    }
}

impl Flight {
    /// Begins, and tells who asks in the same flight.
    async fn begin(&mut self, told: Option<&Told>) -> Result<(), Stopped> {
        let keep = self.node.limits.statements;
        let client = self.client()?;
        let telling = match told {
            Some(told) => Some(told.prepared(client, keep).await?),
            None => None,
        };
        // Sent in this order: each is when it is first polled.
        try_join(
            client.batch_execute("BEGIN"),
            tell(client, telling.as_ref()),
        )
        .await?;
        Ok(())
    }
}

impl OpenTransaction {
    /// Runs one statement inside. Where that fails, the transaction is over and undone.
    pub(crate) async fn run(&self, statement: &Statement) -> Result<Read, HostError> {
        let mut slot = self.open.lock().await;
        // Taken out: should this future be dropped halfway, the transaction goes with it.
        let mut open = slot.take().ok_or_else(|| self.over())?;
        let Some(flight) = open.flight.as_mut() else {
            return Err(self.over());
        };
        match timeout_at(self.deadline, flight.ask(statement, Stale::GiveUp)).await {
            Ok(Ok(read)) => {
                *slot = Some(open);
                Ok(read)
            }
            Ok(Err(Stopped::ByPostgres(error))) => Err(statement_error(&error)),
            Ok(Err(Stopped::ByUs(error))) => {
                open.abandon();
                Err(error)
            }
            Err(_) => {
                open.abandon();
                Err(HostError::transaction_time())
            }
        }
    }

    /// Makes everything that was done inside visible.
    pub(crate) async fn commit(&self) -> Result<(), HostError> {
        let mut open = self.open.lock().await.take().ok_or_else(|| self.over())?;
        let Some(mut flight) = open.flight.take() else {
            return Err(self.over());
        };
        let committed = match flight.client() {
            Ok(client) => commit(client, open.fence, flight.node.limits.statements).await,
            Err(stopped) => return Err(stopped.into_error()),
        };
        // Over in either case.
        flight.land();
        committed.map_err(|error| statement_error(&error))
    }

    /// Undoes everything that was done inside. What is over already is undone or done for good.
    pub(crate) async fn rollback(&self) {
        if let Some(mut open) = self.open.lock().await.take()
            && let Some(flight) = open.flight.take()
        {
            roll_back(flight).await;
        }
    }

    /// Fails where it is over already.
    pub(crate) async fn check_open(&self) -> Result<(), HostError> {
        match *self.open.lock().await {
            Some(_) => Ok(()),
            None => Err(self.over()),
        }
    }

    fn over(&self) -> HostError {
        match Instant::now() < self.deadline {
            true => HostError::transaction_over(),
            false => HostError::transaction_time(),
        }
    }
}

/// Commits, if the run is still this node's; else Postgres turns the commit into a rollback.
async fn commit(client: &Client, fence: Option<RunFence>, keep: usize) -> Result<(), Error> {
    let Some(fence) = fence else {
        return client.batch_execute("COMMIT").await;
    };
    let holding = fence.prepared(client, keep).await?;
    let mut held = pin!(maybe_done(hold(client, Some(&holding))));
    let _ = poll!(&mut held);
    let committed = client.batch_execute("COMMIT").await;
    held.as_mut().await;
    held.take_output().unwrap_or(Ok(()))?;
    committed
}

impl Open {
    /// A statement is still under way: it is cancelled and its connection closed.
    fn abandon(&mut self) {
        drop(self.flight.take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        // Without a runtime the connection is closed, which undoes as well.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(roll_back(flight));
        }
    }
}

pub(super) async fn roll_back(mut flight: Flight) {
    let undone = match flight.client() {
        Ok(client) => timeout(ROLLBACK_TIME, client.batch_execute("ROLLBACK")).await,
        Err(_) => return,
    };
    if matches!(undone, Ok(Ok(()))) {
        flight.land();
    }
}

impl Stopped {
    pub(super) fn into_error(self) -> HostError {
        match self {
            Stopped::ByPostgres(error) => statement_error(&error),
            Stopped::ByUs(error) => error,
        }
    }
}

/// Undoes the transaction at its deadline, if it is still open and nobody is at work in it.
async fn end_at(transaction: Weak<OpenTransaction>, deadline: Instant) {
    sleep_until(deadline).await;
    if let Some(transaction) = transaction.upgrade() {
        transaction.rollback().await;
    }
}
