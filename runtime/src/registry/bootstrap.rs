//! The first control token of an installation: given out once, to whoever asks first.
//!
//! One unique row decides, so of several who ask at once one gets it. The token itself is not kept:
//! it is signed with the key ring, and listed like all of them.

use chrono::{DateTime, Utc};

use super::error::Standing;
use super::{Registry, RegistryError, admin_token, operator_tokens};
use crate::keys::{ControlAuthority, Token};

/// Issues the first token.
///
/// # Errors
/// `Conflict` where it was issued before.
pub async fn first_token(
    registry: &Registry,
    authority: &ControlAuthority,
    now: DateTime<Utc>,
) -> Result<Token, RegistryError> {
    // Signed before it is claimed: what can fail leaves the right to ask again.
    let (id, token) = admin_token::issue(registry, authority, now).await?;
    match claim(registry).await {
        Ok(()) => Ok(token),
        Err(refused) => {
            operator_tokens::revoke(registry, id).await?;
            Err(refused)
        }
    }
}

/// Takes the right to issue the first token.
///
/// # Errors
/// `Conflict` where it was taken before.
async fn claim(registry: &Registry) -> Result<(), RegistryError> {
    let claimed = sqlx::query_scalar!(
        "INSERT INTO koyalite.first_token DEFAULT VALUES ON CONFLICT DO NOTHING RETURNING one",
    )
    .fetch_optional(&registry.pool)
    .await?;
    if claimed.is_some() {
        return Ok(());
    }
    let issued = sqlx::query_scalar!("SELECT issued_at FROM koyalite.first_token")
        .fetch_one(&registry.pool)
        .await?;
    let reason = format!(
        "the first token was issued on {}; its owner issues others with `koyalite token operator`. \
         Where it is lost, start the server with `admin_token_file`",
        issued.format("%Y-%m-%d at %H:%M UTC"),
    );
    Err(RegistryError::conflict(Standing::AlreadyExists, reason))
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::registry::tests::TestRegistry;

    #[tokio::test]
    async fn of_several_who_ask_at_once_one_gets_the_first_token() {
        let registry = TestRegistry::new().await;
        let asked = join_all((0..8).map(|_| claim(&registry.registry))).await;
        assert_eq!(asked.iter().filter(|claimed| claimed.is_ok()).count(), 1);
        let again = claim(&registry.registry).await.unwrap_err().to_string();
        assert!(again.contains("koyalite token operator"), "{again}");
    }
}
