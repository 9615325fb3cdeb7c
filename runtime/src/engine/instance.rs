//! The exports of a component that we call, and how each is called.

use std::pin::{Pin, pin};
use std::task::Poll;

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
use super::trap::first_line;

/// An instance, through the exports that it has.
pub(super) struct Instance {
    pub(super) http: Option<Proxy>,
    pub(super) scheduled: Option<cron::Cron>,
}

impl Instance {
    /// Calls the export that fits the trigger and gives its answer to `reply` as soon as there is
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
        reply: &mut Reply<'_>,
    ) -> Result<(), wasmtime::Error> {
        match (trigger, &self.http, &self.scheduled) {
            (Trigger::Http(request), Some(proxy), _) => {
                http(accessor, proxy, request, enter, reply).await
            }
            (Trigger::Scheduled(event), _, Some(cron)) => {
                scheduled(accessor, cron, event, enter, reply).await
            }
            (Trigger::Http(_), None, _) => {
                reply.error(InvokeError::NotExported {
                    export: "HTTP handler",
                });
                Ok(())
            }
            (Trigger::Scheduled(_), _, None) => {
                reply.error(InvokeError::NotExported {
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
    reply: &mut Reply<'_>,
) -> Result<(), wasmtime::Error> {
    let (sender, mut receiver) = oneshot::channel();
    let prepared = accessor.with(|mut access| -> wasmtime::Result<_> {
        let prepared = Prepared::new(access.as_context_mut(), proxy, request, State::http, sender)?;
        let task = match &prepared {
            Prepared::P2 { call, .. } => call.task(),
            Prepared::P3 { call, .. } => call.task(),
        };
        enter(access, task);
        Ok(prepared)
    })?;
    // A 0.2 guest answers in the middle of its call and goes on, so the call is driven to its end
    // after the answer was passed on.
    let mut running = pin!(prepared.run(accessor, std::future::pending()));
    std::future::poll_fn(|cx| {
        let ended = running.as_mut().poll(cx);
        if reply.is_pending()
            && let Poll::Ready(Ok(response)) = Pin::new(&mut receiver).poll(cx)
        {
            match response {
                Ok(response) => reply.http(response),
                Err(error) => match guest_error(&error) {
                    Some(error) => reply.error(error),
                    None => return Poll::Ready(Err(error)),
                },
            }
        }
        match ended {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(trap)) => Poll::Ready(Err(trap)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    if reply.is_pending() {
        reply.error(InvokeError::NoResponse);
    }
    Ok(())
}

/// An error that the guest chose in place of a response, or its silence. None for a trap.
fn guest_error(error: &wasmtime::Error) -> Option<InvokeError> {
    use wasmtime_wasi_http::{p2, p3};
    if error.is::<wasmtime::Trap>() {
        return None;
    }
    if let Some(code) = error.downcast_ref::<p3::bindings::http::types::ErrorCode>() {
        return Some(InvokeError::GuestError {
            code: format!("{code:?}"),
        });
    }
    if let Some(code) = error.downcast_ref::<p2::bindings::http::types::ErrorCode>() {
        return Some(InvokeError::GuestError {
            code: format!("{code:?}"),
        });
    }
    // The only other error without a trap: wasi:http says so in words, not in a type.
    (error.root_cause().to_string().contains("never invoked")).then_some(InvokeError::NoResponse)
}

async fn scheduled(
    accessor: &Accessor<State>,
    cron: &cron::Cron,
    event: ScheduledEvent,
    enter: impl FnOnce(Access<'_, State>, GuestTaskId),
    reply: &mut Reply<'_>,
) -> Result<(), wasmtime::Error> {
    let event = cron::exports::koyalite::host::scheduled::Event {
        task: event.task,
        scheduled_for: event.scheduled_for,
        attempt: event.attempt,
    };
    let handle = cron.koyalite_host_scheduled().func_handle();
    let call = accessor.with(|mut access| -> wasmtime::Result<_> {
        let call = handle.start_call_concurrent(access.as_context_mut(), (event,))?;
        enter(access, call.task());
        Ok(call)
    })?;
    match handle.finish_call_concurrent(accessor, call).await? {
        (Ok(()),) => reply.done(),
        (Err(message),) => {
            reply.error(InvokeError::ScheduledFailed {
                message: first_line(&message),
            });
        }
    }
    Ok(())
}
