//! The exports of a component that we call, and how each is called.

use futures::channel::oneshot;
use koyalite_host_api::bindings::cron;
use wasmtime::AsContextMut as _;
use wasmtime::component::{Access, Accessor, GuestTaskId};
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

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

impl Instance {
    /// Calls the export that fits the trigger and gives its answer to `ways` as soon as there is
    /// one. Returns when the call has ended, which may be long after. `enter` runs once the call's
    /// root task is known and before any guest code, to register on whose behalf that task acts.
    ///
    /// # Errors
    /// A trap: the instance is gone.
    pub(super) async fn call(
        &self,
        accessor: &Accessor<State>,
        trigger: Trigger,
        enter: impl FnOnce(Access<'_, State>, GuestTaskId),
        ways: Ways<'_>,
    ) -> Result<(), wasmtime::Error> {
        match (trigger, &self.http, &self.scheduled) {
            (Trigger::Http(request), Some(proxy), _) => {
                http(accessor, proxy, request, enter, ways).await
            }
            (Trigger::Scheduled(event), _, Some(cron)) => {
                scheduled(accessor, cron, event, enter, ways).await
            }
            (Trigger::Http(_), None, _) => {
                ways.reply.error(InvokeError::NotExported {
                    export: "HTTP handler",
                });
                Ok(())
            }
            (Trigger::Scheduled(_), _, None) => {
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
    enter: impl FnOnce(Access<'_, State>, GuestTaskId),
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
        enter(access, task);
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

async fn scheduled(
    accessor: &Accessor<State>,
    cron: &cron::Cron,
    event: ScheduledEvent,
    enter: impl FnOnce(Access<'_, State>, GuestTaskId),
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
        enter(access, call.task());
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
