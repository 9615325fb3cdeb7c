//! `tables` of both packages over one service.
//!
//! Every function of the interface becomes an operation, and every operation runs the same way.
//! Transactions are resources: the handle is the guest's, what it stands for is in [`HostState`].

use wasmtime::component::{Access, Accessor, Resource};

use super::logged::{Caller, logged};
use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::HostError;
use crate::tables::{self, CountQuery, Operation, Outcome, Page, SelectQuery, Transaction};

async fn run(
    caller: Caller,
    operation: impl TryInto<Operation, Error = HostError>,
) -> Result<Outcome, HostError> {
    logged(caller, |call| async move {
        let operation = operation.try_into()?;
        tables::run(&call.project, &call.identity, &operation).await
    })
    .await
}

/// As [`run`], for operations that answer rows.
async fn rows(
    caller: Caller,
    operation: impl TryInto<Operation, Error = HostError>,
) -> Result<String, HostError> {
    run(caller, operation).await?.into_rows()
}

async fn count(
    caller: Caller,
    query: impl TryInto<CountQuery, Error = HostError>,
) -> Result<u64, HostError> {
    logged(caller, |call| async move {
        tables::count(&call.project, &call.identity, query.try_into()?).await
    })
    .await
}

async fn page(
    caller: Caller,
    query: impl TryInto<SelectQuery, Error = HostError>,
    after: Option<String>,
) -> Result<Page, HostError> {
    logged(caller, |call| async move {
        let query = query.try_into()?;
        tables::select_page(&call.project, &call.identity, &query, after.as_deref()).await
    })
    .await
}

async fn batch<O>(caller: Caller, operations: Vec<O>) -> Result<Vec<Outcome>, HostError>
where
    O: TryInto<Operation, Error = HostError>,
{
    logged(caller, |call| async move {
        // The first of them was counted with the call itself.
        let others = operations.len().saturating_sub(1);
        call.calls
            .take_many(u32::try_from(others).unwrap_or(u32::MAX))?;
        let operations = operations.into_iter().map(TryInto::try_into);
        let operations = operations.collect::<Result<Vec<_>, _>>()?;
        tables::batch(&call.project, &call.identity, &operations).await
    })
    .await
}

async fn begin(caller: Caller) -> Result<Transaction, HostError> {
    logged(
        caller,
        |call| async move { Transaction::begin(&call).await },
    )
    .await
}

async fn step(
    caller: Caller,
    transaction: Transaction,
    operation: impl TryInto<Operation, Error = HostError>,
) -> Result<Outcome, HostError> {
    logged(caller, |call| async move {
        transaction.run(&call, &operation.try_into()?).await
    })
    .await
}

async fn commit(caller: Caller, transaction: Transaction) -> Result<(), HostError> {
    logged(
        caller,
        |call| async move { transaction.commit(&call).await },
    )
    .await
}

async fn rollback(caller: Caller, transaction: Transaction) -> Result<(), HostError> {
    logged(
        caller,
        |call| async move { transaction.rollback(&call).await },
    )
    .await
}

