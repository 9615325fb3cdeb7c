//! A project's JWT secret: what its users' tokens are signed with (HS256).
//!
//! New ones are text, so that they can be pasted into an identity server; the key is the text's own
//! bytes. Projects made before that have random bytes, which are shown as base64. Replacing one is
//! a change like any other: every node serves it as soon as it has seen the number. The former one
//! is gone with it, and so is every token that it signed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use koyalite_policy::ProjectName;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::condition::Condition;
use super::error::RegistryError;
use super::pool::DbConnection;
use super::secret::{Column, Secret, seal, unseal};
use crate::keys::token::SECRET_BYTES_MIN;

/// Four times the longest that identity servers make; each node holds one per project.
pub const SECRET_BYTES_MAX: usize = 1024;

/// How a secret is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is: the key is the text's bytes.
    Text,
    /// The key is what the base64 stands for.
    Base64,
}

/// A secret from its owner.
///
/// # Errors
/// `Invalid` where it is too short to be safe, too long, or no text that survives being copied.
pub fn chosen(text: String) -> Result<Secret, RegistryError> {
    let wrong = |message: String| Err(RegistryError::invalid("secret", message));
    match text.len() {
        0..SECRET_BYTES_MIN => wrong(format!("write at least {SECRET_BYTES_MIN} bytes of text")),
        SECRET_BYTES_MIN..=SECRET_BYTES_MAX if is_copied_whole(&text) => {
            Ok(Secret::new(text.into_bytes()))
        }
        SECRET_BYTES_MIN..=SECRET_BYTES_MAX => wrong(
            "must be text without line breaks, control characters or space at its ends".to_owned(),
        ),
        _ => wrong(format!("write at most {SECRET_BYTES_MAX} bytes of text")),
    }
}

/// How the secret is shown to those who may see it.
#[must_use]
pub fn written(secret: &Secret) -> (Encoding, String) {
    match std::str::from_utf8(secret.expose()) {
        Ok(text) if is_copied_whole(text) => (Encoding::Text, text.to_owned()),
        Ok(_) | Err(_) => (Encoding::Base64, BASE64_STANDARD.encode(secret.expose())),
    }
}

/// Terminals and forms change the rest, and two keys that look alike are hard to tell apart.
fn is_copied_whole(text: &str) -> bool {
    text.trim() == text && !text.chars().any(char::is_control)
}

/// What a change may be held against, made of the sealed bytes: nothing about a secret, not even a hash of
/// it, belongs in a header. A sealing anew with another key is another state.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct State(String);

impl State {
    fn of(sealed: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(sealed)))
    }
}

/// The secret as it is stored, with its state.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn get(registry: &Registry, project: Uuid) -> Result<(Secret, State), RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    let sealed = sealed_in(&mut conn, project).await?;
    let state = State::of(&sealed);
    let open = || unseal(&registry.ring(), project, Column::JwtSecret, sealed.clone());
    let secret = open().or_else(|_| {
        // Another node has sealed it with a key that this one has not read yet.
        registry.renew_keys();
        open()
    })?;
    Ok((secret, state))
}

async fn sealed_in(conn: &mut DbConnection, project: Uuid) -> Result<Vec<u8>, RegistryError> {
    let sealed = sqlx::query_scalar!(
        "SELECT jwt_secret FROM koyalite.projects WHERE id = $1",
        project
    );
    let found = sealed.fetch_optional(conn).await?;
    found.ok_or_else(|| RegistryError::not_found("project", project))
}

/// Puts another secret in the place of the project's, where that is as the condition says.
///
/// # Errors
/// `NotFound` where there is no such project; `Conflict` where the condition does not hold.
pub async fn replace(
    registry: &Registry,
    project: &ProjectName,
    (condition, secret): (&Condition, &Secret),
) -> Result<State, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let before = sealed_in(change.conn(), locked.id).await?;
    condition.check(&State::of(&before))?;
    let sealed = seal(&registry.ring(), locked.id, Column::JwtSecret, secret)?;
    sqlx::query!(
        "UPDATE koyalite.projects SET jwt_secret = $2, updated_at = now() WHERE id = $1",
        locked.id,
        sealed,
    )
    .execute(change.conn())
    .await?;
    change
        .commit(Deed::new(Action::JwtSecretReplace, project))
        .await?;
    Ok(State::of(&sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(chosen(text.to_owned()).is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn a_chosen_secret_is_long_enough_and_survives_being_copied() {
        let secret = "a".repeat(SECRET_BYTES_MIN);
        check(&secret, true);
        check(&"ä".repeat(SECRET_BYTES_MIN / 2), true);
        check(&secret[1..], false);
        check("", false);
        check(&format!("{secret}\n"), false);
        check(&format!(" {secret}"), false);
        check(&format!("{secret}\0"), false);
        check(&"a".repeat(SECRET_BYTES_MAX), true);
        check(&"a".repeat(SECRET_BYTES_MAX + 1), false);
    }

    #[test]
    fn new_secrets_are_text_and_older_ones_are_shown_as_base64() {
        let (encoding, text) = written(&Secret::random_key());
        assert_eq!((encoding, text.len()), (Encoding::Text, 43));
        assert!(chosen(text).is_ok());
        let raw = Secret::new(vec![0xff; 32]);
        let (encoding, text) = written(&raw);
        assert_eq!(encoding, Encoding::Base64);
        assert_eq!(BASE64_STANDARD.decode(text).unwrap(), raw.expose());
        assert!(!format!("{raw:?}").contains("255"));
    }
}
