//! The gate that shares the cores among busy guests.
//!
//! A call that answers within its first slice never meets the gate. One that has used a slice
//! needs one of `max(1, cores / 2)` permits to be polled again, handed out in turn by project and
//! then by function: however many spinning guests one tenant has, half of the cores stay free for
//! everybody's first slices, and the other half is shared fairly.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use uuid::Uuid;

/// A poll that used this much is a slice. Just under the epoch tick, after which a running guest
/// returns to the host: a guest that was made to return has used a slice.
pub(super) const SLICE: Duration = Duration::from_millis(8);

/// Whose turn a permit is: permits go round by project, and within a project by function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The project.
    pub project: Uuid,
    /// The function.
    pub function: Uuid,
}

/// The permits of one node.
#[derive(Clone, Debug)]
pub struct CpuPermits(Arc<Mutex<Permits>>);

#[derive(Debug, Default)]
struct Permits {
    free: usize,
    /// Those that somebody has, and the free ones.
    all: usize,
    next_ticket: u64,
    /// Projects with somebody waiting, in turn.
    projects: VecDeque<Uuid>,
    waiting: HashMap<Uuid, Project>,
    /// Tickets that were given a permit and have not noticed yet.
    granted: Vec<u64>,
}

#[derive(Debug, Default)]
struct Project {
    functions: VecDeque<Uuid>,
    tickets: HashMap<Uuid, VecDeque<(u64, Waker)>>,
}

impl CpuPermits {
    /// Permits for a machine with this many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let free = (cores / 2).max(1);
        Self(Arc::new(Mutex::new(Permits {
            free,
            all: free,
            ..Permits::default()
        })))
    }

    /// How many somebody has, and how many wait for one.
    #[must_use]
    pub fn taken(&self) -> (usize, usize) {
        let permits = self.lock();
        let tickets = permits
            .waiting
            .values()
            .flat_map(|project| project.tickets.values());
        (
            permits.all.saturating_sub(permits.free),
            tickets.map(VecDeque::len).sum(),
        )
    }

    /// The gate as one tenant sees it.
    #[must_use]
    pub fn gate(&self, tenant: Tenant) -> CpuGate {
        CpuGate {
            permits: self.clone(),
            tenant,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Permits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permits {
    fn enqueue(&mut self, tenant: Tenant, ticket: u64, waker: Waker) {
        let project = self.waiting.entry(tenant.project).or_default();
        if project.functions.is_empty() {
            self.projects.push_back(tenant.project);
        }
        let tickets = project.tickets.entry(tenant.function).or_default();
        if tickets.is_empty() {
            project.functions.push_back(tenant.function);
        }
        tickets.push_back((ticket, waker));
    }

    /// Takes the next in turn out of the queue: next project, next function, oldest ticket.
    fn dequeue(&mut self) -> Option<(u64, Waker)> {
        let id = self.projects.pop_front()?;
        let project = self.waiting.get_mut(&id)?;
        let function = project.functions.pop_front()?;
        let tickets = project.tickets.get_mut(&function)?;
        let next = tickets.pop_front();
        if tickets.is_empty() {
            project.tickets.remove(&function);
        } else {
            project.functions.push_back(function);
        }
        if project.functions.is_empty() {
            self.waiting.remove(&id);
        } else {
            self.projects.push_back(id);
        }
        next
    }

    fn hand_back(&mut self) -> Option<Waker> {
        match self.dequeue() {
            Some((ticket, waker)) => {
                self.granted.push(ticket);
                Some(waker)
            }
            None => {
                self.free += 1;
                None
            }
        }
    }

    /// Whether the ticket was given a permit, which it then has.
    fn collect(&mut self, ticket: u64) -> bool {
        let at = self.granted.iter().position(|granted| *granted == ticket);
        at.is_some_and(|at| {
            self.granted.swap_remove(at);
            true
        })
    }

    /// A call may go on in another task than the one in which it began to wait.
    fn wait_as(&mut self, tenant: Tenant, ticket: u64, waker: &Waker) {
        let project = self.waiting.get_mut(&tenant.project);
        let tickets = project.and_then(|project| project.tickets.get_mut(&tenant.function));
        for (_, known) in tickets
            .into_iter()
            .flatten()
            .filter(|(id, _)| *id == ticket)
        {
            known.clone_from(waker);
        }
    }

    fn forget(&mut self, tenant: Tenant, ticket: u64) {
        let Some(project) = self.waiting.get_mut(&tenant.project) else {
            return;
        };
        let Some(tickets) = project.tickets.get_mut(&tenant.function) else {
            return;
        };
        tickets.retain(|(waiting, _)| *waiting != ticket);
        if tickets.is_empty() {
            project.tickets.remove(&tenant.function);
            project
                .functions
                .retain(|function| *function != tenant.function);
        }
        if project.functions.is_empty() {
            self.waiting.remove(&tenant.project);
            self.projects.retain(|id| *id != tenant.project);
        }
    }
}

/// One tenant's view of the permits.
#[derive(Clone, Debug)]
pub struct CpuGate {
    permits: CpuPermits,
    tenant: Tenant,
}

impl CpuGate {
    /// A turn for one instance: nothing used yet, so the first poll is free.
    #[must_use]
    pub fn turn(&self) -> Turn<'_> {
        Turn {
            gate: self,
            state: TurnState::Free,
        }
    }
}

/// Whether the calls of an instance have used the CPU that each has without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Left,
    Spent,
}

/// Where one instance stands at the gate.
#[derive(Debug)]
pub struct Turn<'a> {
    gate: &'a CpuGate,
    state: TurnState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TurnState {
    /// Has not used a slice; needs no permit.
    Free,
    /// Has used a slice; must take a permit before the next poll.
    Spent,
    Waiting(u64),
    Holding,
}

impl Turn<'_> {
    /// Ready when the instance may be polled.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Only who has used a slice meets the others at the lock.
        match self.state {
            TurnState::Free | TurnState::Holding => Poll::Ready(()),
            TurnState::Spent => self.ask(cx),
            TurnState::Waiting(ticket) => self.look(ticket, cx),
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut permits = self.gate.permits.lock();
        if permits.free > 0 {
            permits.free -= 1;
            self.state = TurnState::Holding;
            return Poll::Ready(());
        }
        permits.next_ticket += 1;
        let ticket = permits.next_ticket;
        permits.enqueue(self.gate.tenant, ticket, cx.waker().clone());
        self.state = TurnState::Waiting(ticket);
        Poll::Pending
    }

    fn look(&mut self, ticket: u64, cx: &Context<'_>) -> Poll<()> {
        let mut permits = self.gate.permits.lock();
        if !permits.collect(ticket) {
            permits.wait_as(self.gate.tenant, ticket, cx.waker());
            return Poll::Pending;
        }
        self.state = TurnState::Holding;
        Poll::Ready(())
    }

    /// After a poll: gives the permit back, and notes whether it needs one again.
    pub(super) fn release(&mut self, share: Share) {
        let waker = match self.state {
            TurnState::Holding => self.gate.permits.lock().hand_back(),
            TurnState::Free | TurnState::Spent | TurnState::Waiting(_) => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.state = match share {
            Share::Spent => TurnState::Spent,
            Share::Left => TurnState::Free,
        };
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let waker = match self.state {
            TurnState::Free | TurnState::Spent => None,
            TurnState::Holding => self.gate.permits.lock().hand_back(),
            TurnState::Waiting(ticket) => {
                let mut permits = self.gate.permits.lock();
                if permits.collect(ticket) {
                    permits.hand_back()
                } else {
                    permits.forget(self.gate.tenant, ticket);
                    None
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
