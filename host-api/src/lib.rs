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
pub mod files;
pub mod invocation;
pub mod limits;
pub mod outbox;
pub mod relationship;
pub mod tables;
pub mod usage;
pub mod vectors;

// The search for interference, taken in from the integration tests: here it meets a compiler that leaks.
#[cfg(test)]
extern crate self as koyalite_host_api;
#[cfg(test)]
#[path = "../tests/all/interference/mod.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "written for the integration tests, which say the same of themselves"
)]
mod interference;
#[cfg(test)]
#[path = "../tests/all/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "written for the integration tests, which say the same of themselves"
)]
mod support;

pub use adapter::{Host, HostState, add_with_tasks, add_without_tasks};
pub use error::{ErrorKind, HostError};
pub use invocation::{
    CallBudget, GuestLog, Invocation, LOG_LINE_BYTES_MAX, LogLevel, LogSink, Project,
};
pub use relationship::{Multiplicity, Relationship};
pub use usage::{Usage, Used};
