//! Hints that something has changed: whoever changes says so by `NOTIFY`, and whoever listens looks at once.
//!
//! A hint may be lost, and nothing depends on one: looking every now and then (`propagation`) is what makes a
//! node follow. Behind a pooler that gives no sessions nobody listens.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use super::error::RegistryError;
use super::pool::Pooling;
use super::{Outage, Registry};

/// What is listened to, in this database.
const CHANNEL: &str = "koyalite_head";

/// Before a lost connection is made anew. Until then nodes look as often as they always do.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// A connection that was silent for so long is asked whether it is still there: a firewall may have forgotten it.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// How long it may take to answer that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl Registry {
    /// Says that something was changed, to whoever listens.
    pub(super) async fn hint(&self) -> Result<(), RegistryError> {
        let hint = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
        hint.execute(&self.pool).await?;
        Ok(())
    }

    /// Passes on to [`Registry::follow`] what other nodes say, until `stop`.
    pub async fn listen(&self, stop: CancellationToken) {
        if self.route.pooling() == Pooling::Transaction {
            return;
        }
        let mut outage = Outage::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = self.hear(&mut outage) => drop(outage.note(heard, LISTENING)),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LISTEN_AGAIN) => {}
            }
        }
    }

    /// Listens until the connection is lost.
    async fn hear(&self, outage: &mut Outage) -> Result<(), RegistryError> {
        let mut listener = self.route.listener().await?;
        listener.listen(CHANNEL).await?;
        outage.note(Ok(()), LISTENING);
        // What was said while nobody listened.
        self.told.notify_one();
        loop {
            let heard = tokio::time::timeout(SILENT_MAX, listener.try_recv()).await;
            match heard {
                Ok(heard) if heard.as_ref().is_ok_and(Option::is_some) => self.told.notify_one(),
                Ok(heard) => return heard.map(drop).map_err(RegistryError::from).and(lost()),
                Err(_silent) => ask(&mut listener).await?,
            }
        }
    }
}

const LISTENING: &str = "listening for changes";

fn lost() -> Result<(), RegistryError> {
    Err(sqlx::Error::PoolClosed.into())
}

/// To listen to what is listened to changes nothing, and is answered.
async fn ask(listener: &mut PgListener) -> Result<(), RegistryError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, listener.listen(CHANNEL)).await {
        Ok(answered) => Ok(answered?),
        Err(_late) => lost(),
    }
}
