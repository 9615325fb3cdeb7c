//! `vectors` of both packages over one service.

use wasmtime::component::{Access, Accessor};

use super::logged::{Caller, logged};
use super::tables::{with_access, with_accessor};
use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::HostError;
use crate::tables::{DeleteQuery, Filter, UpsertQuery};
use crate::vectors::{self, Found, HybridQuery, Precision, SearchPlan, SearchQuery};

async fn search(
    caller: Caller,
    query: impl TryInto<SearchQuery, Error = HostError>,
) -> Result<Found, HostError> {
    logged(caller, |call| async move {
        vectors::search(&call.project, &call.identity, &query.try_into()?).await
    })
    .await
}

async fn search_hybrid(
    caller: Caller,
    query: impl TryInto<HybridQuery, Error = HostError>,
) -> Result<Found, HostError> {
    logged(caller, |call| async move {
        vectors::search_hybrid(&call.project, &call.identity, &query.try_into()?).await
    })
    .await
}

async fn upsert(caller: Caller, query: UpsertQuery) -> Result<String, HostError> {
    logged(caller, |call| async move {
        vectors::upsert(&call.project, &call.identity, query).await
    })
    .await
}

async fn delete(
    caller: Caller,
    filter: impl TryInto<Filter, Error = HostError>,
    query: DeleteQuery,
) -> Result<String, HostError> {
    logged(caller, |call| async move {
        let filter = filter.try_into()?;
        let query = DeleteQuery { filter, ..query };
        vectors::delete(&call.project, &call.identity, query).await
    })
    .await
}

/// As in `tables`: the two packages differ in how a function sees its store.
macro_rules! implement {
    ($package:ident, [$($mut:tt)?] $access:ty, $with:ident) => {
        impl<T: Send + 'static> $package::vectors::HostWithStore<T> for Host {
            async fn search(
                $($mut)? access: $access,
                index: String,
                query: $package::vectors::SearchQuery,
            ) -> wasmtime::Result<Result<$package::vectors::Matches, $package::vectors::Error>>
            {
                let caller = $with!(access, |store| charged(store));
                let found = search(caller, (index, query)).await;
                Ok(found.map(Into::into).map_err(Into::into))
            }

            async fn search_hybrid(
                $($mut)? access: $access,
                index: String,
                query: $package::vectors::HybridQuery,
            ) -> wasmtime::Result<Result<$package::vectors::Matches, $package::vectors::Error>>
            {
                let caller = $with!(access, |store| charged(store));
                let found = search_hybrid(caller, (index, query)).await;
                Ok(found.map(Into::into).map_err(Into::into))
            }

            async fn upsert(
                $($mut)? access: $access,
                index: String,
                rows: String,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::vectors::Error>> {
                let caller = $with!(access, |store| charged(store));
                let query = UpsertQuery { table: index, rows, conflict: Vec::new(), returning };
                Ok(upsert(caller, query).await.map_err(Into::into))
            }

            async fn delete(
                $($mut)? access: $access,
                index: String,
                filter: $package::tables::Filter,
                max_affected: Option<u32>,
                returning: Vec<String>,
            ) -> wasmtime::Result<Result<String, $package::vectors::Error>> {
                let caller = $with!(access, |store| charged(store));
                let query = DeleteQuery {
                    table: index,
                    max_affected,
                    returning,
                    ..DeleteQuery::default()
                };
                Ok(delete(caller, filter, query).await.map_err(Into::into))
            }
        }

        impl $package::vectors::Host for &mut HostState {}

        impl TryFrom<(String, $package::vectors::SearchQuery)> for SearchQuery {
            type Error = HostError;

            fn try_from(
                (index, query): (String, $package::vectors::SearchQuery),
            ) -> Result<Self, HostError> {
                use $package::vectors::Precision as Wit;
                Ok(Self {
                    index,
                    vector: query.vector,
                    k: query.k,
                    filter: query.filter.try_into()?,
                    columns: query.columns,
                    precision: match query.precision {
                        Wit::Automatic => Precision::Automatic,
                        Wit::Exact => Precision::Exact,
                    },
                })
            }
        }

        impl TryFrom<(String, $package::vectors::HybridQuery)> for HybridQuery {
            type Error = HostError;

            fn try_from(
                (index, query): (String, $package::vectors::HybridQuery),
            ) -> Result<Self, HostError> {
                Ok(Self {
                    near: SearchQuery {
                        index,
                        vector: query.vector,
                        k: query.k,
                        filter: query.filter.try_into()?,
                        columns: query.columns,
                        precision: Precision::Exact,
                    },
                    text: query.text,
                    columns: query.text_columns,
                    language: query.language,
                })
            }
        }

        impl From<Found> for $package::vectors::Matches {
            fn from(found: Found) -> Self {
                use $package::vectors::Plan as Wit;
                Self {
                    rows: found.rows,
                    plan: match found.plan {
                        SearchPlan::Scan => Wit::Scan,
                        SearchPlan::Exact => Wit::Exact,
                        SearchPlan::Graph => Wit::Graph,
                    },
                }
            }
        }
    };
}

implement!(concurrent_host, [] &Accessor<T, Self>, with_accessor);
implement!(sync_host, [mut] Access<'_, T, Self>, with_access);
