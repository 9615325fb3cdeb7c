//! Reads of tables, recorded where a project asks for it (`audit_reads`).
//!
//! A read is answered once its record is committed: whoever turns this on wants to be able to say who
//! has seen what, and that must not depend on a node that lived long enough to write it down. All
//! reads that wait at one moment share one statement, so that a busy node writes in batches.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use koyalite_host_api::HostError;
use koyalite_host_api::tables::{ReadEnd, ReadLog, Reads, TableRead};
use koyalite_policy::{FunctionName, Identity};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::Registry;
use super::super::error::RegistryError;
use super::super::snapshot::ProjectEntry;
use super::write::{Row, insert_all};
use super::{Action, Author, Chain, Deed};

/// Reads that wait to be recorded on a node. As many as it has calls, several times over; whoever
/// comes when it is full waits too.
pub const READS_WAITING_MAX: usize = 1024;

/// Records of one statement: a second of many readers, and a statement of some hundred kilobytes.
pub const READS_BATCH_MAX: usize = 500;

/// What reads wait in.
pub struct ReadRecords {
    waiting: mpsc::Sender<Waiting>,
    taken: Mutex<mpsc::Receiver<Waiting>>,
}

struct Waiting {
    rows: Vec<Row>,
    done: oneshot::Sender<()>,
}

impl Default for ReadRecords {
    fn default() -> Self {
        let (waiting, taken) = mpsc::channel(READS_WAITING_MAX);
        let taken = Mutex::new(taken);
        Self { waiting, taken }
    }
}

/// On whose behalf a function reads.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The function.
    pub function: FunctionName,
    /// Its version.
    pub version: u32,
    /// The request, or the run.
    pub invocation: Uuid,
}

impl ReadRecords {
    /// The record of what `asker` reads; none where the project wants none.
    #[must_use]
    pub fn of(self: &Arc<Self>, project: &ProjectEntry, asker: impl FnOnce() -> Asker) -> Reads {
        if !project.settings.audit_reads {
            return Reads::default();
        }
        Reads::kept_by(Arc::new(Kept {
            records: Arc::clone(self),
            project: project.id,
            asker: asker(),
        }))
    }

    async fn record(&self, rows: Vec<Row>) -> Result<(), HostError> {
        let (done, recorded) = oneshot::channel();
        let away = || HostError::database_away("a read could not be recorded");
        let waiting = Waiting { rows, done };
        self.waiting.send(waiting).await.map_err(|_| away())?;
        recorded.await.map_err(|_| away())
    }
}

struct Kept {
    records: Arc<ReadRecords>,
    project: Uuid,
    asker: Asker,
}

impl ReadLog for Kept {
    fn keep<'a>(
        &'a self,
        caller: &'a Identity,
        reads: Vec<TableRead>,
    ) -> BoxFuture<'a, Result<(), HostError>> {
        let rows = reads.into_iter().map(|read| self.row(caller, read));
        self.records.record(rows.collect()).boxed()
    }
}

impl Kept {
    fn row(&self, caller: &Identity, read: TableRead) -> Row {
        let author = Author {
            actor: actor(caller),
            request: Some(self.asker.invocation),
        };
        let table = read.tables.first().map(ToString::to_string);
        let deed = Deed::new(Action::RowsRead, table.unwrap_or_default())
            .with("command", read.command.as_str())
            .with("function", self.asker.function.as_str())
            .with("version", self.asker.version)
            .with("role", caller.role().as_str())
            .with("policies", read.policies);
        let others: Vec<_> = read
            .tables
            .iter()
            .skip(1)
            .map(ToString::to_string)
            .collect();
        let deed = match others.is_empty() {
            true => deed,
            false => deed.with("embedded", others),
        };
        let deed = match read.ended {
            ReadEnd::Rows(rows) => deed.with("rows", rows),
            ReadEnd::Denied(code) => deed.with("denied", code),
        };
        Row::new(Chain::Project(self.project), author, deed)
    }
}

/// Who reads, as a record names them.
fn actor(caller: &Identity) -> String {
    match caller {
        Identity::Anonymous => "anonymous".to_owned(),
        Identity::User(user) => user.subject().to_owned(),
        Identity::Service(service) => format!("function {}", service.function),
    }
}

/// Records what waits until `stop`, and then what is left.
pub async fn keep_reads(registry: &Registry, records: &ReadRecords, stop: CancellationToken) {
    let mut taken = records.taken.lock().await;
    loop {
        let mut batch = Vec::new();
        let some = tokio::select! {
            biased;
            some = taken.recv_many(&mut batch, READS_BATCH_MAX) => some,
            () = stop.cancelled() => break,
        };
        if some == 0 {
            break;
        }
        record(registry, batch).await;
    }
    taken.close();
    let mut left = Vec::new();
    while taken.recv_many(&mut left, READS_BATCH_MAX).await > 0 {
        record(registry, std::mem::take(&mut left)).await;
    }
}

/// Those who wait hear nothing where it fails, which they take for what it is.
async fn record(registry: &Registry, batch: Vec<Waiting>) {
    let (rows, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|it| (it.rows, it.done)).unzip();
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    match write(registry, &rows).await {
        // Whoever went away meanwhile needs no answer.
        Ok(()) => waiting
            .into_iter()
            .for_each(|done| done.send(()).unwrap_or(())),
        Err(error) => {
            tracing::error!(
                error = error.detail(),
                reads = rows.len(),
                "reads could not be recorded and are not answered"
            );
        }
    }
}

async fn write(registry: &Registry, rows: &[Row]) -> Result<(), RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    insert_all(&mut conn, rows).await
}