/// The two packages differ in how a function sees its store: `with` runs something on it.
macro_rules! implement {
    ($package:ident, [$($mut:tt)?] $access:ty, $with:ident) => {
        impl<T: Send + 'static> $package::tables::HostWithStore<T> for Host {
            async fn select(
                $($mut)? access: $access,
                table: String,
                query: $package::tables::Query,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation = $package::tables::Operation::Select(
                    $package::tables::Selection { table, query },
                );
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn select_page(
                $($mut)? access: $access,
                table: String,
                query: $package::tables::Query,
                after: Option<String>,
            ) -> wasmtime::Result<Result<$package::tables::Page, $package::tables::Error>> {
                let selection = $package::tables::Selection { table, query };
                let caller = $with!(access, |store| charged(store));
                let page = page(caller, selection, after).await;
                Ok(page.map(Into::into).map_err(Into::into))
            }

            async fn count(
                $($mut)? access: $access,
                table: String,
                filter: $package::tables::Filter,
            ) -> wasmtime::Result<Result<u64, $package::tables::Error>> {
                let counting = $package::tables::Counting { table, filter };
                let caller = $with!(access, |store| charged(store));
                Ok(count(caller, counting).await.map_err(Into::into))
            }

            async fn aggregate(
                $($mut)? access: $access,
                table: String,
                aggregation: $package::tables::Aggregation,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation = $package::tables::Operation::Aggregate(
                    $package::tables::Summing { table, aggregation },
                );
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn insert(
                $($mut)? access: $access,
                table: String,
                new_rows: String,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation =
                    $package::tables::Operation::Insert($package::tables::Insertion {
                        table,
                        rows: new_rows,
                        returning,
                    });
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn upsert(
                $($mut)? access: $access,
                table: String,
                new_rows: String,
                conflict: Vec<String>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation =
                    $package::tables::Operation::Upsert($package::tables::Upsertion {
                        table,
                        rows: new_rows,
                        conflict,
                        returning,
                    });
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn update(
                $($mut)? access: $access,
                table: String,
                filter: $package::tables::Filter,
                changes: String,
                max_affected: Option<u32>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation = $package::tables::Operation::Update($package::tables::Change {
                    table,
                    filter,
                    changes,
                    max_affected,
                    returning,
                });
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn delete(
                $($mut)? access: $access,
                table: String,
                filter: $package::tables::Filter,
                max_affected: Option<u32>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::tables::Error>> {
                let operation = $package::tables::Operation::Delete($package::tables::Removal {
                    table,
                    filter,
                    max_affected,
                    returning,
                });
                let caller = $with!(access, |store| charged(store));
                Ok(rows(caller, operation).await.map_err(Into::into))
            }

            async fn batch(
                $($mut)? access: $access,
                operations: Vec<$package::tables::Operation>,
            ) -> wasmtime::Result<
                Result<Vec<$package::tables::Outcome>, $package::tables::Error>,
            > {
                let caller = $with!(access, |store| charged(store));
                let outcomes = batch(caller, operations).await;
                Ok(outcomes
                    .map(|outcomes| outcomes.into_iter().map(Into::into).collect())
                    .map_err(Into::into))
            }

            async fn begin(
                $($mut)? access: $access,
            ) -> wasmtime::Result<Result<Resource<Transaction>, $package::tables::Error>> {
                let caller = $with!(access, |store| charged(store));
                match begin(caller).await {
                    Ok(transaction) => {
                        let handle =
                            $with!(access, |store| store.get().transactions.push(transaction));
                        Ok(Ok(handle?))
                    }
                    Err(error) => Ok(Err(error.into())),
                }
            }
        }

        impl<T: Send + 'static> $package::tables::HostTransactionWithStore<T> for Host {
            async fn run(
                $($mut)? access: $access,
                this: Resource<Transaction>,
                operation: $package::tables::Operation,
            ) -> wasmtime::Result<Result<$package::tables::Outcome, $package::tables::Error>> {
                let caller = $with!(access, |store| charged(store));
                let this = $with!(access, |store| found(store, &this))?;
                let outcome = step(caller, this, operation).await;
                Ok(outcome.map(Into::into).map_err(Into::into))
            }

            async fn commit(
                $($mut)? access: $access,
                this: Resource<Transaction>,
            ) -> wasmtime::Result<Result<(), $package::tables::Error>> {
                let caller = $with!(access, |store| charged(store));
                let this = $with!(access, |store| found(store, &this))?;
                Ok(commit(caller, this).await.map_err(Into::into))
            }

            async fn rollback(
                $($mut)? access: $access,
                this: Resource<Transaction>,
            ) -> wasmtime::Result<Result<(), $package::tables::Error>> {
                let caller = $with!(access, |store| charged(store));
                let this = $with!(access, |store| found(store, &this))?;
                Ok(rollback(caller, this).await.map_err(Into::into))
            }

            fn drop(
                mut access: Access<'_, T, Self>,
                this: Resource<Transaction>,
            ) -> wasmtime::Result<()> {
                access.get().transactions.delete(this)?;
                Ok(())
            }
        }

        impl $package::tables::Host for &mut HostState {}
        impl $package::tables::HostTransaction for &mut HostState {}
    };
}

/// What a handle stands for. A handle that stands for nothing is a fault of the guest's toolchain.
pub(super) fn found<T: 'static>(
    access: &mut Access<'_, T, Host>,
    handle: &Resource<Transaction>,
) -> wasmtime::Result<Transaction> {
    Ok(access.get().transactions.get(handle)?.clone())
}

macro_rules! with_accessor {
    ($access:ident, |$store:ident| $work:expr) => {
        $access.with(|mut store| {
            let $store = &mut store;
            $work
        })
    };
}

macro_rules! with_access {
    ($access:ident, |$store:ident| $work:expr) => {{
        let $store = &mut $access;
        $work
    }};
}

pub(super) use {with_access, with_accessor};

implement!(concurrent_host, [] &Accessor<T, Self>, with_accessor);
implement!(sync_host, [mut] Access<'_, T, Self>, with_access);
