//! A walk along a chain, record by record, that names what is not as it was sealed. Pure.

use std::collections::VecDeque;

use serde::Serialize;
use uuid::Uuid;

use super::beginning::Beginning;
use super::chain::{self, Hash, Position, Record, START};

/// Findings that a report names. Whoever has more has one problem, not a hundred.
const FINDINGS_MAX: usize = 100;

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditFinding)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// What is in this place is not what was sealed there.
    Changed {
        /// The place.
        position: Position,
        /// The record.
        id: Uuid,
    },
    /// A record is not in the place that it was sealed in.
    Moved {
        /// Where it is.
        position: Position,
        /// Where it was sealed.
        sealed_at: Position,
        /// The record.
        id: Uuid,
    },
    /// Records that were sealed are gone.
    Missing {
        /// The first of them.
        from: Position,
        /// The last.
        to: Position,
    },
    /// A second record claims a place.
    Doubled {
        /// The place.
        position: Position,
        /// The record that is too many.
        id: Uuid,
    },
    /// A signed checkpoint says that another record was here: this one, or one before it back to the
    /// checkpoint before, was written anew.
    Rewritten {
        /// After this place.
        after: Position,
        /// Up to this one.
        to: Position,
    },
    /// The signature of a checkpoint, or of where the chain begins, is not one of this installation's
    /// keys'.
    Forged {
        /// The place that it speaks of.
        position: Position,
    },
    /// Records with a place behind the last checkpoint: not the sealer put them there.
    Unsigned {
        /// The first of them.
        from: Position,
        /// The last.
        to: Position,
    },
}

/// A sealed record, as it is stored.
pub(super) struct Sealed {
    pub(super) record: Record,
    pub(super) position: Position,
    pub(super) previous: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// A checkpoint whose signature has been judged.
pub(super) struct Checkpoint {
    pub(super) position: Position,
    pub(super) hash: Vec<u8>,
    pub(super) genuine: bool,
}

/// A record that its own hash does not fit: changed, or moved from another place.
struct Broken {
    position: Position,
    id: Uuid,
    previous: Hash,
    digest: Hash,
    hash: Hash,
}

/// How far the walk has come.
pub(super) struct Walk {
    checkpoints: VecDeque<Checkpoint>,
    position: Position,
    hash: Hash,
    /// Whether the record before was found to be wrong: then the next one need not be linked to it.
    doubted: bool,
    /// The last place that a checkpoint vouches for.
    signed: Position,
    broken: Vec<Broken>,
    findings: Vec<Finding>,
}

impl Walk {
    /// A walk past these checkpoints, in their order, from where the chain begins.
    pub(super) fn new(checkpoints: Vec<Checkpoint>, begins: Option<&Beginning>) -> Self {
        let mut walk = Self {
            checkpoints: checkpoints.into(),
            position: 0,
            hash: START,
            doubted: false,
            signed: 0,
            broken: Vec::new(),
            findings: Vec::new(),
        };
        match begins {
            Some(begins) if begins.genuine => {
                (walk.position, walk.hash) = (begins.position, begins.hash);
                walk.signed = begins.position;
                walk.pass_checkpoint();
            }
            // Then it begins where all chains do, and what was cut off is missing.
            Some(begins) => walk.findings.push(Finding::Forged {
                position: begins.position,
            }),
            None => {}
        }
        walk
    }

    /// The hash that it has come to.
    pub(super) fn reached(&self) -> Hash {
        self.hash
    }

    /// The next record, by position.
    pub(super) fn step(&mut self, sealed: &Sealed) {
        let position = sealed.position;
        if position <= self.position {
            let id = sealed.record.id;
            return self.findings.push(Finding::Doubled { position, id });
        }
        if position > self.position + 1 {
            self.gap(position - 1);
        }
        let digest = sealed.record.digest();
        let (previous, hash) = (hash_of(&sealed.previous), hash_of(&sealed.hash));
        let fits = chain::link(&previous, position, &digest) == hash;
        if !fits {
            self.broken.push(Broken {
                position,
                id: sealed.record.id,
                previous,
                digest,
                hash,
            });
        } else if previous != self.hash && !self.doubted {
            // This one was linked to another record than the one before it.
            self.findings.push(Finding::Rewritten {
                after: self.signed,
                to: self.position,
            });
        }
        self.doubted = !fits;
        (self.position, self.hash) = (position, hash);
        self.pass_checkpoint();
    }

    /// Places up to this one have no record.
    fn gap(&mut self, to: Position) {
        let from = self.position + 1;
        self.findings.push(Finding::Missing { from, to });
        while let Some(checkpoint) = self.next_if(|next| next.position <= to) {
            self.judge(&checkpoint);
        }
        (self.position, self.doubted) = (to, true);
    }

    fn pass_checkpoint(&mut self) {
        let here = self.position;
        while let Some(checkpoint) = self.next_if(|next| next.position <= here) {
            if self.judge(&checkpoint)
                && checkpoint.position == here
                && checkpoint.hash.as_slice() != self.hash.as_slice()
                && !self.doubted
            {
                let (after, to) = (self.signed, here);
                self.findings.push(Finding::Rewritten { after, to });
            }
            self.signed = checkpoint.position;
        }
    }

    fn next_if(&mut self, wanted: impl FnOnce(&Checkpoint) -> bool) -> Option<Checkpoint> {
        match self.checkpoints.front() {
            Some(next) if wanted(next) => self.checkpoints.pop_front(),
            Some(_) | None => None,
        }
    }

    fn judge(&mut self, checkpoint: &Checkpoint) -> bool {
        if !checkpoint.genuine {
            let position = checkpoint.position;
            self.findings.push(Finding::Forged { position });
        }
        checkpoint.genuine
    }

    /// What the walk has found, and whether that is all.
    pub(super) fn end(mut self) -> (Vec<Finding>, bool) {
        // A checkpoint behind the last record vouches for records that are gone.
        let last = self.checkpoints.back().map(|last| last.position);
        if let Some(last) = last.filter(|last| *last > self.position) {
            self.gap(last);
            self.signed = last;
        }
        if self.position > self.signed {
            self.findings.push(Finding::Unsigned {
                from: self.signed + 1,
                to: self.position,
            });
        }
        let broken = self.broken.iter().map(|one| one.finding(&self.broken));
        let mut findings: Vec<Finding> = broken.chain(self.findings).collect();
        let all = findings.len() <= FINDINGS_MAX;
        findings.truncate(FINDINGS_MAX);
        (findings, all)
    }
}

impl Broken {
    /// Moved where its hash fits the place of another broken one, else changed.
    fn finding(&self, others: &[Self]) -> Finding {
        let (position, id) = (self.position, self.id);
        let fits = |place: Position| chain::link(&self.previous, place, &self.digest) == self.hash;
        match others.iter().find(|other| fits(other.position)) {
            Some(other) => Finding::Moved {
                position,
                sealed_at: other.position,
                id,
            },
            None => Finding::Changed { position, id },
        }
    }
}

/// A stored hash; anything of another length is no record's.
fn hash_of(stored: &[u8]) -> Hash {
    stored.try_into().unwrap_or(START)
}
