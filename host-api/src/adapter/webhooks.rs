//! `webhooks` of both packages over one service.

use wasmtime::component::{Access, Accessor, Resource};

use super::logged::{Caller, logged};
use super::tables::{found, with_access, with_accessor};
use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::HostError;
use crate::outbox::Place;
use crate::outbox::webhooks::{self, Event, EventStatus, ID_PREFIX};
use crate::tables::Transaction;

async fn emit(
    caller: Caller,
    transaction: Option<Transaction>,
    event: Event,
) -> Result<String, HostError> {
    logged(caller, |call| async move {
        let place = transaction.as_ref().map_or(Place::Alone, Place::In);
        let id = webhooks::emit(&call, place, event).await?;
        Ok(format!("{ID_PREFIX}{}", id.simple()))
    })
    .await
}

async fn status(caller: Caller, id: String) -> Result<EventStatus, HostError> {
    logged(
        caller,
        |call| async move { webhooks::status(&call, &id).await },
    )
    .await
}

/// As in `tables`: the two packages differ in how a function sees its store.
macro_rules! implement {
    ($package:ident, [$($mut:tt)?] $access:ty, $with:ident) => {
        impl<T: Send + 'static> $package::webhooks::HostWithStore<T> for Host {
            async fn emit(
                $($mut)? access: $access,
                event: $package::webhooks::Event,
            ) -> wasmtime::Result<Result<String, $package::webhooks::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(emit(caller, None, event.into()).await.map_err(Into::into))
            }

            async fn emit_in(
                $($mut)? access: $access,
                transaction: Resource<Transaction>,
                event: $package::webhooks::Event,
            ) -> wasmtime::Result<Result<String, $package::webhooks::Error>> {
                let caller = $with!(access, |store| charged(store));
                let inside = $with!(access, |store| found(store, &transaction))?;
                Ok(emit(caller, Some(inside), event.into()).await.map_err(Into::into))
            }

            async fn status(
                $($mut)? access: $access,
                id: String,
            ) -> wasmtime::Result<
                Result<$package::webhooks::EventStatus, $package::webhooks::Error>,
            > {
                let caller = $with!(access, |store| charged(store));
                Ok(status(caller, id).await.map(Into::into).map_err(Into::into))
            }
        }

        impl $package::webhooks::Host for &mut HostState {}

        impl From<$package::webhooks::Event> for Event {
            fn from(event: $package::webhooks::Event) -> Self {
                Self {
                    event_type: event.event_type,
                    payload: event.payload,
                    idempotency_key: event.idempotency_key,
                }
            }
        }

        impl From<EventStatus> for $package::webhooks::EventStatus {
            fn from(status: EventStatus) -> Self {
                Self {
                    event_type: status.event_type,
                    pending: status.pending,
                    delivered: status.delivered,
                    dead: status.dead,
                }
            }
        }
    };
}

implement!(concurrent_host, [] &Accessor<T, Self>, with_accessor);
implement!(sync_host, [mut] Access<'_, T, Self>, with_access);
