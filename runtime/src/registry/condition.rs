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

const CHANGED: &str = "it has changed since it was read; read it again and repeat the change";

const NOTHING: &str = "there is none of this name; leave out If-Match to make it";

/// What must hold for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// There is one, in whatever state.
    Something,
    /// It is in one of these states; texts that are no tag are none of them.
    OneOf(Vec<String>),
}

impl Condition {
    /// Goes on only where it holds for the thing as it is now; `None` is no thing.
    pub(crate) fn check(&self, document: &impl Serialize) -> Result<(), RegistryError> {
        let (holds, reason) = match self {
            Self::Always => return Ok(()),
            Self::Something => (Tag::of(document)? != Tag::of(&())?, NOTHING),
            Self::OneOf(wanted) => (wanted.contains(&Tag::of(document)?.0), CHANGED),
        };
        match holds {
            true => Ok(()),
            false => Err(RegistryError::conflict(Standing::ChangedSince, reason)),
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

    #[test]
    fn nothing_is_in_no_state_and_whoever_wants_one_is_told() {
        let tag = Tag::of(&"one").unwrap().to_string();
        let nothing: Option<&str> = None;
        assert!(Condition::Always.check(&nothing).is_ok());
        assert!(Condition::OneOf(vec![tag.clone()]).check(&nothing).is_err());
        assert!(Condition::Something.check(&nothing).is_err());
        assert!(Condition::Something.check(&Some("one")).is_ok());
        // What is there has the same tag whether or not it could have been missing.
        assert!(Condition::OneOf(vec![tag]).check(&Some("one")).is_ok());
    }
}
