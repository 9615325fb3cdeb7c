//! What a function may ask of the host.
//!
//! A host call travels one way: WIT types (`bindings`) become domain types (`tables`), a policy
//! decision turns them into a `Permit`, and only a permit reaches the data layer (`db`). The
//! answer returns by the same door. Nothing here knows of HTTP, of listeners or of the control plane.
//!
//! To add a host API: one file in `wit/host/`, one folder here with plain async functions over
//! `(&Project, &Identity, …)`, its WIT adapter in `adapter/`, one file in `sdk/`, one test, one example.

pub mod adapter;
pub mod bindings;
pub mod db;
pub mod error;
pub mod invocation;
pub mod limits;
pub mod relationship;
pub mod tables;
pub mod usage;

pub use adapter::{Host, HostState, add_to_linker};
pub use error::{ErrorKind, HostError};
pub use invocation::{
    CallBudget, GuestLog, Invocation, LOG_LINE_BYTES_MAX, LogLevel, LogSink, Project,
};
pub use relationship::{Multiplicity, Relationship};
pub use usage::{Usage, Used};
