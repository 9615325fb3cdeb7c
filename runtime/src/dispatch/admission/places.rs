//! The book of places: who runs, who waits, whose turn it is. No clock, nothing async.
//!
//! Nobody waits who could run: a place is given to whoever may have it as soon as there is one, so a
//! newcomer who finds room overtakes nobody.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{AdmissionLimits, Permit, Whose};

/// Where a place is handed over.
pub(super) type Waiter = oneshot::Sender<Permit>;

pub(super) struct Places {
    limits: AdmissionLimits,
    running: usize,
    waiting: usize,
    tickets: u64,
    projects: HashMap<Uuid, Project>,
    /// Projects with somebody waiting, in turn.
    turn: VecDeque<Uuid>,
}

#[derive(Default)]
struct Project {
    running: usize,
    functions: HashMap<Uuid, Function>,
    /// Functions with somebody waiting, in turn.
    turn: VecDeque<Uuid>,
}

#[derive(Default)]
struct Function {
    running: usize,
    /// As its latest call said.
    at_once: usize,
    line: VecDeque<(u64, Waiter)>,
}

impl Places {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            running: 0,
            waiting: 0,
            tickets: 0,
            projects: HashMap::new(),
            turn: VecDeque::new(),
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&mut self, whose: Whose) -> bool {
        let limits = self.limits;
        let project = self.projects.entry(whose.project).or_default();
        let function = project.functions.entry(whose.function).or_default();
        function.at_once = limits.per_function.min(whose.at_once);
        let room = self.running < limits.per_node
            && project.running < limits.per_project
            && function.running < function.at_once;
        if room {
            self.running += 1;
            project.running += 1;
            function.running += 1;
        }
        room
    }

    /// A ticket of the queue; none where the function's is full.
    pub(super) fn wait(&mut self, whose: Whose, waiter: Waiter) -> Option<u64> {
        let project = self.projects.entry(whose.project).or_default();
        let function = project.functions.entry(whose.function).or_default();
        if function.line.len() >= self.limits.waiting {
            return None;
        }
        self.tickets += 1;
        self.waiting += 1;
        if project.turn.is_empty() {
            self.turn.push_back(whose.project);
        }
        if function.line.is_empty() {
            project.turn.push_back(whose.function);
        }
        function.line.push_back((self.tickets, waiter));
        Some(self.tickets)
    }

    /// A place is free again; the one who is to have it now, counted in already.
    pub(super) fn give_back(&mut self, whose: Whose) -> Option<(Whose, Waiter)> {
        self.running = self.running.saturating_sub(1);
        if let Some(project) = self.projects.get_mut(&whose.project) {
            project.running = project.running.saturating_sub(1);
            if let Some(function) = project.functions.get_mut(&whose.function) {
                function.running = function.running.saturating_sub(1);
            }
        }
        let (whose, waiter) = self.next()?;
        self.waiting = self.waiting.saturating_sub(1);
        self.running += 1;
        Some((whose, waiter))
    }

    /// The next in turn that has room: next project, next function, first come.
    fn next(&mut self) -> Option<(Whose, Waiter)> {
        if self.running >= self.limits.per_node {
            return None;
        }
        for _ in 0..self.turn.len() {
            let id = self.turn.pop_front()?;
            let Some(project) = self.projects.get_mut(&id) else {
                continue;
            };
            let found = project.next(self.limits);
            if !project.turn.is_empty() {
                self.turn.push_back(id);
            }
            if let Some((function, waiter)) = found {
                let whose = Whose {
                    project: id,
                    function,
                    at_once: usize::MAX,
                };
                return Some((whose, waiter));
            }
        }
        None
    }

    /// The one with this ticket does not wait any more. What is returned is to be dropped.
    pub(super) fn leave(&mut self, whose: Whose, ticket: u64) -> Option<Waiter> {
        let project = self.projects.get_mut(&whose.project)?;
        let function = project.functions.get_mut(&whose.function)?;
        let at = function
            .line
            .iter()
            .position(|(known, _)| *known == ticket)?;
        let (_, waiter) = function.line.remove(at)?;
        self.waiting = self.waiting.saturating_sub(1);
        if function.line.is_empty() {
            project.turn.retain(|id| *id != whose.function);
        }
        if project.turn.is_empty() {
            self.turn.retain(|id| *id != whose.project);
        }
        Some(waiter)
    }
}

impl Project {
    fn next(&mut self, limits: AdmissionLimits) -> Option<(Uuid, Waiter)> {
        if self.running >= limits.per_project {
            return None;
        }
        for _ in 0..self.turn.len() {
            let id = self.turn.pop_front()?;
            let Some(function) = self.functions.get_mut(&id) else {
                continue;
            };
            let room = function.running < function.at_once;
            let found = room.then(|| function.line.pop_front()).flatten();
            if !function.line.is_empty() {
                self.turn.push_back(id);
            }
            if let Some((_, waiter)) = found {
                function.running += 1;
                self.running += 1;
                return Some((id, waiter));
            }
        }
        None
    }
}
