//! `email` of both packages over one service.

use wasmtime::component::{Access, Accessor, Resource};

use super::logged::{Caller, logged};
use super::tables::{found, with_access, with_accessor};
use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::HostError;
use crate::outbox::Place;
use crate::outbox::email::{self, Content, Message, MessageStatus, Written};
use crate::tables::Transaction;

async fn send(
    caller: Caller,
    transaction: Option<Transaction>,
    message: Message,
) -> Result<String, HostError> {
    logged(caller, |call| async move {
        let place = transaction.as_ref().map_or(Place::Alone, Place::In);
        let id = email::send(&call, place, message).await?;
        Ok(id.to_string())
    })
    .await
}

async fn status(caller: Caller, id: String) -> Result<MessageStatus, HostError> {
    logged(
        caller,
        |call| async move { email::status(&call, &id).await },
    )
    .await
}

/// As in `tables`: the two packages differ in how a function sees its store.
macro_rules! implement {
    ($package:ident, [$($mut:tt)?] $access:ty, $with:ident) => {
        impl<T: Send + 'static> $package::email::HostWithStore<T> for Host {
            async fn send(
                $($mut)? access: $access,
                message: $package::email::Message,
            ) -> wasmtime::Result<Result<String, $package::email::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(send(caller, None, message.into()).await.map_err(Into::into))
            }

            async fn send_in(
                $($mut)? access: $access,
                transaction: Resource<Transaction>,
                message: $package::email::Message,
            ) -> wasmtime::Result<Result<String, $package::email::Error>> {
                let caller = $with!(access, |store| charged(store));
                let inside = $with!(access, |store| found(store, &transaction))?;
                Ok(send(caller, Some(inside), message.into()).await.map_err(Into::into))
            }

            async fn status(
                $($mut)? access: $access,
                id: String,
            ) -> wasmtime::Result<Result<$package::email::MessageStatus, $package::email::Error>>
            {
                let caller = $with!(access, |store| charged(store));
                Ok(status(caller, id).await.map(Into::into).map_err(Into::into))
            }
        }

        impl $package::email::Host for &mut HostState {}

        impl From<$package::email::Message> for Message {
            fn from(message: $package::email::Message) -> Self {
                let content = match message.content {
                    $package::email::Content::Written(written) => Content::Written(Written {
                        subject: written.subject,
                        text: written.text,
                        html: written.html,
                    }),
                    $package::email::Content::Template(filled) => Content::Template {
                        name: filled.name,
                        values: filled.values,
                    },
                };
                Self {
                    to: message.to,
                    sender: message.sender,
                    reply_to: message.reply_to,
                    content,
                    attachments: message.attachments,
                    idempotency_key: message.idempotency_key,
                }
            }
        }

        impl From<MessageStatus> for $package::email::MessageStatus {
            fn from(status: MessageStatus) -> Self {
                use $package::email::State;
                let state = match status.state.as_str() {
                    "queued" => State::Queued,
                    "sending" => State::Sending,
                    "sent" => State::Sent,
                    "deferred" => State::Deferred,
                    "bounced" => State::Bounced,
                    "suppressed" => State::Suppressed,
                    _ => State::Failed,
                };
                Self {
                    state,
                    attempts: status.attempts,
                    reason: status.reason,
                }
            }
        }
    };
}

implement!(concurrent_host, [] &Accessor<T, Self>, with_accessor);
implement!(sync_host, [mut] Access<'_, T, Self>, with_access);
