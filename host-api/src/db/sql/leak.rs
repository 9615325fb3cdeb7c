//! A compiler that leaks, for one test: that the search for interference finds what is lost here.
//!
//! This module, and each line that calls it, is compiled for the unit tests of this crate and for
//! nothing else. Not even for its integration tests: no program that serves can hold the switch.

use std::cell::Cell;

use koyalite_policy::Residual;

/// Where a condition of a policy is lost on its way into a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leak {
    /// The rows of a select.
    Select,
    /// The rows of a page that follows another.
    Page,
    /// The rows that are counted.
    Count,
    /// The rows that are summed up.
    Aggregate,
    /// Rows within rows.
    Embed,
    /// The rows of a table between two others.
    Through,
    /// The rows that an update finds.
    Update,
    /// The same where its check compares with the row as it was.
    UpdateWithOld,
    /// The rows that a delete finds.
    Delete,
    /// The stored rows of an upsert.
    Conflict,
    /// The rows that are near.
    Near,
    /// The rows that have the words, or are near.
    Words,
}

impl Leak {
    pub(crate) const ALL: [Leak; 12] = [
        Leak::Select,
        Leak::Page,
        Leak::Count,
        Leak::Aggregate,
        Leak::Embed,
        Leak::Through,
        Leak::Update,
        Leak::UpdateWithOld,
        Leak::Delete,
        Leak::Conflict,
        Leak::Near,
        Leak::Words,
    ];
}

thread_local! {
    static LEAK: Cell<Option<Leak>> = const { Cell::new(None) };
}

/// From now on, statements that this thread writes leak here.
pub(crate) fn set(leak: Leak) {
    LEAK.set(Some(leak));
}

pub(super) fn is(leak: Leak) -> bool {
    LEAK.get() == Some(leak)
}

/// The residual, unless it is to be lost here.
pub(super) fn residual(leak: Leak, kept: &Residual) -> &Residual {
    match is(leak) {
        true => &Residual::True,
        false => kept,
    }
}

#[test]
fn what_the_compiler_loses_is_caught() {
    use crate::interference::{PAIRS_TO_A_LEAK, Pair, Pairs, REQUESTS, hunt, runtime};
    use crate::support::random::Run;

    let runtime = runtime();
    let pair = runtime.block_on(Pair::new(None));
    for leak in Leak::ALL {
        set(leak);
        let pairs = Pairs::default();
        let run = Run::repeated(PAIRS_TO_A_LEAK / REQUESTS);
        let caught = hunt(&runtime, &pair, run, &pairs);
        assert!(caught.is_err(), "{leak:?} was not seen: {pairs:?}");
    }
}
