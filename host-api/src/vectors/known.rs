//! What a node has learnt of searches: how many rows count for whom, and how hard the graph has to look.
//!
//! It decides how rows are found, never which: whatever is wrong here costs time alone.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::db::run::Statement;
use crate::limits::{EXACT_ROWS, SCANNED_VECTORS};

/// How long a count is believed. Rows come and go; a plan that was right a minute ago is not far off.
const COUNT_TIME: Duration = Duration::from_secs(60);

/// Kinds of searches that a node remembers of one project: a few dozen bytes each.
const KINDS_MAX: usize = 4096;

/// The first searches of a kind are answered by comparing all rows, and the graph is measured against
/// them.
const FIRST_PROBES: u32 = 4;

/// Afterwards, each so many-th is measured too: rows change, and so do those who ask.
const PROBE_EACH: u32 = 256;

/// A kind of search: one index, for one caller's rows, under one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind(u64);

impl Kind {
    /// Of an index and the statement that counts the rows which count.
    pub(crate) fn of(index: Uuid, reach: &Statement) -> Kind {
        let mut hasher = DefaultHasher::new();
        index.hash(&mut hasher);
        reach.text.hash(&mut hasher);
        for bind in &reach.binds {
            bind.value_shown().hash(&mut hasher);
        }
        Kind(hasher.finish())
    }
}

/// How many rows count, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) visible: u64,
    pub(crate) table: u64,
}

impl Reach {
    /// Whether comparing all of them is the better way: few, or a small part of the graph.
    pub(crate) fn is_small(self) -> bool {
        self.visible <= u64::from(EXACT_ROWS)
            || (self.visible <= u64::from(SCANNED_VECTORS) && self.visible < self.table / 5)
    }
}

/// How a search by the graph is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// All rows are compared, and the graph is measured against that.
    Compare,
    /// By the graph, this hard.
    Graph { ef: u32 },
    /// By the graph, which is measured meanwhile.
    GraphAndProbe { ef: u32 },
    /// All rows are compared: the graph does not find them.
    CompareOnly,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    reach: Reach,
    counted: Instant,
    /// How hard the graph has to look; none: it never finds enough.
    ef: Option<u32>,
    searches: u32,
    probes: u32,
}

/// What is known of one project's searches.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<Kind, Entry>>);

impl Known {
    /// The count of a moment ago.
    pub(crate) fn reach(&self, kind: Kind, now: Instant) -> Option<Reach> {
        let known = self.lock();
        let entry = known.get(&kind)?;
        let fresh = now.saturating_duration_since(entry.counted) < COUNT_TIME;
        fresh.then_some(entry.reach)
    }

    /// Remembers a count.
    pub(crate) fn counted(&self, kind: Kind, reach: Reach, now: Instant) {
        let mut known = self.lock();
        if known.len() >= KINDS_MAX && !known.contains_key(&kind) {
            known.clear();
        }
        let entry = known.entry(kind).or_insert(Entry {
            reach,
            counted: now,
            ef: Some(0),
            searches: 0,
            probes: 0,
        });
        entry.reach = reach;
        entry.counted = now;
    }

    /// What the next search of this kind does, where the graph is in question.
    pub(crate) fn course(&self, kind: Kind) -> Course {
        let mut known = self.lock();
        let Some(entry) = known.get_mut(&kind) else {
            return Course::Compare;
        };
        entry.searches = entry.searches.wrapping_add(1);
        match entry.ef {
            _ if entry.probes < FIRST_PROBES => Course::Compare,
            None if entry.searches.is_multiple_of(PROBE_EACH) => Course::Compare,
            None => Course::CompareOnly,
            Some(ef) if entry.searches.is_multiple_of(PROBE_EACH) => Course::GraphAndProbe { ef },
            Some(ef) => Course::Graph { ef },
        }
    }

    /// Remembers how hard the graph had to look for one search; none: it did not find enough.
    pub(crate) fn probed(&self, kind: Kind, ef: Option<u32>) {
        if let Some(entry) = self.lock().get_mut(&kind) {
            entry.probes = entry.probes.saturating_add(1);
            entry.ef = match (entry.ef, ef) {
                (Some(before), Some(now)) => Some(before.max(now)),
                (Some(_) | None, None) => None,
                (None, Some(now)) => Some(now),
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Kind, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
