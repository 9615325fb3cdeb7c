//! Whose CPU time it was. A fresh instance works for one call, which is billed for everything until
//! the instance ends. On a shared one nobody can tell: those that are on it share each slice.

use std::sync::Arc;
use std::time::Duration;

use koyalite_host_api::Usage;

use super::limits::Breach;

/// The calls that a store works for.
#[derive(Debug, Default)]
pub(super) struct Bills(Vec<Bill>);

#[derive(Debug)]
struct Bill {
    id: u64,
    usage: Arc<Usage>,
    memory: Breach,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Ended within the slice that is being measured.
    Ending,
    /// What the guest still does is this call's, as long as no other has begun.
    Ended,
}

impl Bills {
    /// A call begins.
    pub(super) fn open(&mut self, id: u64, usage: Arc<Usage>, memory: Breach) {
        self.0.retain(|bill| bill.state != State::Ended);
        self.0.push(Bill {
            id,
            usage,
            memory,
            state: State::Open,
        });
    }

    /// A call has ended.
    pub(super) fn end(&mut self, id: u64) {
        for bill in self.0.iter_mut().filter(|bill| bill.id == id) {
            bill.state = State::Ending;
        }
    }

    /// The store ran for so long.
    pub(super) fn charge(&mut self, used: Duration) {
        let busy = self.0.iter().filter(|bill| bill.state != State::Ended);
        let busy = u32::try_from(busy.count()).unwrap_or(u32::MAX);
        for bill in &mut self.0 {
            if busy == 0 || bill.state != State::Ended {
                bill.charge(used / busy.max(1));
            }
        }
    }
}

impl Bill {
    fn charge(&mut self, used: Duration) {
        self.usage.ran(used);
        self.usage.has_memory(self.memory.used() as u64);
        if self.state == State::Ending {
            self.state = State::Ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn calls_share_what_the_store_ran_and_the_last_one_pays_for_what_comes_after() {
        let (first, second) = (Arc::new(Usage::default()), Arc::new(Usage::default()));
        let cpu = |usage: &Usage| usage.so_far().cpu;
        let mut bills = Bills::default();
        bills.open(1, Arc::clone(&first), Breach::default());
        bills.charge(4 * MS);
        bills.open(2, Arc::clone(&second), Breach::default());
        bills.charge(4 * MS);
        assert_eq!((cpu(&first), cpu(&second)), (6 * MS, 2 * MS));
        bills.end(1);
        // The slice in which it ended is still its own.
        bills.charge(4 * MS);
        bills.charge(4 * MS);
        assert_eq!((cpu(&first), cpu(&second)), (8 * MS, 8 * MS));
        bills.end(2);
        bills.charge(MS);
        bills.charge(2 * MS);
        // Both had ended; nobody else has begun.
        assert_eq!(cpu(&second), 11 * MS);
    }
}
