//! What runs on this node, counted by project, so that one project's crowd leaves room for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The runs of this node.
#[derive(Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Uuid, i64>>>);

/// One run, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    runs: Arc<Mutex<HashMap<Uuid, i64>>>,
    project: Uuid,
}

impl Running {
    /// Counts one more.
    pub(super) fn enter(&self, project: Uuid) -> Place {
        *lock(&self.0).entry(project).or_insert(0) += 1;
        Place {
            runs: Arc::clone(&self.0),
            project,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let sum: i64 = lock(&self.0).values().sum();
        usize::try_from(sum).unwrap_or(usize::MAX)
    }

    /// Projects with runs, and how many each has.
    pub(super) fn per_project(&self) -> (Vec<Uuid>, Vec<i64>) {
        lock(&self.0)
            .iter()
            .map(|(id, count)| (*id, *count))
            .unzip()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut runs = lock(&self.runs);
        if let Some(count) = runs.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                runs.remove(&self.project);
            }
        }
    }
}

/// A number is never half written, so a thread that panicked has left it whole.
fn lock(runs: &Mutex<HashMap<Uuid, i64>>) -> MutexGuard<'_, HashMap<Uuid, i64>> {
    runs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_until_it_is_over() {
        let running = Running::default();
        let project = Uuid::now_v7();
        let (one, two) = (running.enter(project), running.enter(project));
        assert_eq!(running.per_project(), (vec![project], vec![2]));
        drop(one);
        assert_eq!(running.count(), 1);
        drop(two);
        assert_eq!(running.per_project(), (vec![], vec![]));
    }
}
