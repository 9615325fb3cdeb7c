//! Looking for work that any node may do: a few nodes look as often as each can, more of them take turns.
//!
//! What is due is found as soon, and Postgres is asked no more often for a thousand nodes than for a few.

use std::time::Duration;

use super::Registry;

/// Nodes that look at their own pace. With as many as this, one that has just looked and one that is gone
/// are made up for by the others.
const LOOKING_NODES: u32 = 4;

/// The longest time between two looks of one node. Where there is more to do than those who look can, the
/// others join in within it.
const TURN_MAX: Duration = Duration::from_secs(5);

impl Registry {
    /// How long this node leaves work alone that it would look for at this interval if it were one of a few.
    pub(crate) fn turn(&self, interval: Duration) -> Duration {
        turn(interval, self.live_nodes().get())
    }
}

fn turn(interval: Duration, nodes: u32) -> Duration {
    let stretched = interval.saturating_mul(nodes) / LOOKING_NODES;
    stretched.min(TURN_MAX).max(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_nodes_look_as_they_like_and_many_take_turns() {
        let check = |interval: u64, nodes: u32, expected: u64| {
            let turn = turn(Duration::from_millis(interval), nodes);
            assert_eq!(turn, Duration::from_millis(expected), "{nodes} nodes");
        };
        check(250, 1, 250);
        check(250, 4, 250);
        check(250, 8, 500);
        check(250, 1000, 5000);
        check(250, u32::MAX, 5000);
        check(60_000, 1000, 60_000);
    }
}
