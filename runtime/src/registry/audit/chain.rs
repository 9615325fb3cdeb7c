//! The hashes of a chain. Pure: the sealer writes what these say, and `verify` asks them again.
//!
//! A record's digest is over all of it but its place; a link is over the link before, the place and
//! the digest. So a changed record has another digest, and a moved one another link.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Chain;
use super::beginning::Beginning;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// Before the first record.
pub(super) const START: Hash = [0; 32];

/// Where in a chain, from 1.
pub(super) type Position = i64;

/// A record as it is stored, without its place.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: Uuid,
    pub(super) chain: Chain,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) target_type: String,
    pub(super) target: Option<String>,
    pub(super) at: DateTime<Utc>,
    pub(super) request: Option<Uuid>,
    /// JSON, as it was written.
    pub(super) metadata: String,
}

impl Record {
    pub(super) fn digest(&self) -> Hash {
        let at = self.at.timestamp_micros().to_be_bytes();
        let chain = self.chain.project();
        let parts: [Option<&[u8]>; 9] = [
            Some(self.id.as_bytes()),
            chain.as_ref().map(|id| id.as_bytes().as_slice()),
            Some(self.actor.as_bytes()),
            Some(self.action.as_bytes()),
            Some(self.target_type.as_bytes()),
            self.target.as_deref().map(str::as_bytes),
            Some(&at),
            self.request.as_ref().map(|id| id.as_bytes().as_slice()),
            Some(self.metadata.as_bytes()),
        ];
        let mut hash = Sha256::new();
        hash.update(b"koyalite audit record v1");
        for part in parts {
            // Its length before each part, so that none slides into the next; none is not empty.
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        hash.finalize().into()
    }
}

/// The link of a record that is in this place after that one.
pub(super) fn link(previous: &Hash, position: Position, digest: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"koyalite audit link v1");
    hash.update(previous);
    hash.update(position.to_be_bytes());
    hash.update(digest);
    hash.finalize().into()
}

/// What a checkpoint signs: that this chain led to this hash at this place.
pub(super) fn checkpoint(
    chain: Chain,
    position: Position,
    hash: &Hash,
    sealed_at: DateTime<Utc>,
) -> Vec<u8> {
    let project = chain.project().unwrap_or_default();
    let at = sealed_at.timestamp_micros().to_be_bytes();
    [
        project.as_bytes().as_slice(),
        &position.to_be_bytes(),
        hash,
        &at,
    ]
    .concat()
}

/// What is signed when a chain is cut: that this hash was reached there, and that what is gone was older.
pub(super) fn beginning(chain: Chain, begins: &Beginning) -> Vec<u8> {
    let project = chain.project().unwrap_or_default();
    let micros = |time: DateTime<Utc>| time.timestamp_micros().to_be_bytes();
    [
        project.as_bytes().as_slice(),
        &begins.position.to_be_bytes(),
        &begins.hash,
        &micros(begins.before),
        &micros(begins.trimmed_at),
    ]
    .concat()
}
