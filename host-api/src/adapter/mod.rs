//! Between WIT and the domain: finds the invocation of each host call, translates, and calls the
//! service that both packages share.
//!
//! Invariant: the invocation is looked up **before the first await** of a host function. For a
//! concurrent host function only the first poll runs under the calling guest task; later polls come
//! from the store's event loop, where "the current task" is somebody else's. A call whose root task
//! has no entry is denied.

mod convert;
mod email;
mod files;
mod logged;
mod plain;
mod tables;
mod vectors;
mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::AsContextMut;
use wasmtime::component::{Access, GuestTaskId, HasData, Linker, ResourceTable};

use crate::bindings::{concurrent, sync};
use crate::error::HostError;
use crate::files::OpenUploads;
use crate::invocation::Invocation;

/// What the host keeps per store: which root call belongs to which invocation.
#[derive(Default)]
pub struct HostState {
    invocations: HashMap<GuestTaskId, Arc<Invocation>>,
    /// Open transactions. They are undone with the store, and each knows its invocation.
    transactions: ResourceTable,
    /// Uploads and downloads. They end with the store, and each knows its invocation.
    files: ResourceTable,
    open_uploads: OpenUploads,
}

impl HostState {
    /// Registers the invocation of a root call. Must happen before guest code runs. Replaces the
    /// entry of an earlier call whose id is used again; entries otherwise live as long as the store,
    /// because a guest may go on working after it has answered.
    pub fn enter(&mut self, task: GuestTaskId, invocation: Arc<Invocation>) {
        self.invocations.insert(task, invocation);
    }
}

/// Names `HostState` as the data that the host functions see, and carries their implementations.
#[derive(Clone, Copy, Debug)]
pub struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut HostState;
}

/// Adds both packages to a linker. `get` finds the [`HostState`] in the store's data.
///
/// # Errors
/// Only when a name is defined twice, which is a mistake of the caller's.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut HostState,
) -> wasmtime::Result<()> {
    concurrent::Imports::add_to_linker::<T, Host>(linker, get)?;
    sync::Imports::add_to_linker::<T, Host>(linker, get)?;
    Ok(())
}

/// The invocation on whose behalf the current guest task runs.
///
/// The call stack lists tasks youngest first; the last one is the root export that the host called.
fn current<T: 'static>(access: &mut Access<'_, T, Host>) -> Result<Arc<Invocation>, HostError> {
    let root = access
        .as_context_mut()
        .async_call_stack()
        .ok()
        .and_then(Iterator::last)
        .ok_or_else(HostError::no_identity)?;
    access
        .get()
        .invocations
        .get(&root)
        .cloned()
        .ok_or_else(HostError::no_identity)
}

/// The invocation, with one call taken from its budget. For calls that need a project.
fn charged<T: 'static>(access: &mut Access<'_, T, Host>) -> Result<Arc<Invocation>, HostError> {
    let invocation = current(access)?;
    if invocation.project.is_none() {
        return Err(HostError::no_project());
    }
    invocation.calls.take()?;
    Ok(invocation)
}
