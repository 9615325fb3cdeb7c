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
pub struct HostState {
    calls: Calls,
    /// Open transactions. They are undone with the store, and each knows its invocation.
    transactions: ResourceTable,
    /// Uploads and downloads. They end with the store, and each knows its invocation.
    files: ResourceTable,
    open_uploads: OpenUploads,
}

/// Whose calls a store works for.
enum Calls {
    /// By the task of the root call.
    OfTasks(HashMap<GuestTaskId, Arc<Invocation>>),
    /// The only one, once it has begun.
    One(Option<Arc<Invocation>>),
}

impl HostState {
    /// For a store in which several calls may be at work, told apart by their tasks.
    #[must_use]
    pub fn for_tasks() -> Self {
        Self::new(Calls::OfTasks(HashMap::new()))
    }

    /// For a store that knows no tasks and works for one call in its life.
    #[must_use]
    pub fn for_one_call() -> Self {
        Self::new(Calls::One(None))
    }

    fn new(calls: Calls) -> Self {
        Self {
            calls,
            transactions: ResourceTable::new(),
            files: ResourceTable::new(),
            open_uploads: OpenUploads::default(),
        }
    }

    /// Registers the invocation of a root call, and its task where there are tasks. Must happen before
    /// guest code runs. Replaces the entry of an earlier call whose id is used again; entries otherwise
    /// live as long as the store, because a guest may go on working after it has answered. What does not
    /// fit the store is not registered, and so denied.
    pub fn enter(&mut self, root: Option<GuestTaskId>, invocation: Arc<Invocation>) {
        match (&mut self.calls, root) {
            (Calls::OfTasks(calls), Some(task)) => drop(calls.insert(task, invocation)),
            (Calls::One(call @ None), None) => *call = Some(invocation),
            (Calls::OfTasks(_) | Calls::One(_), _) => {}
        }
    }
}

/// Names `HostState` as the data that the host functions see, and carries their implementations.
#[derive(Clone, Copy, Debug)]
pub struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut HostState;
}

/// Adds to a linker what needs no tasks: all of `koyalite:host-sync`, and what of `koyalite:host` does
/// not wait. `get` finds the [`HostState`] in the store's data.
///
/// # Errors
/// Only when a name is defined twice, which is a mistake of the caller's.
pub fn add_without_tasks<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut HostState,
) -> wasmtime::Result<()> {
    use concurrent::koyalite::host::{config, identity, log, types};
    types::add_to_linker::<T, Host>(linker, get)?;
    identity::add_to_linker::<T, Host>(linker, get)?;
    log::add_to_linker::<T, Host>(linker, get)?;
    config::add_to_linker::<T, Host>(linker, get)?;
    sync::Imports::add_to_linker::<T, Host>(linker, get)?;
    Ok(())
}

/// Adds the rest, which an engine without tasks does not take.
///
/// # Errors
/// As [`add_without_tasks`].
pub fn add_with_tasks<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut HostState,
) -> wasmtime::Result<()> {
    use concurrent::koyalite::host::{email, files, tables, vectors, webhooks};
    tables::add_to_linker::<T, Host>(linker, get)?;
    vectors::add_to_linker::<T, Host>(linker, get)?;
    webhooks::add_to_linker::<T, Host>(linker, get)?;
    email::add_to_linker::<T, Host>(linker, get)?;
    files::add_to_linker::<T, Host>(linker, get)?;
    Ok(())
}

/// The invocation on whose behalf the current guest task runs.
fn current<T: 'static>(access: &mut Access<'_, T, Host>) -> Result<Arc<Invocation>, HostError> {
    let invocation = match &access.get().calls {
        Calls::One(call) => call.clone(),
        Calls::OfTasks(_) => of_task(access),
    };
    invocation.ok_or_else(HostError::no_identity)
}

/// The call stack lists tasks youngest first; the last one is the root export that the host called.
fn of_task<T: 'static>(access: &mut Access<'_, T, Host>) -> Option<Arc<Invocation>> {
    let root = access.as_context_mut().async_call_stack().ok()?.last()?;
    match &access.get().calls {
        Calls::OfTasks(calls) => calls.get(&root).cloned(),
        Calls::One(_) => None,
    }
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
