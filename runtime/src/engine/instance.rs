//! The exports of a component that we call, and how each is called.

use futures::channel::oneshot;
use koyalite_host_api::bindings::cron;
use wasmtime::component::{Accessor, GuestTaskId};
use wasmtime::{AsContextMut as _, Store};
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _, p2};

use super::call::{ScheduledEvent, Trigger};
use super::error::InvokeError;
use super::reply::Reply;
use super::state::State;
use super::trap::{first_line, guest_error};

/// An instance, through the exports that it has.
pub(super) struct Instance {
    pub(super) http: Option<Proxy>,
    pub(super) scheduled: Option<cron::Cron>,
}

/// Where a 0.2 guest's response goes: straight out of the store, to whoever awaits it there.
pub(super) type DirectResponse = oneshot::Sender<Result<http::Response<WasiBody>, wasmtime::Error>>;

/// How the answer of a call gets out.
pub(super) struct Ways<'a> {
    pub(super) reply: &'a Reply,
    pub(super) direct: DirectResponse,
}

/// Where a call finds the store.
pub(super) enum Reach<'a> {
    /// In its event loop, among other calls.
    Tasks(&'a Accessor<State>),
    /// All its own.
    Alone(&'a mut Store<State>),
}

impl Instance {
    /// Calls the export that fits the trigger and gives its answer to `ways` as soon as there is
    /// one. Returns when the call has ended, which may be long after. `enter` runs once the call's
    /// root task is known, where there are tasks, and before any guest code, to register on whose
    /// behalf it acts.
    ///
    /// # Errors
    /// A trap: the instance is gone.
    pub(super) async fn call(
        &self,
        reach: Reach<'_>,
        trigger: Trigger,
        enter: impl FnOnce(&mut State, Option<GuestTaskId>),
        ways: Ways<'_>,
    ) -> Result<(), wasmtime::Error> {
        match (reach, trigger, &self.http, &self.scheduled) {
            (Reach::Tasks(accessor), Trigger::Http(request), Some(proxy), _) => {
                http(accessor, proxy, request, enter, ways).await
            }
            (Reach::Tasks(accessor), Trigger::Scheduled(event), _, Some(cron)) => {
                scheduled(accessor, cron, event, enter, ways).await
            }
            (Reach::Alone(store), Trigger::Http(request), Some(Proxy::P2(proxy)), _) => {
                http_alone(store, proxy, request, enter, ways).await
            }
            (_, Trigger::Http(_), ..) => {
                ways.reply.error(InvokeError::NotExported {
                    export: "HTTP handler",
                });
                Ok(())
            }
            (_, Trigger::Scheduled(_), ..) => {
                ways.reply.error(InvokeError::NotExported {
                    export: "scheduled",
                });
                Ok(())
            }
        }
    }
}

async fn http(
    accessor: &Accessor<State>,
    proxy: &Proxy,
    request: http::Request<WasiBody>,
    enter: impl FnOnce(&mut State, Option<GuestTaskId>),
    ways: Ways<'_>,
) -> Result<(), wasmtime::Error> {
    let Ways { reply, direct } = ways;
    // A 0.3 response comes as the call's result. A 0.2 response comes out in the middle of the call,
    // which may then hold the store for as long as somebody has to read the body: it must not have
    // to come through here.
    let (result, mut receiver) = oneshot::channel();
    let sender = match proxy {
        Proxy::P2(_) => direct,
        Proxy::P3(_) => result,
    };
    let prepared = accessor.with(|mut access| -> wasmtime::Result<_> {
        let prepared = Prepared::new(access.as_context_mut(), proxy, request, State::http, sender)?;
        let task = match &prepared {
            Prepared::P2 { call, .. } => call.task(),
            Prepared::P3 { call, .. } => call.task(),
        };
        enter(access.data_mut(), Some(task));
        Ok(prepared)
    })?;
    prepared.run(accessor, std::future::pending()).await?;
    // Sent before the call ended, if it was sent at all; nothing is ever waited for.
    match receiver.try_recv() {
        Ok(Some(Ok(response))) => reply.http(response),
        Ok(Some(Err(error))) => match guest_error(&error) {
            Some(error) => reply.error(error),
            None => return Err(error),
        },
        Ok(None) | Err(oneshot::Canceled) => {}
    }
    Ok(())
}

/// A 0.2 handler whose engine knows no tasks. Its response leaves by the direct way; where it makes none,
/// that way closes.
async fn http_alone(
    store: &mut Store<State>,
    proxy: &p2::bindings::Proxy,
    request: http::Request<WasiBody>,
    enter: impl FnOnce(&mut State, Option<GuestTaskId>),
    ways: Ways<'_>,
) -> Result<(), wasmtime::Error> {
    let direct = ways.direct;
    let state = store.data_mut();
    let mut view = state.http();
    let request = view.new_incoming_request(Scheme::Http, request)?;
    let out = view.new_response_outparam_from_callback(move |response| {
        drop(direct.send(response.map_err(Into::into)));
    })?;
    enter(state, None);
    let handler = proxy.wasi_http_incoming_handler();
    handler.call_handle(store, request, out).await
}

async fn scheduled(
    accessor: &Accessor<State>,
    cron: &cron::Cron,
    event: ScheduledEvent,
    enter: impl FnOnce(&mut State, Option<GuestTaskId>),
    ways: Ways<'_>,
) -> Result<(), wasmtime::Error> {
    let event = cron::exports::koyalite::host::scheduled::Event {
        task: event.task,
        scheduled_for: event.scheduled_for,
        attempt: event.attempt,
        task_id: event.task_id,
        missed_count: event.missed_count,
        idempotency_key: event.idempotency_key,
    };
    let handle = cron.koyalite_host_scheduled().func_handle();
    let call = accessor.with(|mut access| -> wasmtime::Result<_> {
        let call = handle.start_call_concurrent(access.as_context_mut(), (event,))?;
        enter(access.data_mut(), Some(call.task()));
        Ok(call)
    })?;
    match handle.finish_call_concurrent(accessor, call).await? {
        (Ok(()),) => ways.reply.done(),
        (Err(message),) => {
            ways.reply.error(InvokeError::ScheduledFailed {
                message: first_line(&message),
            });
        }
    }
    Ok(())
}
