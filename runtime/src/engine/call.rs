//! What the engine is asked to do: one call of one function, and its answer.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use koyalite_host_api::Invocation;
use wasmtime_wasi_http::WasiBody;

use super::cpu::Tenant;
use super::hooks::Allowed;

/// How instances and requests relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A fresh instance for every call: no byte of one caller's memory is seen by another.
    Request,
    /// One instance serves many calls, several at once. For guests that were shown to keep calls apart.
    Shared,
}

/// What a call may cost. From the version's manifest, within the operator's caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// All memories and tables of the instance together.
    pub memory_bytes: usize,
    /// CPU time: of the call, or of a shared instance from the end of one call to the end of the next.
    pub cpu: Duration,
    /// Until the answer begins.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub silence: Duration,
    /// Until everything is done.
    pub wall: Duration,
    /// Requests that it may send.
    pub outbound_requests: u32,
    /// How long each of them may wait.
    pub outbound: Duration,
}

/// The version of a function that is to run, with what the engine needs of its manifest.
#[derive(Debug)]
pub struct Target {
    /// Names the compiled code.
    pub sha256: String,
    /// Identity of the version: shared instances are per version, not per component, because the
    /// manifest is part of what they run under.
    pub version: uuid::Uuid,
    /// Whose CPU turn it is.
    pub tenant: Tenant,
    /// Fresh or shared instances.
    pub isolation: Isolation,
    /// What it may cost.
    pub limits: CallLimits,
    /// Where it may send.
    pub outbound: Allowed,
}

/// What sets a function off.
pub enum Trigger {
    /// A request.
    Http(http::Request<WasiBody>),
    /// A firing of a cron schedule, through the `scheduled` export.
    Scheduled(ScheduledEvent),
}

/// One firing, as the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// The schedule's name.
    pub task: String,
    /// RFC 3339, UTC.
    pub scheduled_for: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The schedule's id.
    pub task_id: String,
    /// How many earlier firings did not run.
    pub missed_count: u32,
    /// The same for every attempt of the firing.
    pub idempotency_key: String,
}

/// One call.
pub struct Call {
    /// What sets it off.
    pub trigger: Trigger,
    /// Who it acts for.
    pub invocation: Arc<Invocation>,
    /// What is held for as long as anything of it goes on.
    pub place: Place,
}

/// Something that counts for as long as it is held. The engine need not know what it is.
pub type Place = Arc<dyn Any + Send + Sync>;

/// What came of it.
pub enum Answer {
    /// The response; its body may still be streaming out of the instance.
    Http(http::Response<WasiBody>),
    /// A scheduled call that succeeded.
    Done,
}
