//! Whether something is still as it was read: a [`Tag`] of each state, and the [`Condition`] under which
//! a change is made. It is judged inside the change, with the row locked.

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::error::{RegistryError, Standing};

/// Bytes of a tag: 96 bits of a hash, so that no two states of one thing will ever agree.
const TAG_BYTES: usize = 12;

/// The state that a document shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of what operators see.
    ///
    /// # Errors
    /// `Internal` where it cannot be written as JSON.
    pub fn of(document: &impl Serialize) -> Result<Self, RegistryError> {
        let text = serde_json::to_vec(document).map_err(RegistryError::internal)?;
        let hash = Sha256::digest(text);
        let short: Vec<u8> = hash.iter().copied().take(TAG_BYTES).collect();
        Ok(Self(hex::encode(short)))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must hold for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// It is in one of these states; texts that are no tag are none of them.
    OneOf(Vec<String>),
}

impl Condition {
    /// Goes on only where it holds for the thing as it is now.
    pub(crate) fn check(&self, document: &impl Serialize) -> Result<(), RegistryError> {
        let wanted = match self {
            Self::Always => return Ok(()),
            Self::OneOf(wanted) => wanted,
        };
        let now = Tag::of(document)?;
        match wanted.contains(&now.0) {
            true => Ok(()),
            false => Err(RegistryError::conflict(
                Standing::ChangedSince,
                "it has changed since it was read; read it again and repeat the change",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_for_the_state_that_it_names_and_no_other() {
        let tag = Tag::of(&"one").unwrap();
        let only = Condition::OneOf(vec!["other".to_owned(), tag.to_string()]);
        assert!(only.check(&"one").is_ok());
        assert!(only.check(&"two").is_err());
        assert!(Condition::Always.check(&"two").is_ok());
    }
}
