//! The administrator's token in its file: one of those that were given out, so it is listed, taken back
//! and replaced like all of them. A start puts a new one there where the old one is good no longer.
//!
//! Whoever starts a server has its key ring, and could sign a token anyway: nobody is asked who they are.

use std::path::Path;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::operator_tokens::{self, NewOperatorToken};
use super::roles::BuiltInRole;
use super::{Registry, RegistryError};
use crate::keys::{ControlAuthority, FileError, Presented, Right, Token, token_file};

/// Why there is no token to use.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// Others can read the file, or it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list cannot be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Leaves a token in the file that is good for a while yet, else puts a new one in its place.
///
/// # Errors
/// See [`AdminTokenError`].
pub async fn keep(
    registry: &Registry,
    authority: &ControlAuthority,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<(), AdminTokenError> {
    match token_file::read(path) {
        Ok(token) if is_good(registry, authority, &token, now).await? => return Ok(()),
        Err(error) if !error.is_missing() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let (_, token) = issue(registry, authority, now).await?;
    token_file::write(path, &token)?;
    Ok(())
}

/// A token by its signature alone, as earlier releases wrote it, cannot be taken back: it is replaced.
async fn is_good(
    registry: &Registry,
    authority: &ControlAuthority,
    token: &Token,
    now: DateTime<Utc>,
) -> Result<bool, RegistryError> {
    let lasting = authority.verify(token.expose(), now + token_file::RENEWED_BEFORE);
    match lasting.map(|presented| presented.right) {
        Ok(Right::Listed(id)) => {
            let listed = operator_tokens::get(registry, id).await;
            match listed {
                Ok(listed) => Ok(listed.revoked_at.is_none()),
                Err(RegistryError::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        }
        Ok(Right::Signed(_) | Right::Session(_)) | Err(_) => Ok(false),
    }
}

/// A new token of an administrator, and its row in the list.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub(super) async fn issue(
    registry: &Registry,
    authority: &ControlAuthority,
    now: DateTime<Utc>,
) -> Result<(Uuid, Token), RegistryError> {
    let new = NewOperatorToken {
        subject: token_file::SUBJECT.to_owned(),
        role: BuiltInRole::Admin.name().to_owned(),
        created_by: registry.admin(),
        expires_at: now + token_file::LIFETIME,
    };
    let id = operator_tokens::create(registry, &new).await?;
    let presented = Presented {
        subject: new.subject,
        right: Right::Listed(id),
    };
    let token = authority.issue_as(presented, token_file::LIFETIME, now);
    Ok((id, token.map_err(RegistryError::internal)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ControlRole, ControlToken, KeyRing};
    use crate::registry::tests::TestRegistry;

    struct Kept {
        registry: TestRegistry,
        authority: ControlAuthority,
        folder: tempfile::TempDir,
    }

    impl Kept {
        async fn new() -> Kept {
            let registry = TestRegistry::new().await;
            let ring = KeyRing::open(&registry.key_file()).unwrap();
            Kept {
                registry,
                authority: ControlAuthority::new(&ring),
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("token")
        }

        async fn at(&self, now: DateTime<Utc>) -> Token {
            let path = self.path();
            keep(&self.registry, &self.authority, &path, now)
                .await
                .unwrap();
            token_file::read(&path).unwrap()
        }
    }

    #[tokio::test]
    async fn the_token_is_made_once_and_replaced_in_time_or_when_it_was_taken_back() {
        let kept = Kept::new().await;
        let now = Utc::now();
        let made = kept.at(now).await;
        assert_eq!(kept.at(now + token_file::RENEWED_BEFORE).await, made);
        let id = token_file::id(&made).unwrap();
        operator_tokens::revoke(&kept.registry, id).await.unwrap();
        let second = kept.at(now).await;
        assert_ne!(second, made);
        assert_eq!(kept.at(now).await, second);
        let late = now + token_file::LIFETIME - token_file::RENEWED_BEFORE;
        let third = kept.at(late + chrono::TimeDelta::minutes(1)).await;
        assert_ne!(third, second);
    }

    #[tokio::test]
    async fn what_nobody_can_take_back_or_use_is_replaced() {
        let kept = Kept::new().await;
        let now = Utc::now();
        let admin = ControlToken {
            subject: token_file::SUBJECT.to_owned(),
            role: ControlRole::Admin,
        };
        let signed = kept.authority.issue(admin, token_file::LIFETIME, now);
        token_file::write(&kept.path(), &signed.unwrap()).unwrap();
        let listed = kept.at(now).await;
        assert!(token_file::id(&listed).is_some());
        token_file::write(&kept.path(), &Token::new("garbage".to_owned())).unwrap();
        assert_ne!(kept.at(now).await, listed);
        // One that another installation's list has.
        let other = Kept::new().await;
        let foreign = other.at(now).await;
        token_file::write(&kept.path(), &foreign).unwrap();
        assert_ne!(kept.at(now).await, foreign);
    }
}
