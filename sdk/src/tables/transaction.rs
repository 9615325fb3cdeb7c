//! Operations that succeed or fail together, with the function's own code in between.

use super::{Answer, Error, Operation};
use crate::bindings::imports::koyalite::host::tables as host;

/// Begins a transaction.
///
/// # Errors
/// `transaction_open` where this invocation has one already.
pub async fn begin() -> Result<Transaction, Error> {
    Ok(Transaction(host::begin().await?))
}

/// An open transaction, made by [`begin`]. Dropped before [`commit`](Self::commit), it is undone.
///
/// It lives for five seconds and holds locks: do not wait for others meanwhile. An operation that
/// fails undoes all of it. It belongs to the request that began it.
#[derive(Debug)]
#[must_use = "dropped, it is undone"]
pub struct Transaction(host::Transaction);

impl Transaction {
    /// The host's own, for what else is done inside of it.
    pub(crate) fn handle(&self) -> &host::Transaction {
        &self.0
    }

    /// Runs one operation inside.
    ///
    /// # Errors
    /// As the operation; then the transaction is over and undone.
    pub async fn run(&self, operation: impl Into<Operation>) -> Result<Answer, Error> {
        let Operation { table, call } = operation.into();
        let outcome = self.0.run(call?).await?;
        Ok(Answer { table, outcome })
    }

    /// Makes everything that was done inside visible.
    ///
    /// # Errors
    /// `transaction_over` where an operation inside has failed, `transaction_time` where it was
    /// open for too long: then nothing was done.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit().await?)
    }

    /// Undoes everything that was done inside. To drop it does the same, a little later.
    ///
    /// # Errors
    /// Where the transaction is another request's.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.0.rollback().await?)
    }
}
