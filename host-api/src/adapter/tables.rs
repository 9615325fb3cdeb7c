//! `tables` of both packages over one service.

use std::future::Future;
use std::sync::Arc;

use wasmtime::component::{Access, Accessor};

use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::{ErrorKind, HostError};
use crate::invocation::Invocation;
use crate::tables;

/// Runs one operation for an invocation and writes what only the host may read to its log.
async fn run<O, F>(
    invocation: Result<Arc<Invocation>, HostError>,
    operation: O,
) -> Result<String, HostError>
where
    O: FnOnce(Arc<Invocation>) -> F,
    F: Future<Output = Result<String, HostError>>,
{
    let invocation = invocation?;
    let id = invocation.id;
    let answer = operation(invocation).await;
    // Refusals and conflicts are the guest's business; the operator's log is for what is ours.
    if let Err(error) = &answer
        && matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable)
    {
        let inside = error.inside().unwrap_or_default();
        tracing::error!(invocation = %id, code = error.code(), inside, "a host call failed");
    }
    answer
}

macro_rules! implement {
    ($package:ident, $access:ty, |$caller:ident| $charged:expr) => {
        impl<T: Send + 'static> $package::tables::HostWithStore<T> for Host {
            async fn select(
                $caller: $access,
                table: String,
                query: $package::tables::Query,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let answer = run($charged, |call: Arc<Invocation>| async move {
                    let query = (table, query).try_into()?;
                    tables::select(&call.project, &call.identity, query).await
                });
                Ok(answer.await.map_err(Into::into))
            }

            async fn insert(
                $caller: $access,
                table: String,
                rows: String,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let answer = run($charged, |call: Arc<Invocation>| async move {
                    let query = tables::InsertQuery {
                        table,
                        rows,
                        returning,
                    };
                    tables::insert(&call.project, &call.identity, query).await
                });
                Ok(answer.await.map_err(Into::into))
            }

            async fn update(
                $caller: $access,
                table: String,
                filter: $package::tables::Filter,
                changes: String,
                max_affected: Option<u32>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let answer = run($charged, |call: Arc<Invocation>| async move {
                    let filter = filter.try_into()?;
                    let query = tables::UpdateQuery {
                        table,
                        filter,
                        changes,
                        max_affected,
                        returning,
                    };
                    tables::update(&call.project, &call.identity, query).await
                });
                Ok(answer.await.map_err(Into::into))
            }

            async fn delete(
                $caller: $access,
                table: String,
                filter: $package::tables::Filter,
                max_affected: Option<u32>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let answer = run($charged, |call: Arc<Invocation>| async move {
                    let filter = filter.try_into()?;
                    let query = tables::DeleteQuery {
                        table,
                        filter,
                        max_affected,
                        returning,
                    };
                    tables::delete(&call.project, &call.identity, query).await
                });
                Ok(answer.await.map_err(Into::into))
            }
        }
        impl $package::tables::Host for &mut HostState {}
    };
}

implement!(concurrent_host, &Accessor<T, Self>, |accessor| accessor.with(|mut a| charged(&mut a)));
implement!(sync_host, Access<'_, T, Self>, |access| {
    let mut access = access;
    charged(&mut access)
});
