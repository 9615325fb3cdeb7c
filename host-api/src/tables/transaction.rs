//! A transaction, as a guest holds one.
//!
//! It belongs to the invocation that began it: whoever else gets hold of it is refused, however the
//! handle came there. An operation that fails, for whatever reason, ends it, so that what a guest
//! commits is what it saw succeed.

use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::asked;
use super::plan::{Plan, plan};
use super::query::{Operation, Outcome};
use super::reads::{Look, refused, told};
use crate::db::rows::Read;
use crate::db::run::Statement;
use crate::db::transaction::OpenTransaction;
use crate::error::HostError;
use crate::invocation::Invocation;

/// Whether an invocation has an open transaction: it may have one at a time.
#[derive(Debug, Default)]
pub struct TransactionSlot(Arc<AtomicBool>);

/// The slot, taken until this is dropped.
struct Taken(Arc<AtomicBool>);

impl TransactionSlot {
    fn take(&self) -> Result<Taken, HostError> {
        match self.0.swap(true, Ordering::AcqRel) {
            false => Ok(Taken(Arc::clone(&self.0))),
            true => Err(HostError::transaction_open()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// An open transaction of one invocation. Dropped before its commit, it is undone.
#[derive(Clone)]
pub struct Transaction {
    invocation: uuid::Uuid,
    open: Arc<OpenTransaction>,
}

impl Transaction {
    /// Begins one for `invocation`.
    ///
    /// # Errors
    /// `transaction_open` where it has one; `database_busy` where no connection comes free.
    pub async fn begin(invocation: &Invocation) -> Result<Transaction, HostError> {
        let taken = invocation.transaction.take()?;
        let told = invocation.project.told(&invocation.identity);
        let database = &invocation.project.database;
        let open = database.begin(told.as_ref(), taken).await?;
        Ok(Transaction {
            invocation: invocation.id,
            open,
        })
    }

    /// Runs one operation inside.
    ///
    /// # Errors
    /// As [`super::run`]; the transaction is then over. `transaction_over` where it was,
    /// `foreign_transaction` where it is another invocation's.
    pub async fn run(
        &self,
        invocation: &Invocation,
        operation: &Operation,
    ) -> Result<Outcome, HostError> {
        self.check_owner(invocation)?;
        let whose = (invocation.project.as_ref(), &invocation.identity);
        let plan = plan(whose.0, whose.1, operation);
        match plan {
            Ok(Plan::Known(outcome)) => {
                self.open.check_open().await?;
                told(whose, [(Look::of(operation), 0)]).await?;
                Ok(outcome)
            }
            Ok(Plan::Ask { statement, answer }) => {
                let read = self.open.run(&statement).await;
                let named = |error: HostError| error.refused_by(|| asked(from_ref(operation)));
                let read = read.map_err(named)?;
                // What was seen was seen, even where the transaction is undone.
                if let Err(untold) = told(whose, [(Look::of(operation), answer.seen(&read))]).await
                {
                    self.open.rollback().await;
                    return Err(untold);
                }
                answer.outcome(read)
            }
            Err(error) => {
                self.open.rollback().await;
                Err(refused(whose, [Look::of(operation)], error).await)
            }
        }
    }

    /// Runs a statement of the outbox inside, or ends where there is none.
    pub(crate) async fn ask(
        &self,
        invocation: &Invocation,
        statement: Result<Statement, HostError>,
    ) -> Result<Read, HostError> {
        self.check_owner(invocation)?;
        match statement {
            Ok(statement) => self.open.run(&statement).await,
            Err(error) => {
                self.open.rollback().await;
                Err(error)
            }
        }
    }

    /// Makes everything that was done inside visible.
    ///
    /// # Errors
    /// `transaction_over` where it was undone before.
    pub async fn commit(&self, invocation: &Invocation) -> Result<(), HostError> {
        self.check_owner(invocation)?;
        self.open.commit().await
    }

    /// Undoes everything that was done inside.
    ///
    /// # Errors
    /// `foreign_transaction` where it is another invocation's.
    pub async fn rollback(&self, invocation: &Invocation) -> Result<(), HostError> {
        self.check_owner(invocation)?;
        self.open.rollback().await;
        Ok(())
    }

    fn check_owner(&self, invocation: &Invocation) -> Result<(), HostError> {
        match self.invocation == invocation.id {
            true => Ok(()),
            false => Err(HostError::foreign_transaction()),
        }
    }
}
